"""Results of an analysis of own executions: measured parents, odd fills, and notes on the files.

A recorded day as the benchmark of executions: best quotes after every message, the path of the mid, the prints.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal

import numpy as np

from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import FileOrder
from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, TapeError
from tercel.core.vocabulary import NO_ASK, NS_PER_SECOND
from tercel.desk.trading.tca.measure import PRINTS, ParentCost
from tercel.desk.trading.tca.shortfall import TICKS2
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.schema import CROSS, MESSAGE_END, STATUS, TRADE, TRADE_HIDDEN

FEWEST = 1024
"""Orders that a book has room for at least."""
LEAST_AGE_S = 60.0
GAPS = 5.0
"""So many times the 99th percentile of a session's gaps between messages of its book, a quote may be old."""


@dataclass(frozen=True, eq=False)
class MarketDay:
    """One day of one symbol.

    Parameters
    ----------
    instrument : Instrument
    ns : int64 (n,)
        Times of messages, in order.
    bid, ask : int64 (n,)
        Best quotes after each of them, ticks; 0 on both sides where one is empty or they cross.
    book_ns : int64 (n,)
        Time of the last message about the book by then: trades, auctions and trading status are none.
    halts : int64 (h, 2)
        From when until when trading was not on.
    print_ns, print_price, print_lots : int64 (t,)
        Trades of the session, hidden ones among them; auctions are not.
    open_ns, close_ns : int
        The session; that of the tape where the feed does not say.
    age_ns : int
        How long ago the book may have been spoken of last for its quotes to be quotes.
    """

    instrument: Instrument
    ns: Ints
    bid: Ints
    ask: Ints
    book_ns: Ints
    halts: Ints
    print_ns: Ints
    print_price: Ints
    print_lots: Ints
    open_ns: int
    close_ns: int
    age_ns: int

    def before(self, ns: int) -> tuple[int, int]:
        """Best bid and ask just before whatever happened at `ns`; (0, 0) where there was no quote, or an old one."""
        halted = len(self.halts) and bool(
            ((self.halts[:, 0] <= ns) & (ns < self.halts[:, 1])).any()
        )
        if halted or self.is_stale(ns) or not self.open_ns <= ns <= self.close_ns:
            return 0, 0
        row = int(np.searchsorted(self.ns, ns)) - 1
        return (int(self.bid[row]), int(self.ask[row])) if row >= 0 else (0, 0)

    def is_stale(self, ns: int) -> bool:
        """Whether the book had not been spoken of for longer than `age_ns` just before `ns`."""
        row = int(np.searchsorted(self.ns, ns)) - 1
        return row >= 0 and ns - int(self.book_ns[row]) > self.age_ns

    def span(self, ns: int, within_ns: int = 0) -> tuple[int, int]:
        """Lowest bid and highest ask from just before `ns` until all of the next `within_ns` has happened, the moment
        itself included; moments without quotes on both sides do not count.

        (0, 0) where nothing was quoted just before.
        """
        if not self.before(ns)[0]:
            return 0, 0
        seen = slice(
            np.searchsorted(self.ns, ns, side="left") - 1,
            np.searchsorted(self.ns, ns + within_ns, side="right"),
        )
        bid, ask = self.bid[seen], self.ask[seen]
        return int(bid[bid > 0].min()), int(ask.max())

    def fits(self, ns: Ints, price: Floats, within_ns: int = 0) -> Bools:
        """Whether prices (ticks) lie within `span` of their times; shape of both."""
        inside = (ns >= self.open_ns) & (ns <= self.close_ns)
        for since, until in self.halts:
            inside &= (ns < since) | (ns >= until)
        by_time = np.argsort(ns, kind="stable")
        first = np.maximum(np.searchsorted(self.ns, ns[by_time], side="left") - 1, 0)
        last = np.maximum(
            np.searchsorted(self.ns, ns[by_time] + within_ns, side="right"), first + 1
        )
        edges = np.stack([first, last], axis=1).ravel()
        bid = np.append(np.where(self.bid > 0, self.bid, NO_ASK), NO_ASK)
        lowest, highest = (np.empty_like(ns) for _ in range(2))
        lowest[by_time] = np.minimum.reduceat(bid, edges)[::2]
        highest[by_time] = np.maximum.reduceat(np.append(self.ask, 0), edges)[::2]
        quoted = np.empty_like(inside)
        quoted[by_time] = (self.bid[first] > 0) & (ns[by_time] - self.book_ns[first] <= self.age_ns)
        return np.asarray(
            inside & quoted & (ns > self.ns[0]) & (lowest <= price) & (price <= highest)
        )

    @property
    def first_ns(self) -> int:
        """Just after the first quotes of the session."""
        return int(self.ns[np.argmax((self.bid > 0) & (self.ns >= self.open_ns))]) + 1

    @cached_property
    def mids(self) -> tuple[Ints, Ints]:
        """Times and mids (half ticks) of the session, a row where it changes; it stays where a side is empty."""
        quoted = np.flatnonzero((self.bid > 0) & (self.ns <= self.close_ns))
        first = max(int(np.searchsorted(self.ns[quoted], self.open_ns, side="right")) - 1, 0)
        ns, mid2 = (
            np.maximum(self.ns[quoted[first:]], self.open_ns),
            (self.bid + self.ask)[quoted[first:]],
        )
        changed = np.flatnonzero(np.diff(mid2, prepend=-1))
        return ns[changed], mid2[changed]


def read_day(lake: Lake, instrument: Instrument, quote_age_s: float | None = None) -> MarketDay:
    """A day of the lake.

    Parameters
    ----------
    lake : Lake
    instrument : Instrument
    quote_age_s : float or None
        How old a quote may be, seconds; None: by the session's own gaps (`GAPS`), at least `LEAST_AGE_S`. An outage is
        one gap among many, which a percentile of them does not see.

    Raises
    ------
    TapeError
        A day without a book.
    """
    from tercel.market.book import Book

    about, events = lake.read(instrument.symbol, instrument.date, instrument.venue)
    ns = events.exch_ns
    quotes = Book(max(len(np.unique(events.order_id)), FEWEST), own=0).quotes(events)
    complete = (events.flags & MESSAGE_END) != 0
    bid, ask = quotes[complete, 0].astype(np.int64), quotes[complete, 1].astype(np.int64)
    quoted = (bid > 0) & (ask < NO_ASK) & (bid <= ask)
    if not quoted.any():
        raise TapeError(
            f"a day of {about.symbol} with quotes",
            f"{about.date} without any",
            "import the day again",
        )
    opening, close = about.session_open_ns or int(ns[0]), about.session_close_ns or int(ns[-1])
    status = np.flatnonzero(events.kind == STATUS)
    off = events.price_ticks[status] != 1
    ends = np.append(ns[status[1:]], close + 1) if len(status) else ns[:0]
    prints = np.isin(events.kind, PRINTS) & (ns >= opening) & (ns <= close)
    of_book = ~np.isin(events.kind, (TRADE, TRADE_HIDDEN, CROSS, STATUS))
    book_ns = np.maximum.accumulate(np.where(of_book, ns, ns[0]))
    if quote_age_s is None:
        gaps = np.diff(np.unique(np.clip(book_ns, opening, close)))
        usual_ns = float(np.quantile(gaps, 0.99)) if len(gaps) else 0.0
        quote_age_s = max(LEAST_AGE_S, GAPS * usual_ns / NS_PER_SECOND)
    return MarketDay(
        about,
        ns[complete],
        bid * quoted,
        ask * quoted,
        book_ns[complete].astype(np.int64),
        np.stack([ns[status], ends], axis=1)[off].astype(np.int64).reshape(-1, 2),
        ns[prints].astype(np.int64),
        events.price_ticks[prints].astype(np.int64),
        events.qty_lots[prints].astype(np.int64),
        opening,
        close,
        round(quote_age_s * NS_PER_SECOND),
    )


class Calendar:
    """Days of a lake by symbol and moment.

    Parameters
    ----------
    lake : Lake
    """

    def __init__(self, lake: Lake) -> None:
        self._days: dict[str, list[tuple[int, int, Instrument]]] = defaultdict(list)
        for one in lake.list():
            self._days[one.symbol].append((*one.span, one))
        for rows in self._days.values():
            rows.sort(key=lambda row: row[:2])

    def day(self, symbol: str, ns: int, venue: str = "") -> Instrument | None:
        """The day of a symbol at a moment, None where the lake has none.

        Raises
        ------
        DataError
            When several venues have it and `venue` is none of them.
        """
        rows = self._days.get(symbol, [])
        upto = bisect_right(rows, ns, key=lambda row: row[0])
        found = [one for _, end, one in rows[:upto] if ns < end]
        named = [one for one in found if one.venue == venue]
        if len(found) > 1 and not named:
            venues = ", ".join(one.venue for one in found)
            raise DataError(
                f"one tape of {symbol} on {found[0].date}",
                f"several: {venues}",
                "name it with `venue=`",
            )
        return next(iter(named or found), None)

    def meant(self, symbol: str) -> str:
        """Symbol of the lake that matches without regard to case, "" if none does."""
        folded = symbol.casefold()
        return next((name for name in self._days if name.casefold() == folded), "")

    def earlier(self, day: Instrument) -> Sequence[Instrument]:
        """Days of the same tape before a day, latest last."""
        rows = [one for _, _, one in self._days.get(day.symbol, []) if one.venue == day.venue]
        return [one for one in rows if one.date < day.date]


WHY_NOT = {
    "one_moment": "begin and end at one moment",
    "past_the_tape": "end after their tape",
    "nothing_worked": "had nothing to work",
    "under_a_lot": "are of less than half a lot",
}
"""Reasons why a parent is not re-simulated."""
OddName = Literal[
    "no_parent",
    "no_order",
    "outside_order",
    "several_days",
    "off_market",
    "far_off",
    "other_unit",
    "before_arrival",
    "beyond_limit",
    "no_tape",
    "outside_session",
    "no_quote",
    "stale_quote",
]
NAMED: Final[dict[OddName, str]] = {
    "no_parent": "without a parent: one parent is made of each symbol, side, agent and day",
    "no_order": "of a parent that the file of orders does not have",
    "outside_order": "before the start or after the end of their order",
    "several_days": "of a parent that trades on several days: one parent is made of each day",
    "off_market": "off the market, outside the best quotes just before and after their stamp (through its second where "
    "all are whole seconds); they are in the costs",
    "far_off": "five times the market's price or more, or a fifth of it or less: a slip; left out of the costs",
    "other_unit": "a hundred times the market's price, or a hundredth: pence or cents, or a slip; left out of the costs",
    "before_arrival": "before the time of their order, by the clocks of the file: arrival is the first fill",
    "beyond_limit": "beyond the limit of their order; they are in the costs",
    "no_tape": "of a symbol or a day that the lake does not have; left out of the costs",
    "outside_session": "outside the session of their day; left out of the costs",
    "no_quote": "without a quote on both sides at their time; left out of the costs",
    "stale_quote": "without a quote within {age} before them or before their order: an early close, an outage; left "
    "out of the costs",
}
"""Kind of odd fills to their description and treatment."""
HOURS = (0, *(sign * hours for hours in range(1, 15) for sign in (1, -1)))
"""Shifts of a clock that are tried, the nearest first."""
MANY_OFF = 0.2
"""Share of fills off the market from which their clock is doubted."""
MOST_FIT = 0.8
"""Share of fills that lie in the market under a shift that is believed."""
NAMED_PARENTS = 10
COARSE = (
    "times are whole seconds: a fill meets the quotes at the beginning of its second, so what it paid in spread, depth "
    "cost and timing is less sure than their sum, and it is off the market where no quote of that second holds its price"
)

DATED = (
    "times are dates alone: a fill meets the first quotes of its day, and its parent ends with the session; arrival is "
    "the opening, VWAP and TWAP are the day's, the parts and mark-outs tell nothing"
)


def number(value: Fraction) -> int | float:
    """A quantity for people and JSON: whole ones as integers.

    >>> number(Fraction(6, 2)), number(Fraction(1, 4))
    (3, 0.25)
    """
    return float(value) if value.denominator > 1 else int(value)


@dataclass(frozen=True, eq=False)
class OwnParent:
    """One parent order of the files.

    Parameters
    ----------
    cost : ParentCost
        Its quantities are `parts` to a lot of the tape; its prices `grain` to a tick, of the tape; its notional is
        money. Its timing begins at the first fill. Its costs are in ticks instead of bps where `day` may trade at or
        below zero.
    delay_bps : float
        The mid's move from arrival to the first fill, on all that was filled; NaN where nothing was. The cost of the
        fills is the sum of the cost's parts and of it.
    day : Instrument
    unit : Fraction
        Money of a half grain x part of a lot: what its integer sums are multiplied with.
    grain, parts : int
        Prices of the file to a tick, and quantities to a lot; 1 where all of them are whole.
    arrival_mid2 : int
        Half grains.
    limit : Fraction or None
        Of its order.
    ordered : bool
        Whether the files say when it was ordered; else its arrival is its first fill, and nothing is known of delay.
    fills, mids : int64 (f, 7), int64 (m, 2)
        Its fills, and the mid's path through its life, in grains and half grains.
    apart : mapping of str to Fraction
        Fees in other currencies than the price's, in no cost.
    """

    cost: ParentCost
    delay_bps: float
    day: Instrument
    unit: Fraction
    grain: int
    parts: int
    arrival_mid2: int
    limit: Fraction | None
    ordered: bool
    fills: Ints
    mids: Ints
    apart: Mapping[str, Fraction]

    @property
    def money(self) -> dict[str, Fraction]:
        """Exact cost components and their total, in units of the quote currency."""
        return {name: total * self.unit for name, total in self.cost.sums.items()}

    @property
    def value2(self) -> int:
        """Denominator of its relative costs, half grains a lot."""
        return TICKS2 * self.grain if self.day.price_origin else self.arrival_mid2

    @property
    def end_mid2(self) -> int:
        """Mid at the parent's end, half grains."""
        return int(self.mids[-1, 1])

    @property
    def price_unit(self) -> Fraction:
        """Price of one grain."""
        return Fraction(str(self.day.tick)) / self.grain

    @property
    def asked(self) -> int:
        """Parts of a lot that were worked: all but the refused ones."""
        return self.cost.quantity - self.cost.refused

    @property
    def worked(self) -> int:
        """The same in whole lots, the nearest."""
        return round(Fraction(self.asked, self.parts))


@dataclass(frozen=True, eq=False)
class Analysis:
    """Analysis of somebody's fills: parents, costs, warnings.

    Parameters
    ----------
    parents : list of OwnParent
        In order of time.
    fills : int
        Rows of the file of fills.
    odd : mapping of reason to list of FileFill
        By the keys of `NAMED`.
    left_orders : list of FileOrder
        Orders without fills that the lake has no quotes for.
    left_parents : list of str
        Parents whose fills are all left out.
    fits : mapping of int to int
        Fills that lie within the market's quotes where their clock is moved by so many hours (`HOURS`).
    meant : mapping of str to str
        Symbols that the lake has in other letters, small or capital.
    agents : bool
        Whether the file names agents.
    resolution_ns : int
        Of its times: a second where all of them are whole seconds, a day where they are dates alone, else 1.
    quote_age_s : mapping of str to float
        How old a quote may be, by venue, symbol and day.
    currency : str
        Of the prices, "" where the file does not say.
    """

    parents: list[OwnParent]
    fills: int
    odd: Mapping[OddName, list[FileFill]]
    left_orders: list[FileOrder] = field(default_factory=list)
    left_parents: list[str] = field(default_factory=list)
    fits: Mapping[int, int] = field(default_factory=dict)
    meant: Mapping[str, str] = field(default_factory=dict)
    agents: bool = False
    resolution_ns: int = 1
    quote_age_s: Mapping[str, float] = field(default_factory=dict)
    currency: str = ""

    @property
    def unit(self) -> str:
        """Unit of costs: bps, or ticks per lot where prices may be at or below zero."""
        return "ticks" if self.parents[0].day.price_origin else "bps"

    @property
    def warnings(self) -> list[str]:
        """Warnings before any figure: a clock that is wrong or coarse, parents and symbols left out, fees apart."""
        coarse = (
            ""
            if self.resolution_ns == 1
            else COARSE
            if self.resolution_ns == NS_PER_SECOND
            else DATED
        )
        found = [text for text in (_clock(self), coarse, _left(self)) if text]
        found += [
            f"no symbol {name} in the lake: try {meant}" for name, meant in self.meant.items()
        ]
        if apart := [f"{float(fee):,.8g} {currency}" for currency, fee in self.apart.items()]:
            prices = (
                f"prices are in {self.currency}"
                if self.currency
                else "a map's `currency` says what prices are in"
            )
            found.append(f"fees of {', '.join(apart)} stand apart and are in no cost: {prices}")
        return found

    @property
    def apart(self) -> dict[str, Fraction]:
        """Fees in other currencies than the price's, by currency."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for parent in self.parents:
            for currency, fee in parent.apart.items():
                total[currency] += fee
        return dict(total)

    @property
    def quote_age(self) -> str:
        """Largest age of a quote, in words."""
        ages = [f"{age:,.0f}" for age in sorted(self.quote_age_s.values())]
        return (
            f"{ages[0]} s"
            if ages[0] == ages[-1]
            else f"{ages[0]} to {ages[-1]} s (by symbol and day)"
        )

    def meaning(self, name: OddName) -> str:
        """Description of a kind of odd fills and of their treatment."""
        return NAMED[name].format(age=self.quote_age) if self.quote_age_s else NAMED[name]

    @property
    def odd_words(self) -> list[str]:
        """Numbers of odd fills by kind, in words."""
        return [
            f"{len(rows):,} {re.split('[:;]', self.meaning(name))[0]}"
            for name, rows in self.odd.items()
            if rows
        ]

    def money(self, agent: str | None = None) -> dict[str, Fraction]:
        """Exact cost components and total of all parents, or of one agent's, in units of the quote currency."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for parent in self.parents:
            for name, value in parent.money.items() if agent in (None, parent.cost.agent) else ():
                total[name] += value
        return dict(total)


def _clock(found: Analysis) -> str:
    """Whether fills lie off the market as a whole, and which clock they would fit; "" where they do not."""
    with_tape = found.fills - len(found.odd["no_tape"])
    off = with_tape - found.fits.get(0, 0)
    if off < MANY_OFF * with_tape or not off:
        return ""
    outside = (
        f"{off:,} of {with_tape:,} fills lie off the market or outside its session at their times"
    )
    best = max(HOURS, key=lambda hours: found.fits[hours])
    if not best or found.fits[best] < MOST_FIT * with_tape:
        return f"{outside}; no shift of the clock by whole hours mends that: check prices, symbols and times"
    way = "later" if best > 0 else "earlier"
    hours = f"{abs(best)} hour{'' if abs(best) == 1 else 's'}"
    return (
        f"the clock of the fills looks wrong by {hours}: {outside}, and {found.fits[best]:,} would lie in the market "
        f"{hours} {way}; correct the zone of their times (`tz=`, or the zone in the file) before you read a figure"
    )


def _left(found: Analysis) -> str:
    left = found.left_parents
    if not left:
        return ""
    more = f" and {len(left) - NAMED_PARENTS:,} more" if len(left) > NAMED_PARENTS else ""
    named = f"{', '.join(left[:NAMED_PARENTS])}{more}"
    what = "parent is" if len(left) == 1 else "parents are"
    return f"{len(left):,} {what} left out, as none of the fills can be measured: {named}"


def nothing(fills: Sequence[FileFill], found: Analysis, lake: Lake, name: str) -> DataError:
    """Error that says why no fill can be analysed."""
    odd = found.odd
    if not odd["no_tape"]:
        received = f"{', '.join(found.odd_words)}, from row {fills[0].row} of {name} on"
        return DataError(
            "fills that can be measured against their tape",
            received,
            "say what the file's prices are multiplied with: `column=price_scale=0.01` for pence (100 for pounds)"
            if odd.get("other_unit")
            else _clock(found) or "correct the file",
        )
    first = odd["no_tape"][0]
    received = (
        f"{', '.join(found.odd_words)}; the first is {first.symbol} in row {first.row} of {name}"
    )
    remedy = "`tercel data list` names what it has; import those days (`tercel data import`), or name another `lake=`"
    if found.meant:
        remedy = f"try {', '.join(found.meant.values())}: small and capital letters differ"
    return DataError(f"fills on days that {lake.root} has", received, remedy)
