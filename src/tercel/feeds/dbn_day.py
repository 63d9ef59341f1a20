"""One day of one instrument of Databento data: its order-by-order records as a tape."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Bytes, Ints
from tercel.core.errors import FeedError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import dbn_kernels, us_stocks
from tercel.market.book.order_ids import new_ids
from tercel.market.feed import Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra, Instrument
from tercel.market.tape.local_times import day_ns, midnight_ns

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
BREAKS: Final = {
    "GLBX": ("America/Chicago", (57_600 * NS_PER_SECOND, 61_200 * NS_PER_SECOND)),
}
"""Daily maintenance, ns after local midnight, whose end is a pre-open in which orders may cross; nothing trades (CME Globex:
16:00 to 17:00 of Chicago)."""
_AGAIN: Final = "download the file again, or report the feed"
_ERRORS: Final = {
    dbn_kernels.BAD_SIDE: ("a side of B or A on an order", "side", _AGAIN),
    dbn_kernels.BAD_PRICE: (
        "a positive price",
        "price",
        "such prices are read from columns: `tercel data import csv`, `lowest_price` in its map",
    ),
    dbn_kernels.FINE_TICK: ("prices below 2**30 ticks", "price", "give a larger `tick=`"),
    dbn_kernels.BAD_SIZE: ("a positive size below 2**30", "size", _AGAIN),
    dbn_kernels.BAD_DAY: (
        "times within the day of the file",
        "ts_event",
        "give files of whole days of UTC",
    ),
    dbn_kernels.BAD_ACTION: ("an action of A, C, M, R, T, F or N", "action", _AGAIN),
}
_WARNINGS: Final = {
    "unknown_ids": "changes of orders that the files never added ({unknown_cancels:,} cancels, {unknown_modifies:,} modifies, "
    "which rest from then on); the book lacks those orders: add the file with the snapshot of the day's start",
    "duplicate_ids": "orders added under an id that was alive; the older one was withdrawn",
    "maybe_bad_book": "records flagged as after a gap: the book may be wrong until the next snapshot",
    "clock_back": "records with a time before that of the record above; they were given that time",
    "sequence_back": "records of one time with a sequence number below that of the record above: their order is not the "
    "exchange's; download the file again",
    "undefined": "records without price or size, passed over",
    "trades_over_fills": "trades of more lots than their fills; the rest is hidden",
    "contradicted_fills": "changes that contradict the fills before them; the change was believed",
}


@dataclass(frozen=True)
class DbnDay:
    """Records of one instrument and day, to be translated to a tape.

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
    load: Callable[[], dbn_kernels.Words]
    tick: float | None = None
    tick_rule: str = "stated"
    others: int = 0

    def read(self) -> Imported:
        """Translate the day's records to a tape with its instrument's facts; FeedError if they make no row.

        Raises
        ------
        FeedError
            With record, field and remedy, when a record makes no sense.
        """
        records = self.load()
        unit = stated_unit(self.tick) or infer_unit(records)
        files = ", ".join(self.source)
        events, report = translate(records, unit, self.date, files)
        if self.venue not in US_STOCKS:
            events = with_opening_auction(events)
        if self.venue in BREAKS:
            events = with_break(events, *BREAKS[self.venue], self.date)
        if events.n == 0:
            raise FeedError(
                "records that make a book",
                f"none for {self.symbol} on {self.date} in {files}",
                "give the whole day",
            )
        counts = dict(zip(dbn_kernels.COUNTS, report.tolist(), strict=False))
        is_other = (np.diff(records[:, dbn_kernels.TS_EVENT]) != 0) | (
            flags_of(records)[1:] & dbn_kernels.SNAPSHOT != 0
        )
        counts["sequence_back"] = int(
            np.sum((np.diff(records[:, dbn_kernels.TAIL] >> 32) < 0) & ~is_other)
        )
        counts["unknown_cancels"] = counts["unknown_ids"] - counts["unknown_modifies"]
        warnings = [
            f"{counts[name]:,} {text.format(**counts)} ({files})"
            for name, text in _WARNINGS.items()
            if counts[name]
        ]
        if not (flags_of(records) & dbn_kernels.LAST).any():
            warnings.append(
                "no record is marked as the last of its event: each was taken as an event of its own"
            )
        about: Extra = {"records": len(records), "other_records": self.others}
        about["messages"] = int(report[dbn_kernels.EVENTS])
        return Imported(self.instrument_of(events, unit, about | counts), events, tuple(warnings))

    def instrument_of(self, events: Events, unit: int, about: Extra, levels: int = 0) -> Instrument:
        """The day's instrument, with a tick in 1e-9 and the facts `about` its records."""
        opening, close = self._session(events)
        return Instrument(
            venue=self.venue,
            symbol=self.symbol,
            date=self.date,
            tick=unit / 10**9,
            levels=levels,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=opening,
            session_close_ns=close,
            rows=events.n,
            tick_rule="inferred" if self.tick is None else self.tick_rule,
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra={"feed": "dbn"} | about,
        )

    def _session(self, events: Events) -> tuple[int, int]:
        """Start and end of continuous trading, ns since 1970: the hours of New York for US stocks, else from the records.

        Else from an auction that opens the day to the last row before it is halted for good.
        """
        if self.venue in US_STOCKS:
            midnight = midnight_ns(self.date, us_stocks.TIMEZONE)
            opening, close = us_stocks.session_ns(self.date)
            return midnight + opening, midnight + close
        live = np.flatnonzero((events.flags & schema.OPENING) == 0)
        if len(live) == 0:
            return int(events.exch_ns[0]), int(events.exch_ns[-1])
        cross = opening_cross(events)
        statuses = np.flatnonzero(events.kind == schema.STATUS)[-1:]
        last = [row - 1 for row in statuses if row > live[0] and not events.price_ticks[row]] or [
            -1
        ]
        opening, close = events.exch_ns[[live[0] if cross is None else cross, *last]].tolist()
        return opening, close


def stated_unit(tick: float | None) -> int:
    """A stated tick in 1e-9, 0 for none; FeedError if it is no multiple of 1e-9."""
    if tick is None:
        return 0
    units = tick * 10**9
    unit = round(units) if math.isfinite(units) else 0
    if unit < 1 or abs(units - unit) > 1e-3:
        raise FeedError(
            "a tick that is a positive multiple of 1e-9", f"`tick={tick}`", "as in `tick=0.25`"
        )
    return unit


def opening_cross(events: Events) -> int | None:
    """Index of the first auction row if no execution comes before it; else None."""
    crosses, trades = (
        np.flatnonzero(events.kind == kind) for kind in (schema.CROSS, schema.EXECUTE)
    )
    return (
        int(crosses[0]) if len(crosses) and (len(trades) == 0 or crosses[0] < trades[0]) else None
    )


def with_opening_auction(events: Events) -> Events:
    """A tape with two STATUS rows put in (quoting only at the start, trading after the opening auction); `events`
    itself without such an auction; with one, `events.seq` is changed in place.

    Before an auction the book may be crossed; nothing trades in it.
    """
    if (cross := opening_cross(events)) is None:
        return events
    head = int(np.count_nonzero(events.flags & schema.OPENING))
    return _with_halt(events, head, _after_message(events, cross))


def with_break(events: Events, timezone: str, span_ns: tuple[int, int], date: str) -> Events:
    """A tape whose market is halted from the first message of a daily break to its end, and the auction that opens it; other
    auction prints become hidden trades: implied by other instruments, they have no side."""
    starts = np.append(np.flatnonzero(np.diff(events.seq, prepend=-1)), events.n)
    bounds = np.array(span_ns) + midnight_ns(date, timezone)
    head, after = starts[np.searchsorted(events.exch_ns[starts[:-1]], bounds)].tolist()
    opening = opening_cross(events)
    is_halted = opening is not None and opening >= head
    is_implied = events.kind == schema.CROSS
    is_implied[: 0 if opening is None else opening + 1] = False
    if not is_halted and (reopening := opening_cross(events.slice(after))) is not None:
        is_implied[after + reopening] = False
        after = _after_message(events, after + reopening)
    events = replace(events, kind=np.where(is_implied, schema.TRADE_HIDDEN, events.kind))
    return events if is_halted or head == after else _with_halt(events, head, after)


def _after_message(events: Events, row: int) -> int:
    """Row after the message that `row` belongs to."""
    ends = np.flatnonzero(events.flags & schema.MESSAGE_END)
    return int(ends[np.searchsorted(ends, row)]) + 1


def _with_halt(events: Events, head: int, after: int) -> Events:
    """A tape with a STATUS row before row `head` (quoting only) and one before row `after` (trading), unless it ends there;
    both begin messages.
    `events.seq` is changed in place."""
    seq = events.seq[head], events.seq[after - 1] + 2
    times = (events.exch_ns[[head, after - 1]], events.recv_ns[[head, after - 1]])
    columns = np.broadcast_arrays(*times, seq, schema.STATUS, 0, 0, (0, 1), 0, schema.MESSAGE_END)
    statuses = Events.from_table(np.stack(columns, axis=1))
    events.seq[head:] += 1
    events.seq[after:] += 1
    parts = [
        events.slice(0, head),
        statuses.slice(0, 1),
        events.slice(head, after),
        statuses.slice(1, 1 + (after < events.n)),
        events.slice(after),
    ]
    return Events.concatenate(parts)


def infer_unit(records: dbn_kernels.Words) -> int:
    """Tick in 1e-9: the greatest common divisor of all prices of added and modified orders; 10**7 (0.01) without any."""
    action = (records[:, dbn_kernels.BODY] >> 48) & 255
    price = records[
        ((action == dbn_kernels.A) | (action == dbn_kernels.M))
        & (records[:, dbn_kernels.PRICE] != dbn_kernels.NO_PRICE),
        dbn_kernels.PRICE,
    ]
    unit = int(np.gcd.reduce(np.unique(np.abs(price)))) if len(price) else 0
    return unit or 10**7


def flags_of(records: dbn_kernels.Words) -> Bytes:
    """The flag byte of each record, uint8[n], as a view."""
    return records.view(np.uint8)[:, 8 * dbn_kernels.BODY + 4]


def event_ends(records: dbn_kernels.Words) -> Bytes:
    """1 at the last record of each event, 0 else, uint8[n]; all 1 if no record is marked as last.

    Some venues mark every record of a trade; those of one time and sequence number stay together.
    """
    flags = flags_of(records)
    ends: Bools = (flags & dbn_kernels.LAST) != 0
    if not ends.any():
        return np.ones(len(records), np.uint8)
    tails = records.view(np.uint32)[:, 2 * dbn_kernels.TAIL + 1]
    same_event = (records[1:, dbn_kernels.TS_EVENT] == records[:-1, dbn_kernels.TS_EVENT]) & (
        tails[1:] == tails[:-1]
    )
    ends[:-1] &= ~same_event | (((flags[1:] ^ flags[:-1]) & dbn_kernels.SNAPSHOT) != 0)
    ends[-1] = True
    return ends.view(np.uint8)


def pieces(ends: Bytes, size: int) -> list[tuple[int, int]]:
    """(start, stop) of runs that end with whole events, each with the first event that ends `size` records or more further."""
    stops = np.flatnonzero(ends) + 1
    next_stops = np.searchsorted(stops, np.arange(size, len(ends) + size, size))
    return [*pairwise([0, *np.unique(stops[next_stops.clip(max=len(stops) - 1)]).tolist()])]


def translate(
    records: dbn_kernels.Words, unit: int, date: str, location: str, piece: int = PIECE
) -> tuple[Events, Ints]:
    """Tape of one instrument's records, and the report of :mod:`dbn_kernels`; FeedError for a record that does not fit.

    Raises
    ------
    FeedError
        With the first record that makes no sense.
    """
    state = np.zeros(dbn_kernels.STATE, np.int64)
    report = np.zeros(dbn_kernels.REPORT, np.int64)
    head = flags_of(records)[:1] & dbn_kernels.SNAPSHOT
    state[dbn_kernels.OPEN] = 1
    state[dbn_kernels.SEQ] = -1 if np.any(head) else 0
    day = np.array([*day_ns(date, TIMEZONE), _opening_ns(records, date)])
    orders = dbn_kernels.Resting(
        new_ids(1), np.zeros((1, dbn_kernels.FACTS), np.int64), np.zeros(1, np.int32)
    )
    parts: list[Events] = []
    ends = event_ends(records)
    records = records.view()
    records.flags.writeable = (
        False  # as records that lie in the file's own bytes are: one kind of array, one kernel
    )
    runs = pieces(ends, piece)
    table = np.empty(
        (2 * max((stop - start for start, stop in runs), default=0), len(schema.COLUMNS)), np.int64
    )
    now = np.zeros(dbn_kernels.NOW, np.int64)
    for start, stop in runs:
        orders = _with_room(orders, stop - start, state)
        rows = int(
            dbn_kernels.translate(
                records, ends, start, stop, unit, day, orders, table, now, state, report
            )
        )
        if report[dbn_kernels.CODE]:
            raise _error(report, records, location)
        parts.append(Events.from_table(table[:rows]))
    return Events.concatenate(parts), report


def _with_room(orders: dbn_kernels.Resting, more: int, state: Ints) -> dbn_kernels.Resting:
    """The resting orders in arrays with room for `more` further ones, copied if need be; the free count in `state`
    follows."""
    size = len(orders.facts)
    need = int(state[dbn_kernels.LIVE]) + more
    if need <= size and size > 1:
        return orders
    capacity = 1 << (2 * need - 1).bit_length()
    ids = new_ids(capacity)
    dbn_kernels.grow_map(orders.ids, ids)
    facts = np.zeros((capacity, dbn_kernels.FACTS), np.int64)
    free = np.zeros(capacity, np.int32)
    facts[:size] = orders.facts
    used = size if size > 1 else 0
    fresh = np.arange(capacity - 1, used - 1, -1, dtype=np.int32)
    left = int(state[dbn_kernels.FREE])
    free[: len(fresh)] = fresh
    free[len(fresh) : len(fresh) + left] = orders.free[:left]
    state[dbn_kernels.FREE] = len(fresh) + left
    return dbn_kernels.Resting(ids, facts, free)


def _opening_ns(records: dbn_kernels.Words, date: str) -> int:
    """Time of an opening snapshot, ns: its receipt, but no later than the first other record."""
    received = int(records[0, dbn_kernels.TS_RECV])
    live = (flags_of(records) & dbn_kernels.SNAPSHOT) == 0
    if live.any():
        received = min(received, int(records[int(np.argmax(live)), dbn_kernels.TS_EVENT]))
    return max(received, midnight_ns(date, TIMEZONE))


def _error(report: Ints, records: dbn_kernels.Words, location: str) -> FeedError:
    """Error for the record that a kernel refused, from its report."""
    code = int(report[dbn_kernels.CODE])
    row = int(report[dbn_kernels.WHERE])
    expected, name, remedy = _ERRORS[code]
    record = records[row]
    body = int(record[dbn_kernels.BODY])
    value = {
        "side": chr((body >> 56) & 255),
        "price": int(record[dbn_kernels.PRICE]) / 10**9,
        "size": body & dbn_kernels.NO_SIZE,
        "ts_event": int(record[dbn_kernels.TS_EVENT]),
        "action": chr((body >> 48) & 255),
    }[name]
    return FeedError(
        expected,
        f"{name} {value} in record {row + 1} (sequence {int(record[dbn_kernels.TAIL]) >> 32}) of {location}",
        remedy,
    )
