"""Depth as feeds show it: the best levels of a tape at regular times, and its prints when they happened."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from studies.tape.to_levels import to_levels
from tercel.core import (
    CLEAR,
    LEVEL_SET,
    ROLL_IN,
    ROLL_OUT,
    TRADE,
    Bools,
    Bytes,
    ConfigError,
    Ints,
    Longs,
    Packed,
    TapeError,
    kernel,
)
from tercel.feeds.csv_kernels import changes
from tercel.feeds.verify_kernels import read_book
from tercel.market.book import Book, Ids, apply_row
from tercel.market.tape import MESSAGE_END, Events, Instrument

LEAST_NS = 1_000_000
"""The shortest distance of snapshots."""
MOST_LEVELS = 50
ORDERS = 1 << 15
Early = Collection[tuple[int, int]]
CHANGE_WORDS = 6
"""Words of a row of `changes`: number of the snapshot, kind, side, price, lots, flags."""


@kernel
def _sample(
    b: Packed, ids: Ids, key_of: Longs,
    kind: Bytes, order_id: Longs, side: Bytes, price: Packed, qty: Packed,
    stops: Longs, prices: Packed, lots: Packed, room: Packed,
) -> None:  # fmt: skip
    """Best levels before each row of `stops`, into `prices` and `lots` (snapshots, 2 sides, levels); `room` (2, levels)."""
    row = 0
    for n in range(stops.shape[0]):
        while row < stops[n]:
            apply_row(b, ids, key_of, kind[row], order_id[row], side[row], price[row], qty[row])
            row += 1
        for h in range(2):
            found = read_book(b, 1 - 2 * h, room[0], room[1])
            for x in range(found):
                prices[n, h, x] = room[0, x]
                lots[n, h, x] = room[1, x]


@dataclass(frozen=True, eq=False)
class Snapshots:
    """A recording of depth: what each snapshot changes, and what came between them.

    Parameters
    ----------
    instrument : Instrument
        With the levels that are shown.
    others : Events
        Prints, halts and cleared books, at their own times.
    rows, at_ns : int64 (n, CHANGE_WORDS), int64 (n,)
        Changes of levels, and the time of the snapshot that shows each.
    every_ns : int
        Time between two snapshots.
    printed : mapping of (time of the snapshot, side, price) to int
        Lots printed since the snapshot before.
    """

    instrument: Instrument
    others: Events
    rows: Ints
    at_ns: Ints
    every_ns: int
    printed: Mapping[tuple[int, int, int], int]

    def tape(self, early: Early = ()) -> tuple[Instrument, Events]:
        """Tape of the snapshots.

        Parameters
        ----------
        early : collection of (side, direction)
            Totals that a snapshot shows changed may have changed at any time since the one before. Those of a side (1 bid,
            -1 ask) that rose (1) or fell (-1) are stamped right behind the one before, the others with the one that shows
            them.
        """
        rows, at_ns = self._stamp_early(early) if early else (self.rows, self.at_ns)
        stamps = np.concatenate((self.others.exch_ns, at_ns))
        # a print goes before the snapshot of its moment, which shows the book behind it
        is_change = np.repeat([0, 1], [self.others.n, len(rows)])
        order = np.lexsort((is_change, stamps))
        out = Events.empty(len(order))
        for name, shown in zip(
            ("kind", "side", "price_ticks", "qty_lots"), rows[:, 1:5].T, strict=True
        ):
            getattr(out, name)[:] = np.concatenate((getattr(self.others, name), shown))[order]
        out.exch_ns[:] = out.recv_ns[:] = stamps[order]
        message = np.concatenate((-1 - np.arange(self.others.n), rows[:, 0]))[order]
        ends = np.append(message[1:] != message[:-1], [True] * bool(len(message))).astype(np.bool_)
        out.seq[:] = 1 + np.cumsum(ends) - ends
        flags = np.concatenate((np.zeros(self.others.n, np.int64), rows[:, 5]))[order]
        out.flags[:] = flags | np.where(ends, MESSAGE_END, 0)
        return replace(self.instrument, rows=out.n), out

    def _stamp_early(self, early: Early) -> tuple[Ints, Ints]:
        """Rows and their times, with the changes of `early` right behind the snapshot before; the first snapshot stays.

        What was printed in between is no change of its own: it leaves a level with its prints. A level that comes into
        sight was there before, one that goes out of sight still is.
        """
        total: dict[tuple[int, int], int] = {}
        found: list[list[int]] = []
        stamps: list[int] = []
        wanted = set(early)
        for row, at in zip(self.rows.tolist(), self.at_ns.tolist(), strict=True):
            number, kind, side, price, lots, flags = row
            before = total.get((side, price), 0)
            total[side, price] = lots
            prints = self.printed.get((at, side, price), 0)
            target = lots + prints
            direction = (target > before) - (target < before)
            moves = kind == ROLL_IN or (kind == LEVEL_SET and (side, direction) in wanted)
            if moves and at > self.at_ns[0]:
                found.append([number, kind, side, price, target, flags])
                stamps.append(at + 1 - self.every_ns)
                row[1] = LEVEL_SET
            if not moves or prints or at == self.at_ns[0]:
                found.append(row)
                stamps.append(at)
        order = np.argsort(stamps, kind="stable")
        return np.array(found, np.int64).reshape(-1, CHANGE_WORDS)[order], np.array(stamps)[order]


def check_depth(levels: int, every_ns: int, phase_ns: int = 0) -> None:
    """Raise ConfigError unless depth of so many levels can be shown each so many ns, first after `phase_ns`."""
    if not (1 <= levels <= MOST_LEVELS and every_ns >= LEAST_NS and 0 <= phase_ns < every_ns):
        raise ConfigError(
            f"1 to {MOST_LEVELS} levels each {LEAST_NS / 1e6:g} ms or more, the first within that time",
            f"{levels} levels each {every_ns / 1e6:g} ms, the first after {phase_ns / 1e6:g}",
            "such as 10 levels each 100 ms",
        )


def snapshots_of(
    instrument: Instrument, events: Events, levels: int, every_ns: int, phase_ns: int = 0
) -> Snapshots:
    """What a feed of `levels` a side, shown every `every_ns` from `phase_ns` on, would have recorded of a tape, with its prints.

    A snapshot shows the book behind all rows up to its time; of two snapshots the later says what differs. The recording
    begins with the first that shows anything.

    Raises
    ------
    ConfigError
        Levels or a distance that are out of range.
    TapeError
        A tape that shows fewer levels, whose rows are not in order of time, or that has none.
    """
    name = f"{instrument.symbol} {instrument.date}"
    check_depth(levels, every_ns, phase_ns)
    if 0 < instrument.levels < levels:
        raise TapeError(
            f"a tape of at least {levels} levels",
            f"{instrument.levels} in {name}",
            f"thin it to {instrument.levels} levels or fewer",
        )
    backwards = np.flatnonzero(np.diff(events.exch_ns) < 0)
    if events.n == 0 or len(backwards):
        received = f"no rows in {name}"
        if events.n:
            received = f"row {int(backwards[0]) + 1} of {name} earlier than the row before"
        raise TapeError("rows in order of time", received, "import the day again")
    if not bool(np.any(events.kind == LEVEL_SET)):
        instrument, events = to_levels(instrument, events)
    on_level = np.isin(events.kind, (LEVEL_SET, ROLL_IN, ROLL_OUT))
    first = int(events.exch_ns[0])
    start = first - first % every_ns + phase_ns
    grid = np.arange(start, int(events.exch_ns[-1]) + every_ns, every_ns)
    stops = np.searchsorted(events.exch_ns, grid, side="right")
    news = np.append(0, np.cumsum(on_level | (events.kind == CLEAR)))[stops]
    grid, stops = (values[np.diff(news, prepend=0) > 0] for values in (grid, stops))
    rows = _changes(events, stops, levels)
    shown = replace(instrument, levels=levels, content_hash="")
    began_ns = int(grid[0]) if len(grid) else int(events.exch_ns[-1])
    return Snapshots(
        shown,
        _take(events, ~on_level & (events.exch_ns > began_ns)),
        rows,
        grid[rows[:, 0]],
        every_ns,
        _printed(events, start, every_ns),
    )


def _take(events: Events, mask: Bools) -> Events:
    """The rows of a tape that a mask names."""
    return Events.from_columns(
        {column.name: getattr(events, column.name)[mask] for column in fields(Events)}
    )


def _changes(events: Events, stops: Ints, levels: int) -> Ints:
    """Rows of `changes` from each snapshot, of the book before a row of `stops`, to the next; a cleared book begins anew."""
    book = Book(orders=ORDERS, own_orders=0)
    prices, lots = (np.zeros((len(stops), 2, levels), np.int32) for _ in range(2))
    _sample(
        book.state, book._ids, book._key_of, events.kind, events.order_id, events.side, events.price_ticks,
        events.qty_lots, stops, prices, lots, np.zeros((2, levels), np.int32),
    )  # fmt: skip
    cleared = np.append(0, np.cumsum(events.kind == CLEAR))[stops]
    starts = np.flatnonzero(np.diff(cleared, prepend=-1) != 0)
    parts = [np.zeros((0, CHANGE_WORDS), np.int64)]
    for begin, end in zip(starts, [*starts[1:], len(stops)], strict=True):
        shown = np.stack((prices[begin:end], lots[begin:end]), axis=2)
        nothing = np.zeros(shown.shape[1:], np.int32)
        off = np.zeros(end - begin, np.uint8)
        part = np.empty((0, CHANGE_WORDS), np.int64)
        for _ in range(2):  # first it counts the rows
            room = changes(shown, nothing, off, begin == 0, part)
            part = part if len(part) == room else np.empty((room, CHANGE_WORDS), np.int64)
        part[:, 0] += begin
        parts.append(part)
    return np.concatenate(parts)


def _printed(events: Events, start_ns: int, every_ns: int) -> dict[tuple[int, int, int], int]:
    """Lots printed since the snapshot before, by the time of the snapshot, side and price."""
    found: dict[tuple[int, int, int], int] = {}
    prints = events.kind == TRADE
    at_ns = start_ns - (start_ns - events.exch_ns[prints]) // every_ns * every_ns
    columns = (at_ns, events.side[prints], events.price_ticks[prints], events.qty_lots[prints])
    for *key, lots in zip(*(values.tolist() for values in columns), strict=True):
        found[tuple(key)] = found.get(tuple(key), 0) + lots
    return found


def thin(
    instrument: Instrument, events: Events, levels: int, every_ns: int, phase_ns: int = 0
) -> tuple[Instrument, Events]:
    """Tape of `snapshots_of`."""
    return snapshots_of(instrument, events, levels, every_ns, phase_ns).tape()
