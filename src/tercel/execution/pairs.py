"""Trade a pair: quote the first leg passively, hedge its fills in the second, within a bound of unhedged lots.

    terms = PairTerms(BUY, 100, Fraction(3, 2), Fraction(25, 2), 20, first, second)      # listings of both legs
    decision = decide(terms, PairView(now_ns, book, hedge_book, filled, fills, orders))

The spread is the price of the first leg less `terms.weight` times that of the second, in price units of a share of the
first; a pair that buys pays at most the limit for it. `decide` is a function of fills and open orders, without clock,
memory or venue, so that a desk can call it after a restart with its journal's fills. Whatever becomes of open orders,
the unhedged position never passes the bound: lots that may still fill count against it, hedges in flight do not help.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, Protocol, Self

from tercel.core.errors import OrderError, refuse_if
from tercel.core.orders import Listing
from tercel.core.vocabulary import MOST_LOTS, NS_PER_SECOND

_HALF: Final = Fraction(1, 2)
_PARSERS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("ratio", "spread", "within", "cross"), Fraction),
    **dict.fromkeys(("bound", "lean", "pay_up"), int),
    "loss": float,
}


class Role(StrEnum):
    """Purpose of an order of a pair."""

    QUOTE = "quote"
    """First leg, the pair's side: rests."""
    HEDGE = "hedge"
    """Second leg, the other side."""
    FLATTEN = "flatten"
    """First leg, the other side: takes unhedged lots back."""
    UNWIND = "unwind"
    """Second leg, the pair's side: takes back what was hedged and no longer is needed."""


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Terms of a pair.

    Parameters
    ----------
    side, lots : int
        Of the first leg: +1 buys it and sells the second.
    ratio : Fraction
        Lots of the second leg that hedge one of the first.
    limit : Fraction
        Most that is paid for the spread (least that is received, for -1), price units of a share of the first leg.
    bound : int
        Most lots of the first leg unhedged, open orders included.
    first, second : Listing
    lean : int
        Lots that the second leg must show; 0: as many as the quote needs. Fewer, and the quote is cancelled.
    within_ns, cross_ns : int
        Time unhedged after which the first leg is flattened, and after which hedges go at the market.
    loss : float
        Most that unhedged lots may have lost against the limit, price units times shares, before they are flattened.
    pay_up : int
        Ticks beyond the touch at which a hedge is limited; below 0 it rests before it.

    Raises
    ------
    OrderError
        For terms or legs that make no pair.
    """

    side: int
    lots: int
    ratio: Fraction
    limit: Fraction
    bound: int
    first: Listing
    second: Listing
    lean: int = 0
    within_ns: int = 5 * NS_PER_SECOND
    cross_ns: int = NS_PER_SECOND
    loss: float = float("inf")
    pay_up: int = 0

    def __post_init__(self) -> None:
        """Raise OrderError for terms that do not allow hedging."""
        least = ceil(1 + _HALF / self.ratio) if self.ratio > 0 else 1
        wrong = (
            (
                self.first.instrument == self.second.instrument,
                "two legs",
                f"{self.first.instrument} twice",
            ),
            (
                "" != self.first.currency != self.second.currency != "",
                "legs in one currency, as a spread has no price across currencies",
                f"{self.first.currency} and {self.second.currency}",
            ),
            (self.side not in (1, -1), "side +1 or -1", self.side),
            (not 0 < self.lots <= MOST_LOTS, f"lots above 0, at most {MOST_LOTS}", self.lots),
            (not 0 < self.ratio <= MOST_LOTS, "a ratio above 0", self.ratio),
            (
                self.hedge_lots < 1,
                "lots that make a lot of the hedge",
                f"{self.lots} at {self.ratio}",
            ),
            (
                self.bound < least,
                f"a bound of {least} lots or more, as hedges are whole lots",
                self.bound,
            ),
            (self.lean < 0, "a lean quantity of 0 or more", self.lean),
            (
                not 0 <= self.cross_ns <= self.within_ns or not self.within_ns,
                "a time to cross that is no longer than the time unhedged",
                f"{self.cross_ns} ns and {self.within_ns} ns",
            ),
            (not self.loss >= 0, "a loss of 0 or more", self.loss),
        )
        for bad, expected, received in wrong:
            refuse_if(
                bad, f"a pair with {expected}", f"{received}", "correct its terms", OrderError
            )

    @classmethod
    def of(
        cls, side: int, lots: int, first: Listing, second: Listing, entries: Mapping[str, Any]
    ) -> Self:
        """Terms from user entries: `ratio` such as 3/2, `spread` (the limit), `bound`, and optionally `lean`, `within`, `cross`
        (seconds) and others; OrderError for a bad entry.

        Raises
        ------
        OrderError
            If an entry is missing, unknown or no number.

        >>> a, b = Listing("A", 0.01, 1), Listing("B", 0.05, 10)
        >>> terms = PairTerms.of(1, 100, a, b, {"ratio": "1/20", "spread": "-0.5", "bound": "30", "within": "2"})
        >>> terms.hedge_lots, terms.weight, terms.within_ns
        (5, Fraction(1, 2), 2000000000)
        """
        numbers: Any = {}
        least = {"spread": "", "bound": "", "ratio": "1", "within": "5"}
        for key, text in (least | dict(entries)).items():
            try:
                numbers[key] = _PARSERS[key](str(text))
            except (KeyError, ValueError, ZeroDivisionError):
                raise OrderError(
                    f"numbers for {', '.join(_PARSERS)}",
                    f"{key}={text}",
                    "write such as ratio=3/2,spread=12.5,bound=20",
                ) from None
        within = numbers.pop("within")
        spans = {"within_ns": within, "cross_ns": numbers.pop("cross", within / 5)}
        return cls(
            side,
            lots,
            limit=numbers.pop("spread"),
            first=first,
            second=second,
            **numbers,
            **{key: floor(span * NS_PER_SECOND) for key, span in spans.items()},
        )

    @property
    def hedge_lots(self) -> int:
        """Lots of the second leg that hedge the whole first leg, rounded to the nearest."""
        return _nearest(self.lots * self.ratio)

    @property
    def weight(self) -> Fraction:
        """Shares of the second leg per share of the first: the ratio of lots times the ratio of shares per lot."""
        return self.ratio * self.second.lot / self.first.lot

    def spread(self, first: Fraction | int, second: Fraction | int) -> Fraction:
        """Spread in price units of two prices in ticks: the first less `weight` times the second."""
        return _tick(self.first) * first - self.weight * _tick(self.second) * second


def hours_overlap(first: tuple[int, int] | None, second: tuple[int, int] | None) -> bool:
    """Whether trading hours of two legs (from, until exclusive: times of day; None: always) have a moment in common.

    >>> hours_overlap((8, 16), (15, 20)), hours_overlap((8, 16), (16, 20))
    (True, False)
    >>> hours_overlap((22, 4), (3, 9)), hours_overlap(None, (1, 2))
    (True, True)
    """
    if first is None or second is None:
        return True
    return any(
        a[0] <= b[0] < a[1] or (a[1] < a[0] and not a[1] <= b[0] < a[0])
        for a, b in ((first, second), (second, first))
    )


def _tick(listing: Listing) -> Fraction:
    """Tick size of a listing as exact fraction."""
    return Fraction(repr(float(listing.tick)))


def _nearest(lots: Fraction) -> int:
    """Lots rounded to the nearest whole number, halves up."""
    return floor(lots + _HALF)


@dataclass(frozen=True, slots=True)
class LegBook:
    """Depth of one leg: (price in ticks, lots) by level, best first. `open`: it trades."""

    bids: Sequence[tuple[int, int]] = ()
    asks: Sequence[tuple[int, int]] = ()
    open: bool = True

    def facing(self, side: int) -> Sequence[tuple[int, int]]:
        """Levels that an order of `side` would trade with: asks for a buy, bids for a sell; empty if the leg does not trade."""
        return () if not self.open else self.asks if side > 0 else self.bids


@dataclass(frozen=True, slots=True)
class PairOrder:
    """An order of a pair: to be sent, or (with a name) open. `price` in ticks; None: at the market, at once."""

    role: Role
    lots: Fraction | int
    price: int | None
    name: str = ""
    cancelling: bool = False


class LegFill(Protocol):
    """A fill: when, at what price, how much."""

    @property
    def ns(self) -> int:
        """When it was reported."""

    @property
    def px(self) -> int:
        """Price in parts of a tick, `units_per_lot` parts to one."""

    @property
    def qty(self) -> int:
        """Quantity in parts of a lot, `units_per_lot` parts to one."""


@dataclass(frozen=True, slots=True)
class PairView:
    """State of a pair and its markets.

    Parameters
    ----------
    now_ns : int
    first, second : LegBook
    filled : mapping of Role to Fraction
        Lots booked.
    fills : sequence of LegFill
        Of quotes, in the order in which they were booked.
    orders : sequence of PairOrder
        Orders that may still fill, with the lots that may.
    closing : bool
        Whether quoting has stopped: the unhedged position is hedged, then the pair is over.
    quiet : set of Role
        Roles that were refused just now: nothing of them is sent.
    one : int
        Into how many parts the fills divide a tick, and a lot.
    """

    now_ns: int
    first: LegBook
    second: LegBook
    filled: Mapping[Role, Fraction]
    fills: Sequence[LegFill]
    orders: Sequence[PairOrder]
    closing: bool = False
    quiet: frozenset[Role] = frozenset()
    units_per_lot: int = 1


@dataclass(frozen=True, slots=True)
class PairDecision:
    """Decision of a pair: order names to cancel, orders to send, whether the pair is over, why quoting stopped."""

    cancel: tuple[str, ...] = ()
    send: tuple[PairOrder, ...] = ()
    over: bool = False
    reason: str = ""


def decide(terms: PairTerms, view: PairView) -> PairDecision:
    """Decide the next orders of a pair: names to cancel, orders to send, whether it is over, and why it does not quote.

    >>> a, b = Listing("A", 0.01, 1), Listing("B", 0.01, 1)
    >>> terms = PairTerms(1, 50, Fraction(1), Fraction(1, 50), 10, a, b)
    >>> one, two = LegBook([(1000, 5)], [(1002, 5)]), LegBook([(999, 30)], [(1001, 30)])
    >>> quote = decide(terms, PairView(0, one, two, {}, [], [])).send
    >>> [(order.role.value, order.lots, order.price) for order in quote]
    [('quote', 10, 1000)]
    """
    side = terms.side
    ratio = terms.ratio
    filled = {role: Fraction(view.filled.get(role, 0)) for role in Role}
    open_ = {
        role: sum((o.lots for o in view.orders if o.role is role), Fraction(0)) for role in Role
    }
    gap = (
        filled[Role.QUOTE]
        - filled[Role.FLATTEN]
        - (filled[Role.HEDGE] - filled[Role.UNWIND]) / ratio
    )
    since, paid = _unhedged_fills(terms, view, gap)
    waited = 0 if since is None else view.now_ns - since
    # Lots that may still be sent in each direction, if only the open orders of that direction fill.
    long_room = terms.bound - gap - open_[Role.QUOTE] - open_[Role.UNWIND] / ratio
    short_room = terms.bound + gap - open_[Role.FLATTEN] - open_[Role.HEDGE] / ratio
    is_flattening = filled[Role.FLATTEN] > 0 or open_[Role.FLATTEN] > 0
    touch = view.second.facing(-side)
    # What the unhedged lots come to beyond the limit if they are hedged now.
    beyond = terms.spread(paid / gap, touch[0][0]) - terms.limit if touch and gap > 0 else 0
    loss_exceeded = side * beyond * gap * terms.first.lot > terms.loss
    late = waited >= terms.within_ns
    taking_back = (late or loss_exceeded or is_flattening) and _nearest(gap) >= 1
    crossing = waited >= terms.cross_ns
    excess = -_nearest(gap * ratio)
    reason = _stop_reason(terms, view, late, loss_exceeded, is_flattening)

    cancel: dict[str, None] = {}
    send: list[PairOrder] = []

    def cancel_orders(role: Role, only_limited: bool = False) -> None:
        """Mark the open orders of a role to be cancelled; with `only_limited` only those that have a limit price."""
        for order in view.orders:
            if (
                order.role is role
                and not order.cancelling
                and (order.price is not None or not only_limited)
            ):
                cancel[order.name] = None

    def add_order(role: Role, lots: Fraction | int, price: int | None, facing_side: int) -> None:
        """Add an order of a role for up to `lots`, within the bound of unhedged lots; none below a lot, in a quiet role, or if
        the side of the book that an order of side `facing_side` trades with is empty."""
        first = role in (Role.QUOTE, Role.FLATTEN)
        book = view.first if first else view.second
        sendable = floor(
            min(
                lots,
                (long_room if role in (Role.QUOTE, Role.UNWIND) else short_room)
                * (1 if first else ratio),
            )
        )
        if sendable >= 1 and role not in view.quiet and book.facing(facing_side):
            send.append(PairOrder(role, sendable, price))

    if taking_back:
        cancel_orders(Role.HEDGE)
        # Quotes and hedges whose cancels are not confirmed may still fill, or trade with a new order: wait for them.
        if open_[Role.HEDGE] + open_[Role.QUOTE] == 0 or waited >= terms.within_ns + terms.cross_ns:
            add_order(Role.FLATTEN, _nearest(gap - open_[Role.FLATTEN]), None, -side)
    elif excess >= 1:
        cancel_orders(Role.HEDGE)
        cancel_orders(Role.QUOTE)
        add_order(Role.UNWIND, excess - open_[Role.UNWIND], None, side)
    else:
        owed = _nearest((gap - open_[Role.FLATTEN]) * ratio) - open_[Role.HEDGE]
        if crossing or owed < 0:
            cancel_orders(Role.HEDGE, only_limited=True)
        limit = max(touch[0][0] - side * terms.pay_up, 1) if touch else 1
        add_order(Role.HEDGE, owed, None if crossing else limit, -side)

    remaining = terms.lots - filled[Role.QUOTE]
    most = (
        0
        if reason or excess >= 1
        else floor(min(remaining, terms.bound - max(gap, Fraction(0)) - open_[Role.UNWIND] / ratio))
    )
    price, deep = _quote_price(terms, view, most)
    most = min(most, deep)
    is_mispriced = any(order.role is Role.QUOTE and order.price != price for order in view.orders)
    if most < 1 or is_mispriced or open_[Role.QUOTE] > most:
        cancel_orders(Role.QUOTE)
    elif 2 * open_[Role.QUOTE] <= most:
        add_order(Role.QUOTE, most - open_[Role.QUOTE], price, side)
    hedged = _nearest(gap * ratio) == 0 or (is_flattening and _nearest(gap) == 0)
    over = bool(
        not view.orders and not send and hedged and (remaining < 1 or view.closing or is_flattening)
    )
    return PairDecision(tuple(cancel), tuple(send), over, reason)


def _unhedged_fills(terms: PairTerms, view: PairView, gap: Fraction) -> tuple[int | None, Fraction]:
    """Time of the oldest of the last fills that make up `gap` lots (None: less than a lot of the hedge), and their sum of
    price in ticks times lots."""
    since = None
    paid = Fraction(0)
    for fill in reversed(view.fills):
        if gap <= 0:
            break
        since = fill.ns if _nearest(gap * terms.ratio) >= 1 else since
        lots = min(Fraction(fill.qty, view.units_per_lot), gap)
        paid += Fraction(fill.px, view.units_per_lot) * lots
        gap -= lots
    return since, paid


def _stop_reason(
    terms: PairTerms, view: PairView, late: bool, loss_exceeded: bool, is_flattening: bool
) -> str:
    """First reason why nothing is quoted: closing, flattening, late, loss, a leg that does not trade; "" if quoting goes on."""
    reasons = {
        "it is closing": view.closing,
        "the first leg was flattened": is_flattening,
        "lots are unhedged for too long": late,
        "unhedged lots lost too much": loss_exceeded,
        f"{terms.second.instrument} does not trade": not view.second.open,
        f"{terms.first.instrument} does not trade": not view.first.open,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _quote_price(terms: PairTerms, view: PairView, lots: int) -> tuple[int, int]:
    """Price in ticks at which the first leg may be quoted, never inside its own touch, and lots that the hedge's depth
    allows; (0, 0) if none.

    The hedge is reckoned at the level that fills the lean quantity; the quote joins the touch of its side at best.
    """
    needed = terms.lean or ceil(max(lots, 0) * terms.ratio)
    depth = lean = 0
    for lean, shown in view.second.facing(-terms.side):  # noqa: B007
        depth += shown
        if depth >= needed:
            break
    facing = view.first.facing(terms.side)
    if not depth or not facing or (terms.lean and depth < needed):
        return 0, 0
    exact = (terms.limit + terms.weight * _tick(terms.second) * lean) / _tick(terms.first)
    near = view.first.facing(-terms.side) or [(facing[0][0] - terms.side, 0)]
    # The floor of what the side may pay: for a sell that is the ceiling.
    price = terms.side * min(floor(terms.side * exact), terms.side * near[0][0])
    return (price, lots if terms.lean else floor(depth / terms.ratio)) if price >= 1 else (0, 0)
