"""What markets' states say of the orders in them: cost sums and fills, of a batch or of one."""

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.execution.costs import Costs
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim


def fills_of(state: Ints) -> Ints:
    """Logged own fills of one market: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced; a view."""
    rows, at = min(int(state[sim.FILL_ROWS]), int(state[sim.LOG_ROWS])), int(state[sim.LOG_AT])
    fills: Ints = state[at : at + rows * sim.FILL_WORDS].reshape(rows, sim.FILL_WORDS)
    return fills


def costs_of(books: NDArray[np.int32], states: Ints, points: int, cluster: Ints) -> Costs:
    """Cost sums of n markets as they stand.

    Parameters
    ----------
    books, states : int32 (n, ...), int64 (n, ...)
        The two halves of each market.
    points : int
        Of the time grid.
    cluster : int64 (n,)
        Label of what is drawn independently.
    """
    k = states
    grid = k[:, sim.GRID : sim.GRID + 3 * points].reshape(len(k), 3, points)
    overflow = books[:, lay.OVERFLOW] + k[:, sim.OWN_OVERFLOW] + k[:, sim.COMMAND_OVERFLOW]
    return Costs(
        qty=k[:, sim.QUANTITY].copy(),
        arrival_mid2=k[:, sim.ARRIVAL_MID2].copy(),
        spread=k[:, sim.SPREAD].copy(),
        walk=k[:, sim.WALK].copy(),
        timing=k[:, sim.TIMING].copy(),
        forced_spread=k[:, sim.FORCED_SPREAD].copy(),
        forced_walk=k[:, sim.FORCED_WALK].copy(),
        forced_timing=k[:, sim.FORCED_TIMING].copy(),
        lots_filled=k[:, sim.QUANTITY] - k[:, sim.LEFT] - k[:, sim.UNFILLED_LOTS],
        passive_lots=k[:, sim.PASSIVE_LOTS].copy(),
        forced_lots=k[:, sim.FORCED_LOTS].copy(),
        unfilled_lots=k[:, sim.UNFILLED_LOTS].copy(),
        unfilled_paid=k[:, sim.UNFILLED_PAID].copy(),
        mid2_grid=grid[:, 0].copy(),
        lots_grid=grid[:, 1].copy(),
        forced_lots_grid=grid[:, 2].copy(),
        side=k[:, sim.SIDE].astype(np.int8),
        cluster=cluster.copy(),
        fees=k[:, sim.FEES].copy(),
        double_lots=k[:, sim.DOUBLE_LOTS].copy(),
        overflow=overflow.astype(np.int64),
        run_out=k[:, sim.RUN_OUT].copy(),
    )
