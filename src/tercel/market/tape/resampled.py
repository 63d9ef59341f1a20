"""Synthetic days of tape, resampled from blocks of real days.

A day is cut into blocks of some minutes. Each block is a stretch of one of the real days, order by order, at its own
hour, and begins where a real book was in the state of the day's book now: the same spread, queues at the touch and trades
of the last minutes of the same class, about the same time of day. Prices are moved so that the bids meet. What a fill
costs passive orders, how fast queues go and what can be foreseen within a block are so the tape's own, with as many days as
one wants.

The first block is the opening of a real day, the last one the close of one.

Where two blocks meet, a halt of zero length is written, and the book is turned into the one with which the next block
begins: lots too many at a price leave from the back of its queue, lots too few join there. Which orders are ahead of an
own order stays ahead of it. An order of the new block that stood before it began is carried on by the lots at its place in
the queue.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.errors import TapeError
from tercel.core.jit import Longs, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.tape import schema
from tercel.market.tape.block_rows import (
    KIND,
    NS,
    OWN_LEFT,
    OWN_PRICE,
    OWN_SIDE,
    apply_row,
    as_events,
    join_books,
    write_rows,
)
from tercel.market.tape.compiled import ROW, CompiledDay
from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.local_times import midnight_ns

BLOCK_S: Final = 600.0
"""Length of a block."""
OPENING_S: Final = 900.0
"""The first block of a day is the opening of a real day, so long."""
MOMENT_NS: Final = 10 * NS_PER_SECOND
"""A block may begin so often."""
HOUR_NS: Final = 1800 * NS_PER_SECOND
"""Blocks come from so near the same time of day, where such blocks exist."""
CLASSES: Final = 3
"""Classes of queues at the touch, and of the volume traded within `BUSY_NS`, by quantiles of the tape."""
BUSY_NS: Final = 300 * NS_PER_SECOND
"""Window of recent volume, ns."""
MIN_BOOK_SHARE: Final = 0.9
"""Share of a day's moments that have a book, at least."""
MAX_SPREAD_TICKS: Final = 100
"""Ticks of a spread beyond which nothing begins."""
MIN_LEVELS: Final = 5
"""Of a tape that shows those near the touch (`market.flow.resampled`)."""
# Of a moment at which a block may begin: its row and time, the touch, the lots on it.
_ROW, _AT, _BID, _ASK, _BID_LOTS, _ASK_LOTS = range(6)


@kernel
def book_moments(rows: Longs, start_ns: int, book: Longs, table: Longs) -> None:
    """Write the book's touch at `start_ns` and every `MOMENT_NS` after it to `table`, int64 (moments, 6); a missing side is 0."""
    i = 0
    for n in range(table.shape[0]):
        ns = start_ns + n * MOMENT_NS
        while i < rows.shape[0] and rows[i, NS] <= ns:
            apply_row(rows, i, book)
            i += 1
        bid = 0
        ask = 0
        bid_lots = 0
        ask_lots = 0
        for slot in range(book.shape[0]):
            side = book[slot, 0]
            price = book[slot, 1]
            lots = book[slot, 2]
            if lots <= 0:
                continue
            if side > 0 and price >= bid:
                bid_lots = lots + (bid_lots if price == bid else 0)
                bid = price
            elif side < 0 and (ask == 0 or price <= ask):
                ask_lots = lots + (ask_lots if price == ask else 0)
                ask = price
        table[n, _ROW] = i
        table[n, _AT] = ns
        table[n, _BID] = bid
        table[n, _ASK] = ask
        table[n, _BID_LOTS] = bid_lots
        table[n, _ASK_LOTS] = ask_lots


@dataclass(frozen=True, eq=False)
class Resampler:
    """Makes days of blocks of real ones.

    Parameters
    ----------
    days : sequence of CompiledDay
        Of one symbol, of single orders, with known sessions.
    block_s : float
        Length of a block, s.
    until_s : float
        Blocks are of the hours up to then, s after the opening.

    Raises
    ------
    TapeError
        No days, level totals, levels that leave the feed's window, a session shorter than two blocks, or a tape
        whose book never has two sides.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tercel.market.simulator.days import simulated_lake
    >>> from tercel.market.tape.compiled_store import load_compiled
    >>> lake = simulated_lake(Path(tempfile.mkdtemp()), hours=1.0)
    >>> days = [load_compiled(lake, "SIM", date) for date in lake.days("SIM")]
    >>> instrument, events = Resampler(days, block_s=300.0).day("2031-01-02", seed=1)
    >>> instrument.extra["resampled_of"] == lake.days("SIM"), events.n > 1000
    (True, True)
    """

    days: Sequence[CompiledDay]
    block_s: float = BLOCK_S
    until_s: float = math.inf

    def __post_init__(self) -> None:
        if not self.days:
            raise TapeError("at least one day to resample", "none", "name days that the lake holds")
        if not (self.block_s > 0 and self.block_s * NS_PER_SECOND % MOMENT_NS == 0):
            raise TapeError(
                f"blocks of {MOMENT_NS // NS_PER_SECOND} s, or a multiple of it",
                f"{self.block_s:g} s",
                "600 s is usual",
            )
        table = np.concatenate([self._moments(number, day) for number, day in enumerate(self.days)])
        moments = _Moments(table, self.until_s * NS_PER_SECOND)
        for number, day in enumerate(self.days):
            if (
                share := float(moments.sound[moments.within & (moments.day == number)].mean())
            ) < MIN_BOOK_SHARE:
                raise TapeError(
                    f"a book of two sides {MIN_BOOK_SHARE:.0%} of the time",
                    f"{share:.0%} on {day.instrument.symbol} {day.instrument.date}",
                    "leave this day out",
                )
        object.__setattr__(self, "_grid", moments)

    @property
    def steps(self) -> int:
        """Number of moments, 10 s apart, from the beginning of a block to its end."""
        return round(self.block_s * NS_PER_SECOND) // MOMENT_NS

    def day(self, date: str, seed: int) -> tuple[Instrument, Events]:
        """A resampled day for a date, another for each seed, with the opening hours of the real day that it opens with.

        Raises
        ------
        TapeError
            When no block fits.
        """
        moments: _Moments = self._grid  # type: ignore[attr-defined]
        rng = np.random.default_rng((seed, self.steps))
        opening, blocks = moments.blocks(self.steps, rng)
        template = self.days[int(moments.day[opening])].instrument
        opened = (
            midnight_ns(date, template.timezone)
            + template.session_open_ns
            - midnight_ns(template.date, template.timezone)
        )
        rows = self._rows(moments, opening, blocks, opened)
        extra = {
            "synthetic": True,
            "resampled_of": [compiled_day.instrument.date for compiled_day in self.days],
            "seed": seed,
        }
        instrument = Instrument(
            template.venue,
            template.symbol,
            date,
            template.tick,
            template.lot,
            0,
            template.timezone,
            ("resampled",),
            opened,
            opened + template.session_close_ns - template.session_open_ns,
            extra=extra | {"block_s": self.block_s},
        )
        return instrument, as_events(rows)

    def _moments(self, number: int, day: CompiledDay) -> Longs:
        """Table of a day's moments, int64 (n, 10): day, row, time, touch, its lots, recent trades, halts, clock."""
        instrument = day.instrument
        label = f"{instrument.symbol} {instrument.date}"
        if instrument.extra.get("resampled_of"):
            raise TapeError(
                "real days", f"{label}, which is made of others", "name the days that it is made of"
            )
        if (
            day.by_level
            or instrument.levels
            or np.isin(day.rows[:, KIND], (schema.ROLL_IN, schema.ROLL_OUT)).any()
        ):
            raise TapeError(
                f"tapes of single orders, of {MIN_LEVELS} levels a side or more",
                f"level totals, or too few levels, in {label}",
                "give `model=santa_fe`"
                if instrument.levels == 1
                else "give `model=queue_reactive`",
            )
        first_ns = instrument.session_open_ns + round(OPENING_S * NS_PER_SECOND)
        count = (instrument.session_close_ns - first_ns) // MOMENT_NS + 1
        used_s = min(
            (instrument.session_close_ns - instrument.session_open_ns) / NS_PER_SECOND, self.until_s
        )
        if (
            not instrument.session_open_ns
            or (used_s - OPENING_S) * NS_PER_SECOND // MOMENT_NS < 2 * self.steps
        ):
            raise TapeError(
                "a session that is longer than its opening and two blocks",
                f"{max(used_s, 0):g} s in {label}",
                "shorten the blocks",
            )
        table = np.zeros((count, 6), np.int64)
        book_moments(day.rows, first_ns, np.zeros((day.slots, 4), np.int64), table)
        stops = np.append(0, np.cumsum(np.isin(day.rows[:, KIND], (schema.STATUS, schema.CLEAR))))
        traded = np.append(0, np.cumsum(day.rows[:, KIND] == schema.EXECUTE))
        busy = (
            traded[table[:, _ROW]]
            - traded[np.searchsorted(day.rows[:, NS], table[:, _AT] - BUSY_NS)]
        )
        since = table[:, _AT] - instrument.session_open_ns
        return np.column_stack((np.full(count, number), table, busy, stops[table[:, _ROW]], since))

    def _rows(
        self, moments: "_Moments", opening: int, blocks: Sequence[tuple[int, int]], opened: int
    ) -> Longs:
        """Rows of a resampled day: an opening up to a moment, then blocks, each from one moment to another."""
        day = self.days[int(moments.day[opening])]
        until = int(moments.table[opening, 1 + _ROW])
        spans = [(moments.table[i], int(moments.table[j, 1 + _ROW])) for i, j in blocks]
        max_rows = until + sum(last - int(begin[1 + _ROW]) for begin, last in spans)
        orders = np.zeros(
            (max_rows + len(spans) * max(compiled_day.slots for compiled_day in self.days), 3),
            np.int64,
        )
        slots = self._blank(day)
        pieces = np.zeros((0, 2), np.int64)
        room = np.zeros((until, ROW), np.int64)
        shift_ns = opened - day.instrument.session_open_ns
        n_rows, n_orders = write_rows(
            day.rows, 0, until, shift_ns, 0, slots[0], orders, 0, pieces, slots[1], room, 0
        )
        parts = [room[:n_rows]]
        clock = int(moments.clock[opening])
        for number, (begin, last) in enumerate(spans):
            day = self.days[int(begin[0])]
            row = int(begin[1 + _ROW])
            slots = self._blank(day)
            resting = _queues(orders[:n_orders, [OWN_SIDE, OWN_PRICE, OWN_LEFT]])
            bid = int(resting[resting[:, 1] > 0, 2].max())
            shift_ticks = bid - int(begin[1 + _BID])
            book = np.zeros((day.slots, 4), np.int64)
            apply_rows(day.rows, row, book)
            book[:, 1] = np.maximum(book[:, 1] + shift_ticks, 1)
            incoming = _queues(book[:, :3], book[:, 3])
            room = np.zeros((last - row + 3 * (len(resting) + len(incoming)) + 2, ROW), np.int64)
            pieces = np.zeros((len(resting) + 2 * len(incoming), 2), np.int64)
            n_rows, n_orders, _ = join_books(
                resting, incoming, opened + clock, orders, n_orders, pieces, slots[1], room
            )
            shift_ns = opened + clock - int(begin[1 + _AT])
            n_rows, n_orders = write_rows(
                day.rows,
                row,
                last,
                shift_ns,
                shift_ticks,
                slots[0],
                orders,
                n_orders,
                pieces,
                slots[1],
                room,
                n_rows,
            )
            parts.append(room[:n_rows])
            clock += MOMENT_NS * (blocks[number][1] - blocks[number][0])
        return np.concatenate(parts)

    def _blank(self, day: CompiledDay) -> tuple[Longs, Longs]:
        """Two arrays for a day's slots, filled with -1 or 0: number of the order in each, and the pieces that carry it on."""
        return np.full(day.slots, -1, np.int64), np.zeros((day.slots, 2), np.int64)


@kernel
def apply_rows(rows: Longs, last: int, book: Longs) -> None:
    """Apply rows `[0, last)` to the table of orders `book`."""
    for i in range(last):
        apply_row(rows, i, book)


def _queues(book: Longs, arrival: Longs | None = None) -> Longs:
    """Number, side, price and lots of the orders that rest, by side, price and arrival (number where none is given)."""
    alive = np.flatnonzero(book[:, 2] > 0)
    by = alive if arrival is None else arrival[alive]
    alive = alive[np.lexsort((by, book[alive, 1], book[alive, 0]))]
    return np.ascontiguousarray(np.column_stack((alive, book[alive])))


class _Moments:
    """Moments at which blocks may begin and end, with the class of each by queues and activity.

    `table`, int64 (m, 10), has those within the hours used.
    """

    def __init__(self, table: Longs, until_ns: float) -> None:
        self.table = table
        self.day = table[:, 0]
        self.clock = table[:, -1]
        self.stops = table[:, -2]
        self.spread = table[:, 1 + _ASK] - table[:, 1 + _BID]
        self.within = self.clock <= until_ns
        self.sound = (
            self.within
            & (table[:, 1 + _BID] > 0)
            & (self.spread > 0)
            & (self.spread <= MAX_SPREAD_TICKS)
        )
        self._starts_cache: dict[tuple[int, bool], Longs] = {}
        queues = self._classes(table[:, [1 + _BID_LOTS, 1 + _ASK_LOTS]])
        self.kind = self._classes(table[:, -3]) + CLASSES * queues[:, 0] + CLASSES**2 * queues[:, 1]

    def _classes(self, values: Longs) -> Longs:
        """Classes by quantiles over the moments that have a book."""
        known = values[self.sound]
        edges = np.quantile(known, np.arange(1, CLASSES) / CLASSES) if len(known) else np.zeros(0)
        return np.searchsorted(edges, values)

    def blocks(
        self, block_steps: int, rng: np.random.Generator
    ) -> tuple[int, list[tuple[int, int]]]:
        """Draw the moment at which a day's opening ends, and where each later block of at most `block_steps` begins and ends."""
        openings = np.flatnonzero((np.diff(self.day, prepend=-1) != 0) & self.sound)
        if not len(openings):
            raise TapeError(
                "a day with a book of two sides", "none after its opening", "name days that trade"
            )
        now = opening = int(rng.choice(openings))
        remaining = int(np.count_nonzero(self.day == self.day[now])) - 1
        spans = []
        clock = int(self.clock[now])
        while remaining > 0:
            n_steps = min(block_steps, remaining)
            begins = self._draw_block(now, clock, n_steps, rng, closes=n_steps == remaining)
            now = begins + n_steps
            spans.append((begins, now))
            remaining = remaining - n_steps
            clock = clock + n_steps * MOMENT_NS
        return opening, spans

    def _draw_block(
        self, now: int, clock: int, steps: int, rng: np.random.Generator, closes: bool
    ) -> int:
        """Draw a moment at which a next block may begin, similar to the moment `now`.
        The last block of a day (`closes`) ends with a day's close.
        """
        fits = self._block_starts(steps, closes)
        away = np.abs(self.spread[fits] - self.spread[now])
        fits = fits[away == away.min()]
        near = np.abs(self.clock[fits] - clock) <= HOUR_NS
        alike = self.kind[fits] == self.kind[now]
        for some in (fits[alike & near], fits[alike], fits[near]):
            if len(some):
                return int(rng.choice(some))
        return int(rng.choice(fits))

    def _block_starts(self, steps: int, closes: bool) -> Longs:
        """Moments from which a block of `steps` moments can go, without a halt and with a book at both ends.
        With `closes` it ends with its day, if whole days are used.
        """
        key = steps, closes
        if key not in self._starts_cache:
            stop = np.minimum(np.arange(len(self.day)) + steps, len(self.day) - 1)
            is_contiguous = (self.clock[stop] - self.clock == steps * MOMENT_NS) & (
                self.day[stop] == self.day
            )
            fits = is_contiguous & self.sound & self.sound[stop] & (self.stops == self.stops[stop])
            if closes and self.within.all():
                fits &= np.diff(self.day, append=-1)[stop] != 0
            if not fits.any():
                raise TapeError(
                    "blocks without a halt, with a book at both ends", "none", "shorten the blocks"
                )
            self._starts_cache[key] = np.flatnonzero(fits)
        return self._starts_cache[key]
