"""Result of an analysis of own executions: measured parents, odd fills, notes on the files (`own_fills` computes it)."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import FileOrder
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
"""Reason why a parent is not re-simulated to its text, which ends a sentence such as "3 parents ..."."""
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
ODD_MEANINGS: Final[dict[OddName, str]] = {
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
"""Clock shifts (hours) that are tried, the smallest first."""
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
    """A quantity as a number for tables and JSON: int if whole, else float.

    >>> number(Fraction(6, 2)), number(Fraction(1, 4))
    (3, 0.25)
    """
    return float(value) if value.denominator > 1 else int(value)


@dataclass(frozen=True, eq=False)
class OwnParent:
    """Costs of one parent order of the files, measured against a recorded day.

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
    foreign_fees : mapping of str to Fraction
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
    foreign_fees: Mapping[str, Fraction]

    @property
    def money(self) -> dict[str, Fraction]:
        """Exact cost components and their total, in units of the quote currency."""
        return {name: total * self.unit for name, total in self.cost.sums.items()}

    @property
    def value2(self) -> int:
        """Price by which costs are divided to be relative, half grains: the arrival mid; for costs in ticks a constant."""
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
    def worked_parts(self) -> int:
        """Quantity that was worked, in parts of a lot: all but what was refused."""
        return self.cost.quantity - self.cost.refused

    @property
    def worked_lots(self) -> int:
        """Quantity that was worked, rounded to whole lots of the tape."""
        return round(Fraction(self.worked_parts, self.parts))


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
        By the keys of `ODD_MEANINGS`.
    skipped_orders : list of FileOrder
        Orders without fills that the lake has no quotes for.
    skipped_parents : list of str
        Parents whose fills are all left out.
    fits_by_shift : mapping of int to int
        Fills that lie within the market's quotes where their clock is moved by so many hours (`HOURS`).
    similar_symbols : mapping of str to str
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
    skipped_orders: list[FileOrder]
    skipped_parents: list[str]
    fits_by_shift: Mapping[int, int]
    similar_symbols: Mapping[str, str]
    agents: bool
    resolution_ns: int
    quote_age_s: Mapping[str, float]
    currency: str

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
        messages = [text for text in (_clock_warning(self), coarse, _skipped_warning(self)) if text]
        messages += [
            f"no symbol {name} in the lake: try {similar}"
            for name, similar in self.similar_symbols.items()
        ]
        if fee_texts := [
            f"{float(fee):,.8g} {currency}" for currency, fee in self.foreign_fees.items()
        ]:
            prices = (
                f"prices are in {self.currency}"
                if self.currency
                else "a map's `currency` says what prices are in"
            )
            messages.append(
                f"fees of {', '.join(fee_texts)} stand apart and are in no cost: {prices}"
            )
        return messages

    @property
    def foreign_fees(self) -> dict[str, Fraction]:
        """Fees in other currencies than the price's, by currency."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for parent in self.parents:
            for currency, fee in parent.foreign_fees.items():
                total[currency] += fee
        return dict(total)

    @property
    def quote_age(self) -> str:
        """Text of the age up to which a quote counts: "60 s", or a range where it differs by symbol and day."""
        ages = [f"{age:,.0f}" for age in sorted(self.quote_age_s.values())]
        return (
            f"{ages[0]} s"
            if ages[0] == ages[-1]
            else f"{ages[0]} to {ages[-1]} s (by symbol and day)"
        )

    def meaning(self, name: OddName) -> str:
        """Description of a kind of odd fills and of their treatment."""
        return (
            ODD_MEANINGS[name].format(age=self.quote_age)
            if self.quote_age_s
            else ODD_MEANINGS[name]
        )

    @property
    def odd_counts(self) -> list[str]:
        """Texts with the numbers of odd fills, by kind."""
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


def _clock_warning(analysis: Analysis) -> str:
    """Warning that many fills lie off the market, with the clock shift that would fit; "" if few do."""
    with_tape = analysis.fills - len(analysis.odd["no_tape"])
    off_market = with_tape - analysis.fits_by_shift.get(0, 0)
    if off_market < MANY_OFF * with_tape or not off_market:
        return ""
    outside = f"{off_market:,} of {with_tape:,} fills lie off the market or outside its session at their times"
    best = max(HOURS, key=lambda hours: analysis.fits_by_shift[hours])
    if not best or analysis.fits_by_shift[best] < MOST_FIT * with_tape:
        return f"{outside}; no shift of the clock by whole hours mends that: check prices, symbols and times"
    direction = "later" if best > 0 else "earlier"
    hours = f"{abs(best)} hour{'' if abs(best) == 1 else 's'}"
    return (
        f"the clock of the fills looks wrong by {hours}: {outside}, and {analysis.fits_by_shift[best]:,} would lie in the market "
        f"{hours} {direction}; correct the zone of their times (`tz=`, or the zone in the file) before you read a figure"
    )


def _skipped_warning(analysis: Analysis) -> str:
    """Warning that names parents left out because no fill of theirs can be measured; "" without any."""
    skipped = analysis.skipped_parents
    if not skipped:
        return ""
    more_text = (
        f" and {len(skipped) - NAMED_PARENTS:,} more" if len(skipped) > NAMED_PARENTS else ""
    )
    listed_names = f"{', '.join(skipped[:NAMED_PARENTS])}{more_text}"
    subject = "parent is" if len(skipped) == 1 else "parents are"
    return (
        f"{len(skipped):,} {subject} left out, as none of the fills can be measured: {listed_names}"
    )


def no_fills_error(
    fills: Sequence[FileFill], analysis: Analysis, lake: Lake, name: str
) -> DataError:
    """Return (not raise) the error with the reason why no fill can be analysed."""
    odd = analysis.odd
    if not odd["no_tape"]:
        received = f"{', '.join(analysis.odd_counts)}, from row {fills[0].row} of {name} on"
        return DataError(
            "fills that can be measured against their tape",
            received,
            "say what the file's prices are multiplied with: `column=price_scale=0.01` for pence (100 for pounds)"
            if odd.get("other_unit")
            else _clock_warning(analysis) or "correct the file",
        )
    first_fill = odd["no_tape"][0]
    received = f"{', '.join(analysis.odd_counts)}; the first is {first_fill.symbol} in row {first_fill.row} of {name}"
    remedy = "`tercel data list` names what it has; import those days (`tercel data import`), or name another `lake=`"
    if analysis.similar_symbols:
        remedy = (
            f"try {', '.join(analysis.similar_symbols.values())}: small and capital letters differ"
        )
    return DataError(f"fills on days that {lake.root} has", received, remedy)
