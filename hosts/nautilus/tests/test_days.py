"""A day as Nautilus' data: its own book, and what an executor is told, against the tape."""

from collections import Counter
from decimal import Decimal

import days
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from tercel_nautilus.books import BookReader
from tercel_nautilus.days import day_of

from tercel.core.errors import TercelError
from tercel.core.vocabulary import EXECUTE, TRADE_HIDDEN
from tercel.market.tape import Lake


class Told:
    """Notes what an executor would be told, and keeps the orders that stand."""

    def __init__(self):
        self.kinds, self.orders, self.hidden = Counter(), {}, 0

    def on_orders(self, ns, changes, whole=False):
        for kind, key, side, price, size in changes:
            self.kinds[kind] += 1
            if kind == "add":
                assert key not in self.orders
                self.orders[key] = [1 if side == "buy" else -1, round(price * 100), size]
                continue
            self.orders[key][2] -= size
            if not self.orders[key][2]:
                del self.orders[key]

    def on_trade(self, ns, price, size, side, execution=""):
        self.hidden += 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nautilus_book_and_what_an_executor_is_told_end_as_the_tape(tmp_path, seed):
    left = days.lake_of(tmp_path, seed)
    instrument, data = day_of(tmp_path, days.SYMBOL, days.DATE)
    book, told, reader = (
        OrderBook(instrument.id, BookType.L3_MBO),
        Told(),
        BookReader(by_order=True),
    )
    for one in data:
        if isinstance(one, OrderBookDeltas):
            book.apply_deltas(one)
            reader.deltas(told, one, book, one.ts_init)
        else:
            reader.trade(told, one, one.ts_init)
    reader.flush(told, one.ts_init)
    assert told.orders == left
    totals = Counter()
    for side, ticks, lots in left.values():
        totals[side, ticks] += lots
    seen = {
        (side, round(level.price.as_double() * 100)): level.size()
        for side, levels in ((1, book.bids()), (-1, book.asks()))
        for level in levels
    }
    assert seen == totals
    _, events = Lake(tmp_path).read(days.SYMBOL, days.DATE)
    assert told.kinds["execute"] == (events.kind == EXECUTE).sum() > 100
    assert told.hidden == (events.kind == TRADE_HIDDEN).sum() > 10


class Levels:
    """Keeps the levels that an executor would be told."""

    def __init__(self):
        self.levels = {"buy": {}, "sell": {}}

    def on_book(self, ns, bids, asks, whole=True):
        for side, rows in (("buy", bids), ("sell", asks)):
            levels = {} if whole else self.levels[side]
            for price, size in rows:
                levels[price] = size
            self.levels[side] = {price: size for price, size in levels.items() if size}


BATCHES = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 3)), max_size=6),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    deadline=None, max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(BATCHES, st.integers(0, 11))
def test_levels_that_an_executor_is_told_are_those_of_nautilus_book(batches, gap):
    """Snapshots and changes of levels, and a gap after one of them."""
    name = InstrumentId.from_str("TOY.NASDAQ")
    book, told, reader = OrderBook(name, BookType.L2_MBP), Levels(), BookReader(by_order=False)
    for number, (is_snapshot, rows) in enumerate(batches):
        found = [OrderBookDelta.clear(name, number, number, number)] if is_snapshot else []
        shown = set()
        for is_bid, distance, size in rows:
            ticks = 1000 + (-1 - distance if is_bid else distance)
            if is_snapshot and (not size or ticks in shown):
                continue
            shown.add(ticks)
            order = BookOrder(
                OrderSide.BUY if is_bid else OrderSide.SELL,
                Price(ticks / 100, 2),
                Quantity.from_int(size),
                0,
            )
            action = (
                BookAction.ADD if is_snapshot else BookAction.UPDATE if size else BookAction.DELETE
            )
            found.append(OrderBookDelta(name, action, order, 0, number, number, number))
        if not found:
            continue
        deltas = OrderBookDeltas(name, found)
        book.apply_deltas(deltas)
        if number == gap:
            reader.whole_next = True
        reader.deltas(told, deltas, book, number)
        for side, levels in (("buy", book.bids()), ("sell", book.asks())):
            assert told.levels[side] == {one.price.as_double(): one.size() for one in levels}


def test_a_day_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TercelError, match="folder of an export"):
        day_of(tmp_path / "none", "TOY", days.DATE)
    days.lake_of(tmp_path, n=50)
    with pytest.raises(TercelError):
        day_of(tmp_path, "TOY", "2012-06-22")


def test_prices_and_sizes_are_exact(tmp_path):
    days.lake_of(tmp_path, n=50)
    instrument, data = day_of(tmp_path, days.SYMBOL, days.DATE)
    assert instrument.price_increment.as_decimal() == Decimal("0.01")
    order = data[0].deltas[0].order
    assert order.price.as_decimal() == Decimal(str(order.price))
    assert 9 < order.price < 11
