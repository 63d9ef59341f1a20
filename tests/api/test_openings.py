"""Something fails half-way through opening: all that was opened is closed, and the journal has nothing but the fact."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_constructors import SMALL
from tests.desk.trading.desk_of_two import exchange_of

import tercel as tc
from tercel.api.desk import dependencies
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.errors import ConfigError, JournalError, TercelError, VenueError
from tercel.desk.engine import assembly, runtime
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.gate import GateConfig, GateTerms, opening
from tercel.desk.gate.server import Gate
from tercel.desk.trading import session_opening
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.risk.cancels import KillCanceller, LatchWatch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper

BEFORE_SESSION = {  # what fails before the session's first entry: a later attempt finds an empty journal
    "kill latch": (runtime, "check_latch"),
    "venue": (SimulatedMarkets, "dependencies"),
    "alerts": (runtime, "AlertSender"),
    "journal folded": (session_opening, "refold"),
}
IN_SESSION = {
    "recovery": (session_opening, "reconcile"),
    "positions": (PositionKeeper, "begin"),
    "limits": (LimitKeeper, "begin"),
    "kills": (KillCanceller, "begin"),
    "earlier parents": (session_opening, "_continue_parents"),
    "a thread": (LatchWatch, "start"),
}
AFTER_SESSION = {
    "loop": (DeskLoop, "__init__"),
    "assumptions": (assembly, "_alert_assumptions"),
    "analyses": (runtime, "TcaRecorder"),
    "first round": (DeskLoop, "begin"),
}
AT_GATE = {
    "recovery": (opening, "reconcile"),
    "socket": (opening, "open_listener"),
    "limits": (LimitKeeper, "begin"),
    "positions": (PositionKeeper, "begin"),
    "group": (opening, "_allow_group"),
    "constructor": (Gate, "__init__"),
}


def open_resources() -> tuple[set[str], set[str]]:
    """Open files and sockets of this process, and its threads."""
    files = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    return {name for name in files if "/fd" not in name}, {
        thread.name for thread in threading.enumerate()
    }


def fail(patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise VenueError("an answer", "none, half-way", "try again")

    patch.setattr(owner, name, refuse)


def leaves_nothing(attempt: Callable[[], object], expected: type[Exception] = VenueError) -> None:
    files, threads = open_resources()
    with pytest.raises(expected):
        attempt()
    open_files, running_threads = open_resources()
    for _ in range(100):  # a thread that an earlier test left running opens its files for a moment
        if open_files <= files:
            break
        open_files &= open_resources()[0]
    assert open_files <= files  # those of earlier tests may be closed meanwhile, as garbage
    assert running_threads <= threads


def journaled(folder: Path) -> list[tuple[str, str]]:
    """Kind and alert code of each entry but for cancels and what they did; the journal can be held again."""
    SqlJournal(folder, "the test").close()
    reader = JournalReader(folder)
    entries = [entry for _, entry in reader.read() if entry.kind != kinds.REPORT_IN]
    reader.close()
    return [
        (entry.kind, entry.body["code"] if entry.kind == kinds.ALERT else "")
        for entry in entries
        if entry.body.get("what") not in ("mass_cancel", "cancel", "status")
    ]


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Opened once: libraries that keep files or threads of their own have them from here on."""
    tc.open_desk(settings=SMALL, folder=tmp_path_factory.mktemp("warm")).close()


@pytest.mark.parametrize("step", [*BEFORE_SESSION, *IN_SESSION, *AFTER_SESSION])
def test_a_desk_that_does_not_open_leaves_nothing_open(
    step: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner, name = (BEFORE_SESSION | IN_SESSION | AFTER_SESSION)[step]
    if step == "recovery":  # without orders before, only what differs is asked about
        monkeypatch.setattr(PositionKeeper, "differences", lambda keeper: {("ann", "AAA"): (0, 1)})
    monkeypatch.setattr(dependencies, "warm_up", lambda *_: None)  # it opens a desk in memory
    with monkeypatch.context() as patch:
        fail(patch, owner, name)
        leaves_nothing(lambda: tc.open_desk(settings=SMALL, folder=tmp_path))
    entries = journaled(tmp_path)
    assert {kind for kind, _ in entries} <= {kinds.SESSION, kinds.LIMITS, kinds.ALERT}
    failures = [code for _, code in entries if code == "not_opened"]
    assert failures == ["not_opened"] * (step not in BEFORE_SESSION)
    assert (entries == []) == (step in BEFORE_SESSION)
    tc.open_desk(settings=SMALL, folder=tmp_path).close()  # without orders, it is opened again


def test_an_opening_that_is_interrupted_is_journaled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dependencies, "warm_up", lambda *_: None)  # it opens a desk in memory
    monkeypatch.setattr(LimitKeeper, "begin", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tc.open_desk(settings=SMALL, folder=tmp_path)
    assert journaled(tmp_path)[-1] == (kinds.ALERT, "not_opened")


def test_a_second_desk_in_a_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    with tc.open_desk(settings=SMALL, folder=tmp_path) as desk:
        leaves_nothing(lambda: tc.open_desk(settings=SMALL, folder=tmp_path), JournalError)
        desk.submit("AAA", "buy", 5, agent="ann", horizon="1min", decisions=4)
        desk.wait("1min")


def test_a_second_desk_leaves_the_place_of_the_journal_as_it_is(tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path}/server/journal.db"
    away = "postgresql://ann:secret@127.0.0.1:1/none"
    first = SMALL | {"desk.journal": elsewhere}
    with tc.open_desk(settings=first, folder=tmp_path / "held"):
        for url in (elsewhere, away):
            second = SMALL | {"desk.journal": url}
            attempt = partial(tc.open_desk, settings=second, folder=tmp_path / "held")
            leaves_nothing(attempt, JournalError)
    file = tmp_path / "held" / "journal.url"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{elsewhere}\n", 0o600)
    assert not (tmp_path / "held" / "journal.db").exists()
    with pytest.raises(JournalError, match="leave out `journal`") as refused:
        tc.open_desk(settings=SMALL | {"desk.journal": away}, folder=tmp_path / "held")
    assert "secret" not in str(refused.value)
    assert file.read_text() == f"{elsewhere}\n"
    tc.open_desk(settings=SMALL, folder=tmp_path / "held").close()  # as the remedy says


@pytest.mark.parametrize(
    "url", ["postgresql://ann@127.0.0.1:1/none", "postgresql://127.0.0.1:port/none", "mysql://ann"]
)
def test_a_journal_that_cannot_be_reached_leaves_a_folder_as_it_was(
    url: str, tmp_path: Path
) -> None:
    unusable = SMALL | {"desk.journal": url}
    for folder in (tmp_path / "new", tmp_path / "ran"):
        if folder.name == "ran":
            tc.open_desk(settings=SMALL, folder=folder).close()
        leaves_nothing(partial(tc.open_desk, settings=unusable, folder=folder), TercelError)
        assert not (folder / "journal.url").exists()
        tc.open_desk(settings=SMALL, folder=folder).close()
    assert len(list(JournalReader(tmp_path / "ran").read(kinds=[kinds.SESSION]))) == 2


def test_a_desk_file_is_written_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tc.open_desk(settings=SMALL, folder=tmp_path).close()
    before = (tmp_path / "desk.toml").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill_disk)
        patch.setattr(Path, "write_text", fill_disk)
        with pytest.raises(OSError, match="full"):
            tc.open_desk(settings=SMALL | {"desk.seed": 9}, folder=tmp_path)
    assert (tmp_path / "desk.toml").read_text() == before
    assert list(tmp_path.glob(".part.*")) == []


def fill_disk(path: Path, data: str | bytes, **_: object) -> None:
    """Half of the data, then an error."""
    with path.open("wb") as file:
        file.write((data.encode() if isinstance(data, str) else data)[: len(data) // 2])
    raise OSError(28, "the disk is full")


def test_a_folder_that_is_a_file_or_an_unknown_market_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    leaves_nothing(lambda: tc.open_desk(settings=SMALL, folder=tmp_path / "file"), JournalError)
    unknown = SMALL | {"instrument": [{"name": "AAA", "market": "none"}]}
    leaves_nothing(lambda: tc.open_desk(settings=unknown, folder=tmp_path / "new"), ConfigError)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("step", AT_GATE)
def test_a_gate_that_does_not_open_leaves_nothing_open(
    step: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = GateConfig(gate=GateTerms(venue="simulated", accounts=("ann",)))
    fail(monkeypatch, *AT_GATE[step])

    def attempt() -> None:
        with opening.open_gate(config, tmp_path, "test", reach=lambda *_: exchange_of()):
            pass

    leaves_nothing(attempt)
    assert not (tmp_path / "gate.sock").exists()
    entries = journaled(tmp_path)
    assert {kind for kind, _ in entries} <= {kinds.SESSION, kinds.LIMITS, kinds.ALERT}
    assert entries[-1] == (kinds.ALERT, "not_opened")
    monkeypatch.undo()
    attempt()
