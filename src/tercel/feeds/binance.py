"""The Binance feed: steps of a synced book (`binance_sync`) and trades as days of an L2 tape, in ticks and lots.

Files are lines of local ns and JSON (:mod:`tercel.feeds.members`), plain or compressed, or lists of messages; the maps
`binance-spot` and `binance-futures` read the public archive. A file of exchange
information (`exchangeInfo`) beside them gives tick and lot; else both are the greatest common divisor of the values.
`binance_messages` shows lines of such a file.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError
from tercel.feeds.binance_messages import BinanceMarket, BinanceTrade, markets_of
from tercel.feeds.binance_sync import APPLIED, LOST, OPENED, SyncStep, sync
from tercel.feeds.capture_day import Capture, CaptureDay, CaptureFeed, days_of
from tercel.feeds.captures import CaptureLine, format_decimal, stated_unit, unit_of
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Extra

# Rows of tape from the steps of an L2 book and its trades: LEVEL_SET rows and TRADE prints.
#
# Steps and trades are put in order of exchange time; at equal times trades come first, since the levels that follow
# are the state after the trades. Within a message removed levels come before set levels, so that the book crosses at
# no row of it.
PRICE = 6
LOTS = 7
FLAGS = 8
UPDATE = 9
"""Columns of the table: the tape's, and the venue's number of the update that a row ends."""


_WARNINGS: Final = {
    "gaps": "gaps in the update ids: the book was cleared and opened again from the next snapshot",
    "unplaced": "updates after a gap that no snapshot follows, left out",
    "stale_snapshots": "snapshots older than the updates received, passed over",
    "duplicates": "updates that came twice, passed over",
    "duplicate_trades": "trades that came twice, passed over",
    "trade_gaps": "gaps in the numbers of trades",
    "clock_back": "messages with an exchange time before the one above; they were given that time",
    "recv_back": "messages received before the one above by the local clock",
    "cut_lines": "files whose last line is cut",
    "off_book_trades": "prints that no order in the book made (insurance fund, deleveraging), left out",
}


def rows_of(steps: Sequence[SyncStep], trades: Sequence[BinanceTrade]) -> tuple[Ints, int]:
    """Tape rows int64 (n, 10), prices and quantities in 1e-10, and the number of trades left out before the first book.

    Those are left out.
    """
    table: list[list[int]] = []
    seq = 0
    is_open = False
    early_trades = 0
    parts: list[BinanceTrade | SyncStep] = [*trades, *steps]
    for part in sorted(parts, key=attrgetter("exch_ns")):
        if isinstance(part, BinanceTrade):
            early_trades += not is_open
            rows = [(schema.TRADE, part.side, (part.price, part.quantity), 0)] if is_open else []
        else:
            flags = schema.OPENING if part.change == OPENED and not is_open else 0
            rows = [(schema.CLEAR, 0, (0, 0), 0)] if part.change == LOST else []
            levels = [(1, level) for level in part.bids] + [(-1, level) for level in part.asks]
            levels.sort(key=lambda row: row[1][1] != 0)  # removed levels first
            rows += [(schema.LEVEL_SET, side, level, flags) for side, level in levels]
        if rows:
            seq += is_open
            is_open = True
            stamps = part.exch_ns, part.recv_ns or part.exch_ns, seq
            table += [
                [*stamps, kind, 0, side, *level, flags, 0] for kind, side, level, flags in rows
            ]
            table[-1][FLAGS] |= schema.MESSAGE_END
            table[-1][UPDATE] = part.last if isinstance(part, SyncStep) else 0
    return np.array(table, np.int64).reshape(-1, 10), early_trades


class BinanceFeed(CaptureFeed):
    """Binance captures as a :class:`tercel.market.feed.Feed`; see `capture_day.CaptureFeed`.

    Examples
    --------
    >>> from tercel.feeds import FeedOptions
    >>> with BinanceFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "binance"
    HOLDS = "depth updates of Binance"
    MARKET = "symbol"

    def markets(self, lines: Iterable[CaptureLine]) -> list[BinanceMarket]:
        """Messages of a capture sorted into markets; those without diffs or snapshots are left out."""
        return [market for market in markets_of(lines) if market.book]

    def market_days(self, market: BinanceMarket, capture: Capture) -> Iterator[CaptureDay]:
        """The imported days of one market, in ticks and lots; FeedError without a snapshot that meets the updates.

        Raises
        ------
        FeedError
            When there is no book, or tick or lot do not fit.
        """
        synced = sync(market)
        location = capture.location
        if not any(step.change == OPENED for step in synced.steps):
            raise FeedError(
                "a snapshot that fits the updates",
                f"none for {market.symbol} in {location}",
                "capture the REST depth snapshot beside the stream (`tercel data record crypto` does)",
            )
        table, early_trades = rows_of(synced.steps, synced.trades)
        stated = stated_unit(capture.options.tick, "tick")
        tick = unit_of(table[:, PRICE], stated, "tick", location, market.tick)
        lot = unit_of(table[:, LOTS], self._lot, "lot", location, market.lot)
        table[:, PRICE] //= tick
        table[:, LOTS] //= lot
        reading = capture.reading
        counts: dict[str, int] = {
            "updates": sum(1 for step in synced.steps if step.change == APPLIED),
            "trades": len(synced.trades),
            "best_quotes": len(market.quotes),
            **asdict(synced.counts),
            "recv_back": reading.recv_back,
            "cut_lines": reading.cut_lines,
            "off_book_trades": market.off_book,
        }
        extra: Extra = {"feed": self.name, "messages": reading.messages, **counts}
        extra |= {"lot_size": format_decimal(lot), "trades_before_book": early_trades}
        is_known = stated != 0 or tick == market.tick
        base = capture.instrument(market.venue, market.symbol, tick, is_known, extra)
        warnings = tuple(
            f"{counts[name]:,} {text}" for name, text in _WARNINGS.items() if counts[name]
        )
        return days_of(base, Events.from_table(table), warnings, table[:, UPDATE], market.quotes)
