"""What two books are compared by, and rude tapes for them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import ReferenceBook
from tercel.core.vocabulary import BUY, SELL
from tercel.market.tape import schema

STUB_BID, STUB_ASK = 1, 2**29
AnyBook = OwnBook | ReferenceBook


class Columns(NamedTuple):
    """Tape columns that a book reads, one row an event."""

    kind: NDArray[np.uint8]
    order_id: NDArray[np.int64]
    side: NDArray[np.int8]
    price_ticks: NDArray[np.int32]
    qty_lots: NDArray[np.int32]


def columns(kind: Any, order_id: Any, side: Any, price: Any, lots: Any) -> Columns:
    """Tape columns of the types that a book reads."""
    types = (np.uint8, np.int64, np.int8, np.int32, np.int32)
    given = zip((kind, order_id, side, price, lots), types, strict=True)
    return Columns(*(np.asarray(values).astype(dtype) for values, dtype in given))


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
    ids_of_rows = pool[rng.integers(0, ids, size=n)]
    return columns(
        kind, ids_of_rows, rng.choice([BUY, SELL], size=n), price, rng.integers(1, 20, size=n)
    )


def picture(book: AnyBook, levels: int = 40) -> dict[str, Any]:
    """Everything that two books must agree on, in plain values.

    Arrival numbers are left out, their order is not; neighbouring anonymous lots count as one block.
    """
    queue: list[list[int]] = []
    for order_id, side, price, lots in book.orders()[:, :4].tolist():
        if queue and order_id == 0 and queue[-1][:3] == [0, side, price]:
            queue[-1][3] += lots
        else:
            queue.append([order_id, side, price, lots])
    return {
        "best": (book.best_bid, book.best_ask),
        "orders": queue,
        "depth": [[a.tolist() for a in book.depth(side, levels)] for side in (BUY, SELL)],
        "counters": (book.unknown_ids, book.unknown_lots, book.duplicate_ids, book.overflow),
    }
