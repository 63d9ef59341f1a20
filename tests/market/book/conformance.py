"""What any order book must do: inherit :class:`BookConformance`, say how to make a book, and run pytest.

    class TestMyBook(BookConformance):
        def make(self, orders: int = 512, width: int = 64, own: int = 8) -> MyBook:
            return MyBook(orders, width, own)

The rules are those of :mod:`benchmarks.reference_book`, example by example; long seeded streams are held against it.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference_book import IOC, LIMIT, MARKET, POST_ONLY, ReferenceBook
from tercel.core.vocabulary import BUY, NO_ASK, NO_BID, SELL
from tercel.market.tape import schema

STUB_BID, STUB_ASK = 1, 2**29


class BookPort(Protocol):
    """The calls of a book, as :class:`tercel.market.book.book.Book` has them."""

    def add(self, order_id: int, side: int, price: int, qty: int) -> bool: ...
    def reduce(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int: ...
    def execute(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int: ...
    def delete(self, order_id: int, qty: int = ..., side: int = 0, price: int = 0) -> int: ...
    def modify(self, order_id: int, price: int, qty: int) -> bool: ...
    def replace(self, old_id: int, new_id: int, price: int, qty: int) -> bool: ...
    def clear(self) -> None: ...
    def level_set(self, side: int, price: int, qty: int) -> None: ...
    def roll_out(self, side: int, price: int) -> None: ...
    def roll_in(self, side: int, price: int, qty: int) -> None: ...
    def apply(self, events: Any, start: int = 0, stop: int | None = None) -> None: ...
    def submit(self, order_id: int, side: int, price: int, qty: int, kind: Any = ...) -> Any: ...
    def own_add(self, side: int, price: int, qty: int, outside_feed: bool = False) -> int: ...
    def own_cancel(self, own: int, qty: int = ..., /) -> int: ...
    def own_ahead(self, own: int, /) -> int: ...
    def own_lots(self, own: int, /) -> int: ...
    def depth(self, side: int, levels: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
    def lots_at(self, side: int, price: int) -> int: ...
    def lots_ahead(self, order_id: int) -> int: ...
    def orders(self) -> NDArray[np.int64]: ...
    @property
    def best_bid(self) -> int: ...
    @property
    def best_ask(self) -> int: ...
    @property
    def unknown_ids(self) -> int: ...
    @property
    def unknown_lots(self) -> int: ...
    @property
    def duplicate_ids(self) -> int: ...
    @property
    def overflow(self) -> int: ...
    @property
    def crossed(self) -> int: ...
    @property
    def locked(self) -> int: ...
    @property
    def checksum(self) -> int: ...


class Columns(NamedTuple):
    """Tape columns that a book reads, one row an event."""

    kind: NDArray[np.uint8]
    order_id: NDArray[np.int64]
    side: NDArray[np.int8]
    price_ticks: NDArray[np.int32]
    qty_lots: NDArray[np.int32]


def columns(rows: list[tuple[int, int, int, int, int]]) -> Columns:
    """Tape columns from rows of kind, order id, side, price and lots."""
    kind, order_id, side, price, qty = (
        (list(c) for c in zip(*rows, strict=True)) if rows else ([],) * 5
    )
    return Columns(
        np.array(kind, np.uint8),
        np.array(order_id, np.int64),
        np.array(side, np.int8),
        np.array(price, np.int32),
        np.array(qty, np.int32),
    )


def random_columns(seed: int, n: int, span: int = 12, ids: int = 60) -> Columns:
    """A rude tape: every kind of row, repeated and unknown ids, stub quotes, both sides anywhere.

    Prices are `span` ticks about a level that jumps now and then, ids one of `ids` 64-bit numbers.
    """
    rng = np.random.default_rng(seed)
    weights = {
        schema.ADD: 40,
        schema.REDUCE: 10,
        schema.DELETE: 14,
        schema.EXECUTE: 10,
        schema.TRADE_HIDDEN: 1,
        schema.CROSS: 1,
        schema.STATUS: 1,
        schema.MODIFY: 8,
        schema.LEVEL_SET: 3,
        schema.ROLL_OUT: 4,
        schema.ROLL_IN: 4,
        schema.CLEAR: 0.1,
    }
    p = np.array(list(weights.values())) / sum(weights.values())
    kind = rng.choice(list(weights), size=n, p=p)
    base = 10_000 + 40 * np.cumsum(rng.random(n) < 0.01) * rng.choice([-1, 1], size=n)
    price = base + rng.integers(-span, span + 1, size=n)
    price = np.where(rng.random(n) < 0.02, rng.choice([STUB_BID, STUB_ASK], size=n), price)
    pool = rng.integers(-(2**63), 2**63 - 1, size=ids)
    return Columns(
        kind.astype(np.uint8),
        pool[rng.integers(0, ids, size=n)],
        rng.choice([BUY, SELL], size=n).astype(np.int8),
        price.astype(np.int32),
        rng.integers(1, 20, size=n).astype(np.int32),
    )


def picture(book: BookPort, levels: int = 40) -> dict[str, Any]:
    """Everything that two books must agree on, in plain values.

    Arrival numbers are left out, their order is not; neighbouring anonymous lots count as one block.
    """
    rows = book.orders()
    queue: list[list[int]] = []
    for order_id, side, price, lots in rows[:, :4].tolist():
        if queue and order_id == 0 and queue[-1][:3] == [0, side, price]:
            queue[-1][3] += lots
        else:
            queue.append([order_id, side, price, lots])
    return {
        "best": (book.best_bid, book.best_ask),
        "orders": queue,
        "depth": [[a.tolist() for a in book.depth(side, levels)] for side in (BUY, SELL)],
        "counters": (book.unknown_ids, book.unknown_lots, book.duplicate_ids, book.overflow),
        "ahead": {i: book.lots_ahead(i) for i in rows[:, 0].tolist() if i > 0},
    }


class BookConformance:
    """Tests that any book passes; subclasses say how to make one."""

    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> BookPort:
        """An empty book with (at least) these capacities."""
        raise NotImplementedError

    def filled(self) -> BookPort:
        """Bids 1 (5 lots) and 2 (7) at 100, 3 (4) at 99; asks 4 (6) at 102, 5 (3) at 103."""
        book = self.make()
        for order_id, side, price, qty in (
            (1, 1, 100, 5),
            (2, 1, 100, 7),
            (3, 1, 99, 4),
            (4, -1, 102, 6),
            (5, -1, 103, 3),
        ):
            book.add(order_id, side, price, qty)
        return book

    @staticmethod
    def ids(book: BookPort, side: int = BUY) -> list[int]:
        """Ids of one side in priority order."""
        rows = book.orders()
        found: list[int] = rows[rows[:, 1] == side, 0].tolist()
        return found

    # -- what can be seen -----------------------------------------------------------------------------------

    def test_an_empty_book_has_no_prices(self) -> None:
        book = self.make()
        assert (book.best_bid, book.best_ask) == (NO_BID, NO_ASK)
        prices, lots = book.depth(SELL, 3)
        assert prices.tolist() == [NO_ASK] * 3
        assert lots.tolist() == [0] * 3
        assert book.orders().shape == (0, 5)

    def test_depth_lists_occupied_levels_best_first(self) -> None:
        prices, lots = self.filled().depth(BUY, 3)
        assert prices.tolist() == [100, 99, NO_BID]
        assert lots.tolist() == [12, 4, 0]
        assert prices.dtype == lots.dtype == np.int32

    def test_lots_ahead_is_what_came_earlier_at_the_price(self) -> None:
        book = self.filled()
        assert [book.lots_ahead(i) for i in (1, 2, 3, 77)] == [0, 5, 0, -1]

    def test_depth_sees_stub_quotes_far_away(self) -> None:
        book = self.filled()
        book.add(8, BUY, STUB_BID, 1)
        book.add(9, SELL, STUB_ASK, 2)
        assert book.depth(BUY, 4)[0].tolist() == [100, 99, STUB_BID, NO_BID]
        assert book.depth(SELL, 3)[0].tolist() == [102, 103, STUB_ASK]
        assert book.lots_at(SELL, STUB_ASK) == 2
        assert (book.best_bid, book.best_ask) == (100, 102)
        for order_id in (1, 2, 3, 4, 5):
            book.delete(order_id)
        assert (book.best_bid, book.best_ask) == (STUB_BID, STUB_ASK)
        book.add(1, BUY, 100, 5)
        assert book.depth(BUY, 2)[0].tolist() == [100, STUB_BID]

    # -- orders with an id ----------------------------------------------------------------------------------

    def test_reduce_and_execute_keep_the_place_and_take_at_most_what_is_left(self) -> None:
        book = self.filled()
        assert book.reduce(1, 2) == 2
        assert book.execute(1, 2) == 2
        assert self.ids(book) == [1, 2, 3]
        assert book.reduce(1, 50) == 1
        assert self.ids(book) == [2, 3]
        assert book.lots_at(BUY, 100) == 7
        assert (book.unknown_ids, book.unknown_lots) == (0, 0)

    def test_delete_takes_the_order_whole(self) -> None:
        book = self.filled()
        assert book.delete(2, 1, BUY, 100) == 7
        assert self.ids(book) == [1, 3]

    def test_modify_keeps_the_place_only_for_fewer_lots_at_the_same_price(self) -> None:
        book = self.filled()
        assert book.modify(1, 100, 4)
        assert self.ids(book) == [1, 2, 3]
        assert book.modify(1, 100, 4)
        assert self.ids(book) == [2, 1, 3]
        assert book.modify(2, 100, 9)
        assert self.ids(book) == [1, 2, 3]
        assert book.modify(1, 99, 2)
        assert self.ids(book) == [2, 3, 1]
        assert book.lots_at(BUY, 99) == 6
        assert not book.modify(77, 99, 2)
        assert book.unknown_ids == 1

    def test_replace_always_loses_the_place_and_inherits_the_side(self) -> None:
        book = self.filled()
        assert book.replace(1, 11, 100, 1)
        assert self.ids(book) == [2, 11, 3]
        assert book.lots_ahead(11) == 7
        assert not book.replace(77, 78, 100, 1)
        assert book.unknown_ids == 1
        assert book.lots_ahead(78) == -1

    def test_a_second_add_of_a_live_id_removes_the_first(self) -> None:
        book = self.filled()
        book.add(1, SELL, 104, 2)
        assert book.duplicate_ids == 1
        assert self.ids(book) == [2, 3]
        assert self.ids(book, SELL) == [4, 5, 1]

    def test_ids_are_any_64_bit_numbers_but_0(self) -> None:
        book = self.make()
        ids = [-(2**63), 2**63 - 1, -1, 1, 2**32, 2**40, -(2**40)]
        for i, order_id in enumerate(ids):
            book.add(order_id, BUY, 100, i + 1)
        assert [book.lots_ahead(i) for i in ids] == [0, 1, 3, 6, 10, 15, 21]
        assert [book.delete(i) for i in ids] == [1, 2, 3, 4, 5, 6, 7]
        assert book.orders().shape == (0, 5)

    def test_clear_empties_the_book(self) -> None:
        book = self.filled()
        book.clear()
        assert book.orders().shape == (0, 5)
        assert (book.best_bid, book.best_ask) == (NO_BID, NO_ASK)
        assert book.delete(1) == 0
        book.add(1, BUY, 5, 5)
        assert book.best_bid == 5

    # -- lots without an id ---------------------------------------------------------------------------------

    def test_unknown_ids_take_from_the_anonymous_block_and_the_rest_is_counted(self) -> None:
        book = self.filled()
        book.roll_in(BUY, 98, 10)
        assert book.reduce(50, 3, BUY, 98) == 3
        assert book.execute(51, 4, BUY, 98) == 4
        assert book.lots_at(BUY, 98) == 3
        assert (book.unknown_ids, book.unknown_lots) == (0, 0)
        assert book.delete(52, 5, BUY, 98) == 3
        assert (book.unknown_ids, book.unknown_lots) == (0, 2)
        assert book.delete(53, 5, BUY, 98) == 0
        assert (book.unknown_ids, book.unknown_lots) == (1, 7)
        assert book.lots_at(BUY, 98) == 0

    def test_a_level_that_rolls_out_forgets_its_ids(self) -> None:
        book = self.filled()
        book.roll_out(BUY, 100)
        assert book.best_bid == 99
        assert book.delete(1, 5, BUY, 100) == 0
        assert book.unknown_ids == 1
        book.roll_in(BUY, 100, 12)
        assert book.best_bid == 100
        book.add(2, BUY, 100, 1)
        assert book.duplicate_ids == 0
        assert book.lots_ahead(2) == 12

    def test_level_set_makes_the_total_and_removes_the_newest_first(self) -> None:
        book = self.filled()
        book.level_set(BUY, 100, 20)
        assert book.lots_at(BUY, 100) == 20
        book.level_set(BUY, 100, 9)
        assert book.orders()[:2, [0, 3]].tolist() == [[1, 5], [2, 4]]
        book.level_set(BUY, 100, 3)
        assert book.orders()[0, [0, 3]].tolist() == [1, 3]
        book.level_set(BUY, 100, 0)
        assert book.best_bid == 99
        book.level_set(SELL, 101, 8)
        assert (book.best_ask, book.lots_at(SELL, 101)) == (101, 8)

    # -- matching -------------------------------------------------------------------------------------------

    def test_a_limit_order_takes_what_it_crosses_and_rests_with_the_remainder(self) -> None:
        book = self.filled()
        assert book.submit(9, SELL, 99, 20, LIMIT) == [(1, 100, 5), (2, 100, 7), (3, 99, 4)]
        assert (book.best_bid, book.best_ask, book.lots_at(SELL, 99)) == (NO_BID, 99, 4)

    def test_market_and_ioc_remainders_are_dropped(self) -> None:
        book = self.filled()
        assert book.submit(9, BUY, 102, 8, IOC) == [(4, 102, 6)]
        assert book.submit(9, BUY, 0, 8, MARKET) == [(5, 103, 3)]
        assert book.submit(9, BUY, 0, 8, MARKET) == []
        assert self.ids(book) == [1, 2, 3]

    def test_post_only_never_takes(self) -> None:
        book = self.filled()
        assert book.submit(9, BUY, 102, 8, POST_ONLY) == []
        assert book.lots_ahead(9) == -1
        assert book.submit(9, BUY, 101, 8, POST_ONLY) == []
        assert book.best_bid == 101

    def test_anonymous_lots_match_under_id_0(self) -> None:
        book = self.make()
        book.roll_in(SELL, 50, 4)
        book.add(1, SELL, 50, 4)
        assert book.submit(9, BUY, 50, 6, IOC) == [(0, 50, 4), (1, 50, 2)]

    # -- own orders -----------------------------------------------------------------------------------------

    def test_own_orders_queue_with_the_others(self) -> None:
        book = self.filled()
        own = book.own_add(BUY, 100, 3)
        book.add(6, BUY, 100, 9)
        assert (book.own_ahead(own), book.own_lots(own), book.lots_ahead(6)) == (12, 3, 15)
        book.reduce(1, 2)
        book.delete(2)
        book.delete(6)
        assert book.own_ahead(own) == 3
        assert book.submit(9, SELL, 100, 5, IOC) == [(1, 100, 3), (-1 - own, 100, 2)]
        assert (book.own_ahead(own), book.own_lots(own)) == (0, 1)
        assert book.own_cancel(own, 5) == 1
        assert book.own_lots(own) == 0

    def test_lots_ahead_freeze_when_the_level_rolls_out(self) -> None:
        book = self.filled()
        own = book.own_add(BUY, 100, 3)
        book.roll_out(BUY, 100)
        assert (book.own_ahead(own), book.lots_at(BUY, 100)) == (12, 3)
        book.roll_in(BUY, 100, 20)
        assert book.own_ahead(own) == 12
        assert book.lots_at(BUY, 100) == 23
        book.reduce(70, 8, BUY, 100)
        assert book.own_ahead(own) == 12
        book.execute(70, 5, BUY, 100)
        assert book.own_ahead(own) == 7
        book.reduce(70, 3, BUY, 100)
        assert book.own_ahead(own) == 4

    def test_lots_ahead_are_at_most_what_rolled_in(self) -> None:
        book = self.filled()
        own = book.own_add(BUY, 100, 3)
        book.roll_out(BUY, 100)
        book.roll_in(BUY, 100, 4)
        assert book.own_ahead(own) == 4

    def test_an_own_order_outside_the_feed_has_the_whole_block_ahead(self) -> None:
        book = self.filled()
        own = book.own_add(BUY, 90, 3, True)
        book.roll_in(BUY, 90, 40)
        assert book.own_ahead(own) == 40

    # -- tapes ----------------------------------------------------------------------------------------------

    def test_crossed_and_locked_rows_are_counted(self) -> None:
        book = self.make()
        rows = [(1, 1, 100), (2, -1, 101), (3, 1, 101), (4, 1, 102), (5, -1, 110)]
        book.apply(columns([(schema.ADD, i, side, price, 1) for i, side, price in rows]))
        assert (book.locked, book.crossed) == (1, 2)

    def test_apply_takes_a_part_of_the_rows(self) -> None:
        book, other = self.make(), self.make()
        tape = random_columns(seed=5, n=200)
        book.apply(tape, 0, 120)
        book.apply(tape, 120)
        other.apply(tape)
        assert picture(book) == picture(other)

    def test_a_stream_leaves_the_book_where_the_reference_stands(self) -> None:
        for seed in range(4):
            tape = random_columns(seed, n=1500)
            book, reference = self.make(width=16), ReferenceBook()
            for start in range(0, 1500, 300):
                book.apply(tape, start, start + 300)
                reference.apply(tape, start, start + 300)
                assert picture(book) == picture(reference)
            assert (book.crossed, book.locked, book.checksum) == (
                reference.crossed,
                reference.locked,
                reference.checksum,
            )

    def test_too_many_orders_are_counted_and_leave_the_others_alone(self) -> None:
        book, reference = self.make(orders=16, width=16), ReferenceBook()
        for i in range(1, 41):
            if book.add(i, BUY, 100 + i % 3, i):
                reference.add(i, BUY, 100 + i % 3, i)
        assert book.overflow == 40 - len(reference.orders())
        assert book.orders()[:, :4].tolist() == reference.orders()[:, :4].tolist()
        for i in range(1, 41):
            assert book.delete(i) == reference.delete(i, 0)
        assert book.orders().shape == (0, 5)
        assert book.add(1, BUY, 100, 1)
