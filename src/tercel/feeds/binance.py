"""Binance captures: depth diffs, trades and REST snapshots of spot, USD-M and COIN-M futures, as an L2 tape.

Files are lines of local ns and JSON (:mod:`tercel.feeds.captures`), plain or compressed. A file of exchange
information (`exchangeInfo`) beside them gives tick and lot; else both are the greatest common divisor of what occurs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.binance_messages import BinanceMarket, markets_of
from tercel.feeds.binance_sync import OPENED, SyncedBook, sync
from tercel.feeds.capture_day import TIMEZONE, Capture, CaptureDay, CaptureFeed, Standing, days_of
from tercel.feeds.captures import CaptureLine, CaptureWarnings, shown, stated_unit, unit_of
from tercel.feeds.levels_day import LOTS, PRICE, UPDATE, book_after, rows_of
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument

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
            remedy = "capture the REST depth snapshot beside the stream (`tercel data record crypto` does)"
            raise FeedError("a snapshot that fits the updates", f"none for {market.symbol} in {where}", remedy)
        table, before = rows_of(synced.steps, synced.trades)
        stated = stated_unit(capture.options.tick, "tick")
        tick = unit_of(table[:, PRICE], stated, "tick", where, market.tick)
        lot = unit_of(table[:, LOTS], self._lot, "lot", where, market.lot)
        table[:, PRICE] //= tick
        table[:, LOTS] //= lot
        counts = counts_of(market, synced, capture.reading)
        extra = {"feed": self.name, "messages": capture.reading.messages, **counts}
        base = Instrument(
            market.venue,
            market.symbol,
            "2000-01-01",
            float(shown(tick)),
            timezone=TIMEZONE,
            source=capture.source,
            tick_rule="stated" if stated or tick == market.tick else "inferred",
            extra=extra | {"lot_size": shown(lot), "trades_before_book": before},
        )
        warnings = tuple(f"{counts[name]:,} {text}" for name, text in _TOLD.items() if counts[name])
        return days_of(base, Events.from_table(table), warnings, _left, table[:, UPDATE], market.quotes)


def _left(events: Events, stop: int) -> list[Standing]:
    return [(0, side, price, lots) for (side, price), lots in sorted(book_after(events, stop).items())]


def counts_of(market: BinanceMarket, synced: SyncedBook, reading: CaptureWarnings) -> dict[str, Any]:
    """What was counted in a market's messages."""
    return {
        "updates": sum(1 for step in synced.steps if step.what == "applied"),
        "trades": len(synced.trades),
        "best_quotes": len(market.quotes),
        "before_snapshot": synced.old,
        "gaps": synced.gaps,
        "unplaced": synced.unplaced,
        "stale_snapshots": synced.stale,
        "duplicates": synced.duplicates,
        "duplicate_trades": synced.duplicate_trades,
        "trade_gaps": synced.trade_gaps,
        "clock_back": synced.clock_back,
        "recv_back": reading.recv_back,
        "cut_lines": reading.cut_lines,
        "off_book_trades": market.off_book,
    }
