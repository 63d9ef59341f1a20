"""Market data in standard FIX: full and incremental refreshes, applied to a displayed book.

35=W|262=M2-1|55=XYZ|268=2|269=0|270=10.04|271=700|269=1|270=10.06|271=500|                        (whole book)
35=X|262=M2-1|268=1|279=1|269=0|55=XYZ|270=10.04|271=400|                                           (new total)
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tercel.core import orders as o
from tercel.core.link.shown_book import ShownBook
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import Message

_TRADE: Final = "2"
_DELETE: Final = "2"
_AGGRESSOR_SIDE: Final = 2446
_SIDES: Final[Mapping[str, int]] = {"0": BUY, "1": SELL}
"""Sides by MDEntryType (269)."""


def refresh_book(book: ShownBook, entries: Sequence[Message], now_ns: int) -> o.MarketRows:
    """Set a book by the entries of a full refresh (W); its rows."""
    totals: dict[tuple[int, int], int] = {}
    for entry in entries:
        side = _SIDES.get(entry.get(t.ENTRY_TYPE), 0)
        if side and t.ENTRY_PX in entry:
            level_key = side, book.scale.ticks(entry.get(t.ENTRY_PX))
            totals[level_key] = totals.get(level_key, 0) + book.scale.lots(
                entry.get(t.ENTRY_SIZE, "0")
            )
    return book.set_levels(totals, now_ns)


def change_book(book: ShownBook, entries: Sequence[Message], now_ns: int) -> o.MarketRows | None:
    """Apply the entries of an incremental refresh (X) to a book; its rows, None before a full one or when nothing
    changed."""
    rows: list[tuple[int, ...]] = []
    for entry in entries if book.ready else ():
        kind = entry.get(t.ENTRY_TYPE)
        price = book.scale.ticks(entry.get(t.ENTRY_PX))
        lots = book.scale.lots(entry.get(t.ENTRY_SIZE, "0"))
        if kind == _TRADE:
            rows += book.apply_trade(now_ns, price, lots, entry.get(_AGGRESSOR_SIDE))
        elif kind in _SIDES:
            rows += book.set_total(
                now_ns, _SIDES[kind], price, 0 if entry.get(t.UPDATE_ACTION) == _DELETE else lots
            )
    rows += book.rest_waiting(now_ns)
    return book.market_rows(rows)
