"""Calibration of the zero-intelligence flow from days of tape.

Estimators (Cont, Stoikov and Talreja 2010, section 4, by counts), bid and ask together, days pooled, T the
seconds with both sides quoted:

- limit_rate[i] = placements at distance i / (2 T)
- market_rate = market orders / (2 T); executions with one time stamp and one aggressor side are one market
  order, whose size is their sum; the remainder that such an order leaves resting is no event of its own
- cancel_rate[i] = lots withdrawn at distance i / integral over time of the lots resting at distance i.
  Lots, not orders: "each resting lot dies at rate theta(i)" counts partial cancels for what they are,
  needs no identity of the anonymous blocks of a level-limited file, and keeps the mean depth (a count of
  orders would keep the mean number of orders instead, and lose depth wherever large orders live longer or
  shorter than small ones). Neighbouring distances are pooled until `MIN_CANCELS` orders were withdrawn
  there; the last value is that of I .. 2 I - 1.

I is the smallest distance that covers `COVER` of the placements; orders placed farther away are left out (they are no
events), so the book stays bounded and no wall of orders builds up at I.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.venue_rules import windows_of
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.census import Census, census, total
from tercel.market.flow.census_kernel import REACH
from tercel.market.flow.fit_table import sd_of_mid_changes
from tercel.market.flow.port import Card
from tercel.market.flow.santa_fe import SIZE_ENTRIES, SantaFePreset
from tercel.market.observed.anonymous_orders import as_orders
from tercel.market.tape import Events, Instrument
from tercel.market.tape.recorded_rules import recorded_hours

COVER = 0.98
MIN_CANCELS = 50
MIN_MARKET_ORDERS = 50
LOT_CHOICES = (1_000_000, 100_000, 10_000, 1000, 100, 10, 1)
LOT_BIAS = 0.05
ESTIMATOR = (
    "Counts over time, bid and ask pooled, first 15 minutes of each day left out. limit_rate[i]: placements at "
    "distance i from the opposite best; market_rate: executions with one time stamp and aggressor side are one "
    "market order (hidden trades left out); cancel_rate[i]: lots withdrawn at distance i over lot seconds "
    "resting there (each resting lot dies at that rate)."
)


def calibrate(
    days: Sequence[tuple[Instrument, Events]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
) -> SantaFePreset:
    """A preset from one or more days of one symbol.

    Parameters
    ----------
    days : sequence of (Instrument, Events)
        As `Lake.read` gives them; pooled.
    name : str
        Name of the preset.
    date : str
        Date of the calibration for the card, as the caller says it (nothing here reads a clock).
    lot_shares : int, optional
        Units of one simulated lot. Default: the coarsest power of ten, up to a million, that changes no mean size by
        more than 5 %.
    skip_s : float
        Seconds left out at the opening of each day.

    Raises
    ------
    ConfigError
        No days, several symbols or ticks, or too few events to estimate a rate.
    """
    first = common_instrument(days)
    counts = [census_of(instrument, events, skip_s) for instrument, events in days]
    return from_census(
        counts,
        [instrument for instrument, _ in days],
        name=name,
        date=date,
        lot_shares=lot_shares or choose_lot(counts, first.lot),
    )


def census_of(instrument: Instrument, events: Events, skip_s: float = 900.0) -> Census:
    """Census of one day between its session bounds (the first and last event where they are not known).

    A tape of level totals is read as one of anonymous orders.
    """
    opening, close = instrument.session(events.exch_ns)
    return census(as_orders(events), opening, close, int(skip_s * NS_PER_SECOND))


def blocks(
    instrument: Instrument, events: Events, block_s: float, skip_s: float = 900.0
) -> list[Census]:
    """Census of the day's windows of trading after its first `skip_s`, in blocks of `block_s` (a shorter rest is dropped).

    Volume curve and hidden volume are the whole day's in every block.
    """
    opening, close = instrument.session_open_ns, instrument.session_close_ns
    day_census = census_of(instrument, events, skip_s)
    first = opening + int(skip_s * NS_PER_SECOND)
    step = int(block_s * NS_PER_SECOND)
    windows = recorded_hours(instrument).windows or windows_of([(opening, close)])
    parts = [
        census(events, start_ns, start_ns + step, 0)
        for window in windows
        for start_ns in range(
            max(first, window.start_ns), min(close, window.end_ns) - step + 1, step
        )
    ]
    return [
        replace(part, curve_lots=day_census.curve_lots, hidden_lots=day_census.hidden_lots)
        for part in parts
    ]


def from_census(
    counts: Sequence[Census],
    instruments: Sequence[Instrument],
    *,
    name: str,
    date: str,
    lot_shares: int,
) -> SantaFePreset:
    """The pooled estimators on days already counted; arguments as in :func:`calibrate`."""
    first = instruments[0]
    per_lot = lot_shares / first.lot
    seconds = float(total(counts, "seconds"))
    markets = np.concatenate([c.market_sizes for c in counts])
    if seconds <= 0.0 or len(markets) < MIN_MARKET_ORDERS:
        raise ConfigError(
            f"at least {MIN_MARKET_ORDERS} market orders to calibrate on",
            f"{len(markets)} in {seconds:.0f} s of two-sided book on {', '.join(instrument.date for instrument in instruments)}",
            "calibrate on more or longer days",
        )
    placed = np.asarray(total(counts, "placed"))
    reach = covering_distance(placed, int(total(counts, "beyond")))
    distances = np.concatenate([c.limit_distance for c in counts])
    limit_lots = to_lots(
        np.concatenate([c.limit_sizes for c in counts])[distances <= reach], per_lot
    )
    market_lots = to_lots(markets, per_lot)
    limit_rate = placed[1 : reach + 1] / (2.0 * seconds)
    cancel_rate = cancel_rates(counts, reach)
    depth = np.asarray(total(counts, "depth_time")) / seconds / per_lot
    offset = np.asarray(total(counts, "offset_time")) / seconds
    expected_live = 2.0 * float(np.sum(limit_rate / cancel_rate))
    return SantaFePreset(
        name=name,
        symbol=first.symbol,
        venue=first.venue,
        tick=first.tick,
        lot=lot_shares,
        start_mid_ticks=round(float(np.mean([c.mid2[c.mid2 != 0][0] for c in counts])) / 2.0),
        limit_rate=tuple(limit_rate.tolist()),
        market_rate=len(markets) / (2.0 * seconds),
        cancel_rate=tuple(cancel_rate.tolist()),
        limit_sizes=size_table(limit_lots),
        market_sizes=size_table(market_lots),
        volume_per_s=float(market_lots.sum()) / seconds,
        mean_depth=tuple(depth.tolist()),
        level_offset_ticks=tuple(offset.tolist()),
        mean_spread_ticks=float(total(counts, "spread_time")) / seconds,
        sd60_ticks=sd_of_mid_changes([c.mid2 for c in counts], 60),
        volume_curve=tuple((np.mean([c.curve_lots for c in counts], axis=0) / per_lot).tolist()),
        eta_ticks_per_lot=walking_slope(depth, offset),
        orders=max(512, power_of_two(4.0 * expected_live)),
        width=max(256, power_of_two(8.0 * reach)),
        card=_card(counts, instruments, date, cancel_rate, limit_lots, market_lots, per_lot),
    )


def covering_distance(placed: Floats, beyond: int) -> int:
    """Smallest distance that holds `COVER` of all placements, those `beyond` included (`placed` by distance, index 0 unused).

    >>> covering_distance(np.array([0.0, 50.0, 48.0, 1.0, 1.0]), 0)
    2
    """
    placements = placed.sum() + beyond
    if placements <= 0:
        raise ConfigError(
            "limit orders behind a quoted opposite side", "none", "calibrate on other days"
        )
    return int(min(np.searchsorted(np.cumsum(placed), COVER * placements), len(placed) - 1))


def cancel_rates(counts: Sequence[Census], reach: int) -> Floats:
    """theta(i), i = 1 .. reach, per second: lots withdrawn over lot seconds, neighbours pooled until enough."""
    lots = np.asarray(total(counts, "cancelled_lots"))
    orders = np.asarray(total(counts, "cancelled_orders"))
    resting = np.asarray(total(counts, "lots_time"))
    last = min(2 * reach - 1, REACH)
    # The last distance holds for all beyond it.
    lots, orders, resting = (
        np.append(x[1:reach], x[reach : last + 1].sum()) for x in (lots, orders, resting)
    )
    rates = np.empty(reach)
    start = 0
    for stop in range(1, reach + 1):
        short = orders[start:stop].sum() < MIN_CANCELS or resting[start:stop].sum() <= 0.0
        if short and stop < reach:
            continue
        if (
            short
        ):  # the far end has too few: the shortest run up to it that holds `MIN_CANCELS`, else all
            from_end = np.cumsum(orders[:stop][::-1])
            start = max(0, stop - 1 - int(np.searchsorted(from_end, MIN_CANCELS)))
        lot_seconds = resting[start:stop].sum()
        if lot_seconds <= 0.0 or lots[start:stop].sum() <= 0.0:
            raise ConfigError(
                "cancelled orders to calibrate on", "none", "calibrate on more or longer days"
            )
        rates[start:stop] = lots[start:stop].sum() / lot_seconds
        start = stop
    return rates


def to_lots(units: Ints, per_lot: float) -> Ints:
    """Sizes in simulated lots: rounded, at least one.

    >>> to_lots(np.array([20, 149, 151, 1000]), 100.0).tolist()
    [1, 1, 2, 10]
    """
    return np.maximum(1, np.floor(units / per_lot + 0.5)).astype(np.int64)


def size_table(lots: Ints) -> tuple[int, ...]:
    """64 equally likely sizes whose mean is that of the sample.

    Each entry is the mean of 1/64 of the sorted sample, rounded so that the running sum stays within half
    a lot. The plain quantiles (k + 1/2)/64 would lose the far tail, and with it traded volume.

    >>> table = size_table(np.array([1] * 127 + [1000]))
    >>> table[0], table[-1], sum(table) / 64
    (1, 501, 8.8125)
    """
    ordered = np.sort(lots).astype(np.float64)
    position = np.linspace(0.0, len(ordered), SIZE_ENTRIES + 1)
    running = np.concatenate(([0.0], np.cumsum(ordered)))
    cumulative = (
        np.interp(position, np.arange(len(ordered) + 1), running) * SIZE_ENTRIES / len(ordered)
    )
    steps = np.diff(np.floor(cumulative + 0.5))
    return tuple(int(x) for x in np.sort(np.maximum(1.0, steps)))


def walking_slope(depth: Floats, offset: Floats) -> float:
    """eta: least-squares slope through 0 of the mean cost per lot, ticks beyond the touch, of an order that walks the book.

    >>> round(walking_slope(np.full(5, 10.0), np.arange(5.0)), 3)
    0.036
    """
    edges = np.concatenate(([0.0], np.cumsum(depth)))
    if edges[-1] <= 0.0:
        return 0.0
    lots = np.linspace(0.0, edges[-1], 201)[1:]
    cost = np.interp(lots, edges, np.concatenate(([0.0], np.cumsum(depth * offset)))) / lots
    return float(np.sum(lots * cost) / np.sum(lots * lots))


def power_of_two(value: float) -> int:
    """Smallest power of two not below `value`.

    >>> power_of_two(300.0)
    512
    """
    return 1 << max(0, int(np.ceil(np.log2(max(value, 1.0)))))


def choose_lot(counts: Sequence[Census], unit: int) -> int:
    """Coarsest power of ten as a lot that changes neither mean size by more than a share `LOT_BIAS`; `unit` if none does."""
    samples = [
        np.concatenate([c.limit_sizes for c in counts]),
        np.concatenate([c.market_sizes for c in counts]),
    ]
    for lot in LOT_CHOICES:
        if lot >= unit and all(
            len(s) and abs(to_lots(s, lot / unit).mean() * lot / unit / s.mean() - 1.0) <= LOT_BIAS
            for s in samples
        ):
            return lot
    return unit


def common_instrument(days: Sequence[tuple[Instrument, Events]]) -> Instrument:
    """Instrument of the first day; ConfigError without days, or if their venue, symbol, tick or lot differ."""
    if not days:
        raise ConfigError(
            "at least one day to calibrate on", "none", "name days that the lake holds"
        )
    first = days[0][0]
    for instrument, _ in days:
        for field in ("venue", "symbol", "tick", "lot"):
            if getattr(instrument, field) != getattr(first, field):
                like_first = [
                    day.date for day, _ in days if getattr(day, field) == getattr(first, field)
                ]
                raise ConfigError(
                    f"days of one market ({field} {getattr(first, field)} on {first.date})",
                    f"{field} {getattr(instrument, field)} on {instrument.date}",
                    f"calibrate on days of one {field} alone: `date={','.join(like_first)}`",
                )
    return first


def _card(
    counts: Sequence[Census],
    instruments: Sequence[Instrument],
    date: str,
    cancel_rate: Floats,
    limit_lots: Ints,
    market_lots: Ints,
    per_lot: float,
) -> Card:
    """Card of a calibration: its data and rates; `judge` adds the fit table later."""
    placed = float(np.sum(total(counts, "placed"))) + total(counts, "beyond")
    reach = len(cancel_rate)
    levels = sorted({instrument.levels for instrument in instruments})
    visible = float(np.sum(total(counts, "curve_lots")))
    within = float(np.sum(np.asarray(total(counts, "placed"))[: reach + 1]))
    notes = [
        f"{100.0 * within / placed:.2f} % of the placements lie within {reach} ticks of the opposite best; those "
        "farther are left out.",
        f"A simulated lot is {round(per_lot * instruments[0].lot)} shares: sizes are rounded, at least one lot.",
    ]
    if levels != [0]:
        notes.append(
            f"The files show {' or '.join(str(v) for v in levels if v)} levels: placements and cancels outside "
            "that window are not in them, so the far rates are those of the window, and orders that leave it are "
            "not followed."
        )
    return {
        "days": [instrument.date for instrument in instruments],
        "calibrated": date,
        "estimator": ESTIMATOR,
        "seconds": float(total(counts, "seconds")),
        "placements": int(placed),
        "market_orders": int(sum(len(c.market_sizes) for c in counts)),
        "marketable_remainders": int(total(counts, "remainders")),
        "withdrawn_orders": int(np.sum(total(counts, "cancelled_orders"))),
        "cancel_rates_told_apart": len(np.unique(cancel_rate)),
        "hidden_over_visible_volume": float(total(counts, "hidden_lots")) / visible
        if visible
        else 0.0,
        "unknown_orders": int(total(counts, "unknown_ids")),
        "stub_quote_rows_left_out": int(total(counts, "far_rows")),
        "mean_limit_lots": float(limit_lots.mean()),
        "mean_market_lots": float(market_lots.mean()),
        "feed_levels": levels,
        "notes": notes,
    }
