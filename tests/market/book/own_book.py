"""A book with own orders in it."""

from tercel.market.book import Book, layout as lay
from tercel.market.book.book import ALL_LOTS
from tercel.market.book.ladder import insert_own, reduce


class OwnBook(Book):
    """A book as tests ask it: own orders are laid and withdrawn by hand."""

    def own_add(self, side: int, price: int, qty: int, outside_feed: bool = False) -> int:
        """Rest an own order; returns its index, or -1 when all `own` places are taken (counted in `overflow`)."""
        b = self.state
        for i in range(int(b[lay.OWN])):
            if b[lay.HEADER + (b[lay.ORDERS] + i) * lay.ORDER + lay.QTY] == 0:
                insert_own(b, i, side, price, qty, outside_feed)
                return i
        b[lay.OVERFLOW] += 1
        return -1

    def own_cancel(self, own: int, qty: int = ALL_LOTS) -> int:
        """Take lots from an own order; returns the lots taken."""
        return int(reduce(self.state, int(self.state[lay.ORDERS]) + own, qty))

    def own_ahead(self, own: int) -> int:
        """Lots ahead of an own order at its price, in constant time."""
        return int(self.state[self.state[lay.AT_LEDGER] + own * lay.LEDGER + lay.AHEAD])

    def own_lots(self, own: int) -> int:
        """Resting lots of an own order."""
        return int(self.state[lay.HEADER + (self.state[lay.ORDERS] + own) * lay.ORDER + lay.QTY])
