"""A desk's own gate: what its process says on its pipe, and what the desk makes of it."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests import forked
from tests.desk.gate.at_plain_venue import Place

from tercel.core.errors import VenueError
from tercel.desk.gate import process
from tercel.desk.gate.process import FOLDER, LOG, GateProcess
from tercel.desk.limits import from_json, read, with_changes
from tercel.desk.limits.change import as_json
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.venues.wire import RemoteVenue

ELSEWHERE = ("numba", "tercel.market", "tercel.lab", "tercel.execution", "tercel.signals")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk starts gates that import nothing."""
    monkeypatch.setattr(process, "subprocess", forked)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path / "place", stack)


def own_gate(place: Place, desk: Path) -> GateProcess:
    venue = f"fix:{place.folder / 'venue.toml'}"
    return GateProcess(
        desk, venue, ["ann", "bob"], place.folder / "limits.toml", desk / "kill.json"
    )


def said_by(file: Path) -> tuple[list[dict[str, object]], int]:
    """Every line of a gate whose parent is gone at once, and its exit code."""
    words = [sys.executable, "-m", "tercel.desk.gate", str(file)]
    done = forked.run(words)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def test_it_says_where_it_listens_and_last_what_is_open(place: Place) -> None:
    said, code = said_by(place.folder / "gate.toml")
    assert said == [{"listen": str(place.folder / "gate.sock")}, {"open": []}]
    assert code == 0


@pytest.mark.usefixtures("quick")
def test_the_desk_meets_the_three_parts_of_its_gates_error(place: Place, tmp_path: Path) -> None:
    (place.folder / "limits.toml").write_text("[desk]\nlots = 1\n")
    [said], code = said_by(place.folder / "gate.toml")
    told = said["error"]
    assert isinstance(told, dict)
    assert (code, told["kind"], len(told)) == (2, "LimitsError", 4)
    with pytest.raises(VenueError) as found:
        own_gate(place, tmp_path / "desk")
    log = tmp_path / "desk" / FOLDER / LOG
    assert (found.value.expected, found.value.remedy) == (told["expected"], told["remedy"])
    assert found.value.received == f"{told['received']} (the gate, {log})"
    assert str(told["received"]) in log.read_text(), "people find it in the log too"


def test_a_gate_that_dies_without_a_word_is_no_gate(
    place: Place, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    with pytest.raises(VenueError, match="a gate that opens"):
        own_gate(place, tmp_path / "desk")


@pytest.mark.usefixtures("quick")
def test_the_desk_tells_what_its_gate_leaves_open(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = own_gate(place, tmp_path / "desk")
    with caplog.at_level(logging.CRITICAL, "tercel.alerts"):
        place.trade_through(RemoteVenue(str(gate.listen), ("ann", "bob")))
        place.rest(3)
        place.venue.mute = {"F", "H"}
        gate.close()
        gate.close()
    [record] = caplog.records
    assert record.getMessage() == "GATE 3 orders are NOT known to be over: p1.1, p2.1, p3.1"


def test_it_loads_no_market_no_lab_and_no_compiler(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with own_gate(place, tmp_path / "desk") as gate:
        place.trade_through(RemoteVenue(str(gate.listen), ("ann", "bob")))
        place.rest(1)
    lines = (tmp_path / "desk" / FOLDER / LOG).read_text().splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert {"tercel.desk.gate.server", "tercel.fix.client"} <= loaded
    assert not {name for name in loaded if name.startswith(ELSEWHERE)}


def test_no_adapter_of_a_venue_loads_them_either() -> None:
    adapters = "gate.drop_copy, desk.gate.watchdog, fix.client, venues.binance_venue.venue, venues.ccxt_venue.venue"
    code = f"import sys, tercel.desk.{adapters.replace(', ', ', tercel.')}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert "tercel.venues.ccxt_venue.venue" in loaded.split()
    assert not {name for name in loaded.split() if name.startswith(ELSEWHERE)}


def test_a_cut_line_says_nothing() -> None:
    assert (
        process._parse_line(b'{"listen": "/a')
        == process._parse_line(b"[1]")
        == process._parse_line(b"")
        == {}
    )


@pytest.mark.usefixtures("quick")
def test_single_limits_of_the_desks_file_hold_at_its_gate_too(place: Place, tmp_path: Path) -> None:
    venue, latch = f"fix:{place.folder / 'venue.toml'}", tmp_path / "kill.json"
    changes = {"agents.*.order_lots": 3, "desk.messages": 7}
    GateProcess(tmp_path, venue, ["ann"], place.folder / "limits.toml", latch, changes).close()
    with closing(JournalReader(tmp_path / FOLDER)) as journal:
        *_, (_, entry) = journal.read(kinds=(kinds.LIMITS,))
    in_force = from_json(entry.body["limits"])
    given = with_changes(
        read(place.folder / "limits.toml"), {name: str(one) for name, one in changes.items()}
    )
    assert as_json(in_force) == as_json(given)
    assert (in_force.agents["*"].order_lots, in_force.desk.messages) == (3, 7)
