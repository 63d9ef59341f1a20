"""Compiled forecasts: the sum of trees and line for a row of features, and forecasts written into a market's state."""

import math
from typing import Final

from tercel.core.fixed_point import FEE_UNIT
from tercel.core.jit import Floats, Longs, Packed, allocating_kernel, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import columns as c
from tercel.execution.foresight.flow_features import (
    FEATURES,
    MILLI,
    SIGN,
    UNIT,
    features,
    write_usual_spread,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at

BPS = 10_000.0
# Seconds ahead that a decision sees forecasts of.
HORIZONS: Final = (10, 30)
# A forecast is worth a half once the order arrives this share of the horizon late: slopes of the moves left on the forecasts
# of `flow-2`, six days each of IBM and CSCO, in sample (out of sample: `python -m studies flow --assume latency`).
HALF_AT: Final = 0.12
# A sum beyond this is no forecast.
MOST_SUM: Final = 1e6


@kernel
def walk(
    x: Floats,
    line: Floats,
    first: int,
    last: int,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> float:
    """Forecast of one row of features: sum of trees `first` to `last` (exclusive) and of a line (intercept and weights); NaN
    if a feature is NaN.

    Parameters
    ----------
    x : float64 (>= FEATURES,)
    line : float64 (1 + FEATURES,)
    roots : int64 (trees,)
        Node that each tree begins with.
    feature, right : int32 (nodes,)
    value : float64 (nodes,)
    """
    total = float(line[0])
    trees = 0.0
    for j in range(FEATURES):
        if math.isnan(x[j]):
            return math.nan
        if line[1 + j] != 0.0:
            total += line[1 + j] * x[j]
    for tree in range(first, last):
        node = roots[tree]
        while feature[node] >= 0:
            node = node + 1 if x[feature[node]] <= value[node] else right[node]
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
    feature: Packed,
    right: Packed,
    value: Floats,
) -> bool:
    """Write the forecasts and the usual spread of a market into its state; False (forecasts 0) if there is no forecast.

    Parameters
    ----------
    x : float64 (WIDTH,)
        Out: the features.
    scale : float64 (2, 2)
        For both horizons what a forecast is multiplied by, and the standard deviation of its error, in units of
        the past.
    lines : float64 (2, 1 + FEATURES)
    ends : int64 (3,)
        Where the trees of each horizon begin, and where the last end.
    """
    s = state_at(k)
    write_usual_spread(k)
    for j in range(sim.FORECAST_WORDS):
        k[sim.FORECAST + j] = 0
    if not features(b, k, x):
        return False
    for h in range(len(HORIZONS)):
        raw = walk(x, lines[h], ends[h], ends[h + 1], roots, feature, right, value)
        if not abs(raw) <= MOST_SUM:
            return False
        unit = MILLI * BPS * x[UNIT] * math.sqrt(HORIZONS[h]) / abs(s.mid2)
        k[sim.FORECAST + 2 * h] = round(x[SIGN] * scale[h, 0] * raw * unit)
        if scale[h, 1] > 0.0:
            k[sim.FORECAST + 2 * h + 1] = max(round(scale[h, 1] * unit), 1)
    return True


@allocating_kernel
def walk_rows(
    x: Floats,
    sums: Floats,
    line: Floats,
    first: int,
    last: int,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> None:
    """Write the forecast (trees `first` to `last`, exclusive, and a line) of each row of `x` (n, FEATURES) into `sums` (n,)."""
    for n in range(x.shape[0]):
        sums[n] = walk(x[n], line, first, last, roots, feature, right, value)


@allocating_kernel
def write_rows(
    bs: Packed,
    ks: Longs,
    outlook: Longs,
    features: Floats,
    scale: Floats,
    lines: Floats,
    ends: Longs,
    roots: Longs,
    feature: Packed,
    right: Packed,
    value: Floats,
) -> None:
    """Write the forecasts of all markets with a working order into their states and, oriented by the order's side, `outlook`.

    `outlook` has the moves from the moment on when an order sent now arrives; others' rows of it stay as they are.
    `features` is room for one row.
    """
    for n in range(ks.shape[0]):
        if ks[n, sim.PHASE] != sim.WORKING:
            continue
        foresee(
            bs[n],
            ks[n],
            features,
            scale,
            lines,
            ends,
            roots,
            feature,
            right,
            value,
        )
        side = ks[n, sim.SIDE]
        outlook[n, c.USUAL_SPREAD] = ks[n, sim.USUAL_SPREAD]
        a_lot = (ks[n, sim.TAKER_FEE] - ks[n, sim.MAKER_FEE]) / max(abs(ks[n, sim.MID2]), 1)
        of_value = ks[n, sim.TAKER_RATE] - ks[n, sim.MAKER_RATE]
        outlook[n, c.FEES] = round(MILLI * BPS * (a_lot + of_value) / FEE_UNIT)
        late_s = ks[n, sim.DELAY_NS] / NS_PER_SECOND
        for h in range(len(HORIZONS)):
            column = c.FORECAST_10 + 2 * h
            left = 1.0 / (1.0 + late_s / (HALF_AT * HORIZONS[h]))
            outlook[n, column] = side * round(left * ks[n, sim.FORECAST + 2 * h])
            outlook[n, column + 1] = ks[n, sim.FORECAST + 2 * h + 1]
