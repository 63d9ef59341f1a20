"""What a fill adds to an order's account."""

import numpy as np
import pytest

from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import book_fill

HORIZON_NS = 1_000
POINTS = 5


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize(
    ("ns", "point"),
    [(-1, 0), (0, 0), (249, 0), (250, 1), (999, 3), (1_000, 4), (1_300, 4), (1_600, 4)],
)
def test_a_fill_counts_at_the_grid_point_before_it_and_after_the_end_at_the_last(
    ns: int, point: int, forced: bool
) -> None:
    state = sim.extend(sim.blank_state(0), POINTS, record_rows=4)
    state[[sim.SIDE, sim.START_NS, sim.HORIZON_NS, sim.NOW]] = 1, 5_000, HORIZON_NS, 5_000 + ns
    book_fill(state, 100, 7, 200, 200, False, forced)
    grid = state[sim.GRID : sim.GRID + 3 * POINTS].reshape(3, POINTS)
    expected = np.zeros_like(grid)
    expected[2 if forced else 1, point] = 7
    np.testing.assert_array_equal(grid, expected)
    assert not state[sim.GRID + 3 * POINTS :].any()
