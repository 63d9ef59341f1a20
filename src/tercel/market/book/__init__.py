"""One price-time limit order book for replay, simulation and trading."""

from tercel.market.book import layout
from tercel.market.book.book import Book, BookFill, OrderType
from tercel.market.book.book_records import best, in_window, ledger_at, level_at, order_at, side_at
from tercel.market.book.ladder import lots_at, public_depth
from tercel.market.book.layout import OVERFLOW, new_book
from tercel.market.book.order_ids import Ids, find_entry, new_ids
from tercel.market.book.price_window import allocate
from tercel.market.book.tape_kernels import apply_row

__all__ = [
    "OVERFLOW",
    "Book",
    "BookFill",
    "Ids",
    "OrderType",
    "allocate",
    "apply_row",
    "best",
    "find_entry",
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
