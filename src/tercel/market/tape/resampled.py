"""Days that never were, made of blocks of days that were: a resampled tape.

A day is cut into blocks of some minutes. Each block is a stretch of one of the real days, order by order, at its own
hour, and begins where a real book was in the state of the day's book now: the same spread, queues at the touch and trades
of the last minutes of the same class, about the same time of day. Prices are moved so that the bids meet. What a fill
costs passive orders, how fast queues go and what can be foreseen within a block are so the tape's own, with as many days as
one wants.

The first block is the opening of a real day, the last one the close of one.

Where two blocks meet, trading halts for a moment of no length, and the book becomes that of the new block:
lots too many at a price leave from the back of its queue, lots too few join there. Which orders are ahead of an own order
stays ahead of it. An order of the new block that stood before it began is carried on by the lots at its place in the
queue.
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
from tercel.market.tape.compiled import ROW, CompiledDay, emit
from tercel.market.tape.events import Events, Instrument, midnight_ns

BLOCK_S: Final = 600.0
"""Length of a block."""
OPENING_S: Final = 900.0
"""The first block of a day is the opening of a real day, so long."""
EACH_NS: Final = 10 * NS_PER_SECOND
"""A block may begin so often."""
HOUR_NS: Final = 1800 * NS_PER_SECOND
"""Blocks come from so near the same time of day, where such blocks exist."""
CLASSES: Final = 3
"""Classes of queues at the touch, and of the volume traded within `BUSY_NS`, by quantiles of the tape."""
BUSY_NS: Final = 300 * NS_PER_SECOND
"""Window of recent volume, ns."""
SOUND: Final = 0.9
"""Share of a day's moments that have a book, at least."""
WIDEST: Final = 100
"""Ticks of a spread beyond which nothing begins."""
LEAST_LEVELS: Final = 5
"""Of a tape that shows those near the touch (`market.flow.resampled`)."""

_NS, _KIND, _SLOT, _SIDE, _PRICE, _LOTS = range(ROW)
# Of a moment at which a block may begin: its row and time, the touch, the lots on it.
_ROW, _AT, _BID, _ASK, _BID_LOTS, _ASK_LOTS = range(6)
# Of an order of the day that is made, by its number.
_OWN_SIDE, _OWN_PRICE, _OWN_LEFT = range(3)


@kernel
def apply_row(rows: Longs, i: int, book: Longs) -> None:
    """One compiled row on a table of orders, int64 (slots, 4): side, price, lots left, the row that added it."""
    kind, slot = rows[i, _KIND], rows[i, _SLOT]
    if kind == schema.ADD:
        book[slot, 0], book[slot, 1], book[slot, 2], book[slot, 3] = (
            rows[i, _SIDE],
            rows[i, _PRICE],
            rows[i, _LOTS],
            i,
        )
    elif kind == schema.CLEAR:
        book[:, 2] = 0
    elif slot >= 0 and (kind == schema.REDUCE or kind == schema.DELETE or kind == schema.EXECUTE):
        book[slot, 2] -= min(rows[i, _LOTS], book[slot, 2])


@kernel
def moments(rows: Longs, start_ns: int, book: Longs, out: Longs) -> None:
    """State of the book at `start_ns` and every `EACH_NS` after it, int64 (moments, 6); a missing side is 0."""
    i = 0
    for n in range(out.shape[0]):
        ns = start_ns + n * EACH_NS
        while i < rows.shape[0] and rows[i, _NS] <= ns:
            apply_row(rows, i, book)
            i += 1
        bid, ask, bid_lots, ask_lots = 0, 0, 0, 0
        for slot in range(book.shape[0]):
            side, price, lots = book[slot, 0], book[slot, 1], book[slot, 2]
            if lots <= 0:
                continue
            if side > 0 and price >= bid:
                bid_lots = lots + (bid_lots if price == bid else 0)
                bid = price
            elif side < 0 and (ask == 0 or price <= ask):
                ask_lots = lots + (ask_lots if price == ask else 0)
                ask = price
        out[n, _ROW], out[n, _AT], out[n, _BID], out[n, _ASK] = i, ns, bid, ask
        out[n, _BID_LOTS], out[n, _ASK_LOTS] = bid_lots, ask_lots


@kernel
def _end(orders: Longs, i: int) -> int:
    """One past the last order of the level that begins at `i`."""
    j = i + 1
    while j < orders.shape[0] and orders[j, 1] == orders[i, 1] and orders[j, 2] == orders[i, 2]:
        j += 1
    return j


@kernel
def _before(a: Longs, i: int, b: Longs, j: int) -> bool:
    """Whether the level of `a[i]` comes before that of `b[j]`."""
    return bool(a[i, 1] < b[j, 1] or (a[i, 1] == b[j, 1] and a[i, 2] < b[j, 2]))


@kernel
def _total(orders: Longs, i: int, j: int) -> int:
    total = 0
    for n in range(i, j):
        total += orders[n, 3]
    return total


@kernel
def join(
    resting: Longs,
    comes: Longs,
    ns: int,
    own: Longs,
    born: int,
    pieces: Longs,
    ends: Longs,
    out: Longs,
) -> tuple[int, int, int]:
    """Turn one book into another at `ns`: how many rows, orders and pieces there are then.

    Parameters
    ----------
    resting, comes : int64 (n, 4)
        Number (slot of `comes`), side, price and lots of the orders of both books, by side, price and place in the
        queue.
    own : int64 (orders, 3)
        Side, price and lots left of every order of the day that is made, by number; `born` of them are there.
    pieces : int64 (pieces, 2)
        Number and lots: what carries on the orders that come. Those of a slot are `[ends[slot, 0], ends[slot, 1])`.
    out : int64 (rows, 6)
        The rows: cancels first, so that the book never crosses.
    """
    at = emit(out, 0, ns, schema.STATUS, -1, 0, -1, 0)
    i, j = 0, 0
    while i < resting.shape[0]:
        end = _end(resting, i)
        while j < comes.shape[0] and _before(comes, j, resting, i):
            j = _end(comes, j)
        wanted = 0
        if j < comes.shape[0] and not _before(resting, i, comes, j):
            wanted = _total(comes, j, _end(comes, j))
        excess, n = _total(resting, i, end) - wanted, end - 1
        while excess > 0:
            gone = min(excess, resting[n, 3])
            resting[n, 3] -= gone
            own[resting[n, 0], _OWN_LEFT] -= gone
            kind = schema.DELETE if resting[n, 3] == 0 else schema.REDUCE
            at = emit(out, at, ns, kind, resting[n, 0], resting[n, 1], resting[n, 2], gone)
            excess -= gone
            n -= 1
        i = end
    i, j, made = 0, 0, 0
    while j < comes.shape[0]:
        end = _end(comes, j)
        while i < resting.shape[0] and _before(resting, i, comes, j):
            i = _end(resting, i)
        stop = _end(resting, i) if i < resting.shape[0] and not _before(comes, j, resting, i) else i
        more = _total(comes, j, end) - _total(resting, i, stop)
        if more > 0:
            own[born, _OWN_SIDE], own[born, _OWN_PRICE], own[born, _OWN_LEFT] = (
                comes[j, 1],
                comes[j, 2],
                more,
            )
            at = emit(out, at, ns, schema.ADD, born, comes[j, 1], comes[j, 2], more)
        for n in range(j, end):
            wanted = comes[n, 3]
            ends[comes[n, 0], 0] = made
            while wanted > 0:
                while i < stop and resting[i, 3] == 0:
                    i += 1
                number, there = (resting[i, 0], resting[i, 3]) if i < stop else (born, more)
                lots = min(wanted, there)
                pieces[made, 0], pieces[made, 1] = number, lots
                made += 1
                wanted -= lots
                if i < stop:
                    resting[i, 3] -= lots
                else:
                    more -= lots
            ends[comes[n, 0], 1] = made
        if own[born, _OWN_LEFT] > 0:
            born += 1
        i, j = stop, end
    return emit(out, at, ns, schema.STATUS, -1, 0, 1, 0), born, made


@kernel
def _take(own: Longs, number: int, lots: int, kind: int, ns: int, out: Longs, at: int) -> int:
    """Lots of an order go; the place of the next row."""
    gone = min(lots, own[number, _OWN_LEFT])
    if gone <= 0:
        return at
    own[number, _OWN_LEFT] -= gone
    if kind != schema.EXECUTE:
        kind = schema.DELETE if own[number, _OWN_LEFT] == 0 else schema.REDUCE
    return emit(out, at, ns, kind, number, own[number, _OWN_SIDE], own[number, _OWN_PRICE], gone)


@kernel
def play(
    rows: Longs,
    first: int,
    last: int,
    later_ns: int,
    higher: int,
    number_of: Longs,
    own: Longs,
    born: int,
    pieces: Longs,
    ends: Longs,
    out: Longs,
    at: int,
) -> tuple[int, int]:
    """Write rows `[first, last)` of a real day, moved in time and price; how many rows and orders there are then."""
    for i in range(first, last):
        kind, slot, ns = rows[i, _KIND], rows[i, _SLOT], rows[i, _NS] + later_ns
        if kind == schema.ADD:
            own[born, _OWN_SIDE], own[born, _OWN_LEFT] = rows[i, _SIDE], rows[i, _LOTS]
            own[born, _OWN_PRICE] = max(rows[i, _PRICE] + higher, 1)
            number_of[slot], ends[slot, 0], ends[slot, 1] = born, 0, 0
            at = emit(
                out,
                at,
                ns,
                kind,
                born,
                own[born, _OWN_SIDE],
                own[born, _OWN_PRICE],
                own[born, _OWN_LEFT],
            )
            born += 1
        elif kind == schema.CLEAR:
            own[:born, _OWN_LEFT] = 0
            at = emit(out, at, ns, kind, -1, 0, 0, 0)
        elif kind == schema.STATUS:
            at = emit(out, at, ns, kind, -1, 0, rows[i, _PRICE], 0)
        elif slot < 0:
            if kind == schema.EXECUTE or kind == schema.TRADE_HIDDEN:
                price = max(rows[i, _PRICE] + higher, 1)
                at = emit(out, at, ns, kind, -1, rows[i, _SIDE], price, rows[i, _LOTS])
        elif ends[slot, 0] == ends[slot, 1]:
            if number_of[slot] >= 0:
                at = _take(own, number_of[slot], rows[i, _LOTS], kind, ns, out, at)
        else:
            left = rows[i, _LOTS]
            while left > 0 and ends[slot, 0] < ends[slot, 1]:
                n = ends[slot, 0] if kind == schema.EXECUTE else ends[slot, 1] - 1
                gone = min(left, pieces[n, 1])
                at = _take(own, pieces[n, 0], gone, kind, ns, out, at)
                pieces[n, 1] -= gone
                left -= gone
                if pieces[n, 1] == 0 and kind == schema.EXECUTE:
                    ends[slot, 0] += 1
                elif pieces[n, 1] == 0:
                    ends[slot, 1] -= 1
            if ends[slot, 0] == ends[slot, 1]:
                number_of[slot] = -1
    return at, born


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
    >>> from tercel.market.tape.compiled import compiled
    >>> lake = simulated_lake(Path(tempfile.mkdtemp()), hours=1.0)
    >>> days = [compiled(lake, "SIM", date) for date in lake.days("SIM")]
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
        if not (self.block_s > 0 and self.block_s * NS_PER_SECOND % EACH_NS == 0):
            raise TapeError(
                f"blocks of {EACH_NS // NS_PER_SECOND} s, or a multiple of it",
                f"{self.block_s:g} s",
                "600 s is usual",
            )
        table = np.concatenate([self._moments(number, day) for number, day in enumerate(self.days)])
        at = _Moments(table, self.until_s * NS_PER_SECOND)
        for number, day in enumerate(self.days):
            if (share := float(at.sound[at.within & (at.day == number)].mean())) < SOUND:
                raise TapeError(
                    f"a book of two sides {SOUND:.0%} of the time",
                    f"{share:.0%} on {day.instrument.symbol} {day.instrument.date}",
                    "leave this day out",
                )
        object.__setattr__(self, "_at", at)

    @property
    def steps(self) -> int:
        """Moments from the beginning of a block to its end."""
        return round(self.block_s * NS_PER_SECOND) // EACH_NS

    def day(self, date: str, seed: int) -> tuple[Instrument, Events]:
        """A day of its own for each seed, at the opening hours of the real day whose opening it has.

        Raises
        ------
        TapeError
            When no block fits.
        """
        at: _Moments = self._at  # type: ignore[attr-defined]
        rng = np.random.default_rng((seed, self.steps))
        opening, blocks = at.blocks(self.steps, rng)
        like = self.days[int(at.day[opening])].instrument
        opened = (
            midnight_ns(date, like.timezone)
            + like.session_open_ns
            - midnight_ns(like.date, like.timezone)
        )
        rows = self._rows(at, opening, blocks, opened)
        extra = {
            "synthetic": True,
            "resampled_of": [one.instrument.date for one in self.days],
            "seed": seed,
        }
        made = Instrument(
            like.venue,
            like.symbol,
            date,
            like.tick,
            like.lot,
            0,
            like.timezone,
            ("resampled",),
            opened,
            opened + like.session_close_ns - like.session_open_ns,
            extra=extra | {"block_s": self.block_s},
        )
        return made, as_events(rows)

    def _moments(self, number: int, day: CompiledDay) -> Longs:
        """Number of the day, its moments, trades lately, halts before each, time since the opening; int64 (n, 10)."""
        one = day.instrument
        about = f"{one.symbol} {one.date}"
        if one.extra.get("resampled_of"):
            raise TapeError(
                "real days", f"{about}, which is made of others", "name the days that it is made of"
            )
        if (
            day.by_level
            or one.levels
            or np.isin(day.rows[:, _KIND], (schema.ROLL_IN, schema.ROLL_OUT)).any()
        ):
            raise TapeError(
                f"tapes of single orders, of {LEAST_LEVELS} levels a side or more",
                f"level totals, or too few levels, in {about}",
                "give `model=queue_reactive`, or of the touch alone `model=santa_fe`",
            )
        first_ns = one.session_open_ns + round(OPENING_S * NS_PER_SECOND)
        count = (one.session_close_ns - first_ns) // EACH_NS + 1
        used_s = min((one.session_close_ns - one.session_open_ns) / NS_PER_SECOND, self.until_s)
        if (
            not one.session_open_ns
            or (used_s - OPENING_S) * NS_PER_SECOND // EACH_NS < 2 * self.steps
        ):
            raise TapeError(
                "a session that is longer than its opening and two blocks",
                f"{max(used_s, 0):g} s in {about}",
                "shorten the blocks",
            )
        found = np.zeros((count, 6), np.int64)
        moments(day.rows, first_ns, np.zeros((day.slots, 4), np.int64), found)
        stops = np.append(0, np.cumsum(np.isin(day.rows[:, _KIND], (schema.STATUS, schema.CLEAR))))
        traded = np.append(0, np.cumsum(day.rows[:, _KIND] == schema.EXECUTE))
        busy = (
            traded[found[:, _ROW]]
            - traded[np.searchsorted(day.rows[:, _NS], found[:, _AT] - BUSY_NS)]
        )
        since = found[:, _AT] - one.session_open_ns
        return np.column_stack((np.full(count, number), found, busy, stops[found[:, _ROW]], since))

    def _rows(
        self, at: "_Moments", opening: int, blocks: Sequence[tuple[int, int]], opened: int
    ) -> Longs:
        """The rows of a day: the opening up to a moment, and blocks, each from one moment to another."""
        day, until = self.days[int(at.day[opening])], int(at.table[opening, 1 + _ROW])
        spans = [(at.table[i], int(at.table[j, 1 + _ROW])) for i, j in blocks]
        most = until + sum(last - int(one[1 + _ROW]) for one, last in spans)
        own = np.zeros((most + len(spans) * max(one.slots for one in self.days), 3), np.int64)
        slots, pieces = self._blank(day), np.zeros((0, 2), np.int64)
        room, later = np.zeros((until, ROW), np.int64), opened - day.instrument.session_open_ns
        made, born = play(day.rows, 0, until, later, 0, slots[0], own, 0, pieces, slots[1], room, 0)
        out, clock = [room[:made]], int(at.clock[opening])
        for number, (one, last) in enumerate(spans):
            day, row = self.days[int(one[0])], int(one[1 + _ROW])
            slots = self._blank(day)
            resting = _queues(own[:born, [_OWN_SIDE, _OWN_PRICE, _OWN_LEFT]])
            bid = int(resting[resting[:, 1] > 0, 2].max())
            higher = bid - int(one[1 + _BID])
            book = np.zeros((day.slots, 4), np.int64)
            replay(day.rows, row, book)
            book[:, 1] = np.maximum(book[:, 1] + higher, 1)
            comes = _queues(book[:, :3], book[:, 3])
            room = np.zeros((last - row + 3 * (len(resting) + len(comes)) + 2, ROW), np.int64)
            pieces = np.zeros((len(resting) + 2 * len(comes), 2), np.int64)
            made, born, _ = join(resting, comes, opened + clock, own, born, pieces, slots[1], room)
            later = opened + clock - int(one[1 + _AT])
            made, born = play(
                day.rows,
                row,
                last,
                later,
                higher,
                slots[0],
                own,
                born,
                pieces,
                slots[1],
                room,
                made,
            )
            out.append(room[:made])
            clock += EACH_NS * (blocks[number][1] - blocks[number][0])
        return np.concatenate(out)

    def _blank(self, day: CompiledDay) -> tuple[Longs, Longs]:
        """For each slot of a day the number of its order, and the pieces that carry it on: none."""
        return np.full(day.slots, -1, np.int64), np.zeros((day.slots, 2), np.int64)


@kernel
def replay(rows: Longs, last: int, book: Longs) -> None:
    """The table of orders after the first rows."""
    for i in range(last):
        apply_row(rows, i, book)


def _queues(book: Longs, arrival: Longs | None = None) -> Longs:
    """Number, side, price and lots of the orders that rest, by side, price and arrival (number where none is given)."""
    alive = np.flatnonzero(book[:, 2] > 0)
    by = alive if arrival is None else arrival[alive]
    alive = alive[np.lexsort((by, book[alive, 1], book[alive, 0]))]
    return np.ascontiguousarray(np.column_stack((alive, book[alive])))


class _Moments:
    """Moments at which blocks may begin and end: `table`, int64 (m, 10), those within the hours used, and the class of
    each by queues and activity.
    """

    def __init__(self, table: Longs, until_ns: float) -> None:
        self.table = table
        self.day = table[:, 0]
        self.clock = table[:, -1]
        self.stops = table[:, -2]
        self.spread = table[:, 1 + _ASK] - table[:, 1 + _BID]
        self.within = self.clock <= until_ns
        self.sound = (
            self.within & (table[:, 1 + _BID] > 0) & (self.spread > 0) & (self.spread <= WIDEST)
        )
        self._known: dict[tuple[int, bool], Longs] = {}
        queues = self._classes(table[:, [1 + _BID_LOTS, 1 + _ASK_LOTS]])
        self.kind = self._classes(table[:, -3]) + CLASSES * queues[:, 0] + CLASSES**2 * queues[:, 1]

    def _classes(self, values: Longs) -> Longs:
        """Classes by quantiles over the moments that have a book."""
        known = values[self.sound]
        edges = np.quantile(known, np.arange(1, CLASSES) / CLASSES) if len(known) else np.zeros(0)
        return np.searchsorted(edges, values)

    def blocks(self, steps: int, rng: np.random.Generator) -> tuple[int, list[tuple[int, int]]]:
        """The moment up to which a day's opening goes, and where each block after it begins and ends."""
        openings = np.flatnonzero((np.diff(self.day, prepend=-1) != 0) & self.sound)
        if not len(openings):
            raise TapeError(
                "a day with a book of two sides", "none after its opening", "name days that trade"
            )
        now = opening = int(rng.choice(openings))
        left = int(np.count_nonzero(self.day == self.day[now])) - 1
        found, clock = [], int(self.clock[now])
        while left > 0:
            some = min(steps, left)
            begins = self._follows(now, clock, some, rng, closes=some == left)
            now = begins + some
            found.append((begins, now))
            left, clock = left - some, clock + some * EACH_NS
        return opening, found

    def _follows(
        self, now: int, clock: int, steps: int, rng: np.random.Generator, closes: bool
    ) -> int:
        """A moment at which a block may begin that follows on this one; the last block is the close of a real day."""
        fits = self._whole(steps, closes)
        away = np.abs(self.spread[fits] - self.spread[now])
        fits = fits[away == away.min()]
        near = np.abs(self.clock[fits] - clock) <= HOUR_NS
        alike = self.kind[fits] == self.kind[now]
        for some in (fits[alike & near], fits[alike], fits[near]):
            if len(some):
                return int(rng.choice(some))
        return int(rng.choice(fits))

    def _whole(self, steps: int, closes: bool) -> Longs:
        """Moments from which a block goes so many steps, without a halt and with a book at both ends."""
        key = steps, closes
        if key not in self._known:
            stop = np.minimum(np.arange(len(self.day)) + steps, len(self.day) - 1)
            whole = (self.clock[stop] - self.clock == steps * EACH_NS) & (
                self.day[stop] == self.day
            )
            fits = whole & self.sound & self.sound[stop] & (self.stops == self.stops[stop])
            if closes and self.within.all():
                fits &= np.diff(self.day, append=-1)[stop] != 0
            if not fits.any():
                raise TapeError(
                    "blocks without a halt, with a book at both ends", "none", "shorten the blocks"
                )
            self._known[key] = np.flatnonzero(fits)
        return self._known[key]


def as_events(rows: Longs) -> Events:
    """Rows whose slot is the number of an order as a tape."""
    columns = (rows[:, column] for column in (_SIDE, _PRICE, _LOTS))
    return Events.of_messages(rows[:, _NS], rows[:, _KIND], rows[:, _SLOT] + 1, *columns)
