"""Metaorders in pairs: one buys, its twin sells, from the same world with the same random stream.

Half the difference of their mids is what the metaorder did to the price; what the market did by itself cancels as long
as the two have not drifted apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.simulator import layout as sim
from tercel.market.simulator import together
from tercel.market.simulator.source import Source

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

MID, CASH, AT_MIDS, HELD, SHIFT = range(5)
"""Columns of a path: mid (ticks), cash paid (ticks x lots), the same at the mids met, lots held, ticks translated."""


@dataclass(frozen=True)
class Leg:
    """Lots (buying positive) in even market orders over some seconds, from `start_s` after arrival on."""

    lots: float
    start_s: float
    length_s: float


def program(legs: list[Leg], child_lots: float, start_ns: int) -> Longs:
    """Market orders of about `child_lots` each, int64 (n, AT_WORDS): time and signed lots.

    >>> program([Leg(-10, 0.0, 30.0)], 4.0, 0)[:, :2].tolist()
    [[5000000000, -3], [15000000000, -4], [25000000000, -3]]
    """
    if child_lots <= 0.0:
        raise ConfigError("children of some lots", f"{child_lots}", "use the mean trade")
    parts = []
    for leg in legs:
        n = max(int(np.ceil(abs(leg.lots) / child_lots - 1e-9)), 1)
        part = np.zeros((n, together.AT_WORDS), np.int64)
        part[:, 0] = start_ns + np.round((leg.start_s + (np.arange(n) + 0.5) * leg.length_s / n) * NS_PER_SECOND)
        part[:, 1] = np.diff(np.round(np.linspace(0.0, leg.lots, n + 1)))
        parts.append(part[part[:, 1] != 0])
    orders = np.concatenate(parts)
    return orders[np.argsort(orders[:, 0], kind="stable")]


def run(source: Source, orders: Longs, seed: int, index: int, step_s: float, points: int) -> Floats:
    """One market under a program whose times count from its world's moment: path (points, 8), the first at once."""
    world = index % len(source.worlds_b)
    b = source.worlds_b[world].copy()
    k = sim.extend(source.worlds_k[world], 0)
    seed_stream(k, sim.FLOW_RNG, seed, index, 1)
    orders = orders.copy()
    orders[:, 0] += k[sim.NOW]
    words = np.zeros(together.WORDS, np.int64)
    words[:2] = k[sim.NOW], round(step_s * NS_PER_SECOND)
    out = np.zeros((points, 8))
    together.operate(together.PROGRAM, b, k, source.flow, source.tape, orders, words, out)
    return out


def paired(
    source: Source,
    legs: list[Leg],
    child_lots: float,
    *,
    pairs: int,
    seed: int,
    step_s: float,
    points: int,
    first: int = 0,
) -> Floats:
    """Buying and selling twins, numbered from `first` on: paths (pairs, 2, points, 8)."""
    orders = program(legs, child_lots, 0)
    other = orders.copy()
    other[:, 1] = -other[:, 1]
    out = np.zeros((pairs, 2, points, 8))
    for index in range(pairs):
        out[index, 0] = run(source, orders, seed, first + index, step_s, points)
        out[index, 1] = run(source, other, seed, first + index, step_s, points)
    return out


def displacement(paths: Floats) -> Floats:
    """What a metaorder did to the mid, ticks in its direction: (pairs, points)."""
    return np.asarray(0.5 * (paths[:, 0, :, MID] - paths[:, 1, :, MID]))
