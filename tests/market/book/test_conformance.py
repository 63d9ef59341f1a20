"""The compiled book and its oracle, held to the same rules."""

from tests.market.book.conformance import BookConformance
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import ReferenceBook


class TestBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> OwnBook:
        return OwnBook(orders, width, own)


class TestReferenceBook(BookConformance):
    def make(self, orders: int = 512, width: int = 64, own: int = 8) -> ReferenceBook:
        return ReferenceBook(orders, width, own)
