"""The Bitstamp feed: rows of a pair's rebuilt book (`bitstamp_book`) as days of an L3 tape, in ticks and lots.

Amounts have eight decimals, so lots of 1e-8 would overflow at some ten coins an order. The default lot is the smallest
power of ten that holds the largest order; an order has as many lots as cover its remaining amount, so that none
vanishes before its end and every row is the difference of two such numbers. `bitstamp_messages` shows lines of a
capture.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

import numpy as np

from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.bitstamp_book import BitstampRow, build_book
from tercel.feeds.bitstamp_messages import Pair, pairs_of
from tercel.feeds.capture_day import Capture, CaptureDay, CaptureFeed, days_of
from tercel.feeds.captures import ONE, CaptureLine, format_decimal, stated_unit, unit_of
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra

VENUE: Final = "BITSTAMP"
_SMALLEST_LOT: Final = ONE // 10**8
_WARNINGS: Final = {
    "unknown_ids": "changes of orders that were never created, passed over",
    "duplicates": "orders created twice, passed over",
    "grown": "changes to more than before: the order lost its place",
    "fills_without_trade": "orders filled without a trade that names them",
    "trades_unknown_order": "trades of orders that are not in the book, reported as hidden executions",
    "ghosts": "orders in the way of others for over a second, withdrawn: their deletion was lost",
    "resyncs": "snapshots that differ from the book: it was cleared and opened again",
    "clock_back": "messages with a time of the venue before the one above; they were given that time",
    "against_type": "trades whose type names another aggressor than the ids do; the ids were believed",
    "recv_back": "messages received before the one above by the local clock",
    "cut_lines": "files whose last line is cut",
}


class BitstampFeed(CaptureFeed):
    """Bitstamp captures as a :class:`tercel.market.feed.Feed`; see `capture_day.CaptureFeed`.

    Examples
    --------
    >>> from tercel.feeds import FeedOptions
    >>> with BitstampFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "bitstamp"
    HOLDS = "order events of Bitstamp"
    MARKET = "pair"

    def markets(self, lines: Iterable[CaptureLine]) -> list[Pair]:
        """Messages of a capture sorted into pairs, also those without a snapshot (`market_days` refuses them)."""
        return list(pairs_of(lines).values())

    def market_days(self, market: Pair, capture: Capture) -> Iterator[CaptureDay]:
        """The imported days of one pair, in ticks and lots; FeedError without a snapshot of its book.

        Raises
        ------
        FeedError
            When there is no snapshot, or tick or lot do not fit.
        """
        if not market.snapshots:
            raise FeedError(
                "a snapshot of the order book",
                f"none for {market.symbol} in {capture.location}",
                "capture order_book?group=2 beside the stream (`tercel data record crypto` does)",
            )
        book = build_book(market)
        stated_tick = capture.options.tick
        prices = np.array([row.price for row in book.rows], np.int64)
        tick = unit_of(prices, stated_unit(stated_tick, "tick"), "tick", capture.location)
        lot = self._lot or fitting_lot(
            max((max(row.before, row.after) for row in book.rows), default=0)
        )
        reading = capture.reading
        counts = {
            **asdict(book.counts),
            "against_type": market.against_type,
            "recv_back": reading.recv_back,
        }
        counts |= {"cut_lines": reading.cut_lines}
        extra: Extra = {
            "feed": self.name,
            "messages": reading.messages,
            "lot_size": format_decimal(lot),
            **counts,
        }
        extra |= {
            "order_events": len(market.orders),
            "trades": len(market.trades),
            "snapshots": len(market.snapshots),
        }
        base = capture.instrument(VENUE, market.symbol, tick, stated_tick is not None, extra)
        warnings = tuple(
            f"{counts[name]:,} {text}" for name, text in _WARNINGS.items() if counts[name]
        )
        return days_of(base, events_of(book.rows, tick, lot), warnings)


def fitting_lot(largest: int) -> int:
    """The smallest power of ten from 1e-8 on, in 1e-10, of which `largest` (in 1e-10) makes fewer than 2**30.

    >>> format_decimal(fitting_lot(5 * 10**10)), format_decimal(fitting_lot(50 * 10**10))
    ('0.00000001', '0.0000001')
    """
    lot = _SMALLEST_LOT
    while -(-largest // lot) >= MOST_LOTS:
        lot *= 10
    return lot


def events_of(rows: Sequence[BitstampRow], tick: int, lot: int) -> Events:
    """Tape events of book rows, prices in ticks and amounts in lots; changes of less than a lot are dropped."""
    table = [
        (
            row.exch_ns,
            row.recv_ns,
            row.seq,
            row.kind,
            row.number,
            row.side,
            row.price // tick,
            lots,
            row.flags,
        )
        for row, lots in ((row, changed_lots(row, lot)) for row in rows)
        if lots or row.kind == schema.CLEAR
    ]
    events = Events.from_table(np.array(table, np.int64).reshape(-1, 9))
    if events.n:
        events.flags[np.append(events.seq[1:] != events.seq[:-1], True)] |= schema.MESSAGE_END
    return events


def changed_lots(row: BitstampRow, lot: int) -> int:
    """Lots by which a row grows or shrinks its order, never negative: lots that cover an amount (1e-10) before less after.

    >>> changed_lots(BitstampRow(0, 0, 1, schema.EXECUTE, 1, 1, 5, 25, 11), 10)
    1
    """
    return abs(-(-row.after // lot) + row.before // -lot)
