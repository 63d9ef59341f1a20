"""What an analysis of somebody's own executions found: parents, what is odd about fills, what is said beforehand."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tercel.api.tca.files import FileFill, FileOrder
from tercel.core.arrays import Ints
from tercel.core.errors import DataError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.tca.measure import ParentCost
from tercel.desk.trading.tca.shortfall import TICKS2
from tercel.market.tape import Instrument, Lake

WHY_NOT = {
    "one_moment": "begin and end at one moment",
    "past_the_tape": "end after their tape",
    "nothing_worked": "had nothing to work",
    "under_a_lot": "are of less than half a lot",
}
"""Why a parent is not worked again."""
NAMED = {
    "no_parent": "without a parent: one parent is made of each symbol, side, agent and day",
    "no_order": "of a parent that the file of orders does not have",
    "outside_order": "before the start or after the end of their order",
    "several_days": "of a parent that trades on several days: one parent is made of each day",
    "off_market": "off the market, outside the best quotes just before and after their stamp (through its second where "
    "all are whole seconds); they are in the costs",
    "far_off": "five times the market's price or more, or a fifth of it or less: a slip; left out of the costs",
    "beyond_limit": "beyond the limit of their order; they are in the costs",
    "no_tape": "of a symbol or a day that the lake does not have; left out of the costs",
    "outside_session": "outside the session of their day; left out of the costs",
    "no_quote": "without a quote on both sides at their time; left out of the costs",
    "stale_quote": "without a quote within {age} before them or before their order: an early close, an outage; left "
    "out of the costs",
}
"""What is odd about fills, and what was done with them."""
HOURS = (0, *(sign * hours for hours in range(1, 15) for sign in (1, -1)))
"""Shifts of a clock that are tried, the nearest first."""
MANY_OFF = 0.2
"""Share of fills off the market from which their clock is doubted."""
MOST_FIT = 0.8
"""Share of fills that lie in the market under a shift that is believed."""
NAMED_PARENTS = 10
COARSE = (
    "times are whole seconds: a fill meets the quotes at the beginning of its second, so what it paid in spread, walk "
    "and timing is less sure than their sum, and it is off the market where no quote of that second holds its price"
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
        """The parts and the whole in money, exactly."""
        return {name: total * self.unit for name, total in self.cost.sums.items()}

    @property
    def value2(self) -> int:
        """What its costs are of, half grains a lot."""
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
    odd: Mapping[str, list[FileFill]]
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
        """What costs are in: bps, or ticks per lot where prices may be at or below zero."""
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
        """How old a quote may be, in words."""
        ages = [f"{age:,.0f}" for age in sorted(self.quote_age_s.values())]
        return (
            f"{ages[0]} s"
            if ages[0] == ages[-1]
            else f"{ages[0]} to {ages[-1]} s (by symbol and day)"
        )

    def meaning(self, name: str) -> str:
        """What is odd about fills of a kind, and what was done with them."""
        return NAMED[name].format(age=self.quote_age) if self.quote_age_s else NAMED[name]

    @property
    def odd_words(self) -> list[str]:
        """How many fills are odd, and in which way."""
        return [
            f"{len(rows):,} {re.split('[:;]', self.meaning(name))[0]}"
            for name, rows in self.odd.items()
            if rows
        ]

    def money(self, agent: str | None = None) -> dict[str, Fraction]:
        """The parts of all parents, or of an agent's, and their whole in money, exactly."""
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
    """Why there is nothing to analyse."""
    odd = found.odd
    if not odd["no_tape"]:
        received = f"{', '.join(found.odd_words)}, from row {fills[0].row} of {name} on"
        return DataError(
            "fills that can be measured against their tape",
            received,
            _clock(found) or "correct the file",
        )
    first = odd["no_tape"][0]
    received = (
        f"{', '.join(found.odd_words)}; the first is {first.symbol} in row {first.row} of {name}"
    )
    remedy = "`tercel data list` names what it has; import those days (`tercel data import`), or name another `lake=`"
    if found.meant:
        remedy = f"try {', '.join(found.meant.values())}: small and capital letters differ"
    return DataError(f"fills on days that {lake.root} has", received, remedy)
