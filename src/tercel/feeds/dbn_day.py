"""One Databento day of one instrument: its records to the tape."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bools, Bytes, Ints
from tercel.core.errors import FeedError
from tercel.feeds import dbn_kernels as k
from tercel.market.book.id_map import new_ids
from tercel.market.feed import Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Instrument, day_ns, midnight_ns

TIMEZONE: Final = "UTC"
"""Days of Databento files are days of UTC."""
PIECE: Final = 1 << 15
"""Records that one call of the kernel translates, about."""
US_STOCKS: Final = (
    "XNAS",
    "XNYS",
    "XBOS",
    "XPSX",
    "BATS",
    "BATY",
    "EDGA",
    "EDGX",
    "ARCX",
    "IEXG",
    "DBEQ",
    "EQUS",
)
"""Datasets of stocks that trade continuously from 9:30 to 16:00 in New York."""
_HOUR: Final = 3600 * 10**9
_AGAIN: Final = "download the file again, or report the feed"
_ERRORS: Final = {
    k.BAD_SIDE: ("a side of B or A on an order", "side", _AGAIN),
    k.BAD_PRICE: (
        "a positive price",
        "price",
        "such prices are read from columns: `tercel data import csv`, `lowest_price` in its map",
    ),
    k.FINE_TICK: ("prices below 2**30 ticks", "price", "give a larger `tick=`"),
    k.BAD_SIZE: ("a positive size below 2**30", "size", _AGAIN),
    k.BAD_DAY: ("times within the day of the file", "ts_event", "give files of whole days of UTC"),
    k.BAD_ACTION: ("an action of A, C, M, R, T, F or N", "action", _AGAIN),
}
_TOLD: Final = {
    "unknown_ids": "changes of orders that the files never added; the book lacks those orders",
    "duplicate_ids": "orders added under an id that was alive; the older one was withdrawn",
    "maybe_bad_book": "records flagged as after a gap: the book may be wrong until the next snapshot",
    "clock_back": "records with a time before that of the record above; they were given that time",
    "undefined": "records without price or size, passed over",
    "contradicted_fills": "changes that contradict the fills before them; the change was believed",
}


@dataclass(frozen=True)
class DbnDay:
    """Records of one instrument and day.

    Parameters
    ----------
    venue, symbol, date : str
        Where, what, and the day of UTC.
    source : tuple of str
        Names of the files.
    load : callable
        Gives the records in file order, int64[n, 7].
    tick : float or None
        Stated tick in price units, or from a definition.
    tick_rule : str
        Where `tick` comes from.
    others : int
        Records of other kinds in the files.
    """

    venue: str
    symbol: str
    date: str
    source: tuple[str, ...]
    load: Callable[[], k.Words]
    tick: float | None = None
    tick_rule: str = "stated"
    others: int = 0

    def read(self) -> Imported:
        """Translate the day.

        Raises
        ------
        FeedError
            With record, field and remedy, when a record makes no sense.
        """
        words = self.load()
        unit = self._unit(words)
        events, report = translate(words, unit, self.date, ", ".join(self.source))
        if self.venue not in US_STOCKS:
            events = with_opening_auction(events)
        if events.n == 0:
            raise FeedError(
                "records that make a book",
                f"none for {self.symbol} on {self.date} in {', '.join(self.source)}",
                "give the whole day",
            )
        counts = dict(zip(k.COUNTS, report.tolist(), strict=False))
        warnings = [f"{counts[name]:,} {text}" for name, text in _TOLD.items() if counts[name]]
        if not (flags_of(words) & k.LAST).any():
            warnings.append(
                "no record is marked as the last of its event: each was taken as an event of its own"
            )
        opening, close = self._session(events)
        about: dict[str, Any] = {"feed": "dbn", "records": len(words), "other_records": self.others}
        about["messages"] = int(report[k.EVENTS])
        instrument = Instrument(
            venue=self.venue,
            symbol=self.symbol,
            date=self.date,
            tick=unit / 10**9,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=opening,
            session_close_ns=close,
            rows=events.n,
            tick_rule="inferred" if self.tick is None else self.tick_rule,
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=about | counts,
        )
        return Imported(instrument, events, tuple(warnings))

    def _unit(self, words: k.Words) -> int:
        """The tick in 1e-9."""
        if self.tick is None:
            return infer_unit(words)
        units = self.tick * 10**9
        unit = round(units) if math.isfinite(units) else 0
        if unit < 1 or abs(units - unit) > 1e-3:
            raise FeedError(
                "a tick that is a positive multiple of 1e-9",
                f"`tick={self.tick}`",
                "as in `tick=0.25`",
            )
        return unit

    def _session(self, events: Events) -> tuple[int, int]:
        """Continuous trading: New York's hours of stocks; else from an auction that opens the day to the last row."""
        if self.venue in US_STOCKS:
            midnight = midnight_ns(self.date, "America/New_York")
            return midnight + 19 * _HOUR // 2, midnight + 16 * _HOUR
        live = np.flatnonzero((events.flags & schema.OPENING) == 0)
        if len(live) == 0:
            return int(events.exch_ns[0]), int(events.exch_ns[-1])
        cross = opening_cross(events)
        return int(events.exch_ns[live[0] if cross is None else cross]), int(events.exch_ns[-1])


def opening_cross(events: Events) -> int | None:
    """Row of the auction before which nothing trades; None where a day has no such one."""
    crosses, trades = (
        np.flatnonzero(events.kind == kind) for kind in (schema.CROSS, schema.EXECUTE)
    )
    return (
        int(crosses[0]) if len(crosses) and (len(trades) == 0 or crosses[0] < trades[0]) else None
    )


def with_opening_auction(events: Events) -> Events:
    """Say that a day which begins before its opening auction begins with quoting alone, and when trading starts.

    Before an auction the book may stand crossed; nothing trades in it.
    """
    if (cross := opening_cross(events)) is None:
        return events
    ends = np.flatnonzero(events.flags & schema.MESSAGE_END)
    after = int(ends[np.searchsorted(ends, cross)]) + 1
    head = int(np.count_nonzero(events.flags & schema.OPENING))
    both = Events.empty(2)
    both.kind[:], both.price_ticks[:], both.flags[:] = schema.STATUS, (0, 1), schema.MESSAGE_END
    for status, row in ((0, head), (1, after - 1)):
        both.exch_ns[status], both.recv_ns[status] = events.exch_ns[row], events.recv_ns[row]
    both.seq[:] = events.seq[head], events.seq[after - 1] + 2
    events.seq[head:] += 1
    events.seq[after:] += 1
    parts = [
        events.slice(0, head),
        both.slice(0, 1),
        events.slice(head, after),
        both.slice(1, 2),
        events.slice(after),
    ]
    return Events.joined(parts)


def infer_unit(words: k.Words) -> int:
    """Tick in 1e-9: the greatest common divisor of all prices of orders."""
    action = (words[:, k.BODY] >> 48) & 255
    price = words[((action == k.A) | (action == k.M)) & (words[:, k.PRICE] != k.NO_PRICE), k.PRICE]
    unit = int(np.gcd.reduce(np.unique(np.abs(price)))) if len(price) else 0
    return unit or 10**7


def flags_of(words: k.Words) -> Bytes:
    """The flag bits of records, uint8[n]: a view."""
    return words.view(np.uint8)[:, 8 * k.BODY + 4]


def event_ends(words: k.Words) -> Bytes:
    """Which records are the last of their event: uint8[n].

    Some venues mark every record of a trade; those of one time and sequence number stay together.
    """
    flags = flags_of(words)
    ends: Bools = (flags & k.LAST) != 0
    if not ends.any():
        return np.ones(len(words), np.uint8)
    tails = words.view(np.uint32)[:, 2 * k.TAIL + 1]
    same = (words[1:, k.TS_EVENT] == words[:-1, k.TS_EVENT]) & (tails[1:] == tails[:-1])
    ends[:-1] &= ~same | (((flags[1:] ^ flags[:-1]) & k.SNAPSHOT) != 0)
    ends[-1] = True
    return ends.view(np.uint8)


def pieces(ends: Bytes, size: int) -> list[tuple[int, int]]:
    """Runs of whole events of about `size` records: (start, stop) each."""
    stops = np.flatnonzero(ends) + 1
    found, start = [], 0
    while start < len(ends):
        stop = int(stops[min(int(np.searchsorted(stops, start + size)), len(stops) - 1)])
        found.append((start, stop))
        start = stop
    return found


def translate(
    words: k.Words, unit: int, date: str, where: str, piece: int = PIECE
) -> tuple[Events, Ints]:
    """Records of one instrument to rows of the tape, and the report of :mod:`dbn_kernels`.

    Raises
    ------
    FeedError
        With the first record that makes no sense.
    """
    state, report = np.zeros(k.STATE, np.int64), np.zeros(k.REPORT, np.int64)
    head = flags_of(words)[:1] & k.SNAPSHOT
    state[k.OPEN], state[k.SEQ] = 1, -1 if np.any(head) else 0
    day = np.array([*day_ns(date, TIMEZONE), _opening_ns(words, date)])
    orders = k.Resting(new_ids(1), np.zeros((1, k.KEPT), np.int64), np.zeros(1, np.int32))
    parts: list[Events] = []
    ends = event_ends(words)
    words = words.view()
    words.flags.writeable = (
        False  # as records that lie in the file's own bytes are: one kind of array, one kernel
    )
    runs = pieces(ends, piece)
    out = np.empty(
        (2 * max((stop - start for start, stop in runs), default=0), len(schema.COLUMNS)), np.int64
    )
    now = np.zeros(k.NOW, np.int64)
    for start, stop in runs:
        orders = _with_room(orders, stop - start, state)
        rows = int(
            k.translate(words, ends, start, stop, unit, day, orders, out, now, state, report)
        )
        if report[k.CODE]:
            raise _error(report, words, where)
        parts.append(Events.from_table(out[:rows]))
    return Events.joined(parts), report


def _with_room(orders: k.Resting, more: int, state: Ints) -> k.Resting:
    """The resting orders, in larger arrays where `more` may find no room."""
    have, need = len(orders.kept), int(state[k.LIVE]) + more
    if need <= have and have > 1:
        return orders
    want = 1 << (2 * need - 1).bit_length()
    ids = new_ids(want)
    k.grow_map(orders.ids, ids)
    kept, free = np.zeros((want, k.KEPT), np.int64), np.zeros(want, np.int32)
    kept[:have] = orders.kept
    used = have if have > 1 else 0
    fresh = np.arange(want - 1, used - 1, -1, dtype=np.int32)
    left = int(state[k.FREE])
    free[: len(fresh)], free[len(fresh) : len(fresh) + left] = fresh, orders.free[:left]
    state[k.FREE] = len(fresh) + left
    return k.Resting(ids, kept, free)


def _opening_ns(words: k.Words, date: str) -> int:
    """Stamp of an opening snapshot: when it was received, no later than the first record that is none."""
    received = int(words[0, k.TS_RECV])
    live = (flags_of(words) & k.SNAPSHOT) == 0
    if live.any():
        received = min(received, int(words[int(np.argmax(live)), k.TS_EVENT]))
    return max(received, midnight_ns(date, TIMEZONE))


def _error(report: Ints, words: k.Words, where: str) -> FeedError:
    code, row = int(report[k.CODE]), int(report[k.WHERE])
    expected, name, remedy = _ERRORS[code]
    record = words[row]
    body = int(record[k.BODY])
    value = {
        "side": chr((body >> 56) & 255),
        "price": int(record[k.PRICE]) / 10**9,
        "size": body & k.NO_SIZE,
        "ts_event": int(record[k.TS_EVENT]),
        "action": chr((body >> 48) & 255),
    }[name]
    return FeedError(
        expected,
        f"{name} {value} in record {row + 1} (sequence {int(record[k.TAIL]) >> 32}) of {where}",
        remedy,
    )
