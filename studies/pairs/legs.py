"""One pair in two reactive markets, worked by a rule: the same seeds for every rule, both spreads paid.

What a rule left unfilled at its horizon is taken at the market, in both legs. Cost is money paid above the mids at arrival,
in both legs, over the arrival value of both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from tercel.core import (
    M_LOTS,
    M_PRICE,
    M_SIDE,
    NS_PER_SECOND,
    ONE,
    TERMINAL,
    CancelOrder as Cancel,
    ExecType,
    NewOrder,
    Report,
    Tif,
    VenueEvent,
)
from tercel.execution import LegBook, PairOrder, PairRole as Role, PairTerms, PairView, decide_pair
from tercel.market.simulator import Source
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

LEGS: Final = ("first", "second")
LOOK_NS: Final = 100_000_000
LATENCY_NS: Final = 5_000_000
CLOSE_S: Final = 20.0
"""Seconds after the horizon in which what is left goes to the market."""
SETTLE_S: Final = 1.0


@dataclass(frozen=True)
class Fill:
    """A fill: when, price in ticks, lots, as `execution.pairs` reads them."""

    ns: int
    px: int
    qty: int


@dataclass
class Working:
    """An order at the venue."""

    role: Role
    price: int | None
    left: int
    cancelling: bool = False


@dataclass
class Desk:
    """Who works a pair: its orders and fills, and what it sees."""

    exchange: SimulatedExchange
    terms: PairTerms
    orders: dict[str, Working] = field(default_factory=dict)
    fills: dict[Role, list[Fill]] = field(default_factory=lambda: {role: [] for role in Role})
    number: int = 0

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        return self.exchange.now_ns

    def filled(self, role: Role) -> int:
        """Lots filled."""
        return sum(fill.qty for fill in self.fills[role])

    def working(self, role: Role) -> int:
        """Lots that may still fill."""
        return sum(one.left for one in self.orders.values() if one.role is role)

    def owed(self) -> int:
        """Lots of the second leg that are not hedged, nor on their way."""
        needed = round(self.filled(Role.QUOTE) * self.terms.ratio)
        return needed - self.filled(Role.HEDGE) - self.working(Role.HEDGE)

    def book(self, leg: int) -> LegBook:
        """Depth of a leg, own orders included, as the market data show it."""
        rows = self.exchange.snapshot(LEGS[leg]).rows
        bids, asks = (_levels(rows[rows[:, M_SIDE] == side], side) for side in (1, -1))
        return LegBook(bids, asks)

    def within(self, price: int) -> bool:
        """Whether the spread is within its limit, the first leg at a price and the hedge at its touch."""
        facing = self.book(1).facing(-self.terms.side)
        over = self.terms.spread(price, facing[0][0]) - self.terms.limit if facing else 1
        return self.terms.side * over <= 0 if facing else False

    def mids(self) -> list[float]:
        """Mids of both legs, price units."""
        books = [self.book(leg) for leg in (0, 1)]
        ticks = (self.terms.first.tick, self.terms.second.tick)
        return [
            (book.bids[0][0] + book.asks[0][0]) / 2 * tick
            for book, tick in zip(books, ticks, strict=True)
        ]

    def view(self, closing: bool = False) -> PairView:
        """What `execution.pairs` decides on."""
        open_ = [
            PairOrder(one.role, one.left, one.price, name, one.cancelling)
            for name, one in self.orders.items()
        ]
        filled = {role: Fraction(self.filled(role)) for role in Role}
        books = self.book(0), self.book(1)
        return PairView(self.now_ns, *books, filled, self.fills[Role.QUOTE], open_, closing)

    def cancel(self, names: Sequence[str]) -> None:
        """Cancel orders that have no cancel on its way."""
        for name in names:
            one = self.orders[name]
            if not one.cancelling:
                one.cancelling = True
                leg, side = self._where(one.role)
                self.number += 1
                self.exchange.send(Cancel(f"c{self.number}", name, leg, side, "desk", self.now_ns))

    def send(self, role: Role, lots: int, price: int | None = None) -> None:
        """Send an order, at once at the market where it has no price."""
        if lots < 1:
            return
        self.number += 1
        name, tif = f"o{self.number}", Tif.IOC if price is None else Tif.DAY
        leg, side = self._where(role)
        self.orders[name] = Working(role, price, lots)
        self.exchange.send(NewOrder(name, leg, side, lots, price, tif, "desk", "pair", self.now_ns))

    def _where(self, role: Role) -> tuple[str, int]:
        first = role in (Role.QUOTE, Role.FLATTEN)
        sign = 1 if role in (Role.QUOTE, Role.UNWIND) else -1
        return LEGS[not first], sign * self.terms.side

    def hear(self, events: Sequence[VenueEvent]) -> bool:
        """Book reports; whether there was a fill."""
        traded = False
        for event in events:
            if not isinstance(event, Report) or event.cl_ord_id not in self.orders:
                if not (isinstance(event, Report) and event.orig in self.orders):
                    continue
            name = event.cl_ord_id if event.cl_ord_id in self.orders else event.orig
            one = self.orders[name]
            if event.exec_type is ExecType.TRADE:
                lots = event.last_qty // ONE
                self.fills[one.role].append(Fill(event.ns, event.last_px // ONE, lots))
                one.left -= lots
                traded = True
            if event.status in TERMINAL or one.left < 1:
                del self.orders[name]
        return traded

    def cost_bps(self, mids: Sequence[float]) -> float:
        """Money paid above the mids at arrival, both legs, in bps of what both were worth then."""
        terms, paid, worth = self.terms, 0.0, 0.0
        for role, fills in self.fills.items():
            leg = 0 if role in (Role.QUOTE, Role.FLATTEN) else 1
            listing, side = (terms.first, terms.second)[leg], self._where(role)[1]
            for fill in fills:
                paid += side * (fill.px * listing.tick - mids[leg]) * fill.qty * listing.lot
        for lots, mid, listing in (
            (terms.lots, mids[0], terms.first),
            (terms.hedge_lots, mids[1], terms.second),
        ):
            worth += lots * mid * listing.lot
        return 1e4 * paid / worth


def _levels(rows: np.ndarray, side: int) -> list[tuple[int, int]]:
    prices, at = np.unique(rows[:, M_PRICE], return_inverse=True)
    lots = np.bincount(at, rows[:, M_LOTS], len(prices)).astype(int)
    return list(zip(prices.tolist(), lots.tolist(), strict=True))[::-side]


# -- rules: asked at every look and after every fill, with the share of the horizon that has passed ---------------------
Rule = Callable[[Desk, float], None]


def by_pair(desk: Desk, share: float) -> None:
    """`execution.pairs`: lean on the hedge leg's depth, hedge each fill, bounds."""
    decision = decide_pair(desk.terms, desk.view())
    desk.cancel(decision.cancel)
    for order in decision.send:
        desk.send(order.role, int(order.lots), order.price)


def by_quote(desk: Desk, share: float) -> None:
    """First leg at the touch of its side while the spread is within its limit there, as many lots as the pair's bound; each
    fill is hedged at the market; no lean on depth."""
    desk.send(Role.HEDGE, desk.owed())
    near = desk.book(0).facing(-desk.terms.side)
    price = near[0][0] if near and desk.within(near[0][0]) else None
    desk.cancel(
        [n for n, one in desk.orders.items() if one.role is Role.QUOTE and one.price != price]
    )
    if price is not None and not desk.working(Role.QUOTE):
        left = desk.terms.lots - desk.filled(Role.QUOTE)
        desk.send(Role.QUOTE, min(left, desk.terms.bound), price)


def by_slices(desk: Desk, share: float) -> None:
    """Both legs at the market in twelve equal slices through the horizon, each as soon as the spread is within its limit."""
    due = round(desk.terms.lots * min(1.0, (1 + int(12 * share)) / 12))
    facing = desk.book(0).facing(desk.terms.side)
    if facing and desk.within(facing[0][0]):
        desk.send(Role.QUOTE, due - desk.filled(Role.QUOTE) - desk.working(Role.QUOTE))
    desk.send(Role.HEDGE, desk.owed())


def at_once(desk: Desk, share: float) -> None:
    """Both legs at the market at arrival, whatever the spread."""
    desk.send(Role.QUOTE, desk.terms.lots - desk.filled(Role.QUOTE) - desk.working(Role.QUOTE))
    desk.send(Role.HEDGE, desk.owed())


RULES: Final[dict[str, Rule]] = {
    "pair": by_pair,
    "quote": by_quote,
    "slices": by_slices,
    "at once": at_once,
}


@dataclass(frozen=True)
class Episode:
    """What became of a pair.

    Attributes
    ----------
    cost_bps : float
    worst : float
        Most lots of the first leg unhedged.
    left : int
        Lots of the first leg that went to the market at the horizon.
    flattened : int
        Lots taken back.
    """

    cost_bps: float
    worst: float
    left: int
    flattened: int


def episode(
    rule: str, sources: tuple[Source, Source], seed: int, lots: int, horizon_s: float, room: float
) -> Episode:
    """Work one pair.

    Parameters
    ----------
    rule : str
        Of `RULES`.
    sources : (Source, Source)
        Reactive markets of the legs.
    seed : int
        Of both markets, their streams apart.
    lots : int
        Of the first leg.
    horizon_s : float
    room : float
        The limit of the spread, in costs of crossing both legs beyond the mids at arrival.
    """
    specs = {
        name: MarketSpec(source, seed=2 * seed + leg)
        for leg, (name, source) in enumerate(zip(LEGS, sources, strict=True))
    }
    exchange = SimulatedExchange(specs, latency=EntryLatency("constant", LATENCY_NS))
    exchange.step(exchange.now_ns + NS_PER_SECOND)
    first, second = exchange.listings()
    blank = PairTerms(1 if seed % 2 else -1, lots, Fraction(1), Fraction(0), lots, first, second)
    desk = Desk(exchange, blank)
    mids = desk.mids()
    ratio = Fraction(mids[0] * first.lot / (mids[1] * second.lot)).limit_denominator(12)
    half = [
        (book.asks[0][0] - book.bids[0][0]) / 2 * leg.tick
        for book, leg in ((desk.book(0), first), (desk.book(1), second))
    ]
    weight = float(ratio) * second.lot / first.lot
    crossed = half[0] + weight * half[1]
    limit = Fraction(mids[0] - weight * mids[1] + blank.side * room * crossed)
    bound = max(int(lots / 10), int(2 + 1 / ratio))
    desk.terms = PairTerms(blank.side, lots, ratio, limit, bound, first, second)
    work, began = RULES[rule], exchange.now_ns
    ends, over = (began + int(span * NS_PER_SECOND) for span in (horizon_s, horizon_s + CLOSE_S))
    work(desk, 0.0)
    worst = 0.0
    while exchange.now_ns < ends:
        desk.hear(exchange.step(min(exchange.now_ns + LOOK_NS, ends)))
        hedged = (desk.filled(Role.HEDGE) - desk.filled(Role.UNWIND)) / ratio
        gap = desk.filled(Role.QUOTE) - desk.filled(Role.FLATTEN) - hedged
        worst = max(worst, float(abs(gap)))
        work(desk, (exchange.now_ns - began) / (ends - began))
    desk.cancel(list(desk.orders))
    left = desk.terms.lots - desk.filled(Role.QUOTE) + desk.filled(Role.FLATTEN)
    while exchange.now_ns < over:
        desk.hear(exchange.step(exchange.now_ns + LOOK_NS))
        if not desk.orders:
            held = desk.filled(Role.QUOTE) - desk.filled(Role.FLATTEN)
            desk.send(Role.QUOTE, desk.terms.lots - held)
            mine = desk.filled(Role.HEDGE) - desk.filled(Role.UNWIND)
            desk.send(Role.HEDGE, desk.terms.hedge_lots - mine)
    return Episode(desk.cost_bps(mids), worst, left, desk.filled(Role.FLATTEN))
