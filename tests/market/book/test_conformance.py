"""The compiled book and its oracle, held to the same rules."""

from tercel.market.book.book import Book
from tercel.market.book.reference import ReferenceBook
from tercel.testing.book import BookConformance


class TestBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> Book:
        return Book(orders, width, own)


class TestReferenceBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> ReferenceBook:
        return ReferenceBook(orders, width, own)
