"""The book of a symbol from its streams: depth updates from a snapshot on, trades, and own orders in the queue.

    {"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}
    {"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true}

The stream is decoded and ordered as a recorded one is (`feeds.binance_messages`). Own orders come with reports of
another connection: a level that a report has changed is not set from the stream before an update that is as late, so
that neither is counted twice. Trades wait for the update that has them.

A book without progress is lost, never shown in its last state: what cannot be parsed or cannot be, updates that do not
follow each other, ids that do not advance, bids at or above asks. Then a snapshot is requested, and if that does not
fit a new stream too, with longer and longer pauses.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import TercelError, VenueError
from tercel.core.link.shown_book import ShownBook
from tercel.core.vocabulary import BUY, MOST_LOTS, SELL
from tercel.feeds.binance_messages import (
    SPOT,
    BinanceTrade,
    DepthDiff,
    Snapshot,
    diff_of,
    snapshot_of,
    trade_of,
)
from tercel.feeds.binance_sync import APPLIED, LOST, OPENED, BookSync, SyncStep
from tercel.feeds.captures import exact
from tercel.venues.binance_venue.api import TRADING, TradedSymbol
from tercel.venues.binance_venue.rest import GARBLED

Level = tuple[int, int]
"""Side and price in ticks."""
Row = tuple[int, ...]
_FINER: Final = 100
"""1e-10 of the feeds in 1e-8."""
_MOST_TRADES: Final = 4096
_AGGRESSOR: Final = {BUY: "2", SELL: "1"}
_WAITING: Final = 10_000
TROUBLE_S = 2.0
SOUND_S = 5.0
_CHECK_S = 0.25
"""Seconds that a book may be crossed, or its stream bring nothing new, before it is lost; seconds until it counts as sound."""
FIRST_S = 0.5
LONGEST_S = 16.0
"""Pause after a snapshot that was of no use: each is twice the one before, and up to a quarter longer."""
AHEAD_NS: Final = 1_000_000_000
"""Largest lead of a market time over the estimated clock of the venue, ns."""
_TRIES = 3
_IDLE = 3
"""Snapshots without a sound book, after which the stream is renewed each time and an event reports it; and updates
in a row that do not move a book: fewer may be doubled or late."""
_NEAR: Final = 1000
"""A trade whose number is so far back is no old one: what came before it was numbered wrongly."""


def _parse_scaled(value: Any) -> int:
    """A decimal number of a stream as an exact integer in 1e-10."""
    return exact(str(value), "a stream of Binance")


class StreamedBook:
    """Book of one symbol, kept in step with its streams.

    Parameters
    ----------
    symbol : TradedSymbol
    """

    def __init__(self, symbol: TradedSymbol) -> None:
        """Start without a book: a snapshot is wanted."""
        self.symbol = symbol
        self.shown_book = ShownBook(symbol.symbol, symbol.scale)
        self.snapshot_wanted = True
        """Whether a snapshot is to be requested."""
        self.snapshot_pending = False
        """Whether a snapshot was requested and has not come."""
        self.lost_reason = ""
        """Why the book was lost, until that is reported."""
        self._tries = 0
        """Requested snapshots since the book was last valid."""
        self._idle = 0
        """Updates since the book last changed."""
        self._renewed = False
        """Whether its stream is new."""
        self._due_s = self._asked_s = self._check_s = self._sound_s = self._unknown_s = 0.0
        self.last_price = 0
        """Of the last trade, 1e-8; 0: none yet."""
        self._sync = BookSync(SPOT)
        self._totals: dict[Level, int] = {}
        self._changed_levels: set[Level] = set()
        self._own_levels: dict[Level, int] = {}
        """Levels that a report changed, and when."""
        self._prints: deque[BinanceTrade] = deque(maxlen=_WAITING)
        self._own_trades: dict[int, None] = {}
        """Numbers of own trades."""
        self._last_trade = 0

    @property
    def is_synced(self) -> bool:
        """Whether the book is in step with the stream."""
        return bool(self._sync.last)

    def lose(self, reason: str) -> None:
        """Mark the book as lost for a reason: its state is unknown, and a new snapshot is wanted."""
        self._sync.lose()
        self._prints.clear()
        self.snapshot_wanted = True
        self.lost_reason = self.lost_reason or reason[:300]
        self._last_trade = 0

    def check_progress(self, now_s: float) -> None:
        """Lose a synced book that for TROUBLE_S was crossed or empty, or got updates that changed nothing."""
        if not self.is_synced:
            self._sound_s = self._unknown_s = now_s
        elif now_s >= self._check_s:
            self._check_s = now_s + _CHECK_S
            bids, asks = (
                [price for side, price in self._totals if side == book_side]
                for book_side in (BUY, SELL)
            )
            crossed = bool(bids and asks) and max(bids) >= min(asks)
            if not crossed and self._idle < _IDLE and self._totals:
                self._sound_s = now_s
            elif now_s - self._sound_s >= TROUBLE_S:
                reason = "updates bring nothing new" if self._totals else "it is empty"
                self.lose(
                    f"{'bids are at or above asks' if crossed else reason} for {TROUBLE_S:g} s"
                )
            self._tries = 0 if now_s - self._unknown_s >= SOUND_S else self._tries

    def take_needed_request(self, now_s: float) -> str:
        """Request that a lost book needs now, to be made at once: "stream" (a new one, said once) or "snapshot"; "":
        none yet."""
        self.snapshot_wanted |= self._idle >= _IDLE and now_s - self._asked_s >= TROUBLE_S
        if (
            self.is_synced
            or not self.snapshot_wanted
            or self.snapshot_pending
            or now_s < self._due_s
        ):
            return ""
        if self._tries >= _TRIES - 1 and not self._renewed:
            self._sync.lose()  # the old stream's updates do not join those of the new one
            self._renewed = True
            self._due_s = now_s + FIRST_S
            return "stream"
        return "snapshot" if self._sync.waiting else ""

    def note_request(self, now_s: float, awaits_answer: bool = False) -> None:
        """Record that a snapshot or stream is requested; the next request follows only after a pause. `awaits_answer`: a
        snapshot is to come as an answer.
        """
        pause_s = min(FIRST_S * 2 ** min(self._tries, 10), LONGEST_S) * (1 + random.random() / 4)
        self._asked_s = now_s
        self._due_s = now_s + pause_s
        self._tries = self._tries + 1
        self.snapshot_pending = awaits_answer
        self.snapshot_wanted = False
        self._renewed = False
        self._idle = 0
        if self._tries == _TRIES:
            self.lost_reason = self.lost_reason or "snapshots do not fit the updates"

    def process(self, data: Mapping[str, Any], now_ns: int) -> o.MarketRows | None:
        """Apply a message of its streams, or a snapshot's answer; its rows, None without any. What cannot be used loses
        the book.

        The book is as old as the stream says, of `now_ns` at the latest: what comes late is known to be old.
        """
        try:
            if data.get("e") == "trade":
                trade = trade_of(data, now_ns, _parse_scaled)
                self.last_price = trade.price // _FINER
                if not self._last_trade - _NEAR < trade.number <= self._last_trade:
                    self._last_trade = trade.number
                    self._prints.append(replace(trade, exch_ns=min(trade.exch_ns, now_ns)))
                return None
            is_snapshot = "lastUpdateId" in data
            part = (
                snapshot_of(data, now_ns, _parse_scaled)
                if is_snapshot
                else diff_of(data, now_ns, _parse_scaled)
            )
            if part.exch_ns > now_ns + AHEAD_NS or (is_snapshot and not (part.bids or part.asks)):
                raise VenueError(
                    f"levels of {self.symbol.symbol}, dated {now_ns} ns at most",
                    f"{len(part.bids + part.asks)} of {part.exch_ns} ns",
                    "its stream is renewed",
                )
            return self._apply_part(part, now_ns)
        except (TercelError, *GARBLED) as error:
            self.lose(
                str(error) if isinstance(error, TercelError) else f"it cannot be used: {error!r}"
            )
            return None

    def _apply_part(self, part: DepthDiff | Snapshot, now_ns: int) -> o.MarketRows | None:
        """Apply an update or a snapshot to the book; the rows that followers need, None if there are none."""
        stale = self._sync.counts.stale_snapshots
        self._sync.run([part])
        steps = self._sync.steps
        self._sync.steps = []
        self.snapshot_wanted |= self._sync.counts.stale_snapshots > stale
        self._idle = 0 if steps or isinstance(part, Snapshot) else self._idle + 1
        rows = list[Row]()
        opened = False
        self.shown_book.as_of_ns = max(
            [
                self.shown_book.as_of_ns,
                *(min(part.exch_ns or step.exch_ns, now_ns) for step in steps),
            ]
        )
        for step in steps:
            if step.change == LOST:
                self.snapshot_wanted = True
                self.lost_reason = (
                    self.lost_reason or "updates are missing: their ids do not follow each other"
                )
                continue
            if step.change == OPENED:
                self._totals = {}
                opened = True
                self._set_levels(step)
            elif step.change == APPLIED:
                self._set_levels(step)
                if not opened:
                    rows += self._rows_of_step(step, now_ns)
        if opened:
            self._prints.clear()
            self._changed_levels.clear()
            self.snapshot_wanted = False
            self.shown_book.set_levels(self._totals, now_ns)
            return self.snapshot_rows(now_ns)
        return self.shown_book.market_rows(rows)

    def snapshot_rows(self, now_ns: int) -> o.MarketRows:
        """The whole current book."""
        return self.shown_book.snapshot_rows(now_ns, 1 if self.symbol.status == TRADING else -1)

    def _set_levels(self, step: SyncStep) -> None:
        """Store the level totals of a step, in ticks and lots; raises VenueError for finer ones."""
        tick = self.symbol.tick * _FINER
        lot = self.symbol.lot * _FINER
        for side, levels in ((BUY, step.bids), (SELL, step.asks)):
            for price, quantity in levels:
                ticks, tick_rest = divmod(price, tick)
                lots, lot_rest = divmod(quantity, lot)
                if tick_rest or lot_rest or max(ticks, lots) >= MOST_LOTS:
                    raise VenueError(
                        f"levels of {self.symbol.symbol} in ticks and lots of its filters, below 2**30",
                        f"{price / 10**10:g} x {quantity / 10**10:g}",
                        "its filters have changed: restart; or trade another symbol",
                    )
                self._totals[side, ticks] = lots
                if not lots:
                    del self._totals[side, ticks]
                self._changed_levels.add((side, ticks))

    def _rows_of_step(self, step: SyncStep, now_ns: int) -> list[Row]:
        """Show a depth step in the book: earlier trades, then changed levels, but those that own reports have changed
        since; the rows."""
        rows: list[Row] = []
        while self._prints and self._prints[0].exch_ns <= step.exch_ns:
            trade = self._prints.popleft()
            level = trade.side, trade.price // (self.symbol.tick * _FINER)
            if trade.number not in self._own_trades:
                lots = trade.quantity // (self.symbol.lot * _FINER)
                rows += self.shown_book.apply_trade(now_ns, level[1], lots, _AGGRESSOR[trade.side])
            self._changed_levels.add(level)
        settled = {level for level, ns in self._own_levels.items() if ns <= step.exch_ns}
        for level in settled:
            del self._own_levels[level]
        later = self._changed_levels & self._own_levels.keys()
        for level in sorted((self._changed_levels | settled) - later):
            rows += self.shown_book.set_total(now_ns, *level, self._totals.get(level, 0))
        self._changed_levels = later
        return rows + self.shown_book.rest_waiting(now_ns)

    def apply_report(
        self, report: o.Report, at_ns: int, trade: int = 0
    ) -> tuple[o.MarketRows | None, int, o.MarketRows | None]:
        """Apply a report on an own order: book rows before it, the order's number there (-1: none), rows after it.

        Parameters
        ----------
        report : Report
            At the time of what else is shown.
        at_ns : int
            When the venue says that it happened.
        trade : int
            Number of its trade.
        """
        if trade:
            self._own_trades[trade] = None
            if len(self._own_trades) > _MOST_TRADES:
                del self._own_trades[next(iter(self._own_trades))]
        gone, number, new = self.shown_book.apply_report(report)
        for row in (*gone, *new):
            self._own_levels[row[o.M_SIDE], row[o.M_PRICE]] = at_ns
        return self.shown_book.market_rows(gone), number, self.shown_book.market_rows(new)
