"""What a fill adds to an order's account."""

import numpy as np
import pytest

from tercel.market.book import Book
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import book_fill
from tercel.market.simulator.public_touch import refresh_touch

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


@pytest.mark.parametrize("side", [1, -1])
def test_the_worst_price_is_the_dearest_of_the_side(side: int) -> None:
    state = sim.extend(sim.blank_state(0), 0)
    state[sim.SIDE] = side
    worst = []
    for price in (100, 102, 99, 101, 103, 98):
        book_fill(state, price, 1, 2 * price, 2 * price, False, False)
        worst.append(int(state[sim.WORST_PAID]))
    assert worst == ([100, 102, 102, 102, 103, 103] if side > 0 else [100, 100, 99, 99, 99, 98])


def test_the_variance_sums_squared_moves_of_the_public_mid() -> None:
    book, state = Book(orders=64, width=64), sim.extend(sim.blank_state(0), 0)
    rows = [(1, 100), (-1, 110), (1, 103), (-1, 108), (1, 99), (-1, 104), (1, 103)]
    mids = []
    for order_id, (side, price) in enumerate(rows, 1):
        book.add(order_id, side, price, 5)
        refresh_touch(book.state, state, side, price)
        if book.best_bid > 0 and order_id > 1:
            mids.append(book.best_bid + book.best_ask)
            if order_id == 2:
                state[sim.VARIANCE] = 0  # the first mid is no move
    assert state[sim.VARIANCE] == (np.diff(mids) ** 2).sum() > 0
    assert state[sim.MID2] == mids[-1]
