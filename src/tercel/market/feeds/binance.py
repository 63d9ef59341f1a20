"""Binance captures: depth diffs, trades and REST snapshots of spot, USD-M and COIN-M futures, as an L2 tape.

Files are lines of local ns and JSON (:mod:`tercel.market.feeds.captures`), plain or compressed. A file of exchange
information (`exchangeInfo`) beside them gives tick and lot; else both are the greatest common divisor of what occurs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import FeedError, UnknownNameError
from tercel.market.feeds.binance_messages import Market, Quote, markets_of
from tercel.market.feeds.binance_sync import Synced, sync
from tercel.market.feeds.captures import Reading, lines_of, stated_unit
from tercel.market.feeds.levels_day import Levels, LevelsDay, days_of
from tercel.market.feeds.members import members
from tercel.market.feeds.port import FeedOptions

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


@dataclass(frozen=True)
class BinanceDay(LevelsDay):
    """A day with the best quotes that the venue sent beside its updates: the truth that a book is held against."""

    quotes: tuple[Quote, ...] = ()


class BinanceFeed:
    """Binance captures as a :class:`tercel.market.feeds.port.Feed`.

    Parameters
    ----------
    lot : str, optional
        One lot in units of the base asset or contracts.

    Examples
    --------
    >>> feed = BinanceFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "binance"

    def __init__(self, lot: str | None = None) -> None:
        self._lot = stated_unit(lot, "lot")

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[BinanceDay]]:
        """See :meth:`tercel.market.feeds.port.Feed.days`; the files are read here, as only they know their days."""
        with members(paths) as found:
            reading = Reading()
            markets = list(markets_of(lines_of(found, reading)).markets.values())
            source = tuple(m.name for m in found)
        if paths and not any(m.book for m in markets):
            received = f"{reading.messages} messages in {', '.join(source[:3])}"
            raise FeedError("depth updates of Binance, lines of local ns and JSON", received, "check the files")
        chosen = [m for m in markets if m.book and options.symbol in (None, m.symbol)]
        if markets and not chosen:
            known = ", ".join(sorted(m.symbol for m in markets))
            raise UnknownNameError("a symbol of the capture", f"--symbol {options.symbol}", f"give one of {known}")
        days = [
            BinanceDay(day.imported, day.updates, tuple(m.quotes))
            for m in chosen
            for day in days_of(self._levels(m, source, reading, options))
        ]
        yield sorted(
            (day for day in days if options.date in (None, day.date)),
            key=lambda day: (day.symbol, day.date, day.imported.instrument.venue),
        )

    def _levels(self, market: Market, source: tuple[str, ...], reading: Reading, options: FeedOptions) -> Levels:
        synced = sync(market)
        counts = counts_of(market, synced, reading)
        return Levels(
            market.venue, market.symbol, source, synced.steps, synced.trades,
            tick=stated_unit(options.tick, "tick"), lot=self._lot, known=(market.tick, market.lot),
            extra={"feed": self.name, "messages": reading.messages, **counts},
            warnings=tuple(f"{counts[name]:,} {text}" for name, text in _TOLD.items() if counts[name]),
        )  # fmt: skip


def counts_of(market: Market, synced: Synced, reading: Reading) -> dict[str, Any]:
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
