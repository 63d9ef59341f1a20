"""A small session for tests: a reactive market or two, two agents, wide limits."""

import os
import signal
from collections.abc import Callable
from functools import cache

from tests.parts import whole

from tercel.core.errors import VenueError
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.session import Session
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.execution.strategies import build
from tercel.market.flow.registry import load
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

S = 10**9
WIDE = """
[desk]
order_lots = 5000
order_value = 5_000_000
gross_value = 50_000_000
messages = 20000
window_ms = 1000
daily_loss = 250_000
duplicate_ms = 0

[instruments."*"]
order_lots = 5000
order_value = 5_000_000
gross_value = 25_000_000
long_lots = 20_000
short_lots = 20_000
messages = 10000
window_ms = 1000
daily_loss = 150_000
collar_bps = 500
reference_age_ms = 60_000
hours = "always"

[agents."*"]
order_lots = 5000
order_value = 5_000_000
gross_value = 25_000_000
long_lots = 20_000
short_lots = 20_000
messages = 5000
window_ms = 1000
daily_loss = 100_000
"""


@cache
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=60.0)


def exchange_of(seed: int = 3, latency_ns: int = 40_000_000, names: str = "X") -> SimulatedExchange:
    markets = {name: MarketSpec(csco(), seed=seed + i) for i, name in enumerate(names)}
    return SimulatedExchange(markets, latency=EntryLatency("constant", latency_ns))


def by_name(name, instrument):
    return build(name)


def session_of(
    exchange, journal=None, strategies=by_name, limits=WIDE, warm_s=70, **options
) -> Session:
    """A session whose market has run a little, so that there is a price."""
    latch = options.get("latch")
    killed = options.pop("killed", None if latch is None else latch.kill_reason)
    listings = list(exchange.listings())
    gate = LimitGate(parse(limits), listings, ["ann", "bob"], killed=killed)
    journal = MemoryJournal() if journal is None else journal
    ports = {
        name: options.pop(name) for name in ("latch", "on_operator", "request") if name in options
    }
    session = open_session(
        exchange, journal, gate, strategies, SessionTerms(warmup_s=60.0, **options), **ports
    )
    for listing in listings:
        session.follow(listing.instrument)
    session.run_until(exchange.now_ns + warm_s * S)
    return session


def asked(
    id_="p1",
    lots=200,
    side=1,
    horizon_s=300,
    decisions=20,
    strategy="peg_behind",
    agent="ann",
    instrument="X",
):
    return ParentRequest(id_, instrument, side, lots, horizon_s * S, decisions, strategy, agent)


def at_work(*orders, venue=None, journal=None, seconds=60, **options) -> Session:
    """A session that has worked some parents for a while."""
    session = session_of(exchange_of() if venue is None else venue, journal, **options)
    for order in orders:
        session.manager.accept(order)
    session.run_until(session.now_ns + seconds * S)
    return session


def bodies(session, *wanted, parent=""):
    """Bodies of the entries of some kinds, by default of all parents."""
    found = [entry for _, entry in session.journal.read(kinds=wanted)]
    return [entry.body for entry in found if parent in ("", entry.parent)]


def codes(session):
    """Codes of alerts, in order."""
    return [body["code"] for body in bodies(session, kinds.ALERT)]


def truth(exchange, account):
    """The exchange's own sums: signed lots, open orders."""
    lots = sum(trade.side * whole(trade.last_qty) for trade in exchange.executions(account))
    return lots, len(exchange._orders.open_of(account))


def killed(then: Callable[[], object]) -> None:
    """Run it in a process of its own, which is killed then, or by it."""
    pid = os.fork()
    if pid == 0:
        try:
            then()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


class Flaky:
    """A venue whose way out fails when told to."""

    def __init__(self, venue):
        self._venue, self.failing, self.sends = venue, 0, []

    def __getattr__(self, name):
        return getattr(self._venue, name)

    def send(self, command):
        if self.failing:
            self.failing -= 1
            raise VenueError("a way to the venue", "the line is cut", "wait")
        self.sends.append(command)
        self._venue.send(command)
