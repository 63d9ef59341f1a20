"""A gate between an exchange and its sessions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.desk.trading.desk_of_two import WIDE, csco
from tests.waiting import DEADLINE_S, until

from certify.kits.venue import Trader
from exchange.fix.server import FixServer, serve_fix
from tercel.core.orders import NewOrder, ReplaceOrder, VenueEvent
from tercel.core.pace import Pace
from tercel.core.ports import Venue
from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.server import Gate
from tercel.venues.address import TRADER
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.wire import RemoteVenue

ConnectedDesk = Callable[..., Gate]


class RealTime:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        time.sleep(ns / 1e9)


def exchange() -> SimulatedExchange:
    return SimulatedExchange(
        {"X": MarketSpec(csco(), 1)}, latency=EntryLatency("constant", 1_000_000)
    )


@contextmanager
def turning(run: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=run, args=(over.is_set,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def exchange_served(speed: float = 0.0) -> FixServer:
    """An exchange over FIX; orders of whoever leaves stay."""
    return serve_fix(exchange(), 0, [TRADER], pace=Pace(RealTime(), speed) if speed else None)


def given(server: FixServer, account: str = "", open_alone: bool = False) -> set[str]:
    """Names of the orders that reached the exchange ("": of all accounts), as who gave them named them."""
    orders = server.venue._orders  # type: ignore[attr-defined]
    if open_alone:
        names = [order.new.cl_ord_id for order in orders.open_of(account)]
    else:
        orders.record.flush()
        asked = "SELECT name FROM name WHERE serial > 0 AND ? IN (account, '')"
        names = [name for (name,) in orders.record._rows.execute(asked, (account,))]
    return {name.removeprefix(f"{TRADER}/") for name in names}


def section(server: FixServer, folder: Path, **changes: object) -> GateConfig:
    folder.mkdir(exist_ok=True)
    (folder / "limits.toml").write_text(WIDE)
    fields: dict[str, object] = {
        "venue": f"fix://127.0.0.1:{server.port}",
        "accounts": ("ann", "bob"),
    }
    patient: dict[str, object] = {"link_s": 30, "silence_s": 60.0}
    return GateConfig(gate=GateTerms(**{**fields, **patient, "limits": "limits.toml", **changes}))  # type: ignore[arg-type]


@pytest.fixture
def gate_of(tmp_path: Path) -> Iterator[ConnectedDesk]:
    """Opens a gate in a thread, before an exchange."""
    with ExitStack() as stack:

        def serve(server: FixServer, **changes: object) -> Gate:
            gate = stack.enter_context(
                open_gate(section(server, tmp_path / "gate", **changes), tmp_path / "gate", "test")
            )
            stack.enter_context(turning(gate.run))
            return gate

        yield serve


@contextmanager
def simulated_gate(folder: Path, *accounts: str) -> Iterator[Gate]:
    """A gate in a thread, to an exchange in its process."""
    folder.mkdir()
    (folder / "limits.toml").write_text(WIDE)
    terms = GateTerms(venue="simulated", accounts=accounts, limits="limits.toml", silence_s=60.0)
    made = open_gate(GateConfig(gate=terms), folder, "test", reach=lambda *_: exchange())
    with made as gate, turning(gate.run):
        yield gate


class Announcing(RemoteVenue):
    """A session that tells the gate of a parent as large as it likes, for each side."""

    def send(self, command: object) -> None:  # type: ignore[override]
        if isinstance(command, NewOrder | ReplaceOrder):
            parent = f"{command.account}{command.side}{command.instrument}"
            command = replace(command, parent=parent)
            if (
                isinstance(command, NewOrder)
                and command.instrument == "X"
                and command.side in (1, -1)
            ):
                self.announce(parent, command.instrument, command.account, command.side, 100_000)
        super().send(command)  # type: ignore[arg-type]


@contextmanager
def at_gate(
    gate_of: ConnectedDesk, speed: float = 0.0, **changes: object
) -> Iterator[tuple[FixServer, Gate, Announcing, Trader]]:
    """An exchange, a gate before it, a session of ann's there, and what trades through it."""
    with exchange_served(speed) as server:
        gate = gate_of(server, **changes)
        venue = session_at(gate)
        yield server, gate, venue, Trader(venue, "ann")


def session_at(gate: Gate, accounts: tuple[str, ...] = ("ann",)) -> Announcing:
    return Announcing(gate.path, accounts)


def heard_until(
    venue: Venue, holds: Callable[[list[VenueEvent]], object], step_ns: int = 10_000_000
) -> list[VenueEvent]:
    """Step until something of what was heard holds."""
    heard: list[VenueEvent] = []

    def turn() -> object:
        heard.extend(venue.step(venue.now_ns + 10_000_000))
        return holds(heard)

    until(turn, what="what the venue reports")
    return heard
