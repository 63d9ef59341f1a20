"""One price-time limit order book for replay, simulation and trading."""

from tercel.market.book import layout
from tercel.market.book.book import Book, BookFill, OrderType
from tercel.market.book.ladder import (
    allocate,
    best,
    in_window,
    ledger_at,
    level_at,
    lots_at,
    order_at,
    public_depth,
    side_at,
)
from tercel.market.book.layout import OVERFLOW, new_book
from tercel.market.book.tape_kernels import Ids, apply_one, find, new_ids

__all__ = [
    "OVERFLOW",
    "Book",
    "BookFill",
    "Ids",
    "OrderType",
    "allocate",
    "apply_one",
    "best",
    "find",
    "in_window",
    "layout",
    "ledger_at",
    "level_at",
    "lots_at",
    "new_book",
    "new_ids",
    "order_at",
    "public_depth",
    "side_at",
]
