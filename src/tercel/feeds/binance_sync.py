"""A Binance book from snapshots and diffs by the rules of each venue; what does not fit is a gap, never a guess.

Spot: diffs with ``u <= lastUpdateId`` are old; the first one applied has ``U <= lastUpdateId + 1 <= u``; then each
``U`` is the last ``u`` plus one. Futures: diffs with ``u < lastUpdateId`` are old; the first has ``U <= lastUpdateId
<= u``; then each ``pu`` is the last ``u``. After a gap the book is unknown until the next snapshot that fits. A
diff that spans more ids than `MOST_IDS` is a gap too: a book that believed it would call all that follow old.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tercel.feeds.binance_messages import (
    SPOT,
    BinanceMarket,
    BinanceTrade,
    DepthDiff,
    Level,
    Snapshot,
)

OPENED: Final = "opened"
APPLIED: Final = "applied"
LOST: Final = "lost"
MOST_IDS: Final = 10_000_000
"""Ids that one diff spans at most; a busy one of 100 ms spans some thousands."""


@dataclass(frozen=True)
class SyncStep:
    """A change of the book: ``opened`` by a snapshot, ``applied`` a diff, or ``lost`` in a gap."""

    change: str
    exch_ns: int
    recv_ns: int
    last: int
    """Update id of the book afterwards."""
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


@dataclass
class SyncCounts:
    """Counts of anomalies, under their names in an instrument's `extra`."""

    before_snapshot: int = 0
    gaps: int = 0
    unplaced: int = 0
    """Diffs after a gap that no snapshot follows."""
    stale_snapshots: int = 0
    """Snapshots too old for the stored diffs."""
    duplicates: int = 0
    duplicate_trades: int = 0
    trade_gaps: int = 0
    clock_back: int = 0
    """Messages with an exchange time before that of the message above; they were given that time."""


@dataclass(frozen=True)
class SyncedBook:
    """Book steps and trades in order of time, and counts of anomalies."""

    steps: list[SyncStep]
    trades: list[BinanceTrade]
    counts: SyncCounts


def sync(market: BinanceMarket) -> SyncedBook:
    """Book steps of a market's diffs from its snapshots on, its trades without duplicates, and counts of anomalies."""
    book = BookSync(market.venue)
    book.run(market.book)
    book.counts.unplaced += len(book.waiting)
    return SyncedBook(book.steps, _trades(market.trades, book.counts), book.counts)


class BookSync:
    """A book that follows diffs from snapshots, whole captures or message by message.

    Parameters
    ----------
    venue : str
        Whose rules hold: `binance_messages.SPOT` and others.
    """

    def __init__(self, venue: str) -> None:
        self.spot = venue == SPOT
        self.steps: list[SyncStep] = []
        """Steps of the book, for the caller to take."""
        self.counts = SyncCounts()
        self.waiting: list[DepthDiff] = []
        """Diffs since the start or the gap, held until a snapshot comes."""
        self.pending: Snapshot | None = None
        """A snapshot that no diff has confirmed yet."""
        self.last = 0
        """Update id of the book, 0 while it is unknown."""
        self.clock = 0

    def run(self, parts: Sequence[DepthDiff | Snapshot]) -> None:
        """Apply more messages, diffs and snapshots, in order of receipt: `steps` and `counts` grow."""
        for part in parts:
            if isinstance(part, Snapshot):
                self._snapshot(part)
            elif self.last:
                self._next(part)
            else:
                self.waiting.append(part)
                self._open()

    def lose(self) -> None:
        """Forget the book, diffs held and a pending snapshot: the stream broke, and updates were missed; no step is written."""
        self.last = 0
        self.pending = None
        self.waiting.clear()

    def _snapshot(self, snapshot: Snapshot) -> None:
        """If the book is unknown, keep the newest snapshot, and open the book if diffs meet it; else ignore it."""
        if self.last:
            return  # the book is known: nothing to learn
        if self.pending is None or snapshot.last > self.pending.last:
            self.pending = snapshot
        self._open()

    def _open(self) -> None:
        """If the pending snapshot and the stored diffs meet, open the book and apply the diffs; drop a snapshot too old."""
        if self.pending is None:
            return
        update_id = self.pending.last
        least_id = update_id + 1 if self.spot else update_id
        fresh = [
            held_diff
            for held_diff in self.waiting
            if least_id <= held_diff.last < held_diff.first + MOST_IDS
        ]
        if not fresh:
            return
        # Not always the first: one that was numbered far ahead must not keep out those after it.
        match_index = next(
            (n for n, d in enumerate(fresh) if d.first <= least_id or d.before == update_id), None
        )
        if match_index is None:
            self.counts.stale_snapshots += 1
            self.pending = None
            return
        old = self.waiting[: len(self.waiting) - len(fresh)]
        first = fresh[match_index]
        self.counts.before_snapshot += len(old)
        self.counts.unplaced += match_index
        stamp = self.pending.exch_ns or (old[-1].exch_ns if old else first.exch_ns)
        ns = self._time(min(stamp, first.exch_ns))
        snapshot = self.pending
        self.pending = None
        self.waiting = []
        self.steps.append(
            SyncStep(OPENED, ns, snapshot.recv_ns or ns, update_id, snapshot.bids, snapshot.asks)
        )
        self._apply(first)
        for diff in fresh[match_index + 1 :]:
            if self.last:
                self._next(diff)
            else:
                self.waiting.append(diff)

    def _next(self, diff: DepthDiff) -> None:
        """Apply the next diff of a known book; a duplicate is only counted, a break in the ids is a gap: the book is lost."""
        if diff.last <= self.last:
            self.counts.duplicates += 1
            return
        follows = diff.first == self.last + 1 if self.spot else diff.before == self.last
        if follows and diff.last < diff.first + MOST_IDS:
            self._apply(diff)
            return
        self.counts.gaps += 1
        self.last = 0
        ns = self._time(diff.exch_ns)
        self.steps.append(SyncStep(LOST, ns, diff.recv_ns or ns, 0))
        self.waiting.append(diff)

    def _apply(self, diff: DepthDiff) -> None:
        """Append the step of a diff that follows, and make its last id that of the book."""
        ns = self._time(diff.exch_ns)
        self.last = diff.last
        self.steps.append(
            SyncStep(APPLIED, ns, diff.recv_ns or ns, diff.last, diff.bids, diff.asks)
        )

    def _time(self, ns: int) -> int:
        """A time that never goes back: the given one, or the latest before it (counted)."""
        self.counts.clock_back += ns < self.clock
        self.clock = max(self.clock, ns)
        return self.clock


def _trades(trades: Sequence[BinanceTrade], counts: SyncCounts) -> list[BinanceTrade]:
    """Trades numbered above all before them, in order of arrival, with times that never go back; `counts` counts the rest."""
    ordered: list[BinanceTrade] = []
    last = 0
    clock = 0
    for trade in trades:
        if trade.number <= last:
            counts.duplicate_trades += 1
            continue
        counts.trade_gaps += last > 0 and trade.number != last + 1
        last = trade.number
        counts.clock_back += trade.exch_ns < clock
        clock = max(clock, trade.exch_ns)
        ordered.append(trade if clock == trade.exch_ns else replace(trade, exch_ns=clock))
    return ordered
