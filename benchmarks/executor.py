"""``benchmarks executor``: a book of ten levels into `tercel.Executor`, and its commands out, in process.

A stream of books, ten a second, whose touch moves and whose sizes change, goes to an executor that works a parent
order of half an hour in 60 decisions; its orders are accepted and cancelled at once. A reference is the same stream into
sorted dictionaries alone, which is what a loop without an executor does at the least.
"""

import gc
import random
from collections.abc import Callable, Sequence
from time import thread_time_ns
from typing import Any, Final

import numpy as np

import tercel as tc
from benchmarks import measured

BOOKS: Final = 18_000
EVERY_NS: Final = 100_000_000
MOVES: Final = 0.1
"""Share of updates in which the touch moves."""
STRATEGIES: Final = ("guarded", "default")
Book = tuple[list[list[float]], list[list[float]]]


def bench(books: int = BOOKS) -> list[dict[str, Any]]:
    """``executor.NAME_p50_us`` and ``executor.NAME_p99_us`` of an update with its commands."""
    stream = _books(books)
    plain = _times(stream, _dictionaries())
    rows = []
    for name in STRATEGIES:
        instrument = tc.Instrument("XYZ", "0.01", 1, levels=10)
        executor = tc.Executor(name, instrument, tc.Parent("buy", 100_000, "30min"))
        times = _times(stream, _work(executor))
        for share in (50, 99):
            rows.append(
                measured(
                    f"executor.{name}_p{share}_us",
                    float(np.percentile(times, share)) / 1e3,
                    "us",
                    "dictionaries alone",
                    float(np.percentile(plain, share)) / 1e3,
                    less=True,
                    updates=len(times),
                )
            )
    return rows


def _books(count: int) -> list[Book]:
    """Books of ten levels a side, in price units: the touch moves a tick in one of ten, two sizes a side change in each."""
    rng = random.Random(1)
    mid = 10_000
    lots = {tick: float(rng.randint(1, 500)) for tick in range(mid - 2_000, mid + 2_000)}
    books = []
    for _ in range(count):
        mid += rng.choice((-1, 1)) if rng.random() < MOVES else 0
        for _ in range(2):
            lots[mid - rng.randrange(10)] = float(rng.randint(1, 500))
            lots[mid + 1 + rng.randrange(10)] = float(rng.randint(1, 500))
        bids = [[round((mid - k) * 0.01, 2), lots[mid - k]] for k in range(10)]
        asks = [[round((mid + 1 + k) * 0.01, 2), lots[mid + 1 + k]] for k in range(10)]
        books.append((bids, asks))
    return books


def _times(stream: Sequence[Book], update: Callable[[int, Book], Callable[[], None]]) -> list[int]:
    """CPU nanoseconds of each update behind the first tenth; what follows one, such as acks, is not timed."""
    gc.collect()
    gc.disable()
    times = []
    for number, book in enumerate(stream):
        begun = thread_time_ns()
        rest = update(number * EVERY_NS, book)
        times.append(thread_time_ns() - begun)
        rest()
    gc.enable()
    return times[len(times) // 10 :]


def _work(executor: tc.Executor) -> Callable[[int, Book], Callable[[], None]]:
    """An update of an executor, and the answers of a venue to what it sends."""

    def update(ns: int, book: Book) -> Callable[[], None]:
        executor.on_book(ns, *book)
        commands = executor.commands(ns)

        def answer() -> None:
            for command in commands:
                what = "cancelled" if isinstance(command, tc.Cancel) else "amended"
                what = "accepted" if isinstance(command, tc.Place) else what
                executor.on_order(command.name, what, ns)

        return answer

    return update


def _dictionaries() -> Callable[[int, Book], Callable[[], None]]:
    """An update of two dictionaries and their best prices."""
    sides: tuple[dict[float, float], dict[float, float]] = {}, {}

    def update(_: int, book: Book) -> Callable[[], None]:
        for side, levels, best in zip(sides, book, (max, min), strict=True):
            side.clear()
            side.update((level[0], level[1]) for level in levels)
            best(side)
        return lambda: None

    return update
