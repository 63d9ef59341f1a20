"""`tercel venue serve`: says where it is, refuses in words, ends cleanly."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import DEADLINE_S
from typer.testing import CliRunner

from tercel.cli.root import app
from tercel.core.errors import VenueError
from tercel.core.link.connection import WaitLimits
from tercel.core.orders import MarketRows
from tercel.fix.opening import open_fix_venue
from tercel.fix.profiles import load

COMMAND = [sys.executable, "-m", "tercel", "venue", "serve"]


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["venue", "serve", *arguments])
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.long
def test_it_serves_until_it_is_told_to_end() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--dealers", "equity", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    try:
        assert said["stepped"]
        venue = open_fix_venue(said["host"], said["port"], "TRADER")
        assert venue.capabilities.quotes is not None
        venue.subscribe(said["instruments"][0])
        events = venue.step(venue.now_ns + 10**10)
        assert isinstance(events[0], MarketRows)
        assert events[0].snapshot
        assert "another port" in refused("--port", str(said["port"]))
        venue.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 130


@pytest.mark.long
def test_who_does_not_know_the_word_is_not_let_in(tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text("swordfish\n")
    word.chmod(0o600)
    profile = tmp_path / "desk.toml"
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--password-file", str(word), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    try:
        with pytest.raises(VenueError, match="password"):
            open_fix_venue(said["host"], said["port"], "TRADER", patience=WaitLimits(logon_s=20.0))
        names = f'sender = "TRADER"\ntarget = "TERCEL"\nhost = "{said["host"]}"\nport = {said["port"]}\n'
        profile.write_text(
            f'base = "tercel"\n[session]\n{names}[logon]\npassword = {{ file = "word" }}\n'
        )
        with open_fix_venue(profile=load(str(profile))) as venue:
            assert venue.listings()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)
    word.chmod(0o644)
    assert "chmod 600" in refused("--port", "0", "--password-file", str(word))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--market", "nope"], "csco-santa-fe"),
        (["--symbol", "X"], "--tape"),
        (["--login", "a b"], "CompID"),
        (["--dealers", "nobody"], "gbpusd"),
        (["--dealers", "equity", "--store", "x"], "without --store"),
        (["--market", "csco-santa-fe", "--tape", "lake"], "either"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str, tmp_path: Path) -> None:
    assert words in refused(*arguments)
