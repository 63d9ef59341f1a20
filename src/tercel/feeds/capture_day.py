"""Common parts of the feeds of captures: the choice of markets, and the UTC days of a tape.

Only the whole capture knows its days. A later day opens with the book that the day before left.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import DAY_NS
from tercel.feeds.captures import (
    CaptureLine,
    CaptureWarnings,
    format_decimal,
    lines_of,
    stated_unit,
)
from tercel.feeds.members import members
from tercel.feeds.opening_rows import opening_rows
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.book.tape_kernels import apply_rows
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Extra, Instrument


@dataclass(frozen=True)
class CaptureDay:
    """One instrument and day, translated already.

    Parameters
    ----------
    symbol, date, source : str, str, tuple of str
        Name of the instrument, day of UTC, names of the files.
    imported : Imported
        What :meth:`read` gives.
    updates : int64[rows]
        The venue's number of the update that a row ends, else 0.
    quotes : tuple
        Best quotes that the venue sent beside its updates: the reference for a rebuilt book.
    """

    symbol: str
    date: str
    source: tuple[str, ...]
    imported: Imported
    updates: Ints
    quotes: tuple[Any, ...] = ()

    def read(self) -> Imported:
        """The imported day, which was translated before."""
        return self.imported


@dataclass(frozen=True)
class Capture:
    """Options of a captures' import, and what was odd in the files as a whole."""

    source: tuple[str, ...]
    reading: CaptureWarnings
    options: FeedOptions

    @property
    def location(self) -> str:
        """Names of the files, for people."""
        return ", ".join(self.source)

    def instrument(
        self, venue: str, symbol: str, tick: int, stated: bool, extra: Extra
    ) -> Instrument:
        """A market of the capture, dated 2000-01-01 until its day is set; its tick, in 1e-10, was `stated` or else inferred."""
        return Instrument(
            venue,
            symbol,
            "2000-01-01",
            float(format_decimal(tick)),
            timezone="UTC",
            source=self.source,
            tick_rule="stated" if stated else "inferred",
            extra=extra,
        )


class CaptureFeed:
    """Base of feeds that read a venue's captures (:class:`tercel.market.feed.Feed`).

    Parameters
    ----------
    lot : str, optional
        One lot in units of the base asset or contracts.
    """

    name: str
    HOLDS: ClassVar[str]
    """Required content of a capture, for errors."""
    MARKET: ClassVar[str]
    """The venue's word for a market, for errors."""

    def __init__(self, lot: str | None = None) -> None:
        self._lot = stated_unit(lot, "lot")

    def markets(self, lines: Iterable[CaptureLine]) -> list[Any]:
        """Messages of a capture sorted into markets that have a book, each with its `symbol`; for subclasses."""
        raise NotImplementedError

    def market_days(self, market: Any, capture: Capture) -> Iterable[CaptureDay]:
        """The imported days of one market; for subclasses."""
        raise NotImplementedError

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[CaptureDay]]:
        """Context with the days in captures that the options select, sorted; translated here, as only files know their days.

        FeedError for files without a market, UnknownNameError for a symbol that they lack.
        """
        with members(paths) as files:
            capture = Capture(tuple(m.name for m in files), CaptureWarnings(), options)
            markets = self.markets(lines_of(files, capture.reading))
        if paths and not markets:
            raise FeedError(
                f"{self.HOLDS}, lines of local ns and JSON",
                f"{capture.reading.messages} messages in {', '.join(capture.source[:3])}",
                "check the files",
            )
        chosen = [m for m in markets if options.symbol in (None, m.symbol)]
        if markets and not chosen:
            symbols = ", ".join(sorted(m.symbol for m in markets))
            raise UnknownNameError(
                f"a {self.MARKET} of the capture",
                f"`symbol={options.symbol}`",
                f"give one of {symbols}",
            )
        days = [day for market in chosen for day in self.market_days(market, capture)]
        days = [day for day in days if options.date in (None, day.date)]
        yield sorted(days, key=lambda day: (day.symbol, day.date, day.imported.instrument.venue))


def days_of(
    base: Instrument,
    events: Events,
    warnings: tuple[str, ...],
    updates: Ints | None = None,
    quotes: Sequence[Any] = (),
) -> Iterator[CaptureDay]:
    """One day of tape for each day of UTC in a tape; later days open with the book that the day before left.

    Parameters
    ----------
    base : Instrument
        Of any day.
    events : Events
    warnings : tuple of str
        Of the whole capture.
    updates, quotes
        As :class:`CaptureDay` has them.
    """
    updates = np.zeros(events.n, np.int64) if updates is None else updates
    levels = not events.order_id.any()
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(events.exch_ns // DAY_NS))), events.n]
    for start, stop in pairwise(cuts):
        part = events.slice(start, stop)
        update = updates[start:stop]
        if start:
            book = book_after(events, start)
            standing = [
                (0 if levels else key, *book[key]) for key in (sorted(book) if levels else book)
            ]
            key, side, price, lots = np.reshape(standing, (-1, 4)).T
            kind = np.where(key == 0, schema.LEVEL_SET, schema.ADD)
            head = opening_rows((part.exch_ns[0], part.recv_ns[0]), kind, key, side, price, lots)
            part = Events.concatenate([head, replace(part, seq=part.seq - part.seq[0] + 1)])
            update = np.concatenate([np.zeros(head.n, np.int64), update])
        first = int(part.exch_ns[0])
        last = int(part.exch_ns[-1])
        day = str(np.datetime64(first // DAY_NS, "D"))
        instrument = replace(
            base, date=day, rows=part.n, session_open_ns=first, session_close_ns=last
        )
        imported = Imported(instrument, part, warnings)
        yield CaptureDay(base.symbol, day, base.source, imported, update, tuple(quotes))


def book_after(events: Events, stop: int) -> dict[Any, tuple[int, int, int]]:
    """The book after the rows `[0, stop)` of a tape: (side, price, lots) by order id, or by (side, price) for rows without.

    They are in the order in which they came to rest.
    """
    rows = events.slice(0, stop).columns()

    def replay(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Apply the rows on the arrays of an empty book."""
        apply_rows(b, ids, key_of, *rows[3:8], 0, stop, np.zeros(4, np.int64))

    orders = run_with_room(replay).orders()
    return {
        number or (side, price): (side, price, lots)
        for number, side, price, lots, _ in orders[np.argsort(orders[:, 4])].tolist()
    }
