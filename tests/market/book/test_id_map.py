"""The map from 64-bit exchange ids to slots: fixed memory, no tombstones, no pattern of ids that clusters."""

import numpy as np
import pytest
from tests.market.book.conformance import Columns, columns

from tercel.core.vocabulary import BUY
from tercel.market.book import layout as lay
from tercel.market.book.book import Book
from tercel.market.book.order_ids import home_entry
from tercel.market.tape.schema import ADD, DELETE


def adds_and_deletes(ids: np.ndarray, live: int) -> Columns:
    """Each id is added, and deleted `live` adds later; all are gone in the end."""
    n = len(ids)
    rows = np.arange(2 * n)
    deleted = np.zeros(2 * n, np.bool_)
    deleted[live + 1 : 2 * n - live : 2] = deleted[2 * n - live :] = True
    order_id = np.empty(2 * n, np.int64)
    order_id[~deleted] = order_id[deleted] = ids
    return columns(
        np.where(deleted, DELETE, ADD),
        order_id,
        np.full(2 * n, BUY),
        1000 + rows % 7,
        np.ones(2 * n),
    )


def test_many_random_ids_leave_nothing_behind() -> None:
    ids = np.unique(np.random.default_rng(3).integers(-(2**63), 2**63 - 1, size=300_000))
    np.random.default_rng(4).shuffle(ids)
    live = 200
    book = Book(orders=256, width=16, own_orders=0)
    before = (book.state.nbytes, book._ids.nbytes)
    tape = adds_and_deletes(ids, live)
    book.apply(tape, 0, len(ids))
    assert int((book._ids["slot"] >= 0).sum()) == len(book.orders()) == live
    book.apply(tape, len(ids))
    assert (book.overflow, book.unknown_ids, book.duplicate_ids) == (0, 0, 0)
    assert int((book._ids["slot"] >= 0).sum()) == len(book.orders()) == 0
    assert (book.state.nbytes, book._ids.nbytes) == before
    assert book.state[lay.HIGH] <= live + 1
    assert book.state[lay.LIVE] == 0


def test_anonymous_blocks_give_their_slots_back() -> None:
    book = Book(orders=16, width=16, own_orders=2)
    for i in range(200):
        book.roll_in(BUY, 100 + i % 5, 3)
        book.execute(7, 3, BUY, 100 + i % 5) if i % 2 else book.roll_out(BUY, 100 + i % 5)
        book.level_set(BUY, 90, 1 + i % 9)
    assert book.overflow == 0
    assert len(book.orders()) == 1


@pytest.mark.parametrize("shift", [0, 1, 3, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 50])
def test_ids_in_a_pattern_spread_over_the_map(shift: int) -> None:
    mask = 2**14 - 1
    counters = np.arange(1, 4001, dtype=np.int64)
    homes = {int(home_entry(int(key), mask)) for key in counters << shift}
    random_homes = (mask + 1) * (1 - np.exp(-len(counters) / (mask + 1)))  # expected for random ids
    assert len(homes) > 0.75 * random_homes
