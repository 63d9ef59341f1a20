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
from tercel.core.vocabulary import BUY, MOST_LOTS, SELL
from tercel.feeds.binance_messages import (
    APPLIED,
    LOST,
    OPENED,
    SPOT,
    BinanceTrade,
    BookSync,
    DepthDiff,
    Snapshot,
    SyncStep,
    diff_of,
    snapshot_of,
    trade_of,
)
from tercel.feeds.members import exact
from tercel.fix.shown_book import ShownBook
from tercel.venues.binance_venue.api import TRADING, TradedSymbol
from tercel.venues.binance_venue.rest import GARBLED

Spot = tuple[int, int]
"""Side and price in ticks."""
Row = tuple[int, ...]
_FINER: Final = 100
"""1e-10 of the feeds in 1e-8."""
_MOST_TRADES: Final = 4096
_AGGRESSOR: Final = {BUY: "2", SELL: "1"}
_WAITING: Final = 10_000
TROUBLE_S, SOUND_S, _LOOK_S = 2.0, 5.0, 0.25
"""Seconds that a book may be crossed, or its stream bring nothing new, before it is lost; seconds until it counts as sound."""
FIRST_S, LONGEST_S = 0.5, 16.0
"""Pause after a snapshot that was of no use: each is twice the one before, and up to a quarter longer."""
AHEAD_NS: Final = 1_000_000_000
"""Largest lead of a market time over the estimated clock of the venue, ns."""
_TRIES, _IDLE = 3, 3
"""Snapshots without a sound book, after which the stream is renewed each time and an event reports it; and updates
in a row that do not move a book: fewer may be doubled or late."""
_NEAR: Final = 1000
"""A trade whose number is so far back is no old one: what came before it was numbered wrongly."""


def _scaled(value: Any) -> int:
    return exact(str(value), "a stream of Binance")


class StreamedBook:
    """Book of one symbol.

    Parameters
    ----------
    symbol : TradedSymbol
    """

    def __init__(self, symbol: TradedSymbol) -> None:
        self.symbol = symbol
        self.shown = ShownBook(symbol.symbol, symbol.scale)
        self.wanted = True
        """Whether a snapshot is to be requested."""
        self.asked = False
        self.why = ""
        """Whether the answer to that is on its way; and why the book was lost, until that is reported."""
        self._tries = 0
        self._idle = 0
        self._renewed = False
        """Requested snapshots since the book was last valid, updates since its last change, whether its stream is new."""
        self._due_s = self._asked_s = self._look_s = self._sound_s = self._unknown_s = 0.0
        self.last_price = 0
        """Of the last trade, 1e-8; 0: none yet."""
        self._sync = BookSync(SPOT)
        self._totals: dict[Spot, int] = {}
        self._due: set[Spot] = set()
        self._own: dict[Spot, int] = {}
        """Levels that a report changed, and when."""
        self._prints: deque[BinanceTrade] = deque(maxlen=_WAITING)
        self._mine: dict[int, None] = {}
        """Numbers of own trades."""
        self._trade = 0

    @property
    def known(self) -> bool:
        """Whether the book is in step with the stream."""
        return bool(self._sync.last)

    def lose(self, why: str) -> None:
        """The state of the book is unknown from now on."""
        self._sync.lose()
        self._prints.clear()
        self.wanted = True
        self.why = self.why or why[:300]
        self._trade = 0

    # -- whether it gets on -------------------------------------------------------------------------------------------
    def look(self, now_s: float) -> None:
        """Lose a book that has been in trouble for long."""
        if not self.known:
            self._sound_s = self._unknown_s = now_s
        elif now_s >= self._look_s:
            self._look_s = now_s + _LOOK_S
            bids, asks = (
                [price for side, price in self._totals if side == each] for each in (BUY, SELL)
            )
            crossed = bool(bids and asks) and max(bids) >= min(asks)
            if not crossed and self._idle < _IDLE and self._totals:
                self._sound_s = now_s
            elif now_s - self._sound_s >= TROUBLE_S:
                stuck = "updates bring nothing new" if self._totals else "it is empty"
                self.lose(
                    f"{'bids are at or above asks' if crossed else stuck} for {TROUBLE_S:g} s"
                )
            self._tries = 0 if now_s - self._unknown_s >= SOUND_S else self._tries

    def wants(self, now_s: float) -> str:
        """Request that a lost book needs now: "stream" (a new one) or "snapshot"; "": none yet."""
        self.wanted |= self._idle >= _IDLE and now_s - self._asked_s >= TROUBLE_S
        if self.known or not self.wanted or self.asked or now_s < self._due_s:
            return ""
        if self._tries >= _TRIES - 1 and not self._renewed:
            self._sync.lose()  # the old stream's updates do not join those of the new one
            self._renewed = True
            self._due_s = now_s + FIRST_S
            return "stream"
        return "snapshot" if self._sync.waiting else ""

    def ask(self, now_s: float, answered: bool = False) -> None:
        """Record that a snapshot is requested (`answered`: with an answer of its own); the next one only after a pause."""
        pause_s = min(FIRST_S * 2 ** min(self._tries, 10), LONGEST_S) * (1 + random.random() / 4)
        self._asked_s = now_s
        self._due_s = now_s + pause_s
        self._tries = self._tries + 1
        self.asked = answered
        self.wanted = False
        self._renewed = False
        self._idle = 0
        if self._tries == _TRIES:
            self.why = self.why or "snapshots do not fit the updates"

    def process(self, data: Mapping[str, Any], now_ns: int) -> o.MarketRows | None:
        """Rows of a message of its streams, or of the answer with a snapshot; what cannot be used loses the book.

        The book is as old as the stream says, of `now_ns` at the latest: what comes late is known to be old.
        """
        try:
            if data.get("e") == "trade":
                trade = trade_of(data, now_ns, _scaled)
                self.last_price = trade.price // _FINER
                if not self._trade - _NEAR < trade.number <= self._trade:
                    self._trade = trade.number
                    self._prints.append(replace(trade, exch_ns=min(trade.exch_ns, now_ns)))
                return None
            whole = "lastUpdateId" in data
            part = snapshot_of(data, now_ns, _scaled) if whole else diff_of(data, now_ns, _scaled)
            if part.exch_ns > now_ns + AHEAD_NS or (whole and not (part.bids or part.asks)):
                raise VenueError(
                    f"levels of {self.symbol.symbol}, dated {now_ns} ns at most",
                    f"{len(part.bids + part.asks)} of {part.exch_ns} ns",
                    "its stream is renewed",
                )
            return self._follow(part, now_ns)
        except (TercelError, *GARBLED) as error:
            self.lose(
                str(error) if isinstance(error, TercelError) else f"it cannot be used: {error!r}"
            )
            return None

    def _follow(self, part: DepthDiff | Snapshot, now_ns: int) -> o.MarketRows | None:
        stale = self._sync.counts.stale_snapshots
        self._sync.run([part])
        steps = self._sync.steps
        self._sync.steps = []
        self.wanted |= self._sync.counts.stale_snapshots > stale
        self._idle = 0 if steps or isinstance(part, Snapshot) else self._idle + 1
        rows, opened = list[Row](), False
        self.shown.as_of_ns = max(
            [self.shown.as_of_ns, *(min(part.exch_ns or step.exch_ns, now_ns) for step in steps)]
        )
        for step in steps:
            if step.what == LOST:
                self.wanted = True
                self.why = self.why or "updates are missing: their ids do not follow each other"
                continue
            if step.what == OPENED:
                self._totals = {}
                opened = True
                self._set(step)
            elif step.what == APPLIED:
                self._set(step)
                if not opened:
                    rows += self._applied(step, now_ns)
        if opened:
            self._prints.clear()
            self._due.clear()
            self.wanted = False
            self.shown.whole(self._totals, now_ns)
            return self.show(now_ns)
        return self.shown.rows(rows)

    def show(self, now_ns: int) -> o.MarketRows:
        """The whole current book."""
        return self.shown.shown(now_ns, 1 if self.symbol.status == TRADING else -1)

    def _set(self, step: SyncStep) -> None:
        tick, lot = self.symbol.tick * _FINER, self.symbol.lot * _FINER
        for side, levels in ((BUY, step.bids), (SELL, step.asks)):
            for price, quantity in levels:
                ticks, rest = divmod(price, tick)
                lots, odd = divmod(quantity, lot)
                if rest or odd or max(ticks, lots) >= MOST_LOTS:
                    raise VenueError(
                        f"levels of {self.symbol.symbol} in ticks and lots of its filters, below 2**30",
                        f"{price / 10**10:g} x {quantity / 10**10:g}",
                        "its filters have changed: restart; or trade another symbol",
                    )
                self._totals[side, ticks] = lots
                if not lots:
                    del self._totals[side, ticks]
                self._due.add((side, ticks))

    def _applied(self, step: SyncStep, now_ns: int) -> list[Row]:
        rows: list[Row] = []
        while self._prints and self._prints[0].exch_ns <= step.exch_ns:
            one = self._prints.popleft()
            at = one.side, one.price // (self.symbol.tick * _FINER)
            if one.number not in self._mine:
                lots = one.quantity // (self.symbol.lot * _FINER)
                rows += self.shown.print(now_ns, at[1], lots, _AGGRESSOR[one.side])
            self._due.add(at)
        settled = {at for at, ns in self._own.items() if ns <= step.exch_ns}
        for at in settled:
            del self._own[at]
        later = self._due & self._own.keys()
        for at in sorted((self._due | settled) - later):
            rows += self.shown.total(now_ns, *at, self._totals.get(at, 0))
        self._due = later
        return rows + self.shown.arrive(now_ns)

    # -- own orders ---------------------------------------------------------------------------------------------------
    def reported(
        self, report: o.Report, at_ns: int, trade: int = 0
    ) -> tuple[o.MarketRows | None, int, o.MarketRows | None]:
        """Book rows before a report, the order's number in the book (-1: none), rows after it.

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
            self._mine[trade] = None
            if len(self._mine) > _MOST_TRADES:
                del self._mine[next(iter(self._mine))]
        gone, number, new = self.shown.reported(report)
        for row in (*gone, *new):
            self._own[row[o.M_SIDE], row[o.M_PRICE]] = at_ns
        return self.shown.rows(gone), number, self.shown.rows(new)
