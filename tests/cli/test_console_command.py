"""`tercel console`, `kill`, `rearm` at the command line; the console beside desks that come, go, and grow."""

import json
import os
import pwd
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tercel.api.desk.day_folders import HELD
from tercel.core.ports import Entry
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.follow import JournalFollower
from tercel.desk.console.report_base import LatchPart
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import holder
from tercel.desk.trading.journal.store import SqlJournal

S = 1_000_000_000


def beat(ns: int, **more: Any) -> Entry:
    return Entry(kinds.HEARTBEAT, ns, body={"positions": {}, "open": 0, "unknown": 0, **more})


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A desk folder whose journal nobody holds."""
    SqlJournal(tmp_path / "desk", "test").close()
    return tmp_path / "desk"


# -- refusals -------------------------------------------------------------------------------------------------------


def test_options_may_stand_before_and_after_the_desks(desk: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = ("--port", taken.getsockname()[1])
        for words in ((desk, *port), (*port, desk), ("--desk", desk, *port)):
            refused(tercel("console", *words), "a free port", "choose another")
    refused(tercel("console", desk, tmp_path / "none", "--port", 0), "journal.db", "none")


@pytest.mark.parametrize(
    "command", [("console",), ("kill", "--reason", "x"), ("rearm", "--reason", "x")]
)
def test_without_a_desk_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERCEL_DESK", raising=False)
    refused(tercel(*command), "a desk", "none under desks/")
    refused(tercel(*command, "--desk", tmp_path / "none"), "journal.db", "none")


def test_a_short_password_is_refused(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCEL_CONSOLE_PASSWORD", "short")
    refused(
        tercel("console", "--desk", desk, "--port", 0, "--people", desk / "people.json"),
        "a password of 8 to 1,024 characters",
    )


# -- the kill switch ------------------------------------------------------------------------------------------------


def test_a_kill_of_nobody_is_said(desk: Path) -> None:
    with closing(SqlJournal(desk, "test")) as journal:
        journal.append(
            [Entry(kinds.AGENT_ASSIGNMENT, 0, agent=name, body={}) for name in ("peg", "ppo")]
        )
    words = ("kill", "--desk", desk, "--reason", "x", "--agent")
    refused(
        tercel(*words, "pegg"),
        "agents of the desk: peg, ppo",
        "pegg; nothing was killed",
        "try 'peg', or --all",
    )
    assert not (desk / "kill.json").exists()
    refused(tercel(*words, "pegg", "--agent", "ppo"), "pegg; killed: ppo")
    assert json.loads((desk / "kill.json").read_text())["killed"] == {"ppo": "x"}
    assert tercel(*words, "peg").exit_code == 0


def test_an_agent_of_an_earlier_session_is_killed_while_its_desk_runs(desk: Path) -> None:
    (desk / "desk.toml").write_text('[[agent]]\nname = "ppo"\n')
    with closing(SqlJournal(desk, "test")) as journal:
        journal.append([Entry(kinds.AGENT_ASSIGNMENT, 0, agent="peg", body={})])
        killed = done("kill", "--desk", desk, "--reason", "x", "--agent", "peg")["killed"]
    assert killed == {"peg": "x"}


def test_kill_and_rearm_say_what_is_killed(desk: Path) -> None:
    def killed(*words: str) -> Any:
        return done(*words, "--desk", desk)["killed"]

    for words in ((), ("--reason", " ")):
        assert killed("kill", *words) == {"*": "no reason given"}
    assert killed("rearm", "--reason", "once more") == {}
    both = ("--agent", "ppo", "--agent", "peg", "--reason", "two of them")
    assert killed("kill", *both) == {"ppo": "two of them", "peg": "two of them"}
    assert FolderDesk(desk, time.time_ns).read_latch() is not None
    assert killed("rearm", "--agent", "ppo", "--reason", "one is well") == {"peg": "two of them"}
    everybody = {"peg": "two of them", "*": "everything"}
    assert killed("kill", "--all", "--reason", "everything") == everybody
    refused(tercel("rearm", "--agent", "peg", "--reason", "no", "--desk", desk), "re-arm all")
    assert killed("rearm", "--reason", "all is well") == {}
    assert FolderDesk(desk, time.time_ns).read_latch() is None
    wrong = ("kill", "--all", "--agent", "x", "--reason", "y", "--desk", desk)
    refused(tercel(*wrong), "--all or --agent")


def test_what_nobody_runs_is_said_to_have_ended_and_who_is_armed_again(desk: Path) -> None:
    (desk / "desk.toml").write_text('[desk]\nvenue = "fix://venue.example:9"\n')
    ended = (
        "where nothing runs: the desk has ended, and its next session begins killed; `tercel rearm"
    )

    def said(*words: str) -> str:
        return " ".join(tercel(*words, "--desk", desk).stderr.split())

    assert f"killed: ppo of {desk}, {ended}" in said("kill", "--agent", "ppo", "--reason", "odd")
    assert f"killed: every agent of {desk}, {ended}" in said("kill", "--all", "--reason", "odder")
    found = json.loads(tercel("trade", "day", desk, "--json").stdout)["desks"][0]
    acts = [(act["what"], act["agents"], act["why"]) for act in found["people"]]
    assert acts == [(HELD, ["ppo"], "odd"), (HELD, ["every agent"], "odder")]
    assert f"every agent {HELD} odder" in found["needs"]
    assert f"armed again: every agent of {desk}" in said("rearm", "--reason", "right")
    assert json.loads(tercel("trade", "day", desk, "--json").stdout)["desks"][0]["people"] == []
    said("kill", "--agent", "peg", "--reason", "again")
    assert f"armed again: peg of {desk}" in said("rearm", "--reason", "right")
    assert f"nothing was killed at {desk}" in said("rearm", "--reason", "once more")
    for at in ("", 'venue = "simulated"\n', 'stage = "shadow"\nvenue = "binance"\n'):
        (desk / "desk.toml").write_text(f"[desk]\n{at}")
        assert "the desk has ended; `tercel rearm" in said(
            "kill", "--all", "--reason", "no session follows"
        ), at
    with closing(SqlJournal(desk, "test")):
        assert "the desk has ended" not in said("kill", "--all", "--reason", "it runs")


@pytest.mark.parametrize("damaged", [True, False])
def test_a_kill_needs_no_journal(desk: Path, damaged: bool) -> None:
    """Neither one that can be written, nor any."""
    (desk / "journal.db").unlink()
    if damaged:
        (desk / "journal.db").write_bytes(b"this is no database, whatever its name says" * 100)
    result = tercel("kill", "--all", "--reason", "the disk is odd", "--desk", desk)
    assert result.exit_code == 0, result.output
    assert "the journal does not know of it yet" in result.stderr or not damaged
    assert FolderDesk(desk, time.time_ns).read_latch() == LatchPart(
        scope="all", by=pwd.getpwuid(os.getuid()).pw_name, reason="the disk is odd"
    )


def test_a_console_starts_without_what_only_some_screens_need() -> None:
    """Compiled kernels and tables take longer to load than a day's journal takes to read."""
    line = "import sys, tercel.api.console.web; print({'numba', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# -- journals that come, go and grow --------------------------------------------------------------------------------


def test_who_holds_a_desk_is_told_without_touching_its_lock(desk: Path) -> None:
    if holder(desk) is None:
        pytest.skip("this system does not tell who holds a lock")
    assert holder(desk) == ""
    journal = SqlJournal(desk, "ann")
    assert holder(desk) == f"process {os.getpid()} (ann)"
    journal.close()
    assert holder(desk) == ""
    assert holder(desk.parent) == ""


def follower_of(desk: Path) -> JournalFollower:
    """A follower of a desk, as far as its journal is."""
    found = JournalFollower(FolderDesk(desk, time.time_ns), time.monotonic)
    found.catch_up()
    return found


def test_a_journal_that_is_cut_while_it_is_read_is_said_and_read_anew(desk: Path) -> None:
    file = desk / "journal.db"
    with closing(SqlJournal(desk, "ann")) as journal:
        journal.append([beat(number * S) for number in range(1, 7001)])
    whole = file.read_bytes()
    follower = JournalFollower(FolderDesk(desk, time.time_ns), time.monotonic)
    follower.catch_up(within_s=0.0)
    seen = follower.report().seq
    assert 0 < seen < 7000
    os.truncate(file, len(whole) // 2)
    follower.catch_up()
    assert "journal" in follower.report().fault
    assert follower.report().seq >= seen
    file.write_bytes(whole)
    follower.catch_up()
    assert (follower.report().seq, follower.report().fault) == (7000, "")


def test_a_desk_that_ends_while_the_page_is_open_is_shown_as_ended(desk: Path) -> None:
    if holder(desk) is None:
        pytest.skip("this system does not tell who holds a lock")
    with closing(SqlJournal(desk, "ann")) as journal:
        journal.append([beat(S)])
        follower = follower_of(desk)
        turn, text = follower.changes_since()
        assert json.loads(text)["running"] == f"process {os.getpid()} (ann)"
    follower.catch_up()
    follower._text_s = 0.0
    follower.write()
    changed = json.loads(follower.changes_since(turn)[1])
    assert changed["running"] == ""
    assert "fault" not in changed


def test_a_journal_that_vanishes_is_said_and_found_again(desk: Path) -> None:
    with closing(SqlJournal(desk, "ann")) as journal:
        journal.append([beat(S)])
    follower = follower_of(desk)
    moved = list(desk.glob("journal.db*"))
    (desk / "aside").mkdir()
    for path in moved:
        path.rename(desk / "aside" / path.name)
    follower.catch_up()
    assert "journal" in follower.report().fault
    assert follower.report().seq == 1  # what was seen stays, marked as old
    for path in moved:
        (desk / "aside" / path.name).rename(path)
    with closing(SqlJournal(desk, "ann")) as journal:
        journal.append([beat(2 * S)])
        follower.catch_up()
        assert (follower.report().seq, follower.report().fault) == (2, "")
