"""The compiled book and its oracle, held to the same rules."""

from tests.market.book.conformance import BookConformance

from benchmarks.reference_book import ReferenceBook
from tercel.market.book.book import Book


class TestBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> Book:
        return Book(orders, width, own)


class TestReferenceBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> ReferenceBook:
        return ReferenceBook(orders, width, own)
