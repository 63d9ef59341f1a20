"""Costs of somebody's own executions against the recorded days of a lake, parent by parent, split into components.

found = analyse(read_fill_file(Path("fills.csv")).fills, {}, Lake("lake"))
found.parents[0].cost.is_bps

A fill meets the quotes just before its time stamp. A fill at the far touch or beyond took liquidity: the distance from
the mid to the touch is its spread cost, the distance beyond the touch its depth cost (`walk`). A fill at its own
side's touch or better rested; a fill inside the spread has spread cost alone. Own impact is part of timing: a real
day has no counterfactual.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, nan

import numpy as np

from tercel.api.tca.analysis import (
    HOURS,
    ODD_MEANINGS,
    Analysis,
    OddName,
    OwnParent,
    no_fills_error,
)
from tercel.api.tca.executions import FileFill
from tercel.api.tca.fees import settle_fee, single_currency
from tercel.api.tca.files import FileOrder
from tercel.api.tca.fill_parents import NS_PER_HOUR, Group, Odd, group_by_parent
from tercel.api.tca.market_day import Calendar, MarketDay, read_day
from tercel.core.errors import DataError, refuse_if
from tercel.core.grouping import group_values
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.desk.trading.tca.measure import F_MID2, F_QTY, ParentFacts, measure, without_own
from tercel.desk.trading.tca.shortfall import BPS, TICKS2
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.recorded_rules import recorded_hours

FAR_OFF = 5
"""A price so many times above or below the market's price counts as a typing error."""
FINEST = 10**6
FINEST_LOTS = 10**12
FEES = 10**4


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
    currency = single_currency(fills, name)
    fills = [settle_fee(fill) for fill in fills]
    odd: Odd = {name: [] for name in ODD_MEANINGS}
    calendar = Calendar(lake)
    groups, skipped_orders = group_by_parent(fills, orders, calendar, venue, odd)
    units = {group.day.price_origin < 0: group.day.symbol for group in groups}
    if len(units) > 1:
        raise DataError(
            "costs in ticks or in bps",
            f"{units[True]}, which may trade at or below zero, beside {units[False]}",
            "give those in ticks a file of their own",
        )
    by_day = group_values((group.day.key, group) for group in groups)
    parents: list[OwnParent] = []
    measured: set[str] = set()
    fits_by_shift: Counter[int] = Counter()
    resolution_ns = NS_PER_SECOND if all(fill.ns % NS_PER_SECOND == 0 for fill in fills) else 1
    resolution_ns = DAY_NS if dated else resolution_ns
    ages: dict[str, float] = {}
    for key, day_groups in by_day.items():
        day = read_day(lake, day_groups[0].day, quote_age_s)
        for group in day_groups if dated else ():
            group.fills = [replace(fill, ns=day.first_ns) for fill in group.fills]
        ages[" ".join(key)] = day.age_ns / NS_PER_SECOND
        fits_by_shift.update(
            _count_fits(
                day, [fill for group in day_groups for fill in group.fills], resolution_ns - 1
            )
        )
        scale = _scale(day.instrument, day_groups, in_lots)
        measured_groups = [
            (group, _measure_parent(group, day, scale, odd, resolution_ns - 1))
            for group in day_groups
        ]
        parents += [parent for _, parent in measured_groups if parent is not None]
        measured |= {
            group.label
            for group, parent in measured_groups
            if parent is not None and len(parent.fills)
        }
        skipped_orders += [
            group.order
            for group, parent in measured_groups
            if parent is None and group.order is not None
        ]
    symbols = {fill.symbol: calendar.match_symbol(fill.symbol) for fill in odd["no_tape"]}
    similar = {
        symbol: lake_symbol
        for symbol, lake_symbol in symbols.items()
        if lake_symbol not in ("", symbol)
    }
    expected_labels = {group.label for group in groups if group.fills} | {
        fill.parent for fill in odd["no_tape"] if fill.parent
    }
    skipped = sorted(expected_labels - measured)
    agents = any(fill.agent for fill in fills)
    analysis = Analysis(
        parents,
        len(fills),
        odd,
        skipped_orders,
        skipped,
        fits_by_shift,
        similar,
        agents,
        resolution_ns,
        ages,
        currency,
    )
    if not parents:
        raise no_fills_error(fills, analysis, lake, name)
    parents.sort(
        key=lambda parent: (parent.cost.start_ns, parent.cost.instrument, parent.cost.parent)
    )
    return analysis


def _count_fits(day: MarketDay, fills: Sequence[FileFill], within_ns: int) -> dict[int, int]:
    """Number of fills inside the quotes for each shift of their clock by whole hours."""
    ns = np.array([fill.ns for fill in fills], np.int64)
    price = np.array([float(day.instrument.ticks_of(fill.price)) for fill in fills])
    return {
        hours: int(day.is_within_quotes(ns + hours * NS_PER_HOUR, price, within_ns).sum())
        for hours in HOURS
    }


@dataclass(frozen=True)
class _Scale:
    """Divisors that make a day's prices and quantities whole: grains per tick, parts per lot."""

    tick: Fraction
    lot: Fraction
    coins: Fraction
    grain: int
    parts: int

    def net_lots(self, fill: FileFill) -> Fraction:
        """Lots of a fill without the fee that the venue withheld from them."""
        return fill.quantity / self.lot - fill.withheld / self.coins


def _scale(day: Instrument, groups: Sequence[Group], in_lots: bool) -> _Scale:
    """Divisors of ticks and lots that make prices and quantities of the file, and every parent's fees, whole.

    Fees of more digits than `FEES` divisions hold are rounded, once a parent.
    """
    tick = Fraction(str(day.tick))
    coins = day.lot_units
    fills = [fill for group in groups for fill in group.fills]
    scale = _Scale(tick, Fraction(1) if in_lots else coins, coins, 1, 1)
    lots = [scale.net_lots(fill) for fill in fills] + [fill.quantity / scale.lot for fill in fills]
    lots += [group.quantity / scale.lot for group in groups]
    lots += [group.order.refused / scale.lot for group in groups if group.order is not None]
    grain = _common_denominator(
        {fill.price / tick for fill in fills},
        FINEST,
        f"prices of {day.symbol} in decimals of a tick",
    )
    parts = _common_denominator(
        set(lots), FINEST_LOTS, f"quantities of {day.symbol} in decimals of a lot"
    )
    finer = grain
    for group in groups:
        fees = sum((fill.fee for fill in group.fills if not fill.fee_currency), Fraction(0))
        finer = min(lcm(finer, (2 * fees * parts / (tick * coins)).denominator), grain * FEES)
    return replace(scale, grain=finer, parts=parts)


def _common_denominator(values: Iterable[Fraction], finest: int, expected: str) -> int:
    """Least common denominator of the values; raises where it is finer than `finest`."""
    common = 1
    for value in values:
        common = lcm(common, value.denominator)
        if common > finest:
            raise DataError(expected, f"{float(value):.17g} of them", "write fewer digits")
    return common


def _measure_parent(
    group: Group, day: MarketDay, scale: _Scale, odd: Odd, within_ns: int
) -> OwnParent | None:
    """Cost of a parent on its day; None without any quantity, without mids, or if the quote at its start is stale.
    Odd fills are added to `odd`, by reason.
    """
    instrument = day.instrument
    order = group.order
    grain = scale.grain
    parts = scale.parts
    unit = scale.tick / (2 * grain) * scale.coins / parts
    met_fills = [
        (fill, row)
        for fill in group.fills
        if (row := _fill_row(fill, day, scale, odd, within_ns)) is not None
    ]
    filled = sum((fill.quantity for fill in group.fills), Fraction(0)) / scale.lot
    lost = filled - sum(scale.net_lots(fill) for fill, _ in met_fills)
    quantity = int((group.quantity / scale.lot - lost) * parts)
    start_ns, end_ns = (
        (met_fills[0][0].ns, met_fills[-1][0].ns + within_ns // NS_PER_SECOND * NS_PER_SECOND)
        if met_fills
        else (0, 0)
    )
    arrivals = [fill.arrival_ns for fill in group.fills if fill.arrival_ns]
    odd["before_arrival"] += [fill for fill in group.fills if fill.arrival_ns > fill.ns + within_ns]
    start_ns = min([start_ns, *arrivals])
    limit = None if order is None else order.limit
    if order is not None:
        start_ns = order.start_ns
        end_ns = order.end_ns
    start_ns = max(start_ns, day.open_ns)
    end_ns = min(end_ns, day.close_ns)
    mid_ns, mid2 = day.mids
    if not quantity or not len(mid2) or start_ns > end_ns or day.is_stale(start_ns):
        odd["stale_quote" if day.is_stale(start_ns) else "no_quote"] += [
            fill for fill, _ in met_fills
        ]
        return None
    if order is not None:
        odd["outside_order"] += [
            fill for fill, _ in met_fills if not order.start_ns <= fill.ns <= order.end_ns
        ]
        odd["beyond_limit"] += [
            fill
            for fill, _ in met_fills
            if limit is not None and (fill.price - limit) * fill.side > 0
        ]
    # prices and lots are columns of 64-bit integers
    worth2 = 2 * FAR_OFF * int(mid2.max()) * grain
    printed = int(day.print_lots.sum()) * parts
    refuse_if(
        max(worth2, quantity, printed) >= 2**62,
        "an order whose value can be counted",
        f"parent {group.name}",
        "write fewer digits",
        DataError,
    )
    arrival_mid2 = int(mid2[max(int(np.searchsorted(mid_ns, start_ns)) - 1, 0)]) * grain
    prints = slice(*np.searchsorted(day.print_ns, (start_ns, end_ns + 1)))
    agents = Counter(fill.agent for fill in group.fills)
    foreign_fees: dict[str, Fraction] = defaultdict(Fraction)
    for fill, _ in met_fills:
        foreign_fees[fill.fee_currency] += fill.fee
    facts = ParentFacts(
        parent=group.name,
        instrument=instrument.symbol,
        agent="" if not agents else next(iter(agents)) if len(agents) == 1 else "several",
        side=group.side,
        quantity=quantity,
        start_ns=start_ns,
        end_ns=end_ns,
        arrival_mid2=arrival_mid2,
        fills=np.array([row for _, row in met_fills], np.int64).reshape(-1, 7),
        mid_ns=mid_ns,
        mid2=mid2 * grain,
        trade_price=day.print_price[prints] * grain,
        trade_lots=day.print_lots[prints] * parts,
        fees=round(foreign_fees.pop("", Fraction(0)) / unit),
        refused=int(order.refused / scale.lot * parts) if order is not None else 0,
        close_mid2=int(mid2[-1]) * grain,
        unit=float(unit),
        value2=TICKS2 * grain if instrument.price_origin else 0,
        hours=recorded_hours(instrument),
    )
    first_row, end_row = np.searchsorted(mid_ns, (start_ns, end_ns + 1))
    path = np.stack([mid_ns, facts.mid2], axis=1)[max(first_row - 1, 0) : end_row]
    cost = measure(without_own(facts))
    delay = sum(
        group.side * (met_fills[0][1][F_MID2] - arrival_mid2) * row[F_QTY] for _, row in met_fills
    )
    sums = {"delay": delay, **cost.sums, "timing": cost.sums["timing"] - delay}
    per_filled = BPS / ((facts.value2 or arrival_mid2) * cost.filled) if cost.filled else nan
    cost = replace(cost, timing_bps=sums["timing"] * per_filled, sums=sums)
    ordered = bool(arrivals or order)
    return OwnParent(
        cost,
        delay * per_filled,
        instrument,
        unit,
        grain,
        parts,
        arrival_mid2,
        limit,
        ordered,
        facts.fills,
        path,
        foreign_fees,
    )


def _fill_row(
    fill: FileFill, day: MarketDay, scale: _Scale, odd: Odd, within_ns: int
) -> list[int] | None:
    """A fill as a row of the simulator's fill log, with the quotes at its time; None without a quote or at a price far off.
    Such fills, and those off the market, are added to `odd`.

    It is off the market where none of the next `within_ns` holds its price.
    """
    grain = scale.grain
    ticks = day.instrument.ticks_of(fill.price)
    bid, ask = day.quote_before(fill.ns)
    # Where prices may be at or below zero no price is a multiple of another: what the tape cannot hold is a slip.
    low, high = (0, int(day.mids[1].max())) if day.instrument.price_origin else (bid, ask)
    if not bid or ticks >= FAR_OFF * high or ticks * FAR_OFF <= low:
        in_session = day.open_ns <= fill.ns <= day.close_ns
        unquoted: OddName = "stale_quote" if day.is_stale(fill.ns) else "no_quote"
        # pence for pounds, or the other way round
        slip: OddName = (
            "other_unit"
            if any(0.8 < ticks * scale / max(bid, 1) < 1.25 for scale in (100, 0.01))
            else "far_off"
        )
        odd["outside_session" if not in_session else slip if bid else unquoted].append(fill)
        return None
    price = int(ticks * grain)
    lots = int(scale.net_lots(fill) * scale.parts)
    refuse_if(
        lots <= 0,
        "a fee of less than the quantity that was bought",
        f"{float(fill.withheld):.12g} in row {fill.row}",
        "correct the row",
        DataError,
    )
    lowest, highest = (edge * grain for edge in day.quote_range(fill.ns, within_ns))
    if not lowest <= price <= highest:
        odd["off_market"].append(fill)
    near, far = (bid, ask) if fill.side > 0 else (ask, bid)
    is_taken = fill.side * (price - far * grain) >= 0
    is_rested = fill.side * (price - near * grain) <= 0
    touch2 = 2 * far * grain if is_taken else 2 * price
    return [fill.ns, price, lots, (bid + ask) * grain, touch2, int(is_rested and not is_taken), 0]
