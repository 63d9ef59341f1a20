"""Costs of somebody's own executions against the tape of a lake, parent by parent, in parts.

found = analyse(read_fills(Path("fills.csv")), {}, Lake("lake"))
found.parents[0].cost.is_bps

A fill meets the quotes just before its stamp. At or beyond the far touch it took: the touch less the mid is spread,
what it paid beyond the touch is walk. At its own side's touch or better it rested; inside the spread it is all spread.
Displacement by the order itself stands in timing: a real day has no twin.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm, nan

import numpy as np

from tercel.api.tca.files import FileFill, FileOrder
from tercel.api.tca.market_day import Calendar, MarketDay, read_day
from tercel.core.arrays import Ints
from tercel.core.errors import DataError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.tca.measure import F_MID2, F_QTY, ParentCost, ParentFacts, measure, without_own
from tercel.desk.trading.tca.shortfall import BPS
from tercel.market.tape import Instrument, Lake

NS_PER_HOUR = 3600 * NS_PER_SECOND
Odd = dict[str, list[FileFill]]
WHY_NOT = {
    "one_moment": "begin and end at one moment",
    "past_the_tape": "end after their tape",
    "nothing_worked": "had nothing to work",
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
}
"""What is odd about fills, and what was done with them."""
FAR_OFF = 5
"""So many times dearer or cheaper than the market, a price is a slip of its writer."""
LISTED_ROWS = 20
FINEST = 10**6
FEES = 10**4
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


@dataclass(frozen=True, eq=False)
class OwnParent:
    """One parent order of the files.

    Parameters
    ----------
    cost : ParentCost
        Its lots are the tape's; its prices `grain` to a tick; its notional is money. Its timing begins at the first
        fill.
    delay_bps : float
        The mid's move from arrival to the first fill, on all that was filled; NaN where nothing was. The cost of the
        fills is the sum of the cost's parts and of it.
    day : Instrument
    unit : Fraction
        Money of a half grain x lot: what its integer sums are multiplied with.
    grain : int
        Prices of the file to a tick, 1 where all of them are whole ticks.
    arrival_mid2 : int
        Half grains.
    limit : Fraction or None
        Of its order.
    ordered : bool
        Whether the files say when it was ordered; else its arrival is its first fill, and nothing is known of delay.
    fills, mids : int64 (f, 7), int64 (m, 2)
        Its fills, and the mid's path through its life, in grains and half grains.
    """

    cost: ParentCost
    delay_bps: float
    day: Instrument
    unit: Fraction
    grain: int
    arrival_mid2: int
    limit: Fraction | None
    ordered: bool
    fills: Ints
    mids: Ints

    @property
    def money(self) -> dict[str, Fraction]:
        """The parts and the whole in money, exactly."""
        return {name: total * self.unit for name, total in self.cost.sums.items()}

    @property
    def end_mid2(self) -> int:
        """Mid at the parent's end, half grains."""
        return int(self.mids[-1, 1])

    @property
    def worked(self) -> int:
        """Lots that were worked: all but the refused ones."""
        return self.cost.quantity - self.cost.refused


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
        Of its times: a second where all of them are whole seconds, else 1.
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

    @property
    def warnings(self) -> list[str]:
        """Warnings before any figure: a clock that is wrong or coarse, parents and symbols left out."""
        coarse = COARSE if self.resolution_ns > 1 else ""
        found = [text for text in (_clock(self), coarse, _left(self)) if text]
        return found + [f"no symbol {name} in the lake: try {meant}" for name, meant in self.meant.items()]

    def money(self, agent: str | None = None) -> dict[str, Fraction]:
        """The parts of all parents, or of an agent's, and their whole in money, exactly."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for parent in self.parents:
            for name, value in parent.money.items() if agent in (None, parent.cost.agent) else ():
                total[name] += value
        return dict(total)


@dataclass(eq=False)
class _Group:
    """A parent on a day, before it is measured."""

    name: str
    day: Instrument
    side: int
    fills: list[FileFill]
    order: FileOrder | None
    quantity: int = 0
    """Shares asked for on this day; 0: what was filled."""

    @property
    def called(self) -> str:
        """As the file of fills calls it, "" without fills."""
        return (self.fills[0].parent or self.name) if self.fills else ""


def analyse(
    fills: Sequence[FileFill], orders: Mapping[str, FileOrder], lake: Lake, venue: str = "", name: str = "the file"
) -> Analysis:
    """Split the cost of a file's fills, parent by parent.

    Parameters
    ----------
    fills : sequence of FileFill
    orders : mapping of id to FileOrder
        Without an order a parent is what was filled, from when it was ordered (its first fill, where the file does not
        say) to its last fill.
    lake : Lake
    venue : str
        Whose tape, where the lake has a symbol at several; a fill's own venue goes first.
    name : str
        What errors call the file of fills.

    Raises
    ------
    DataError
        A parent with several symbols or sides, more filled than ordered, quantities that are no whole lots, or nothing
        that the lake has a tape of.
    """
    odd: Odd = {name: [] for name in NAMED}
    calendar = Calendar(lake)
    groups, left_orders = _groups(fills, orders, calendar, venue, odd)
    by_day: dict[tuple[str, str, str], list[_Group]] = defaultdict(list)
    for group in groups:
        by_day[group.day.key].append(group)
    parents: list[OwnParent] = []
    measured: set[str] = set()
    fits: Counter[int] = Counter()
    resolution_ns = NS_PER_SECOND if all(fill.ns % NS_PER_SECOND == 0 for fill in fills) else 1
    for mine in by_day.values():
        day = read_day(lake, mine[0].day)
        fits.update(_fits(day, [fill for group in mine for fill in group.fills], resolution_ns - 1))
        grain = _grain(day.instrument, mine)
        found = [(group, _measured(group, day, grain, odd, resolution_ns - 1)) for group in mine]
        parents += [one for _, one in found if one is not None]
        measured |= {group.called for group, one in found if one is not None and len(one.fills)}
        left_orders += [group.order for group, one in found if one is None and group.order is not None]
    symbols = {fill.symbol: calendar.meant(fill.symbol) for fill in odd["no_tape"]}
    meant = {symbol: known for symbol, known in symbols.items() if known not in ("", symbol)}
    named = {group.called for group in groups if group.fills} | {fill.parent for fill in odd["no_tape"] if fill.parent}
    left = sorted(named - measured)
    analysis = Analysis(
        parents, len(fills), odd, left_orders, left, fits, meant, any(fill.agent for fill in fills), resolution_ns
    )
    if not parents:
        raise _nothing(fills, analysis, lake, name)
    parents.sort(key=lambda one: (one.cost.start_ns, one.cost.instrument, one.cost.parent))
    return analysis


def _fits(day: MarketDay, fills: Sequence[FileFill], within_ns: int) -> dict[int, int]:
    """How many fills lie in the market up to `within_ns` after their times, under every shift of their clock."""
    ns = np.array([fill.ns for fill in fills], np.int64)
    tick = Fraction(str(day.instrument.tick))
    price = np.array([float(fill.price / tick) for fill in fills])
    return {hours: int(day.fits(ns + hours * NS_PER_HOUR, price, within_ns).sum()) for hours in HOURS}


def _clock(found: Analysis) -> str:
    """Whether fills lie off the market as a whole, and which clock they would fit; "" where they do not."""
    with_tape = found.fills - len(found.odd["no_tape"])
    off = with_tape - found.fits.get(0, 0)
    if off < MANY_OFF * with_tape or not off:
        return ""
    outside = f"{off:,} of {with_tape:,} fills lie off the market or outside its session at their times"
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


def in_words(odd: Mapping[str, Sequence[FileFill]]) -> list[str]:
    """Sentence on how many fills are odd in which way.

    >>> in_words({"no_tape": [], "no_quote": [None]})
    ['1 without a quote on both sides at their time']
    """
    return [f"{len(rows):,} {re.split('[:;]', NAMED[name])[0]}" for name, rows in odd.items() if rows]


def _nothing(fills: Sequence[FileFill], found: Analysis, lake: Lake, name: str) -> DataError:
    """Why there is nothing to analyse."""
    odd = found.odd
    if not odd["no_tape"]:
        received = f"{', '.join(in_words(odd))}, from row {fills[0].row} of {name} on"
        return DataError("fills that can be measured against their tape", received, _clock(found) or "correct the file")
    first = odd["no_tape"][0]
    received = f"{', '.join(in_words(odd))}; the first is {first.symbol} in row {first.row} of {name}"
    remedy = "`tercel data list` names what it has; import those days (`tercel data import`), or name another `lake=`"
    if found.meant:
        remedy = f"try {', '.join(found.meant.values())}: small and capital letters differ"
    return DataError(f"fills on days that {lake.root} has", received, remedy)


# -- parents ----------------------------------------------------------------------------------------------------------


def _groups(
    fills: Sequence[FileFill],
    orders: Mapping[str, FileOrder],
    calendar: Calendar,
    venue: str,
    odd: Odd,
) -> tuple[list[_Group], list[FileOrder]]:
    """Parents day by day, those of orders without fills among them."""
    days: dict[str, dict[tuple[str, str, str], _Group]] = defaultdict(dict)
    lost: Counter[str] = Counter()
    for fill in fills:
        day = calendar.day(fill.symbol, fill.ns, fill.venue or venue)
        if day is None:
            odd["no_tape"].append(fill)
            lost[fill.parent] += fill.quantity
            continue
        word = "buy" if fill.side > 0 else "sell"
        made = " ".join(part for part in (fill.symbol, word, fill.agent, day.date) if part)
        name, order = fill.parent or made, orders.get(fill.parent)
        if not fill.parent:
            odd["no_parent"].append(fill)
        elif orders and order is None:
            odd["no_order"].append(fill)
        group = days[name].setdefault(day.key, _Group(name, day, fill.side, [], order))
        _refuse_mixed(fill, group, order)
        group.fills.append(fill)
    groups = []
    for name, parts in days.items():
        groups += _day_by_day(list(parts.values()), odd, lost[name])
    idle = [order for name, order in orders.items() if name not in days]
    found = [(order, calendar.day(order.symbol, order.start_ns, venue)) for order in idle]
    groups += [
        _Group(one.parent, day, one.side, [], one, one.quantity - lost[one.parent])
        for one, day in found
        if day is not None and lost[one.parent] < one.quantity
    ]
    return groups, [order for order, day in found if day is None]


def _refuse_mixed(fill: FileFill, group: _Group, order: FileOrder | None) -> None:
    named = (order.symbol, order.side) if order is not None else (group.day.symbol, group.side)
    if (fill.symbol, fill.side) != named or group.day.symbol != fill.symbol or group.side != fill.side:
        word = "buy" if fill.side > 0 else "sell"
        received = f"{word} {fill.symbol} in row {fill.row} of parent {fill.parent}"
        side = "buy" if named[1] > 0 else "sell"
        raise DataError(f"one symbol and side a parent: {side} {named[0]}", received, "give each an id of its own")


def _day_by_day(parts: list[_Group], odd: Odd, before: int) -> list[_Group]:
    """A parent's days; what was ordered is asked for on the last of them, as far as it was not filled before."""
    parts.sort(key=lambda group: group.day.date)
    order = parts[0].order
    for group in parts:
        group.fills.sort(key=lambda fill: fill.ns)
        filled = sum(fill.quantity for fill in group.fills)
        if len(parts) > 1:
            odd["several_days"] += group.fills
            group.name = f"{group.name} {group.day.date}"
        group.quantity = filled
        if order is not None and group is parts[-1]:
            group.quantity = order.quantity - before
            if filled + order.refused > group.quantity:
                received = f"{before + filled} filled and {order.refused} refused of parent {order.parent}"
                raise DataError(f"at most the {order.quantity} of its order", received, "correct one of the files")
        before += filled
    return parts


# -- against the tape -------------------------------------------------------------------------------------------------


def _grain(day: Instrument, groups: Sequence[_Group]) -> int:
    """How finely a tick is divided, so that every price of the file is a whole number, and every parent's fees are.

    Fees of more digits than `FEES` divisions hold are rounded, once a parent.
    """
    tick = Fraction(str(day.tick))
    grain = 1
    for price in {fill.price for group in groups for fill in group.fills}:
        grain = lcm(grain, (price / tick).denominator)
        if grain > FINEST:
            received = f"{float(price)} for a tick of {day.tick}"
            raise DataError(f"prices of {day.symbol} in decimals of a tick", received, "write fewer digits")
    finer = grain
    for group in groups:
        fees = sum((fill.fee for fill in group.fills), Fraction(0))
        finer = min(lcm(finer, (2 * fees / (tick * day.lot_units)).denominator), grain * FEES)
    return finer


def _measured(group: _Group, day: MarketDay, grain: int, odd: Odd, within_ns: int) -> OwnParent | None:
    """The parent's cost; None where none of its fills can be measured, and nothing else was asked for."""
    about, order = day.instrument, group.order
    tick = Fraction(str(about.tick))
    unit = tick / (2 * grain) * about.lot_units
    met = [(fill, row) for fill in group.fills if (row := _met(fill, day, tick, grain, odd, within_ns)) is not None]
    lost = sum(fill.quantity for fill in group.fills) - sum(fill.quantity for fill, _ in met)
    quantity = _lots(group.quantity - lost, about, group)
    start, end = (met[0][0].ns, met[-1][0].ns) if met else (0, 0)
    said = [fill.arrival_ns for fill in group.fills if fill.arrival_ns]
    start, limit = min([start, *said]), None if order is None else order.limit
    if order is not None:
        start, end = order.start_ns, order.end_ns
        odd["outside_order"] += [fill for fill, _ in met if not start <= fill.ns <= end]
        odd["beyond_limit"] += [fill for fill, _ in met if limit is not None and (fill.price - limit) * fill.side > 0]
    start, end = max(start, day.open_ns), min(end, day.close_ns)
    mid_ns, mid2 = day.mids
    if not quantity or not len(mid2) or start > end:
        odd["no_quote"] += [fill for fill, _ in met]
        return None
    arrival_mid2 = int(mid2[max(int(np.searchsorted(mid_ns, start)) - 1, 0)]) * grain
    prints = slice(*np.searchsorted(day.print_ns, (start, end + 1)))
    agents = Counter(fill.agent for fill in group.fills)
    facts = ParentFacts(
        parent=group.name,
        instrument=about.symbol,
        agent="" if not agents else next(iter(agents)) if len(agents) == 1 else "several",
        side=group.side,
        quantity=quantity,
        start_ns=start,
        end_ns=end,
        arrival_mid2=arrival_mid2,
        fills=np.array([row for _, row in met], np.int64).reshape(-1, 7),
        mid_ns=mid_ns,
        mid2=mid2 * grain,
        trade_price=day.print_price[prints] * grain,
        trade_lots=day.print_lots[prints],
        fees=round(sum((fill.fee for fill, _ in met), Fraction(0)) / unit),
        refused=_lots(order.refused, about, group) if order is not None else 0,
        close_mid2=int(mid2[-1]) * grain,
        unit=float(unit),
    )
    _refuse_too_much(facts)
    first, last = np.searchsorted(mid_ns, (start, end + 1))
    path = np.stack([mid_ns, facts.mid2], axis=1)[max(first - 1, 0) : last]
    cost = measure(without_own(facts))
    delay = sum(group.side * (met[0][1][F_MID2] - arrival_mid2) * row[F_QTY] for _, row in met)
    sums = {"delay": delay, **cost.sums, "timing": cost.sums["timing"] - delay}
    per_filled = BPS / (arrival_mid2 * cost.filled) if cost.filled else nan
    cost, ordered = replace(cost, timing_bps=sums["timing"] * per_filled, sums=sums), bool(said or order)
    return OwnParent(cost, delay * per_filled, about, unit, grain, arrival_mid2, limit, ordered, facts.fills, path)


def _met(fill: FileFill, day: MarketDay, tick: Fraction, grain: int, odd: Odd, within_ns: int) -> list[int] | None:
    """A fill as the simulator logs its own, with the quotes that it met; None where there were none.

    It is off the market where none of the next `within_ns` holds its price.
    """
    if not day.open_ns <= fill.ns <= day.close_ns:
        odd["outside_session"].append(fill)
        return None
    bid, ask = day.before(fill.ns)
    if not bid:
        odd["no_quote"].append(fill)
        return None
    if fill.price >= FAR_OFF * ask * tick or fill.price * FAR_OFF <= bid * tick:
        odd["far_off"].append(fill)
        return None
    price = int(fill.price / tick * grain)
    lowest, highest = (edge * grain for edge in day.span(fill.ns, within_ns))
    if not lowest <= price <= highest:
        odd["off_market"].append(fill)
    near, far = (bid, ask) if fill.side > 0 else (ask, bid)
    took, rested = fill.side * (price - far * grain) >= 0, fill.side * (price - near * grain) <= 0
    touch2 = 2 * far * grain if took else 2 * price
    lots = fill.quantity // day.instrument.lot
    return [fill.ns, price, lots, (bid + ask) * grain, touch2, int(rested and not took), 0]


def _lots(quantity: int, about: Instrument, group: _Group) -> int:
    if quantity % about.lot or any(fill.quantity % about.lot for fill in group.fills):
        received = f"{quantity} of parent {group.name}"
        raise DataError(f"whole lots of {about.lot} {about.symbol}", received, "correct the quantities")
    return quantity // about.lot


def _refuse_too_much(facts: ParentFacts) -> None:
    """Sums are 64-bit integers."""
    price = max(int(np.abs(facts.mid2).max()), 2 * int(facts.fills[:, 1].max(initial=0)))
    if price * max(facts.quantity, int(facts.trade_lots.sum()), 1) >= 2**62:
        received = f"{facts.quantity} lots of parent {facts.parent}"
        raise DataError("an order whose value can be counted", received, "write prices with fewer digits")
