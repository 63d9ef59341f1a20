"""What a forecaster reads: flow, returns and queues of the last minutes, in units of the market's own past.

A market keeps its last seconds (`simulator.past_seconds`); a feature is a difference of its tallies over some of them.
Prices are divided by the standard deviation of its own one-second moves, lots by its own mean queue or mean volume,
so that names of any tick, price and activity look alike. All is oriented by the heavier queue at the touch: what is
forecast is the move towards the thinner one, and a market in the mirror gets the mirrored forecast, exactly.

| features | what |
|---|---|
| `flow_W` | order flow imbalance of W seconds over the mean queue and the root of W (Cont, Kukanov & Stoikov 2014) |
| `taken_W` | lots bought less lots sold over the mean volume of W seconds and one mean queue |
| `move_W` | move of the mid over its standard deviation for W seconds |
| `queue`, `queues` | imbalance of lots at the touch, of five occupied levels |
| `micro` | microprice less mid, in standard deviations of a second |
| `gap` | how much farther the second level of the thin side is than that of the heavy side, in mean spreads |
| `heavy`, `thin` | lots at the touch of each side over the mean queue, log |
| `spread`, `wide` | spread over its mean; half of it in standard deviations of a second |
| `volume_10`, `volume_60`, `pace_10`, `unrest`, `hidden` | volume, events, moves and hidden lots against the past |
"""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.microstructure import imbalance
from tercel.market.book.ladder import in_window, level_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.past_seconds import WIDEST
from tercel.market.simulator.records import second_at, state_at

# -- features -------------------------------------------------------------------------------------

VERSION: Final = 1
"""Of the features: a forecaster of another is refused."""
WINDOWS: Final = (1, 3, 10, 30, 60, 120, 300)
"""Seconds that flow and moves are measured over."""
PAST_S: Final = 900
"""Seconds of the past that all is scaled by."""
LEAST_S: Final = 60
"""Seconds of the past without which nothing is said."""
_ODD: Final = 3 * len(WINDOWS)
_QUEUE, _QUEUES, _MICRO, _GAP = range(_ODD, _ODD + 4)
_HEAVY, _THIN, _SPREAD, _WIDE, _VOLUME_10, _VOLUME_60, _PACE, _UNREST, _HIDDEN, _BOUNCE = range(
    _ODD + 4, _ODD + 14
)
FEATURES: Final = _ODD + 14
SIGN, UNIT, WIDTH = range(FEATURES, FEATURES + 3)
# SIGN: +1 where the bid is heavier; UNIT: standard deviation of a second's move, half-ticks; WIDTH: words of a row
NAMES: Final = (
    *(f"{what}_{window}" for window in WINDOWS for what in ("flow", "taken", "move")),
    *("queue", "queues", "micro", "gap", "heavy", "thin", "spread", "wide"),
    *("volume_10", "volume_60", "pace_10", "unrest", "hidden", "bounce"),
)
"""Names of the features, in order."""


@kernel
def no_quote(bid: int, ask: int) -> bool:
    """Whether two prices are none to learn from: crossed, or farther apart than 1 % of the mid."""
    return ask <= bid or (ask - bid) * WIDEST > max(abs(bid + ask), WIDEST)


@kernel
def look_at_side(b: Packed, side: int, touch: int, out: Floats, at: int) -> None:
    """Lots at the touch, on five occupied levels, ticks to the second of them: three words of `out` from `at`."""
    lots1, lots5, gap, price, n = 0, 0, 0, touch, 0
    while n < 5 and in_window(b, side, price):
        lv = level_at(b, side, price)
        lots = lv.lots - lv.own_lots
        if lots > 0:
            lots5 += lots
            if n == 0:
                lots1 = lots
            elif n == 1:
                gap = (touch - price) * side
            n += 1
        price -= side
    out[at], out[at + 1], out[at + 2] = lots1, lots5, gap


@kernel
def features(b: Packed, k: Longs, out: Floats) -> bool:
    """The features of a market as it stands, float64 (WIDTH,); False, and nothing to be read, where they are not known:

    a side is not quoted, trading is halted, or the past is too short.
    """
    s = state_at(k)
    bid, ask, last = s.public_bid, s.public_ask, s.second - 1
    if s.seconds_room == 0 or bid == NO_BID or ask == NO_ASK or s.halted != 0 or no_quote(bid, ask):
        return False
    first = max(s.first_second, last - PAST_S)
    if last - first < LEAST_S or s.now // NS_PER_SECOND - last > 1:
        return False
    then, end = second_at(k, first), second_at(k, last)
    seconds = float(last - first)
    unit = math.sqrt(max(end.tens - then.tens, 4) / (10.0 * seconds))
    second = math.sqrt(max(end.squares - then.squares, 4) / seconds)
    usual_spread = (end.spreads - then.spreads) / seconds
    usual_lots = max((end.depths - then.depths) / (2.0 * seconds), 1.0)
    usual_volume = max((end.bought + end.sold - then.bought - then.sold) / seconds, 1.0 / seconds)
    usual_events = max((end.events - then.events) / seconds, 1.0 / seconds)
    look_at_side(b, 1, bid, out, 0)
    look_at_side(b, -1, ask, out, 3)
    bid1, bid5, bid_gap, ask1, ask5, ask_gap = out[0], out[1], out[2], out[3], out[4], out[5]
    sign = (
        1.0
        if bid1 > ask1 or (bid1 == ask1 and s.ofi >= second_at(k, max(last - 10, first)).ofi)
        else -1.0
    )
    spread = float(ask - bid)
    at = 0
    for window in WINDOWS:
        row = second_at(k, max(last - window, first))
        bought, sold = s.bought - row.bought, s.sold - row.sold
        out[at] = sign * (s.ofi - row.ofi) / (usual_lots * math.sqrt(window))
        out[at + 1] = sign * (bought - sold) / (usual_volume * window + usual_lots)
        out[at + 2] = sign * (s.mid2 - row.mid2) / (unit * math.sqrt(window))
        at += 3
        if window == 10:
            out[_VOLUME_10] = (bought + sold) / (usual_volume * window)
            out[_PACE] = (s.events - row.events) / (usual_events * window)
        elif window == 60:
            out[_VOLUME_60] = (bought + sold) / (usual_volume * window)
            out[_UNREST] = math.sqrt((end.squares - row.squares) / window) / second
            out[_HIDDEN] = (s.hidden_lots - row.hidden) / (usual_volume * window)
    out[_QUEUE] = sign * imbalance(bid1, ask1)
    out[_QUEUES] = sign * imbalance(bid5, ask5)
    out[_MICRO] = out[_QUEUE] * spread / unit
    out[_GAP] = sign * (ask_gap - bid_gap) / usual_spread
    out[_HEAVY] = math.log1p((bid1 if sign > 0 else ask1) / usual_lots)
    out[_THIN] = math.log1p((ask1 if sign > 0 else bid1) / usual_lots)
    out[_SPREAD] = spread / usual_spread
    out[_WIDE] = spread / unit
    out[_BOUNCE] = second / unit
    out[SIGN], out[UNIT] = sign, unit
    return True


# -- walker ---------------------------------------------------------------------------------------
# A forecaster's arithmetic: a sum of trees and of a line, walked by compiled code.
#
# Trees lie end to end in five arrays; an inner node sends a value at most its threshold to `left`, others to `right`, a
# leaf has a `feature` of -1. Sums run in the order of the trees, as LightGBM adds them.

MILLI = 1000.0
BPS = 10_000.0
SERVED = (10, 30)
"""Horizons, s, that a decision is told of."""


@kernel
def walk(
    x: Floats,
    line: Floats,
    first: int,
    last: int,
    roots: Longs,
    feature: Longs,
    threshold: Floats,
    left: Longs,
    right: Longs,
    value: Floats,
) -> float:
    """Sum of the trees `first` to `last`, and of the line: an intercept and a weight for each feature; NaN in, NaN out.

    Parameters
    ----------
    x : float64 (>= FEATURES,)
    line : float64 (1 + FEATURES,)
    roots : int64 (trees,)
        Node that each tree begins with.
    feature, left, right : int64 (nodes,)
    threshold, value : float64 (nodes,)
    """
    total, trees = float(line[0]), 0.0
    for j in range(FEATURES):
        if math.isnan(x[j]):
            return math.nan
        if line[1 + j] != 0.0:
            total += line[1 + j] * x[j]
    for tree in range(first, last):
        node = roots[tree]
        while feature[node] >= 0:
            node = left[node] if x[feature[node]] <= threshold[node] else right[node]
        trees += value[node]
    return float(total + trees)


@kernel
def foresee(
    b: Packed,
    k: Longs,
    x: Floats,
    scale: Floats,
    lines: Floats,
    ends: Longs,
    roots: Longs,
    feature: Longs,
    threshold: Floats,
    left: Longs,
    right: Longs,
    value: Floats,
) -> bool:
    """Write the forecasts of a market into its state, and its usual spread; False where nothing can be said.

    Parameters
    ----------
    x : float64 (WIDTH,)
        Out: the features.
    scale : float64 (2, 2)
        For both horizons served what a forecast is multiplied by, and the standard deviation of its error, in units of
        the past.
    lines : float64 (2, 1 + FEATURES)
    ends : int64 (3,)
        Where the trees of each horizon begin, and where the last end.
    """
    s = state_at(k)
    usual_spread(k)
    for j in range(sim.FORECAST_WORDS):
        k[sim.FORECAST + j] = 0
    if not features(b, k, x):
        return False
    for h in range(len(SERVED)):
        said = walk(
            x, lines[h], ends[h], ends[h + 1], roots, feature, threshold, left, right, value
        )
        if math.isnan(said):
            return False
        unit = MILLI * BPS * x[UNIT] * math.sqrt(SERVED[h]) / abs(s.mid2)
        k[sim.FORECAST + 2 * h] = round(x[SIGN] * scale[h, 0] * said * unit)
        if scale[h, 1] > 0.0:
            k[sim.FORECAST + 2 * h + 1] = max(round(scale[h, 1] * unit), 1)
    return True


@kernel
def usual_spread(k: Longs) -> None:
    """Write the mean spread of the seconds kept, thousandths of a tick; 0 where they are too few."""
    s = state_at(k)
    s.usual_spread = 0
    last = s.second - 1
    if s.seconds_room == 0 or s.now // NS_PER_SECOND - last > 1:
        return
    first = max(s.first_second, last - PAST_S)
    if last - first >= LEAST_S:
        s.usual_spread = (
            1000 * (second_at(k, last).spreads - second_at(k, first).spreads) // (last - first)
        )
