"""Binance captures: depth diffs, trades and REST snapshots of spot, USD-M and COIN-M futures, as an L2 tape.

Files are lines of local ns and JSON (:mod:`tercel.feeds.captures`), plain or compressed. A file of exchange
information (`exchangeInfo`) beside them gives tick and lot; else both are the greatest common divisor of what occurs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.binance_messages import BinanceMarket, markets_of
from tercel.feeds.binance_sync import APPLIED, OPENED, sync
from tercel.feeds.capture_day import Capture, CaptureDay, CaptureFeed, days_of
from tercel.feeds.captures import CaptureLine, shown, stated_unit, unit_of
from tercel.feeds.levels_day import LOTS, PRICE, UPDATE, rows_of
from tercel.market.tape.events import Events

_TOLD: Final = {
    "gaps": "gaps in the update ids: the book was cleared and opened again from the next snapshot",
    "unplaced": "updates after a gap that no snapshot follows, left out",
    "stale_snapshots": "snapshots older than the updates at hand, passed over",
    "duplicates": "updates that came twice, passed over",
    "duplicate_trades": "trades that came twice, passed over",
    "trade_gaps": "gaps in the numbers of trades",
    "clock_back": "messages with an exchange time before the one above; they were given that time",
    "recv_back": "messages received before the one above by the local clock",
    "cut_lines": "files whose last line is cut",
    "off_book_trades": "prints that no order in the book made (insurance fund, deleveraging), left out",
}


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
        """See :meth:`CaptureFeed.markets`."""
        return [market for market in markets_of(lines) if market.book]

    def market_days(self, market: BinanceMarket, capture: Capture) -> Iterator[CaptureDay]:
        """See :meth:`CaptureFeed.market_days`.

        Raises
        ------
        FeedError
            When there is no book, or tick or lot do not fit.
        """
        synced, where = sync(market), capture.where
        if not any(step.what == OPENED for step in synced.steps):
            raise FeedError(
                "a snapshot that fits the updates",
                f"none for {market.symbol} in {where}",
                "capture the REST depth snapshot beside the stream (`tercel data record crypto` does)",
            )
        table, before = rows_of(synced.steps, synced.trades)
        stated = stated_unit(capture.options.tick, "tick")
        tick = unit_of(table[:, PRICE], stated, "tick", where, market.tick)
        lot = unit_of(table[:, LOTS], self._lot, "lot", where, market.lot)
        table[:, PRICE] //= tick
        table[:, LOTS] //= lot
        reading = capture.reading
        counts: dict[str, int] = {
            "updates": sum(1 for step in synced.steps if step.what == APPLIED),
            "trades": len(synced.trades),
            "best_quotes": len(market.quotes),
            **asdict(synced.counts),
            "recv_back": reading.recv_back,
            "cut_lines": reading.cut_lines,
            "off_book_trades": market.off_book,
        }
        extra: dict[str, Any] = {"feed": self.name, "messages": reading.messages, **counts}
        extra |= {"lot_size": shown(lot), "trades_before_book": before}
        known = stated != 0 or tick == market.tick
        base = capture.instrument(market.venue, market.symbol, tick, known, extra)
        warnings = tuple(f"{counts[name]:,} {text}" for name, text in _TOLD.items() if counts[name])
        return days_of(base, Events.from_table(table), warnings, table[:, UPDATE], market.quotes)
