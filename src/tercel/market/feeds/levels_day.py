"""Days of tape from the steps of an L2 book and its trades: LEVEL_SET rows and TRADE prints.

Steps and trades are put in order of exchange time; at equal times trades come first, since the levels that follow
say what the trades left. Within a message levels that vanish come before levels that stand, so that the book crosses at
no row of it. A later day of a capture opens with the book that the day before left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.feeds.binance_messages import Level, Print
from tercel.market.feeds.binance_sync import LOST, OPENED, Step
from tercel.market.feeds.captures import shown, unit_of
from tercel.market.feeds.port import Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument

TIMEZONE: Final = "UTC"
NS_A_DAY: Final = 86_400 * NS_PER_SECOND


@dataclass(frozen=True)
class LevelsDay:
    """One instrument and day, translated already: only the whole capture knows its days.

    Parameters
    ----------
    imported : Imported
        What :meth:`read` gives.
    updates : int64[rows]
        The venue's number of the update that a row ends, else 0.
    """

    imported: Imported
    updates: NDArray[np.int64]

    @property
    def symbol(self) -> str:
        """Name of the instrument."""
        return self.imported.instrument.symbol

    @property
    def date(self) -> str:
        """Day of UTC."""
        return self.imported.instrument.date

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the files."""
        return self.imported.instrument.source

    def read(self) -> Imported:
        """The day."""
        return self.imported


@dataclass(frozen=True)
class Levels:
    """What a capture says of one market.

    Parameters
    ----------
    venue, symbol, source : str, str, tuple of str
        As on the instrument.
    steps, trades : sequences
        Of the book and of prints, each in order of time.
    tick, lot : int
        Stated, in 1e-10; 0 to infer them.
    known : (int, int)
        Tick and lot as the exchange says them; 0 where it does not.
    extra : dict
        Counts for the instrument.
    warnings : tuple of str
        What a person should know.
    """

    venue: str
    symbol: str
    source: tuple[str, ...]
    steps: Sequence[Step]
    trades: Sequence[Print]
    tick: int = 0
    lot: int = 0
    known: tuple[int, int] = (0, 0)
    extra: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass
class _Columns:
    """Rows before units are known."""

    exch: list[int] = field(default_factory=list)
    recv: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    price: list[int] = field(default_factory=list)
    quantity: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    update: list[int] = field(default_factory=list)

    def add(self, exch: int, recv: int, seq: int, kind: int, side: int, level: Level, flags: int = 0) -> None:
        self.exch.append(exch)
        self.recv.append(recv)
        self.seq.append(seq)
        self.kind.append(kind)
        self.side.append(side)
        self.price.append(level[0])
        self.quantity.append(level[1])
        self.flags.append(flags)
        self.update.append(0)


def days_of(levels: Levels) -> list[LevelsDay]:
    """One day of tape for each day of UTC in a capture.

    Raises
    ------
    FeedError
        When there is no book, or tick or lot do not fit.
    """
    if not any(step.what == OPENED for step in levels.steps):
        received = f"none for {levels.symbol} in {', '.join(levels.source)}"
        remedy = "capture the REST depth snapshot beside the stream (`tercel data record crypto` does)"
        raise FeedError("a snapshot that fits the updates", received, remedy)
    columns = _Columns()
    dropped = _rows(levels, columns)
    where = ", ".join(levels.source)
    price, quantity = np.array(columns.price, np.int64), np.array(columns.quantity, np.int64)
    tick = unit_of(price, levels.tick, "tick", where, levels.known[0])
    lot = unit_of(quantity, levels.lot, "lot", where, levels.known[1])
    n = len(price)
    events = Events(
        np.array(columns.exch, np.int64),
        np.array(columns.recv, np.int64),
        np.array(columns.seq, np.int64),
        np.array(columns.kind, np.uint8),
        np.zeros(n, np.int64),
        np.array(columns.side, np.int8),
        (price // tick).astype(np.int32),
        (quantity // lot).astype(np.int32),
        np.array(columns.flags, np.uint8),
    )
    extra = {**levels.extra, "lot_size": shown(lot), "trades_before_book": dropped}
    base = Instrument(
        venue=levels.venue, symbol=levels.symbol, date="2000-01-01", tick=float(shown(tick)), timezone=TIMEZONE,
        source=levels.source, tick_rule="stated" if levels.tick or tick == levels.known[0] else "inferred", extra=extra,
    )  # fmt: skip
    updates = np.array(columns.update, np.int64)
    parts = _by_day(events, updates)
    return [LevelsDay(_imported(base, part, levels.warnings), update) for part, update in parts]


def _imported(base: Instrument, events: Events, warnings: tuple[str, ...]) -> Imported:
    day = str(np.datetime64(int(events.exch_ns[0]) // NS_A_DAY, "D"))
    instrument = replace(
        base, date=day, rows=events.n, session_open_ns=int(events.exch_ns[0]), session_close_ns=int(events.exch_ns[-1])
    )
    return Imported(instrument, events, warnings)


def _rows(levels: Levels, columns: _Columns) -> int:
    """All rows in order; returns the trades before the first book, which are left out."""
    seq, opened, dropped = 0, False, 0
    for part in _merged(levels.steps, levels.trades):
        recv = part.recv_ns or part.exch_ns
        if isinstance(part, Print):
            if not opened:
                dropped += 1
                continue
            seq += 1
            columns.add(part.exch_ns, recv, seq, schema.TRADE, part.side, (part.price, part.quantity))
            columns.flags[-1] = schema.MESSAGE_END
            continue
        rows = list(_level_rows(part))
        if part.what != LOST and not rows:
            continue
        flags = schema.OPENING if part.what == OPENED and not opened else 0
        seq += opened
        if part.what == LOST:
            columns.add(part.exch_ns, recv, seq, schema.CLEAR, 0, (0, 0))
        for side, level in rows:
            columns.add(part.exch_ns, recv, seq, schema.LEVEL_SET, side, level, flags)
        columns.flags[-1] |= schema.MESSAGE_END
        columns.update[-1] = part.last
        opened = True
    return dropped


def _level_rows(step: Step) -> Iterator[tuple[int, Level]]:
    both = [(1, level) for level in step.bids] + [(-1, level) for level in step.asks]
    yield from (row for row in both if row[1][1] == 0)
    yield from (row for row in both if row[1][1] != 0)


def _merged(steps: Sequence[Step], trades: Sequence[Print]) -> Iterator[Step | Print]:
    """Both in order of exchange time, trades first at equal times."""
    at = 0
    for step in steps:
        while at < len(trades) and trades[at].exch_ns <= step.exch_ns:
            yield trades[at]
            at += 1
        yield step
    yield from trades[at:]


def _by_day(events: Events, updates: NDArray[np.int64]) -> Iterator[tuple[Events, NDArray[np.int64]]]:
    """The rows of each day of UTC, the second and later ones after the book that the day before left."""
    days = events.exch_ns // NS_A_DAY
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(days))), events.n]
    for start, stop in pairwise(cuts):
        part, update = events.slice(start, stop), updates[start:stop]
        if start == 0:
            yield part, update
            continue
        whole = _after(book_after(events, start), part)
        yield whole, np.concatenate([np.zeros(whole.n - part.n, np.int64), update])


def book_after(events: Events, stop: int) -> dict[tuple[int, int], int]:
    """The book after the rows `[0, stop)` of an L2 tape: lots by (side, price)."""
    book: dict[tuple[int, int], int] = {}
    columns = (events.kind, events.side, events.price_ticks, events.qty_lots)
    for kind, side, price, lots in zip(*(column[:stop].tolist() for column in columns), strict=True):
        if kind == schema.CLEAR:
            book.clear()
        elif kind == schema.LEVEL_SET and lots:
            book[side, price] = lots
        elif kind == schema.LEVEL_SET:
            book.pop((side, price), None)
    return book


def _after(book: dict[tuple[int, int], int], events: Events) -> Events:
    head = Events.empty(len(book))
    rows: NDArray[np.int64] = np.array([(*key, lots) for key, lots in sorted(book.items())], np.int64).reshape(-1, 3)
    head.kind[:], head.flags[:] = schema.LEVEL_SET, schema.OPENING
    head.side[:], head.price_ticks[:], head.qty_lots[:] = rows.T
    head.exch_ns[:], head.recv_ns[:] = events.exch_ns[0], events.recv_ns[0]
    if head.n:
        head.flags[-1] |= schema.MESSAGE_END
    tail = Events(*(column.copy() for column in events.columns()))
    tail.seq[:] -= tail.seq[0] - 1
    return Events(*(np.concatenate(pair) for pair in zip(head.columns(), tail.columns(), strict=True)))
