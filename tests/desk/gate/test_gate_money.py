"""A gate where money is: limits of its own before it logs on, and orders of sessions that show what live asks alone."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests import forked
from tests.core.test_installation import NOBODY
from tests.desk.console.desks import PASSWORD, people_of
from tests.desk.gate.at_plain_venue import Place
from tests.desk.gate.wall import turning
from tests.waiting import until

from tercel.cli import gate as gate_command
from tercel.core.errors import ConfigError, VenueError
from tercel.core.orders import MarketRows
from tercel.desk.gate import process, server
from tercel.desk.gate.config import read_config
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.process import GatedVenue, GateProcess
from tercel.desk.gate.server import Gate
from tercel.desk.trading.journal import kinds
from tercel.venues.wire import RemoteVenue

PRODUCTION = "which counts as production"
SHOWN = {"second": "bob", "password": PASSWORD, "reason": "trade live at gate:x"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A venue that proves nothing, and a gate's folder."""
    with ExitStack() as stack:
        made = Place(tmp_path / "place", stack)
        made.venue.proves = False
        yield made


@pytest.fixture
def gate(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """`tercel gate` before that venue, as another user than the desks'."""
    people_of(place.folder, bob="risk", tom="trader").path.chmod(0o640)
    file = place.folder / "gate.toml"
    file.write_text(file.read_text() + 'people = "people.json"\n')
    monkeypatch.setattr(server, "user_of", lambda link: NOBODY)
    prove = gate_command.second_person_prover(file, "people.json")
    with open_gate(read_config(file), place.folder, "test", prove=prove) as made, turning(made.run):
        yield made


def session(gate: Gate, **shown: str) -> RemoteVenue:
    return RemoteVenue(gate.path, ["ann", "bob"], agree=lambda money: shown)


def ordered(place: Place, venue: RemoteVenue) -> None:
    place.session = venue
    venue.subscribe("XYZ")
    until(lambda: any(isinstance(event, MarketRows) for event in place.step()), what="a market")
    place.order()
    for _ in range(5):
        place.step()


def test_a_gate_with_the_packaged_limits_sends_nothing_where_money_is(place: Place) -> None:
    file = place.folder / "gate.toml"
    file.write_text(file.read_text().replace('limits = "limits.toml"\n', ""))
    asked = pytest.raises(
        ConfigError, match=rf"limits in currency units that a person set; .*{PRODUCTION}"
    )
    with asked, open_gate(read_config(file), place.folder, "test"):
        pytest.fail("it opened")
    assert "A" not in place.venue.kinds(), "no logon"


def test_a_session_that_shows_nothing_cancels_alone(place: Place, gate: Gate) -> None:
    assert PRODUCTION in gate.money
    venue = session(gate)
    assert PRODUCTION in venue.money
    with pytest.raises(VenueError, match="a session that has shown what live asks"):
        ordered(place, venue)
    assert place.venue.orders == {}
    venue.close()
    until(lambda: not gate._clients, what="an end")
    other = session(gate, **SHOWN)
    ordered(place, other)
    until(lambda: place.step() is not None and place.venue.orders, what="an order at the venue")
    [live] = [entry for _, entry in gate.gateway.journal.read(kinds=(kinds.OPERATOR,))]
    assert (live.body["command"], live.body["by"]) == ("live", "bob (password)")
    assert live.body["reason"] == SHOWN["reason"]
    assert PASSWORD not in str(live.body)
    other.close()


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ({"password": "a guess"}, "another password"),
        ({"second": "tom"}, "tom, who is trader"),
        ({"second": "nobody"}, "no user of that name"),
    ],
)
def test_what_a_session_shows_is_looked_at_by_the_gate(
    gate: Gate, shown: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PROOF_WAIT_S", 1e9)
    gate._refused_s = -1e9
    with pytest.raises(VenueError, match=told):
        session(gate, **SHOWN | shown)
    with pytest.raises(VenueError, match="after one that was refused"):
        session(gate, **SHOWN)


def test_the_gates_people_are_those_whom_the_session_cannot_write(
    gate: Gate, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        server, "user_of", lambda link: (place.folder / "people.json").stat().st_uid
    )
    with pytest.raises(VenueError, match="which the user who trades cannot write"):
        session(gate, **SHOWN)
    monkeypatch.setattr(server, "PROOF_WAIT_S", 0.0)  # the next look is at once
    monkeypatch.setattr(server, "user_of", lambda link: NOBODY)
    session(gate, **SHOWN).close()


# -- a gate that a desk starts for itself -----------------------------------------------------------------------------


def own(place: Place, desk: Path, agree: Any, limits: bool = True) -> GateProcess:
    file = place.folder / "limits.toml" if limits else None
    venue = f"fix:{place.folder / 'venue.toml'}"
    return GateProcess(desk, venue, ["ann", "bob"], file, desk / "kill.json", None, agree)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk starts gates that import nothing."""
    monkeypatch.setattr(process, "subprocess", forked)


@pytest.mark.usefixtures("quick")
def test_a_desks_own_gate_waits_for_its_word_before_it_logs_on(
    place: Place, tmp_path: Path
) -> None:
    def refuses(money: str) -> Mapping[str, str]:
        assert PRODUCTION in money
        assert "A" not in place.venue.kinds(), "no logon yet"
        raise ConfigError("evidence", "none", "show it")

    with pytest.raises(ConfigError, match="evidence"):
        own(place, tmp_path / "desk", refuses)
    with pytest.raises(VenueError, match="limits in currency units that a person set"):
        own(place, tmp_path / "desk", lambda money: SHOWN, limits=False)
    assert "A" not in place.venue.kinds()


@pytest.mark.usefixtures("quick")
def test_the_desk_that_started_a_gate_trades_through_it_and_nobody_else(
    place: Place, tmp_path: Path
) -> None:
    with own(place, tmp_path / "desk", lambda money: SHOWN) as gate:
        with pytest.raises(VenueError, match="the desk that started this gate"):
            RemoteVenue(str(gate.listen), ["ann"], agree=lambda money: SHOWN)
        stranger = RemoteVenue(str(gate.listen), ["ann", "bob"])
        with pytest.raises(VenueError, match="a session that has shown what live asks"):
            ordered(place, stranger)
        stranger.close()
        until(lambda: _connected(place, gate), what="an order through the desk's own session")
    assert len(place.venue.orders) == 1


def _connected(place: Place, gate: GateProcess) -> bool:
    try:
        venue = GatedVenue(gate, ["ann", "bob"])
    except (
        VenueError
    ):  # a look that was refused a moment ago, or accounts that are held until it is noticed
        return False
    ordered(place, venue)
    until(lambda: place.step() is not None and place.venue.orders, what="an order at the venue")
    venue.close()
    return True


@pytest.mark.usefixtures("quick")
def test_a_gate_without_a_word_cancels_alone_and_needs_no_limits(
    place: Place, tmp_path: Path
) -> None:
    with own(place, tmp_path / "desk", lambda money: {}, limits=False) as gate:
        venue = GatedVenue(gate, ["ann", "bob"])
        with pytest.raises(VenueError, match="a session that has shown what live asks"):
            ordered(place, venue)
        venue.close()


@pytest.mark.usefixtures("quick")
def test_a_gate_that_starts_again_asks_again(place: Place, tmp_path: Path) -> None:
    place.venue.proves, words = True, list[str]()

    def agree(money: str) -> Mapping[str, str]:
        words.append(money)
        raise ConfigError("evidence", "none", "show it")

    with own(place, tmp_path / "desk", agree) as gate:
        assert words == []
        place.venue.proves = False
        logons = place.venue.kinds().count("A")
        gate._process.kill()
        gate._process.wait()
        with pytest.raises(VenueError, match="evidence"):
            gate.revive()
        assert PRODUCTION in words[0]
        assert place.venue.kinds().count("A") == logons
        place.venue.proves = True
        gate.revive()
        assert place.venue.kinds().count("A") == logons + 1
