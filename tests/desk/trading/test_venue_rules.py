"""Random orders through a desk to venues with lots, ticks, daily limits, halts and breaks: a venue refuses none of them.

What a venue refuses is written down anew in `Inspector`, from the market's terms, not from the rules that the desk keeps.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import WIDE, csco, session_of

from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    MARKET_COLUMNS,
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    Listing,
    MarketRows,
    NewOrder,
    ReplaceOrder,
    Report,
)
from tercel.core.venue_rules import NO_RULES, TradingWindow, VenueRules
from tercel.core.vocabulary import NO_ASK, NO_BID, STATUS
from tercel.desk.trading.counterfactual_replay import _trading_ns
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.parent_orders.rule_keeper import RuleKeeper
from tercel.market.simulator import layout as sim
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

S = 10**9
LATENCY_NS = 20_000_000
STRATEGIES = (
    "twap_take", "twap_passive", "peg_behind", "immediate", "submit_and_leave", "imbalance_peg", "peg_touch",
)  # fmt: skip
ENDLESS = (
    WIDE.replace("messages = ", "messages = 10")
    .replace("20_000", "20_000_000")
    .replace("_loss = ", "_loss = 9_000")
)


@dataclass(frozen=True)
class Terms:
    """A market as its rule book says it: windows of one day (seconds), lots, ticks."""

    windows: tuple[tuple[int, int], ...]
    lot: int = 1
    least: int = 1
    odd_sells: bool = False
    ticks: tuple[tuple[int, int], ...] = (
        (-(10**9), 1),
    )  # from a price, relative to the opening's: its tick
    limit: int = 0  # ticks from the opening
    market_orders: bool = True
    most: int = 1500  # lots of an order


MARKETS = {
    "Shanghai": Terms(((0, 240), (330, 570)), lot=100, least=100, odd_sells=True, limit=40),
    "STAR": Terms(
        ((0, 240), (330, 570)), least=200, odd_sells=True, limit=60, ticks=((-(10**9), 1), (3, 2))
    ),
    "futures": Terms(
        ((0, 120), (500, 575), (590, 650), (770, 860)), lot=1, market_orders=False, limit=30
    ),
    "Hong Kong": Terms(
        ((0, 150), (210, 400)), lot=40, least=40, ticks=((-(10**9), 2), (1, 5), (9, 10)), most=300
    ),
}
DAY_S = 1000


class Inspector:
    """The venue's rule book, read by somebody else: every order that arrives is judged by it."""

    def __init__(self, terms: Terms, began_ns: int, opening: int, days: int) -> None:
        self.terms = terms
        self.days = [
            [
                (began_ns + (day * DAY_S + a) * S, began_ns + (day * DAY_S + b) * S)
                for a, b in terms.windows
            ]
            for day in range(days)
        ]
        self.low, self.high = opening - terms.limit, opening + terms.limit
        # bands begin on a price that all ticks divide
        base = opening // 10 * 10
        self.bands = [(base + start, tick) for start, tick in terms.ticks]
        self.halts: list[tuple[int, int]] = []
        self.held: dict[str, int] = {}  # lots of a parent that sells: all that its account holds
        self.orders: dict[str, tuple[int, int, str]] = {}  # side, total lots, parent
        self.sold: Counter[str] = Counter()
        self.open: dict[str, Counter[str]] = defaultdict(Counter)
        self.faults: list[str] = []
        self.checked = 0

    def rules(self) -> VenueRules:
        """What the desk and the exchange are told."""
        windows = [
            TradingWindow(a, b, n == len(day) - 1)
            for day in self.days
            for n, (a, b) in enumerate(day)
        ]
        return VenueRules(
            tuple(windows),
            S,
            self.terms.lot,
            self.terms.least,
            self.terms.odd_sells,
            tuple((max(start, 0), tick) for start, tick in self.bands),
            self.low if self.terms.limit else 0,
            self.high if self.terms.limit else 0,
            self.terms.market_orders,
        )

    def judge(self, command: NewOrder | ReplaceOrder | CancelOrder, ns: int) -> None:
        """Judge a command that is sent at `ns` and arrives `LATENCY_NS` later."""
        self.checked += not isinstance(command, CancelOrder)
        arrives = ns + LATENCY_NS
        if not any(a <= arrives < b for day in self.days for a, b in day):
            self.faults.append(f"closed: {command}")
        if any(a <= ns < b for a, b in self.halts):
            self.faults.append(f"halted: {command}")
        if isinstance(command, CancelOrder):
            return
        price, lots = command.price, command.lots
        if price is None and not self.terms.market_orders:
            self.faults.append(f"market order: {command}")
        if price is not None:
            band = bisect_right([start for start, _ in self.bands], price) - 1
            if price % self.bands[max(band, 0)][1]:
                self.faults.append(f"tick: {command}")
            if self.terms.limit and not self.low <= price <= self.high:
                self.faults.append(f"limits: {command}")
        parent = command.parent
        if isinstance(command, ReplaceOrder):
            before = self.orders[command.orig][1]
            whole = lots % self.terms.lot == 0 or lots % self.terms.lot == before % self.terms.lot
        else:
            available = (
                self.held.get(parent, 0) - self.sold[parent] - sum(self.open[parent].values())
            )
            odd = command.side < 0 and self.terms.odd_sells
            whole = lots % self.terms.lot == 0 or (
                odd and lots % self.terms.lot == available % self.terms.lot
            )
            few = lots < self.terms.least and not (
                odd and (lots == available or lots % self.terms.lot)
            )
            if few or (command.side < 0 and lots > available):
                self.faults.append(f"few, or more than there are ({available}): {command}")
            self.open[parent][command.cl_ord_id] = lots
        self.orders[command.cl_ord_id] = command.side, lots, parent
        if not whole:
            self.faults.append(f"lots: {command}")

    def hear(self, report: Report) -> None:
        """Keep the account's holdings as its reports have them."""
        name = report.cl_ord_id if report.cl_ord_id in self.orders else report.orig
        _, _, parent = self.orders[name]
        root = next(n for n in (report.orig, report.cl_ord_id, name) if n)
        if report.exec_type is ExecType.TRADE:
            self.sold[parent] += report.last_qty // ONE
        for known in (root, report.cl_ord_id, report.orig):
            self.open[parent].pop(known, None)
        if report.leaves_qty:
            self.open[parent][report.cl_ord_id] = report.leaves_qty // ONE


@dataclass
class Watched:
    """A simulated exchange whose orders are judged, and whose halts somebody calls."""

    exchange: SimulatedExchange
    inspector: Inspector
    tells_rules: bool = True
    refused: list[Report | CancelReject] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.exchange, name)

    def listings(self) -> list[Listing]:
        listings = self.exchange.listings()
        return [
            listing if self.tells_rules else replace(listing, rules=NO_RULES)
            for listing in listings
        ]

    def send(self, command: Command) -> None:
        if isinstance(command, NewOrder | ReplaceOrder | CancelOrder):
            self.inspector.judge(command, self.exchange.now_ns)
        self.exchange.send(command)

    def step(self, until_ns: int) -> list[object]:
        halts = [ns for halt in self.inspector.halts for ns in halt if ns > self.exchange.now_ns]
        events = self.exchange.step(min([until_ns, *halts]))
        now = self.exchange.now_ns
        for begins, ends in self.inspector.halts:
            if now in (begins, ends):
                self.exchange._markets.states[0][sim.HALTED] = int(now == begins)
                row = np.array([[now, STATUS, 0, 0, -1 if now == begins else 1, 0, -1]], np.int64)
                events.append(MarketRows("X", row.reshape(1, MARKET_COLUMNS)))
        for event in events:
            if isinstance(event, CancelReject) and "too late" not in event.text:
                self.refused.append(event)
            if isinstance(event, Report):
                self.refused += [event] if event.exec_type is ExecType.REJECTED else []
                self.inspector.hear(event)
        return events


def trade(
    name: str, orders: int, seed: int, *, days: int, tells_rules: bool = True
) -> tuple[Watched, list]:
    """A desk that works random parents of a market until so many orders were sent, or its days are over."""
    rng = np.random.default_rng(seed)
    plain = SimulatedExchange({"X": MarketSpec(csco(), seed)})
    began = 131 * S
    opening = int(plain._markets.states[0][sim.MID2]) // 2
    inspector = Inspector(MARKETS[name], began, opening, days)
    rules = inspector.rules()
    for day in inspector.days:
        for a, b in day:
            if b - a > 60 * S and rng.random() < 0.7:
                at = int(rng.integers(a + 10 * S, b - 40 * S))
                inspector.halts.append((at, at + int(rng.integers(2, 30)) * S))
    spec = MarketSpec(csco(), seed, rules=rules, began_ns=0)
    exchange = SimulatedExchange({"X": spec}, latency=EntryLatency("constant", LATENCY_NS))
    venue = Watched(exchange, inspector, tells_rules)
    session = session_of(venue, limits=ENDLESS, warm_s=0)
    session.run_until(began)
    number = 0
    while inspector.checked < orders and venue.now_ns < inspector.days[-1][-1][1]:
        at_work = len(session.manager.executors)
        for _ in range(int(rng.integers(0, 3)) if at_work < 6 else 0):
            number += 1
            day = (venue.now_ns - began) // (DAY_S * S)
            side = 1 if day % 2 else -1  # one a day: the desk's own orders never meet
            lots = int(rng.integers(1, inspector.terms.most))
            lots = (
                lots
                if rng.random() < 0.3
                else -(-lots // inspector.terms.lot) * inspector.terms.lot
            )
            request = ParentRequest(
                f"p{number}", "X", side, lots, int(rng.integers(5, 200)) * S, int(rng.integers(5, 60)),
                str(rng.choice(STRATEGIES)), str(rng.choice(["ann", "bob"])),
                limit_price=None if rng.random() < 0.7 else "5bps",
            )  # fmt: skip
            inspector.held[request.id] = lots
            with suppress(OrderError):
                session.manager.accept(request)
        session.run_until(venue.now_ns + int(rng.integers(1, 12)) * S)
    denials = [e.body for _, e in session.journal.read(kinds=[kinds.DENIED])]
    session.close()
    return venue, denials


@pytest.mark.parametrize("name", list(MARKETS))
@pytest.mark.parametrize(
    ("orders", "seed", "days"),
    [
        (400, 5, 8),
        pytest.param(2_500, 11, 25, marks=pytest.mark.long),
        pytest.param(10_000, 11, 100, marks=pytest.mark.release),
    ],
)
def test_no_order_of_a_desk_is_one_that_its_venue_refuses(
    name: str, orders: int, seed: int, days: int
) -> None:
    venue, denials = trade(name, orders, seed, days=days)
    assert venue.inspector.faults == []
    assert venue.refused == []
    assert [denial for denial in denials if "VENUE_RULES" in str(denial)] == []
    assert venue.inspector.checked >= orders


def test_a_desk_that_is_told_no_rules_breaks_each_and_its_venue_refuses_what_the_inspector_finds() -> (
    None
):
    venue, _ = trade("Hong Kong", 300, seed=5, days=2, tells_rules=False)
    kinds_of_faults = {fault.partition(":")[0] for fault in venue.inspector.faults}
    assert {"tick", "lots"} <= kinds_of_faults
    refused = {report.cl_ord_id for report in venue.refused}
    assert all(any(name in fault for fault in venue.inspector.faults) for name in refused)
    limited, _ = trade("futures", 200, seed=5, days=4, tells_rules=False)
    faults = Counter(fault.partition(":")[0] for fault in limited.inspector.faults)
    assert faults["market order"]
    assert not faults["halted"]  # the venue announces its halts, and breaks as such
    assert limited.refused


BREAK_RULES = VenueRules(
    (TradingWindow(0, 191 * S, False), TradingWindow(251 * S, 500 * S, True)), stop_ns=S
)


def session_with_break():
    exchange = SimulatedExchange(
        {"X": MarketSpec(csco(), 3, rules=BREAK_RULES)},
        latency=EntryLatency("constant", LATENCY_NS),
    )
    session = session_of(exchange, limits=ENDLESS, warm_s=0)
    session.run_until(171 * S)
    return session


def test_an_order_whose_horizon_meets_a_break_ends_as_much_later_and_decides_in_trading_time() -> (
    None
):
    session = session_with_break()
    request = ParentRequest("p", "X", 1, 40, 40 * S, 40, "twap_passive", "ann")
    parent = session.manager.accept(request)
    assert parent.ends_ns == 171 * S + 40 * S + 60 * S
    session.run_until(271 * S - 1)
    executor = session.manager.executors["p"]
    decided = [e.ns // S for _, e in session.journal.read(kinds=[kinds.DECISION])]
    assert decided[:19] == list(range(171, 190))
    assert not [ns for ns in decided if 190 <= ns < 251]
    assert executor.driver.state[sim.START_NS] == 231 * S  # moved by the break
    assert 251 <= min(ns for ns in decided if ns > 190) <= 252
    session.run_until(280 * S)
    assert session.ledger.parents.require("p").over
    assert _trading_ns(session, parent, parent.order.horizon_ns) == request.horizon_ns
    session.close()


def test_what_a_person_asks_for_in_a_break_is_sent_when_it_ends() -> None:
    session = session_with_break()
    session.manager.accept(ParentRequest("p", "X", 1, 400, 100 * S, 50, "peg_behind", "ann"))
    session.run_until(200 * S)
    assert session.ledger.orders.live(parent="p")
    session.manager.cancel("p", "no more")
    session.run_until(240 * S)
    assert session.ledger.parents.require("p").status == "cancelling"
    assert [
        e for _, e in session.journal.read(kinds=[kinds.ORDER_OUT]) if 190 * S <= e.ns < 251 * S
    ] == []
    session.run_until(253 * S)
    assert session.ledger.parents.require("p").status == "cancelled"
    session.manager.accept(ParentRequest("q", "X", 1, 10, 100 * S, 5, "twap_take", "bob"))
    session.run_until(495 * S)
    session.run_until(501 * S)
    with pytest.raises(OrderError, match="trading time that is left"):
        session.manager.accept(ParentRequest("r", "X", 1, 10, 100 * S, 5, "twap_take", "bob"))
    session.close()


def test_time_goes_on_where_a_command_waits_from_before_the_next_row_of_market_data() -> None:
    session = session_with_break()
    session.manager.accept(ParentRequest("p", "X", 1, 400, 100 * S, 50, "submit_and_leave", "ann"))
    session.run_until(190 * S + 1_000_000)  # in the last second of a window
    session.manager.cancel("p", "no more")
    for _ in range(2_000):
        session.step(260 * S)
        if session.now_ns > 195 * S:
            break
    assert session.now_ns > 195 * S
    session.close()


@pytest.mark.parametrize("act", ["cancel", "pause"])
def test_a_parent_that_a_person_stops_in_a_halt_sends_no_order_when_it_ends(act: str) -> None:
    inspector = Inspector(MARKETS["futures"], 0, 1480, 1)
    inspector.halts = [(140 * S, 150 * S)]
    rules = VenueRules((TradingWindow(0, 900 * S, True),), stop_ns=S)
    exchange = SimulatedExchange(
        {"X": MarketSpec(csco(), 3, rules=rules)}, latency=EntryLatency("constant", LATENCY_NS)
    )
    venue = Watched(exchange, inspector)
    session = session_of(venue, limits=ENDLESS, warm_s=0)
    session.run_until(131 * S)
    session.manager.accept(ParentRequest("p", "X", 1, 400, 100 * S, 100, "submit_and_leave", "ann"))
    session.run_until(145 * S)
    executor = session.manager.executors["p"]
    assert executor.driver.state[sim.DUE_HELD] == 1  # a decision that the halt put off
    order = replace(executor._children.child_of("p.1").new, cl_ord_id="p.9")
    executor._rules.held.append(order)  # as the order of a horizon in a halt
    getattr(session.manager, act)("p", "no more")
    session.run_until(152 * S)
    sent = [e.body for _, e in session.journal.read(kinds=[kinds.ORDER_OUT]) if e.ns > 145 * S]
    assert not any("p.9" in str(body) for body in sent)
    if act == "cancel":
        assert session.ledger.parents.require("p").status == "cancelled"
    session.close()


def test_a_buy_that_can_never_be_all_traded_is_refused_with_a_size_that_can() -> None:
    session = session_with_break()
    listing = session.listings["X"]
    session.followers["X"].listing = replace(
        listing, rules=VenueRules(round_lots=100, odd_sells=True)
    )
    with pytest.raises(OrderError, match=r"250 lots of X.*200 lots"):
        session.manager.accept(ParentRequest("p", "X", 1, 250, 100 * S, 5, "twap_take", "bob"))
    assert session.manager.accept(ParentRequest("s", "X", -1, 250, 100 * S, 5, "twap_take", "bob"))
    session.close()


@pytest.mark.parametrize(
    ("side", "touch", "ticks", "expected"),
    [
        (1, (100, 102), (), 105),
        (1, (100, NO_ASK), (), None),  # limit up, and no daily limit known
        (-1, (1, 2), (), 1),  # of a penny stock a 50th below the bid would be 0
        (-1, (4, 5), ((0, 5),), 5),
        (-1, (NO_BID, 5), (), None),
    ],
)
def test_where_no_market_order_is_taken_one_without_a_price_has_one_or_is_denied(
    side: int, touch: tuple[int, int], ticks: tuple[tuple[int, int], ...], expected: int | None
) -> None:
    rules = VenueRules(market_orders=False, tick_table=ticks)
    follower = SimpleNamespace(listing=SimpleNamespace(rules=rules), touch=touch)
    keeper = RuleKeeper(follower, SimpleNamespace(child_of=lambda name: SimpleNamespace()))
    order = NewOrder("A-1", "A", side, 3, None, "ioc", "acct", "p1", 0)
    fitted = keeper.fit_new(order, 3)
    assert (fitted and fitted.price) == expected
    keeper.rules = NO_RULES
    assert keeper.fit_new(order, 3) == order, "a market order where they are taken"
