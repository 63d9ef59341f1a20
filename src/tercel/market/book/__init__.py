"""One price-time limit order book for replay, simulation and trading."""

from tercel.market.book.book import Book, BookFill, OrderType
from tercel.market.book.layout import new_book

__all__ = ["Book", "BookFill", "OrderType", "new_book"]
