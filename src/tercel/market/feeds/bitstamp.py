"""Bitstamp captures: order events, trades and order-by-order snapshots of a pair, as an L3 tape.

Amounts have eight decimals, so lots of 1e-8 would overflow at some ten coins an order. The default lot is the smallest
power of ten that holds the largest order; an order has as many lots as cover what is left of it, so that none vanishes
before its end and every row is the difference of two such numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.errors import FeedError, UnknownNameError
from tercel.market.feeds.bitstamp_book import Row, follow
from tercel.market.feeds.bitstamp_messages import Pair, pairs_of
from tercel.market.feeds.captures import MOST, ONE, Reading, lines_of, shown, stated_unit, unit_of
from tercel.market.feeds.levels_day import NS_A_DAY, TIMEZONE, LevelsDay
from tercel.market.feeds.members import members
from tercel.market.feeds.port import FeedOptions, Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument

VENUE: Final = "BITSTAMP"
_SMALLEST_LOT: Final = ONE // 10**8
_TOLD: Final = {
    "unknown_ids": "changes of orders that were never created, passed over",
    "duplicates": "orders created twice, passed over",
    "grown": "changes to more than before: the order lost its place",
    "fills_without_trade": "orders filled without a trade that names them",
    "trades_unknown_order": "trades of orders that are not in the book, told as hidden executions",
    "ghosts": "orders in the way of others for over a second, withdrawn: their deletion was lost",
    "resyncs": "snapshots that differ from the book: it was cleared and opened again",
    "clock_back": "messages with a time of the venue before the one above; they were given that time",
    "against_type": "trades whose type names another aggressor than the ids do; the ids were believed",
    "recv_back": "messages received before the one above by the local clock",
    "cut_lines": "files whose last line is cut",
}


class BitstampFeed:
    """Bitstamp captures as a :class:`tercel.market.feeds.port.Feed`.

    Parameters
    ----------
    lot : str, optional
        One lot in units of the base currency.

    Examples
    --------
    >>> feed = BitstampFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "bitstamp"

    def __init__(self, lot: str | None = None) -> None:
        self._lot = stated_unit(lot, "lot")

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[LevelsDay]]:
        """See :meth:`tercel.market.feeds.port.Feed.days`; the files are read here, as only they know their days."""
        with members(paths) as found:
            reading = Reading()
            pairs = list(pairs_of(lines_of(found, reading)).values())
            source = tuple(m.name for m in found)
        if paths and not pairs:
            received = f"{reading.messages} messages in {', '.join(source[:3])}"
            raise FeedError("order events of Bitstamp, lines of local ns and JSON", received, "check the files")
        chosen = [pair for pair in pairs if options.symbol in (None, pair.symbol)]
        if pairs and not chosen:
            known = ", ".join(sorted(pair.symbol for pair in pairs))
            raise UnknownNameError("a pair of the capture", f"--symbol {options.symbol}", f"give one of {known}")
        days = [day for pair in chosen for day in self._days(pair, source, reading, options)]
        days = [day for day in days if options.date in (None, day.date)]
        yield sorted(days, key=lambda day: (day.symbol, day.date))

    def _days(self, pair: Pair, source: tuple[str, ...], reading: Reading, options: FeedOptions) -> Iterator[LevelsDay]:
        where = ", ".join(source)
        if not pair.snapshots:
            remedy = "capture order_book?group=2 beside the stream (`tercel data record crypto` does)"
            raise FeedError("a snapshot of the order book", f"none for {pair.symbol} in {where}", remedy)
        book = follow(pair)
        prices = np.array([row.price for row in book.rows], np.int64)
        tick = unit_of(prices, stated_unit(options.tick, "tick"), "tick", where)
        lot = self._lot or fitting_lot(max((max(row.before, row.after) for row in book.rows), default=0))
        events = events_of(book.rows, tick, lot)
        counts = {**asdict(book.counts), "against_type": pair.against_type, "recv_back": reading.recv_back}
        counts |= {"cut_lines": reading.cut_lines}
        extra: dict[str, Any] = {"feed": self.name, "messages": reading.messages, "lot_size": shown(lot), **counts}
        extra |= {"order_events": len(pair.orders), "trades": len(pair.trades), "snapshots": len(pair.snapshots)}
        base = Instrument(
            venue=VENUE, symbol=pair.symbol, date="2000-01-01", tick=float(shown(tick)), timezone=TIMEZONE,
            source=source, tick_rule="inferred" if options.tick is None else "stated", extra=extra,
        )  # fmt: skip
        warnings = tuple(f"{counts[name]:,} {text}" for name, text in _TOLD.items() if counts[name])
        for part in by_day(events):
            yield LevelsDay(_imported(base, part, warnings), np.zeros(part.n, np.int64))


def _imported(base: Instrument, events: Events, warnings: tuple[str, ...]) -> Imported:
    day = str(np.datetime64(int(events.exch_ns[0]) // NS_A_DAY, "D"))
    first, last = int(events.exch_ns[0]), int(events.exch_ns[-1])
    instrument = replace(base, date=day, rows=events.n, session_open_ns=first, session_close_ns=last)
    return Imported(instrument, events, warnings)


def fitting_lot(largest: int) -> int:
    """The smallest power of ten from 1e-8 on of which `largest` (in 1e-10) makes fewer than 2**30.

    >>> shown(fitting_lot(5 * 10**10)), shown(fitting_lot(50 * 10**10))
    ('0.00000001', '0.0000001')
    """
    lot = _SMALLEST_LOT
    while -(-largest // lot) >= MOST:
        lot *= 10
    return lot


def events_of(rows: Sequence[Row], tick: int, lot: int) -> Events:
    """Rows as columns; those that are less than a lot fall away with their message where it has no other."""
    kept = [(row, lots) for row, lots in ((row, lots_of(row, lot)) for row in rows) if lots or row.kind == schema.CLEAR]
    events = Events.empty(len(kept))
    columns = [
        (row.exch_ns, row.recv_ns, row.seq, row.kind, row.number, row.side, row.price // tick, lots, row.flags)
        for row, lots in kept
    ]
    for column, values in zip(events.columns(), zip(*columns, strict=True), strict=False):
        column[:] = values
    if events.n:
        events.flags[np.append(events.seq[1:] != events.seq[:-1], True)] |= schema.MESSAGE_END
    return events


def lots_of(row: Row, lot: int) -> int:
    """Lots of a row: the difference of the lots that cover the order before and after.

    >>> lots_of(Row(0, 0, 1, schema.EXECUTE, 1, 1, 5, 25, 11), 10)
    1
    """
    return abs(-(-row.after // lot) + row.before // -lot)


def orders_after(events: Events, stop: int) -> dict[int, tuple[int, int, int]]:
    """The book after the rows `[0, stop)` of an L3 tape: side, price, lots by id, in order of priority."""
    book: dict[int, tuple[int, int, int]] = {}
    columns = (events.kind, events.order_id, events.side, events.price_ticks, events.qty_lots)
    for kind, number, side, price, lots in zip(*(column[:stop].tolist() for column in columns), strict=True):
        if kind == schema.CLEAR:
            book.clear()
        elif kind == schema.ADD:
            book[number] = side, price, lots
        elif kind in (schema.REDUCE, schema.DELETE, schema.EXECUTE) and number in book:
            left = book[number][2] - lots
            if left > 0 and kind != schema.DELETE:
                book[number] = side, price, left
            else:
                del book[number]
    return book


def by_day(events: Events) -> Iterator[Events]:
    """The rows of each day of UTC, the second and later ones after the orders that the day before left."""
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(events.exch_ns // NS_A_DAY))), events.n]
    for start, stop in pairwise(cuts):
        part = events.slice(start, stop)
        if start == 0:
            yield part
            continue
        left = orders_after(events, start)
        head = Events.empty(len(left))
        rows = np.array([(number, *order) for number, order in left.items()], np.int64).reshape(-1, 4)
        head.order_id[:], head.side[:], head.price_ticks[:], head.qty_lots[:] = rows.T
        head.kind[:], head.flags[:] = schema.ADD, schema.OPENING
        head.exch_ns[:], head.recv_ns[:] = part.exch_ns[0], part.recv_ns[0]
        if head.n:
            head.flags[-1] |= schema.MESSAGE_END
        tail = Events(*(column.copy() for column in part.columns()))
        tail.seq[:] -= tail.seq[0] - 1
        yield Events(*(np.concatenate(pair) for pair in zip(head.columns(), tail.columns(), strict=True)))
