"""Read an exported catalog by NautilusTrader itself and compare best bid and ask at 1,000 moments with Tercel's book.

    python hosts/checks/nautilus_export.py LAKE SYMBOL DATE CATALOG

Prints counts and hashes of both; exit code 1 where they differ while the book is not crossed.
"""
# ruff: noqa: T201

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from quotes import compare_quotes, quotes_of

from tercel.market.tape import schema


def main(lake, symbol, date, path):
    """Print what NautilusTrader makes of the catalog."""
    instrument, events, times, ours = quotes_of(lake, symbol, date)
    name = f"{symbol}.{instrument.venue}"
    catalog = ParquetDataCatalog(str(Path(path).resolve()))
    deltas = catalog.order_book_deltas(instrument_ids=[name])
    trades = catalog.trade_ticks(instrument_ids=[name])
    start, end = instrument.span
    deltas = [delta for delta in deltas if start <= delta.ts_event <= end]
    trades = [trade for trade in trades if start <= trade.ts_event <= end]
    has_queues = any(delta.order.order_id for delta in deltas)
    book = OrderBook(
        InstrumentId.from_str(name), BookType.L3_MBO if has_queues else BookType.L2_MBP
    )
    tick = Fraction(str(instrument.tick))
    theirs = np.zeros((len(times), 2), np.int64)
    position = 0
    for i, ns in enumerate(times.tolist()):
        while position < len(deltas) and deltas[position].ts_init <= ns:
            book.apply_delta(deltas[position])
            position += 1
        best = (book.best_bid_price(), book.best_ask_price())
        theirs[i] = [0 if price is None else Fraction(str(price)) / tick for price in best]
    traded = np.isin(events.kind, (schema.EXECUTE, schema.TRADE, schema.TRADE_HIDDEN, schema.CROSS))
    lots = int(events.qty_lots[traded].sum())
    seen = sum(Fraction(str(trade.size)) for trade in trades) / instrument.lot_units
    print(
        f"{symbol} {date}: {events.n} rows, {len(deltas)} deltas, {len(trades)} trades of {seen} lots, on the tape "
        f"{int((traded & (events.qty_lots > 0)).sum())} of {lots}; queues: {has_queues}"
    )
    return int(compare_quotes(ours, theirs) > 0 or seen != lots)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
