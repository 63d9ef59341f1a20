"""What markets' states say of the orders in them: cost sums and fills, of a batch or of one."""

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.execution.costs import Costs
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

# Columns of an account that costs have under the same name.
_COLUMNS = (
    *("arrival_mid2", "spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing"),
    *(
        "passive_lots",
        "forced_lots",
        "unfilled_lots",
        "unfilled_paid",
        "fees",
        "double_lots",
        "run_out",
    ),
)


def fills_of(state: Ints) -> Ints:
    """Logged own fills of one market: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced; a view."""
    rows, at = min(int(state[sim.FILL_ROWS]), int(state[sim.LOG_ROWS])), int(state[sim.LOG_AT])
    return state[at : at + rows * sim.FILL_WORDS].reshape(rows, sim.FILL_WORDS)


def costs_of(books: Int32, states: Ints, points: int, cluster: Ints) -> Costs:
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
        **{name: k[:, getattr(sim, name.upper())].copy() for name in _COLUMNS},
        qty=k[:, sim.QUANTITY].copy(),
        lots_filled=k[:, sim.QUANTITY] - k[:, sim.LEFT] - k[:, sim.UNFILLED_LOTS],
        **{
            name: grid[:, number].copy()
            for number, name in enumerate(("mid2_grid", "lots_grid", "forced_lots_grid"))
        },
        side=k[:, sim.SIDE].astype(np.int8),
        cluster=cluster.copy(),
        overflow=overflow.astype(np.int64),
        messages=k[:, sim.COMMAND_TAIL].copy(),
    )
