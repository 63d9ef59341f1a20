"""``benchmarks book``: messages per second of the compiled book, beside one in plain Python and one in C++.

One seeded stream of a million messages (46.8 % adds, 3.2 % partial cancels, 43.7 % deletes, 6.4 % executions), prices
within some 110 ticks of a mean-reverting centre, 64-bit hashed ids, about three thousand live orders. Both books read
the touch (best prices and their lots) after every message and add it up, so that equal books have equal sums. A twin in
C++ runs the whole stream too where it can be had (`benchmarks.book_cpp`). Times are the process's own, taken in turns;
the shortest counts.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measured
from benchmarks.book_cpp import check_twin, cpp_twin
from benchmarks.reference_book import ReferenceBook
from tercel import TercelError
from tercel.core import ADD, BUY, DELETE, EXECUTE, REDUCE, SELL
from tercel.market.book import Book
from tercel.market.tape import Events

LIVE = 3_000
REACH = 110
ADDS, CANCELS, DELETES = (
    0.468,
    0.032,
    0.437,
)  # executions are the rest; shares as in facts/performance.md, section 1
WHOLE_EXECUTIONS = 0.486  # so that as many orders leave as come
ORDERS, WIDTH = 8_192, 1_024
MIDDLE = 10_000


def bench(
    messages: int = 1_000_000, prefix: int = 150_000, repeats: int = 10
) -> list[dict[str, Any]]:
    """Measure the book.

    Parameters
    ----------
    messages, prefix : int
        Messages in the stream, and how many of the first of them the reference gets (it needs ten times as long).
    repeats : int
        The shortest of so many runs counts, each from an empty book; the books take turns.

    Raises
    ------
    TercelError
        When the books do not end the prefix with the same sums, or an order found no room.

    >>> [row["name"] for row in bench(messages=2_000, prefix=500, repeats=1)][:1]
    ['book.events_per_s']
    """
    stream = make_stream(messages, seed=1)
    prefix = min(prefix, messages)
    check_agreement(stream, prefix)
    twin = cpp_twin(ORDERS, WIDTH, MIDDLE)
    runs: list[tuple[int, Callable[[], object]]] = [
        (messages, lambda: apply(Book(ORDERS, WIDTH, own_orders=0), stream, messages)),
        (prefix, lambda: apply(ReferenceBook(), stream, prefix)),
    ]
    if twin is not None:
        check_twin(twin, stream)
        runs.append((messages, lambda: twin(stream)))
    seconds = [[_seconds(work) for _, work in runs] for _ in range(repeats)]
    ours, *theirs = (
        count / min(each) for (count, _), each in zip(runs, zip(*seconds, strict=True), strict=True)
    )
    references = ("ReferenceBook (plain Python)", "the same book in C++ (-O3)")
    names = ("book.events_per_s", "book.share_of_cpp")
    return [
        measured(name, ours, "messages/s", reference, rate)
        for name, reference, rate in zip(names, references, theirs, strict=False)
    ]


def apply(book: Book | ReferenceBook, stream: Events, stop: int) -> Book | ReferenceBook:
    """The book after the first `stop` messages; the touch is read after each."""
    book.apply(stream, 0, stop)
    return book


def check_agreement(stream: Events, prefix: int) -> None:
    """Both books must add up the same touches over the prefix; this run also compiles the kernels."""
    book, reference = (
        apply(Book(ORDERS, WIDTH, own_orders=0), stream, prefix),
        apply(ReferenceBook(), stream, prefix),
    )
    if book.checksum != reference.checksum or book.overflow or book.unknown_ids:
        raise TercelError(
            f"equal books after {prefix} messages (sum {reference.checksum}), no overflow and no unknown id",
            f"sum {book.checksum}, overflow {book.overflow}, unknown ids {book.unknown_ids}",
            "report this as a bug of tercel.market.book with the output of `python -m benchmarks book`",
        )


def _seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def hashed(counter: int) -> int:
    """A 64-bit id with no order in it: the finaliser of splitmix64 (Steele, Lea and Flood, 2014), signed."""
    mask = 2**64 - 1
    z = (counter * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    return z - 2**64 if z >= 2**63 else z


class _Crowd:
    """The generator's own small book: live orders, and per side the prices and their ids in order of arrival."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}  # id -> [side, price, lots, place in `ids`]
        self.ids: list[int] = []
        self.queues: dict[int, dict[int, dict[int, None]]] = {BUY: {}, SELL: {}}
        self.keys: dict[int, list[int]] = {BUY: [], SELL: []}

    def best(self, side: int, default: int) -> int:
        keys = self.keys[side]
        return side * keys[-1] if keys else default

    def first(self, side: int) -> int:
        return next(iter(self.queues[side][side * self.keys[side][-1]]))

    def add(self, order_id: int, side: int, price: int, lots: int) -> None:
        self.orders[order_id] = [side, price, lots, len(self.ids)]
        self.ids.append(order_id)
        if price not in self.queues[side]:
            self.queues[side][price] = {}
            insort(self.keys[side], side * price)
        self.queues[side][price][order_id] = None

    def remove(self, order_id: int) -> None:
        side, price, _, place = self.orders.pop(order_id)
        last = self.ids.pop()
        if last != order_id:
            self.ids[place] = last
            self.orders[last][3] = place
        queue = self.queues[side][price]
        del queue[order_id]
        if not queue:
            del self.queues[side][price]
            del self.keys[side][bisect_left(self.keys[side], side * price)]


def make_stream(messages: int, seed: int) -> Events:
    """A stream that leaves the book uncrossed after every message.

    Adds lie an exponential distance behind a centre that reverts to its mean, and never reach the other side; cancels
    hit any live order; executions the first order of a best price. The share of adds gives way as the number of live
    orders leaves its target.
    """
    rng = np.random.default_rng(seed)
    draws = rng.random((messages, 4)).tolist()
    distances = np.minimum(rng.exponential(18.0, messages), 60.0).astype(int).tolist()
    steps = rng.normal(0.0, 0.3, messages).tolist()
    crowd = _Crowd()
    rows: list[tuple[int, int, int, int, int]] = []
    centre = 0.0
    for i in range(messages):
        centre += steps[i] - 0.0005 * centre
        centre = max(-50.0, min(50.0, centre))
        row = _message(crowd, draws[i], MIDDLE + round(centre), distances[i], i + 1)
        rows.append(row)
    stream = Events.empty(messages)
    columns: tuple[NDArray[Any], ...] = (
        stream.kind,
        stream.order_id,
        stream.side,
        stream.price_ticks,
        stream.qty_lots,
    )
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        column[:] = values
    return stream


def _message(
    crowd: _Crowd, draw: list[float], centre: int, distance: int, counter: int
) -> tuple[int, int, int, int, int]:
    live = len(crowd.ids)
    u = draw[0] - (LIVE - live) / LIVE
    side = BUY if draw[1] < 0.5 else SELL
    if u < ADDS or not (crowd.keys[BUY] and crowd.keys[SELL]):
        far = crowd.best(-side, centre + side * REACH)
        price = min(centre - distance, far - 1) if side > 0 else max(centre + distance, far + 1)
        order_id, lots = hashed(counter), 1 + int(10 * draw[2])
        crowd.add(order_id, side, price, lots)
        return ADD, order_id, side, price, lots
    if u < ADDS + CANCELS + DELETES:
        order_id = crowd.ids[int(draw[2] * live)]
        side, price, lots, _ = order = crowd.orders[order_id]
        if u < ADDS + CANCELS and lots > 1:
            less = 1 + int(draw[3] * (lots - 1))
            order[2] -= less
            return REDUCE, order_id, side, price, less
        crowd.remove(order_id)
        return DELETE, order_id, side, price, lots
    order_id = crowd.first(side)
    side, price, lots, _ = order = crowd.orders[order_id]
    if lots > 1 and draw[2] > WHOLE_EXECUTIONS:
        less = 1 + int(draw[3] * (lots - 1))
        order[2] -= less
        return EXECUTE, order_id, side, price, less
    crowd.remove(order_id)
    return EXECUTE, order_id, side, price, lots
