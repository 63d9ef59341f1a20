"""What one market's state says of the order in it: cost sums and fills, as `Episodes` says them of a batch."""

import numpy as np
from numpy.typing import NDArray

from tercel.execution.costs import Costs
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

Ints = NDArray[np.int64]


def fills_of(state: Ints) -> Ints:
    """Own fills: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced."""
    rows, at = min(int(state[sim.FILL_ROWS]), int(state[sim.LOG_ROWS])), int(state[sim.LOG_AT])
    fills: Ints = state[at : at + rows * sim.FILL_WORDS].reshape(rows, sim.FILL_WORDS).copy()
    return fills


def costs_of(book: NDArray[np.int32], state: Ints, points: int) -> Costs:
    """Cost sums as they stand, one row; `points` of the time grid."""
    k = state[None]
    grid = k[:, sim.GRID : sim.GRID + 3 * points].reshape(1, 3, points)
    lost = book[lay.OVERFLOW] + k[:, sim.OWN_OVERFLOW] + k[:, sim.COMMAND_OVERFLOW]
    unfilled = k[:, sim.UNFILLED_LOTS].copy()
    return Costs(
        qty=k[:, sim.QUANTITY].copy(),
        arrival_mid2=k[:, sim.ARRIVAL_MID2].copy(),
        spread=k[:, sim.SPREAD].copy(),
        walk=k[:, sim.WALK].copy(),
        timing=k[:, sim.TIMING].copy(),
        forced_spread=k[:, sim.FORCED_SPREAD].copy(),
        forced_walk=k[:, sim.FORCED_WALK].copy(),
        forced_timing=k[:, sim.FORCED_TIMING].copy(),
        lots_filled=k[:, sim.QUANTITY] - k[:, sim.LEFT] - unfilled,
        passive_lots=k[:, sim.PASSIVE_LOTS].copy(),
        forced_lots=k[:, sim.FORCED_LOTS].copy(),
        unfilled_lots=unfilled,
        mid2_grid=grid[:, 0].copy(),
        lots_grid=grid[:, 1].copy(),
        forced_lots_grid=grid[:, 2].copy(),
        side=k[:, sim.SIDE].astype(np.int8),
        cluster=np.zeros(1, np.int64),
        fees=np.zeros(1, np.int64),
        double_lots=np.zeros(1, np.int64),
        overflow=lost.astype(np.int64),
    )
