"""A forecaster's arithmetic: a sum of trees and of a line, walked by compiled code.

Trees lie end to end in five arrays; an inner node sends a value at most its threshold to `left`, others to `right`, a
leaf has a `feature` of -1. Sums run in the order of the trees, as LightGBM adds them.
"""

import math

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.foresight.features import FEATURES, LEAST_S, PAST_S, SIGN, UNIT, features
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import second_at, state_at

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
