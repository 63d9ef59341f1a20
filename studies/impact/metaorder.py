"""Paired metaorders: one buys, its twin sells, from the same world and random stream.

Half the difference of their mids is what the metaorder did to the price; what the market did by itself cancels as long
as the two have not drifted apart.
"""

import numpy as np

from tercel.core import NS_PER_SECOND, ConfigError, Floats, Longs, seed_stream
from tercel.market.simulator import Source, engine, kernel_requests, layout as sim

COLUMNS = 2
MID, SHIFT = range(COLUMNS)
"""Columns of a path, ticks: the mid, and how far the book was translated."""


def program(lots: float, length_s: float, child_lots: float, start_ns: int) -> Longs:
    """Schedule of a metaorder in even market orders of about `child_lots`: int64 (n, AT_WORDS), time and signed lots.

    >>> program(-10, 30.0, 4.0, 0)[:, :2].tolist()
    [[5000000000, -3], [15000000000, -4], [25000000000, -3]]
    """
    if child_lots <= 0.0:
        raise ConfigError("children of some lots", f"{child_lots}", "use the mean trade")
    n = max(int(np.ceil(abs(lots) / child_lots - 1e-9)), 1)
    orders = np.zeros((n, kernel_requests.EXTENT_WORDS), np.int64)
    orders[:, 0] = start_ns + np.round((np.arange(n) + 0.5) * length_s / n * NS_PER_SECOND)
    orders[:, 1] = np.diff(np.round(np.linspace(0.0, lots, n + 1)))
    return np.asarray(orders[orders[:, 1] != 0])


def run(source: Source, orders: Longs, seed: int, index: int, step_s: float, points: int) -> Floats:
    """One market under a program whose times count from its world's moment: (points, COLUMNS), the first at once."""
    world = index % len(source.worlds_b)
    b = source.worlds_b[world].copy()
    k = sim.extend(source.worlds_k[world], 0)
    seed_stream(k, sim.FLOW_RNG, seed, index, 1)
    orders = orders.copy()
    orders[:, 0] += k[sim.NOW]
    out = np.zeros((points, COLUMNS))
    engine.run_orders(
        b, k, source.flow, source.tape, orders, k[sim.NOW], round(step_s * NS_PER_SECOND), out
    )
    return out


def paired(
    source: Source,
    lots: float,
    length_s: float,
    child_lots: float,
    *,
    pairs: int,
    seed: int,
    step_s: float,
    points: int,
) -> Floats:
    """Buying and selling twins: paths (pairs, 2, points, COLUMNS)."""
    orders = program(lots, length_s, child_lots, 0)
    other = orders.copy()
    other[:, 1] = -other[:, 1]
    out = np.zeros((pairs, 2, points, COLUMNS))
    for index in range(pairs):
        out[index, 0] = run(source, orders, seed, index, step_s, points)
        out[index, 1] = run(source, other, seed, index, step_s, points)
    return out


def displacement(paths: Floats) -> Floats:
    """Displacement of the mid by a metaorder, ticks in its direction: (pairs, points)."""
    return np.asarray(0.5 * (paths[:, 0, :, MID] - paths[:, 1, :, MID]))
