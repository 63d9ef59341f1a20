"""Who plays in the fault matrix, each a process: the market, its FIX front, the gate, the desk.

The market outlives all others. It writes down what reached it and what came of it, by a clock that all share.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from certify.faults import crashpoints
from certify.faults.market import MarketServer
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, ListenerSettings
from tercel.cli.interrupts import BoundedClock
from tercel.core import (
    NS_PER_SECOND as SECOND,
    CancelOrder,
    Command,
    MonotonicClock,
    NewOrder,
    Pace,
    ReplaceOrder,
    Report,
    Venue,
    VenueError,
    VenueEvent,
    write_atomic,
)
from tercel.desk.gate import open_gate as opened, read_config, run_watchdog
from tercel.desk.gate.opening import forbid_tracing, serve
from tercel.desk.limits import LimitGate, read
from tercel.desk.trading import (
    KillLatch,
    Ledger,
    ParentRequest,
    ParentStatus,
    SessionTerms,
    StateReason,
    open_session,
)
from tercel.desk.trading.journal import SqlJournal
from tercel.desk.trading.risk.kill_switch import LATCH
from tercel.execution.strategies import build
from tercel.market.simulator import Source
from tercel.venues import connect, mark_of
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.wire import RemoteVenue
from tercel.venues.wire.server import open_listener

INSTRUMENTS: Final = ("X", "Y")
AGENTS: Final = ("ann", "bob", "cat", "dan")
STRATEGIES: Final = ("twap_passive", "random", "twap_passive", "twap_take")
DESK: Final = "DESK"
RISK: Final = "RISK"
SPEED: Final = 4.0
LATENCY_NS: Final = 20_000_000
LOTS: Final = 240
HORIZON_S: Final = 60
SLICES: Final = 30
PATIENCE_S: Final = 60.0
OVER: Final = "over"
LIVE: Final = "live.json"
TRUTH: Final = "truth.json"
LOG: Final = "market.jsonl"
Wall = Callable[[], int]


LIMITS: Final = """
[desk]
order_lots = 500
order_value = 5_000_000
gross_value = 500_000_000
messages = 20000
window_ms = 1000
daily_loss = 500_000_000
duplicate_ms = 0

[instruments."*"]
order_lots = 500
order_value = 5_000_000
gross_value = 500_000_000
long_lots = 200_000
short_lots = 200_000
messages = 10000
window_ms = 1000
daily_loss = 500_000_000
collar_bps = 500
reference_age_ms = 60_000
hours = "always"

[agents."*"]
order_lots = 500
order_value = 5_000_000
gross_value = 500_000_000
long_lots = 200_000
short_lots = 200_000
messages = 5000
window_ms = 1000
daily_loss = 500_000_000
"""


@dataclass(frozen=True)
class Place:
    """Where the actors of a run meet.

    Parameters
    ----------
    folder : Path
    front, link : int
        Ports of the FIX front, and of the link that fails before it.
    watchdog : bool
        The venue does not cancel on disconnect: a watchdog does.
    seed : int
    """

    folder: Path
    front: int
    link: int
    watchdog: bool
    seed: int

    @property
    def market(self) -> str:
        """Socket file of the market."""
        return str(self.folder / "market")

    @property
    def gate(self) -> Path:
        """Folder of the gate."""
        return self.folder / "gate"

    @property
    def desk(self) -> Path:
        """Folder of the desk."""
        return self.folder / "desk"

    def prepare(self) -> None:
        """Write the files of the gate."""
        for folder in (self.gate, self.desk):
            folder.mkdir(parents=True, exist_ok=True)
        cancels = "N" if self.watchdog else "Y"
        profile = f'base = "tercel"\n[session]\ncancel_on_disconnect = {{ 20022 = "{cancels}" }}\n'
        (self.gate / "venue.toml").write_text(profile)
        (self.gate / "limits.toml").write_text(LIMITS)
        lines = [
            *("[gate]", f'venue = "fix://{DESK}@127.0.0.1:{self.link}?profile=venue.toml"'),
            *(f"accounts = {json.dumps(AGENTS)}", 'limits = "limits.toml"'),
            *(
                f"latch = {json.dumps(str(self.desk / LATCH))}",
                "silence_s = 3.0",
                "heartbeat_s = 20.0",
            ),
        ]
        if self.watchdog:
            watchdog_profile = (
                f'base = "tercel"\n[session]\nhost = "127.0.0.1"\nport = {self.front}\n'
            )
            (self.gate / "watchdog.toml").write_text(watchdog_profile)
            lines += ["[gate.watchdog]", f'comp_id = "{RISK}"', 'profile = "watchdog.toml"']
        (self.gate / "gate.toml").write_text("\n".join(lines) + "\n")


# -- the market -------------------------------------------------------------------------------------------------------


class Witness(SimulatedExchange):
    """An exchange that writes down every command that reached it, and every report, with the time of this machine."""

    def __init__(self, source: Source, seed: int, log: Path) -> None:
        markets = {name: MarketSpec(source, seed=seed + i) for i, name in enumerate(INSTRUMENTS)}
        super().__init__(markets, latency=EntryLatency("constant", LATENCY_NS))
        self._log, self._reported_ids = log.open("a", encoding="utf-8"), set[str]()

    def send(self, command: Command) -> None:
        """Write it down, then take it."""
        if isinstance(command, NewOrder | CancelOrder | ReplaceOrder):
            lots = getattr(command, "lots", 0)
            self._write("sent", command.account, command.cl_ord_id, type(command).__name__, lots)
        super().send(command)

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See the exchange."""
        events = super().step(until_ns)
        for event in events:
            if not isinstance(event, Report) or not event.order_id or event.exec_type == "status":
                continue
            if event.exec_id not in self._reported_ids:
                self._reported_ids.add(
                    event.exec_id
                )  # a question about an order has its trades told again
                self._write(
                    "report", event.account, event.order_id, str(event.exec_type), event.leaves_qty
                )
        return events

    def _write(self, *values: object) -> None:
        self._log.write(json.dumps([time.monotonic(), *values]) + "\n")
        self._log.flush()

    def testimony(self) -> dict[str, Any]:
        """What it knows: trades, positions and open orders by account."""
        return {
            "trades": {
                agent: [
                    [trade.exec_id, trade.cl_ord_id, trade.side * trade.last_qty]
                    for trade in self.executions(agent)
                ]
                for agent in AGENTS
            },
            "positions": {agent: self.positions(agent) for agent in AGENTS},
            "open": {
                agent: [order.cl_ord_id for order in self._orders.open_of(agent)]
                for agent in AGENTS
            },
        }


def market(place: Place, source: Source) -> None:
    """Run freely until told to end; then say what is true."""
    exchange = Witness(source, place.seed, place.folder / LOG)
    until = BoundedClock(None)
    with open_listener(place.market) as selector:
        server = MarketServer(exchange, place.market, selector, Pace(MonotonicClock(), SPEED))
        server.run(until.stopping)
    write_atomic(place.folder / TRUTH, json.dumps(exchange.testimony()))


def front(place: Place, wall: Wall, ready: Callable[[], None]) -> None:
    """FIX before the market. What it forgets when it dies, the market cancels."""
    venue = _retry_begin(lambda: RemoteVenue(place.market))
    logins = [Login(DESK), Login(RISK, risk=True)]
    server = FixServer(
        venue,
        ListenerSettings(port=place.front),
        logins,
        store=place.folder / "front",
        wall_ns=wall,
    )
    _retry_begin(server.start)
    ready()
    server.wait()


def _retry_begin(begin: Callable[[], Any]) -> Any:
    """What `begin` makes, once whoever died has let go of it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return begin()
        except VenueError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


# -- the gate and the desk --------------------------------------------------------------------------------------------


def _at_the_market(
    address: str,
    accounts: Sequence[str],
    store: Path,
    near: Path,
    link_s: int,
    wall: Wall,
    agree: object,
) -> Venue:
    """The venue, over a link that may be faulty while a gate begins: that no money is there is known."""
    return connect(address, accounts, store, near, link_s, wall, lambda money: {})


def gate(place: Place, wall: Wall, ready: Callable[[], None], point: str) -> None:
    """`tercel gate`, with a clock that jumps and a point at which it dies."""
    crashpoints.arm(point)
    file = place.gate / "gate.toml"
    config = read_config(file)
    until = BoundedClock(None)
    forbid_tracing()
    with (
        opened(config, place.gate, "fault matrix", reach=_at_the_market, wall=wall) as open_gate,
        run_watchdog(file, config, lambda: not open_gate.open_orders),
    ):
        ready()
        serve(open_gate, until.stopping)


class DeskActor:
    """Three agents that always have work to do, on both sides of two markets, until they are told that it is over."""

    def __init__(self, place: Place) -> None:
        self._place, self._latch = place, KillLatch(place.desk / LATCH)
        venue = _retry_begin(lambda: RemoteVenue(str(place.gate / "gate.sock"), AGENTS))
        self._journal = SqlJournal(place.desk, "fault matrix")
        limits = LimitGate(
            read(place.gate / "limits.toml"),
            venue.listings(),
            AGENTS,
            killed=self._latch.kill_reason,
        )
        terms = SessionTerms(
            resume=True,
            warmup_s=20.0,
            heartbeat_ns=10 * SECOND,
            seed=place.seed,
            watch_s=0.05,
            name_tag=mark_of("gate"),
        )
        self._session = open_session(
            venue, self._journal, limits, lambda name, _: build(name), terms, latch=self._latch
        )
        for name in INSTRUMENTS:
            self._session.follow(name)

    def work(self) -> None:
        """Until it is over; then bring everything to its end and say what it believes."""
        session = self._session
        session.run_until(session.now_ns + (2 if session.ledger.parents.count else 20) * SECOND)
        while not (self._place.folder / OVER).exists():
            self._feed()
            session.step(session.now_ns + SECOND)
        for parent in session.ledger.parents.open():
            session.manager.cancel(parent.id, "it is over")
        while session.ledger.orders.live() or session.ledger.parents.open():
            session.step(session.now_ns + SECOND)
        crashpoints.arm("")
        write_atomic(self._place.desk / LIVE, json.dumps(ledger_state(session.ledger)))
        session.close()

    def _feed(self) -> None:
        """A new parent for who has none; who was stopped goes on when nothing keeps it."""
        session = self._session
        parents = self._session.ledger.parents
        if session.gateway.states.text_of(StateReason.LINK_DOWN) is not None:
            return
        busy = {parent.order.agent: parent for parent in parents.open()}
        for i, agent in enumerate(AGENTS):
            is_killed = self._latch.kill_reason(agent) is not None
            if (parent := busy.get(agent)) is not None:
                if parent.status == ParentStatus.PAUSED and not is_killed:
                    session.manager.resume(parent.id, "it may", 0)
            elif not is_killed:
                n = parents.count + 1
                side = 1 if (n + i) % 2 else -1
                name = INSTRUMENTS[n % 2]
                strategy = STRATEGIES[n % 4]
                session.manager.accept(
                    ParentRequest(
                        f"p{n}", name, side, LOTS, HORIZON_S * SECOND, SLICES, strategy, agent
                    )
                )


def desk(place: Place, ready: Callable[[], None], point: str) -> None:
    """A session behind the gate, to its end."""
    crashpoints.arm(point)
    actor = DeskActor(place)
    ready()
    actor.work()


def ledger_state(ledger: Ledger) -> dict[str, Any]:
    """What a ledger holds to be so, to compare two of them."""
    positions = {
        who: {name: lots for name, lots in held.items() if lots}
        for who, held in ledger.positions.qty().items()
    }
    parents = {parent.id: [str(parent.status), parent.filled_qty] for parent in ledger.parents}
    live: Sequence[str] = sorted(order.root for order in ledger.orders.live())
    return {"positions": positions, "parents": parents, "live": list(live)}


def ready_writer(file: Path) -> Callable[[], None]:
    """Say that this process is ready: its number in a file."""
    return lambda: write_atomic(file, str(os.getpid()))
