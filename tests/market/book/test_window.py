"""Re-centring and the far list: prices walk far through a tiny ring, stub quotes stand at the world's ends."""

import numpy as np
import pytest
from tests.market.book.conformance import STUB_ASK, STUB_BID, Columns, columns, picture
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import ReferenceBook
from tercel.core.vocabulary import BUY, NO_ASK, NO_BID, SELL
from tercel.market.book.book import Book
from tercel.market.book.book_records import in_window, order_at
from tercel.market.book.ladder import first_at, lots_at, public_lots_at
from tercel.market.tape.schema import ADD, DELETE


def walking_tape(seed: int, n: int, step: float) -> Columns:
    """Adds near a mid that wanders thousands of ticks; each order goes some hundred rows later."""
    rng = np.random.default_rng(seed)
    mid = 50_000 + np.cumsum(rng.normal(0, step, n)).round()
    side = rng.choice([BUY, SELL], n)
    price = mid - side * (1 + rng.geometric(0.1, n))
    adds = [(i, ADD, i + 1, int(side[i]), int(price[i]), int(rng.integers(1, 9))) for i in range(n)]
    gone = [(i + int(rng.integers(1, 200)), DELETE, i + 1, s, p, q) for i, _, _, s, p, q in adds]
    rows = sorted(adds + gone, key=lambda row: row[0])
    return columns(*zip(*(row[1:] for row in rows), strict=True))


@pytest.mark.parametrize("width", [8, 16, 64, 1024])
@pytest.mark.parametrize("step", [1.0, 15.0])
def test_a_long_walk_through_a_small_ring(width: int, step: float) -> None:
    tape = walking_tape(seed=width, n=1500, step=step)
    book, reference = OwnBook(orders=1024, width=width), ReferenceBook()
    for start in range(0, len(tape.kind), 250):
        book.apply(tape, start, start + 250)
        reference.apply(tape, start, start + 250)
        assert picture(book) == picture(reference)
        assert book.checksum == reference.checksum
    assert len(book.orders()) == 0
    assert (book.overflow, book.unknown_ids) == (0, 0)


def test_a_level_is_found_by_its_price_inside_the_window_and_beyond() -> None:
    tape = walking_tape(seed=3, n=600, step=15.0)
    book, reference = OwnBook(orders=1024, width=8), ReferenceBook()
    beyond = 0
    for start in range(0, len(tape.kind), 100):
        book.apply(tape, start, start + 100)
        reference.apply(tape, start, start + 100)
        queues: dict[tuple[int, int], list[int]] = {}
        for _, side, price, lots in reference.orders()[:, :4].tolist():
            queues.setdefault((side, price), []).append(lots)
        for (side, price), queue in queues.items():
            beyond += not in_window(book.state, side, price)
            assert (
                lots_at(book.state, side, price)
                == public_lots_at(book.state, side, price)
                == sum(queue)
            )
            order = order_at(book.state, first_at(book.state, side, price))
            assert (order.side, order.price) == (side, price)
            assert order.qty in queue
            if (side, price + 1) not in queues:
                assert lots_at(book.state, side, price + 1) == 0
                assert first_at(book.state, side, price + 1) == -1
    assert beyond > 50


@pytest.mark.parametrize("width", [8, 16, 32])
def test_stub_quotes_do_not_move_the_window_away(width: int) -> None:
    book = Book(orders=64, width=width)
    book.add(1, BUY, STUB_BID, 1)
    book.add(2, SELL, STUB_ASK, 1)
    assert (book.best_bid, book.best_ask) == (STUB_BID, STUB_ASK)
    for i in range(20):
        book.add(10 + i, BUY, 1000 - 3 * i, 2)
        book.add(40 + i, SELL, 1001 + 3 * i, 2)
    assert (book.best_bid, book.best_ask) == (1000, 1001)
    assert book.depth(BUY, 22)[0].tolist() == [*range(1000, 940, -3), STUB_BID, NO_BID]
    assert book.depth(SELL, 22)[0].tolist() == [*range(1001, 1061, 3), STUB_ASK, NO_ASK]
    assert book.lots_at(SELL, STUB_ASK) == 1
    fills = book.submit(99, SELL, STUB_BID, 100)
    assert [fill.resting_id for fill in fills] == [*range(10, 30), 1]
    assert book.best_ask == STUB_BID


def test_time_priority_survives_a_stay_in_the_far_list() -> None:
    book = OwnBook(orders=64, width=8)
    for order_id in (1, 2, 3):
        book.add(order_id, BUY, 100, order_id)
    own = book.own_add(BUY, 100, 5)
    book.add(4, BUY, 100, 4)
    book.add(9, BUY, 5000, 1)  # the window leaves
    book.reduce(2, 1)
    assert book.own_ahead(own) == 5
    assert book.delete(9) == 1  # and comes back
    assert book.submit(50, SELL, 100, 20) == [
        (1, 100, 1),
        (2, 100, 1),
        (3, 100, 3),
        (-1 - own, 100, 5),
        (4, 100, 4),
    ]
