"""Costs of somebody's own executions against the tape of a lake, parent by parent, in parts.

found = analyse(read_fill_file(Path("fills.csv")).fills, {}, Lake("lake"))
found.parents[0].cost.is_bps

A fill meets the quotes just before its stamp. At or beyond the far touch it took: the touch less the mid is spread,
what it paid beyond the touch is walk. At its own side's touch or better it rested; inside the spread it is all spread.
Own impact is part of timing: a real day has no counterfactual.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, nan
from typing import Final

import numpy as np

from tercel.api.tca.analysis import (
    HOURS,
    NAMED,
    Analysis,
    Calendar,
    MarketDay,
    OddName,
    OwnParent,
    nothing,
    read_day,
)
from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import FileOrder
from tercel.core.errors import DataError
from tercel.core.vocabulary import BUY, NS_PER_SECOND
from tercel.desk.trading.tca.measure import F_MID2, F_QTY, ParentFacts, measure, without_own
from tercel.desk.trading.tca.shortfall import BPS, TICKS2
from tercel.market.tape import Instrument, Lake

QUOTES: Final = (
    "USD",
    "USDT",
    "USDC",
    "FDUSD",
    "BUSD",
    "TUSD",
    "DAI",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BRL",
    "AUD",
    "CHF",
    "BTC",
    "ETH",
    "BNB",
)
"""Currencies that pairs are quoted in, where a file does not say its own."""


def settled(fill: FileFill) -> FileFill:
    """A fill whose fee is in the price's currency; one of another currency keeps `fee_currency`, and is in no cost.

    >>> from fractions import Fraction
    >>> bought = FileFill(2, 0, "BTCUSDT", 1, Fraction(2), Fraction(500), Fraction("0.002"), "", "", "")
    >>> one = settled(replace(bought, fee_currency="BTC"))
    >>> one.fee, one.withheld, one.fee_currency
    (Fraction(1, 1), Fraction(1, 500), '')
    >>> settled(replace(bought, fee_currency="BNB")).fee_currency
    'BNB'
    """
    paid_in, currency = fill.fee_currency.upper(), fill.currency.upper()
    symbol = re.sub(r"[-/_:]", "", fill.symbol.upper())
    quoted = symbol.endswith(paid_in) and symbol != paid_in and not currency
    if not fill.fee or paid_in in ("", currency) or quoted:
        return replace(fill, fee_currency="")
    rest = symbol.removeprefix(paid_in)
    if paid_in == fill.asset.upper() or (
        rest != symbol and rest in ([currency] if currency else QUOTES)
    ):
        withheld = fill.fee if fill.side == BUY else fill.withheld
        return replace(fill, fee=fill.fee * fill.price, withheld=withheld, fee_currency="")
    return replace(fill, fee_currency=paid_in)


def refuse_several(fills: Sequence[FileFill], name: str) -> str:
    """The one currency of all prices, "" where the file does not say.

    Raises
    ------
    DataError
        Prices of several: nothing is summed across currencies.
    """
    known = {fill.currency.upper(): fill for fill in reversed(fills) if fill.currency}
    if len(known) > 1:
        received = ", ".join(
            f"{currency} in row {fill.row}" for currency, fill in reversed(known.items())
        )
        raise DataError(
            "prices of one currency",
            f"{received} of {name}",
            'give each currency a file, or a map of your own with `only = {Currency = ["USD"]}`, the column by its name',
        )
    return next(iter(known), "")


# -- own fills --------------------------------------------------------------------------------------------------------
NS_PER_HOUR = 3600 * NS_PER_SECOND
DAY_NS = 24 * NS_PER_HOUR
Odd = dict[OddName, list[FileFill]]
FAR_OFF = 5
"""A price so many times above or below the market's is a typing error."""
FINEST = 10**6
FINEST_LOTS = 10**12
FEES = 10**4


@dataclass(eq=False)
class _Group:
    """A parent on a day, before it is measured."""

    name: str
    day: Instrument
    side: int
    fills: list[FileFill]
    order: FileOrder | None
    quantity: Fraction = Fraction(0)
    """Requested quantity of this day, shares."""

    @property
    def called(self) -> str:
        """As the file of fills calls it, "" without fills."""
        return (self.fills[0].parent or self.name) if self.fills else ""


def analyse(
    fills: Sequence[FileFill],
    orders: Mapping[str, FileOrder],
    lake: Lake,
    venue: str = "",
    name: str = "the file",
    *,
    quote_age_s: float | None = None,
    in_lots: bool = False,
    dated: bool = False,
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
    quote_age_s : float or None
        How old a quote may be that a fill is measured against; None: as :func:`market_day.read_day` finds it.
    in_lots : bool
        Whether quantities are lots of the tape, not shares or coins.
    dated : bool
        Whether fills say their day alone: they meet its first quotes, and their parents end with the session.

    Raises
    ------
    DataError
        A parent with several symbols or sides, more filled than ordered, prices of several currencies, costs in ticks
        and in bps side by side, or nothing that the lake has a tape of.
    """
    currency = refuse_several(fills, name)
    fills = [settled(fill) for fill in fills]
    odd: Odd = {name: [] for name in NAMED}
    calendar = Calendar(lake)
    groups, left_orders = _groups(fills, orders, calendar, venue, odd)
    units = {group.day.price_origin < 0: group.day.symbol for group in groups}
    if len(units) > 1:
        raise DataError(
            "costs in ticks or in bps",
            f"{units[True]}, which may trade at or below zero, beside {units[False]}",
            "give those in ticks a file of their own",
        )
    by_day: dict[tuple[str, str, str], list[_Group]] = defaultdict(list)
    for group in groups:
        by_day[group.day.key].append(group)
    parents: list[OwnParent] = []
    measured: set[str] = set()
    fits: Counter[int] = Counter()
    resolution_ns = NS_PER_SECOND if all(fill.ns % NS_PER_SECOND == 0 for fill in fills) else 1
    resolution_ns = DAY_NS if dated else resolution_ns
    ages: dict[str, float] = {}
    for key, mine in by_day.items():
        day = read_day(lake, mine[0].day, quote_age_s)
        for group in mine if dated else ():
            group.fills = [replace(fill, ns=day.first_ns) for fill in group.fills]
        ages[" ".join(key)] = day.age_ns / NS_PER_SECOND
        fits.update(_fits(day, [fill for group in mine for fill in group.fills], resolution_ns - 1))
        scale = _scale(day.instrument, mine, in_lots)
        found = [(group, _measured(group, day, scale, odd, resolution_ns - 1)) for group in mine]
        parents += [one for _, one in found if one is not None]
        measured |= {group.called for group, one in found if one is not None and len(one.fills)}
        left_orders += [
            group.order for group, one in found if one is None and group.order is not None
        ]
    symbols = {fill.symbol: calendar.meant(fill.symbol) for fill in odd["no_tape"]}
    meant = {symbol: known for symbol, known in symbols.items() if known not in ("", symbol)}
    named = {group.called for group in groups if group.fills} | {
        fill.parent for fill in odd["no_tape"] if fill.parent
    }
    left = sorted(named - measured)
    agents = any(fill.agent for fill in fills)
    analysis = Analysis(
        parents,
        len(fills),
        odd,
        left_orders,
        left,
        fits,
        meant,
        agents,
        resolution_ns,
        ages,
        currency,
    )
    if not parents:
        raise nothing(fills, analysis, lake, name)
    parents.sort(key=lambda one: (one.cost.start_ns, one.cost.instrument, one.cost.parent))
    return analysis


def _fits(day: MarketDay, fills: Sequence[FileFill], within_ns: int) -> dict[int, int]:
    """Number of fills inside the market up to `within_ns` after their times, by shift of their clock in hours."""
    ns = np.array([fill.ns for fill in fills], np.int64)
    price = np.array([float(day.instrument.ticks_of(fill.price)) for fill in fills])
    return {
        hours: int(day.fits(ns + hours * NS_PER_HOUR, price, within_ns).sum()) for hours in HOURS
    }


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
    lost: dict[str, Fraction] = defaultdict(Fraction)
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
    if (
        (fill.symbol, fill.side) != named
        or group.day.symbol != fill.symbol
        or group.side != fill.side
    ):
        word = "buy" if fill.side > 0 else "sell"
        side = "buy" if named[1] > 0 else "sell"
        raise DataError(
            f"one symbol and side a parent: {side} {named[0]}",
            f"{word} {fill.symbol} in row {fill.row} of parent {fill.parent}",
            "give each an id of its own",
        )


def _day_by_day(parts: list[_Group], odd: Odd, before: Fraction) -> list[_Group]:
    """Parts of a parent by day; the unfilled rest of the ordered quantity belongs to the last day."""
    parts.sort(key=lambda group: group.day.date)
    order = parts[0].order
    for group in parts:
        group.fills.sort(key=lambda fill: fill.ns)
        filled = sum((fill.quantity for fill in group.fills), Fraction(0))
        if len(parts) > 1:
            odd["several_days"] += group.fills
            group.name = f"{group.name} {group.day.date}"
        group.quantity = filled
        if order is not None and group is parts[-1]:
            group.quantity = order.quantity - before
            if filled + order.refused > group.quantity:
                received = (
                    f"{float(before + filled):.12g} filled and {float(order.refused):.12g} refused"
                )
                raise DataError(
                    f"at most the {float(order.quantity):.12g} of its order",
                    f"{received} of parent {order.parent}",
                    "correct one of the files",
                )
        before += filled
    return parts


# -- against the tape -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scale:
    """Whole numbers of a day: `grain` to a tick, `parts` to a lot; a lot in the file's quantities, and in coins."""

    tick: Fraction
    lot: Fraction
    coins: Fraction
    grain: int
    parts: int

    def received(self, fill: FileFill) -> Fraction:
        """Lots of a fill without the fee that the venue withheld from them."""
        return fill.quantity / self.lot - fill.withheld / self.coins


def _scale(day: Instrument, groups: Sequence[_Group], in_lots: bool) -> _Scale:
    """Divisors of ticks and lots with which prices and quantities of the file, and every parent's fees, are whole
    numbers.

    Fees of more digits than `FEES` divisions hold are rounded, once a parent.
    """
    tick, coins = Fraction(str(day.tick)), day.lot_units
    fills = [fill for group in groups for fill in group.fills]
    scale = _Scale(tick, Fraction(1) if in_lots else coins, coins, 1, 1)
    lots = [scale.received(fill) for fill in fills] + [fill.quantity / scale.lot for fill in fills]
    lots += [group.quantity / scale.lot for group in groups]
    lots += [group.order.refused / scale.lot for group in groups if group.order is not None]
    grain = _common(
        {fill.price / tick for fill in fills},
        FINEST,
        f"prices of {day.symbol} in decimals of a tick",
    )
    parts = _common(set(lots), FINEST_LOTS, f"quantities of {day.symbol} in decimals of a lot")
    finer = grain
    for group in groups:
        fees = sum((fill.fee for fill in group.fills if not fill.fee_currency), Fraction(0))
        finer = min(lcm(finer, (2 * fees * parts / (tick * coins)).denominator), grain * FEES)
    return replace(scale, grain=finer, parts=parts)


def _common(values: Iterable[Fraction], finest: int, expected: str) -> int:
    """The least common denominator."""
    common = 1
    for value in values:
        common = lcm(common, value.denominator)
        if common > finest:
            raise DataError(expected, f"{float(value):.17g} of them", "write fewer digits")
    return common


def _measured(
    group: _Group, day: MarketDay, scale: _Scale, odd: Odd, within_ns: int
) -> OwnParent | None:
    """Cost of a parent; None if no fill can be measured and no other quantity was requested."""
    about, order, grain, parts = day.instrument, group.order, scale.grain, scale.parts
    unit = scale.tick / (2 * grain) * scale.coins / parts
    met = [
        (fill, row)
        for fill in group.fills
        if (row := _met(fill, day, scale, odd, within_ns)) is not None
    ]
    filled = sum((fill.quantity for fill in group.fills), Fraction(0)) / scale.lot
    lost = filled - sum(scale.received(fill) for fill, _ in met)
    quantity = int((group.quantity / scale.lot - lost) * parts)
    start, end = (
        (met[0][0].ns, met[-1][0].ns + within_ns // NS_PER_SECOND * NS_PER_SECOND)
        if met
        else (0, 0)
    )
    said = [fill.arrival_ns for fill in group.fills if fill.arrival_ns]
    odd["before_arrival"] += [fill for fill in group.fills if fill.arrival_ns > fill.ns + within_ns]
    start, limit = min([start, *said]), None if order is None else order.limit
    if order is not None:
        start, end = order.start_ns, order.end_ns
    start, end = max(start, day.open_ns), min(end, day.close_ns)
    mid_ns, mid2 = day.mids
    if not quantity or not len(mid2) or start > end or day.is_stale(start):
        odd["stale_quote" if day.is_stale(start) else "no_quote"] += [fill for fill, _ in met]
        return None
    if order is not None:
        odd["outside_order"] += [
            fill for fill, _ in met if not order.start_ns <= fill.ns <= order.end_ns
        ]
        odd["beyond_limit"] += [
            fill for fill, _ in met if limit is not None and (fill.price - limit) * fill.side > 0
        ]
    # prices and lots are columns of 64-bit integers
    worth2, printed = 2 * FAR_OFF * int(mid2.max()) * grain, int(day.print_lots.sum()) * parts
    if max(worth2, quantity, printed) >= 2**62:
        raise DataError(
            "an order whose value can be counted", f"parent {group.name}", "write fewer digits"
        )
    arrival_mid2 = int(mid2[max(int(np.searchsorted(mid_ns, start)) - 1, 0)]) * grain
    prints = slice(*np.searchsorted(day.print_ns, (start, end + 1)))
    agents = Counter(fill.agent for fill in group.fills)
    apart: dict[str, Fraction] = defaultdict(Fraction)
    for fill, _ in met:
        apart[fill.fee_currency] += fill.fee
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
        trade_lots=day.print_lots[prints] * parts,
        fees=round(apart.pop("", Fraction(0)) / unit),
        refused=int(order.refused / scale.lot * parts) if order is not None else 0,
        close_mid2=int(mid2[-1]) * grain,
        unit=float(unit),
        value2=TICKS2 * grain if about.price_origin else 0,
    )
    first, last = np.searchsorted(mid_ns, (start, end + 1))
    path = np.stack([mid_ns, facts.mid2], axis=1)[max(first - 1, 0) : last]
    cost = measure(without_own(facts))
    delay = sum(group.side * (met[0][1][F_MID2] - arrival_mid2) * row[F_QTY] for _, row in met)
    sums = {"delay": delay, **cost.sums, "timing": cost.sums["timing"] - delay}
    per_filled = BPS / ((facts.value2 or arrival_mid2) * cost.filled) if cost.filled else nan
    cost, ordered = (
        replace(cost, timing_bps=sums["timing"] * per_filled, sums=sums),
        bool(said or order),
    )
    return OwnParent(
        cost,
        delay * per_filled,
        about,
        unit,
        grain,
        parts,
        arrival_mid2,
        limit,
        ordered,
        facts.fills,
        path,
        apart,
    )


def _met(
    fill: FileFill, day: MarketDay, scale: _Scale, odd: Odd, within_ns: int
) -> list[int] | None:
    """A fill as the simulator logs its own, with the quotes that it met; None where there were none.

    It is off the market where none of the next `within_ns` holds its price.
    """
    grain, ticks = scale.grain, day.instrument.ticks_of(fill.price)
    bid, ask = day.before(fill.ns)
    # Where prices may be at or below zero no price is a multiple of another: what the tape cannot hold is a slip.
    low, high = (0, int(day.mids[1].max())) if day.instrument.price_origin else (bid, ask)
    if not bid or ticks >= FAR_OFF * high or ticks * FAR_OFF <= low:
        inside = day.open_ns <= fill.ns <= day.close_ns
        unquoted: OddName = "stale_quote" if day.is_stale(fill.ns) else "no_quote"
        # pence for pounds, or the other way round
        slip: OddName = (
            "other_unit"
            if any(0.8 < ticks * scale / max(bid, 1) < 1.25 for scale in (100, 0.01))
            else "far_off"
        )
        odd["outside_session" if not inside else slip if bid else unquoted].append(fill)
        return None
    price, lots = int(ticks * grain), int(scale.received(fill) * scale.parts)
    if lots <= 0:
        raise DataError(
            "a fee of less than the quantity that was bought",
            f"{float(fill.withheld):.12g} in row {fill.row}",
            "correct the row",
        )
    lowest, highest = (edge * grain for edge in day.span(fill.ns, within_ns))
    if not lowest <= price <= highest:
        odd["off_market"].append(fill)
    near, far = (bid, ask) if fill.side > 0 else (ask, bid)
    took, rested = fill.side * (price - far * grain) >= 0, fill.side * (price - near * grain) <= 0
    touch2 = 2 * far * grain if took else 2 * price
    return [fill.ns, price, lots, (bid + ask) * grain, touch2, int(rested and not took), 0]
