"""A day with what each of its rows did to the book, and the starts at which ghosts join.

The window is that of all fill studies: from 900 s after the opening to 300 s before the end. Minutes without a book
(a side empty, or a touch wider than 100 ticks, for any time at all) are dropped: nothing starts in one and no mid of
one is a mid. Days are never dropped. A tape that ends early ends the session a minute later.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.fills import fills_kernel as k
from tercel.core import NO_ASK, NO_BID, NS_PER_SECOND, Floats, Longs, TapeError
from tercel.market import Adder, compile_day
from tercel.market.tape import Events, Instrument

Bools = NDArray[np.bool_]

SKIP_S: Final = 900.0
END_S: Final = 300.0
EACH_S: Final = 10.0
"""Ghosts join so often, on each side."""
DISTANCES: Final = (0, 1, 2, -1)
"""Ticks behind the touch; below 0: inside the spread."""
WIDE_TICKS: Final = 100
"""A wider touch is none."""
MINUTE_NS: Final = 60 * NS_PER_SECOND


@dataclass(frozen=True, eq=False)
class ReplayedDay:
    """A day of n rows.

    Attributes
    ----------
    rows : int64[n, 6]
        Compiled rows (`fills_kernel.NS` to `LOTS`).
    seen : int64[n, SEEN]
        What each did (`fills_kernel.BORN` to `QUEUE`).
    starts : int64[G]
        When ghosts join, ns.
    first : int64[G]
        The first row after each start.
    stand : int64[G, 2, D, STAND]
        How the levels stood then: bid and ask, :data:`DISTANCES` behind the touch.
    booked : bool[minutes]
        Minutes of the session that have a book throughout.
    open_ns, close_ns : int
    lot : int
        Shares (units) of a lot.
    tick : float
    venue : str
    """

    rows: Longs
    seen: Longs
    starts: Longs
    first: Longs
    stand: Longs
    booked: Bools
    open_ns: int
    close_ns: int
    lot: int
    tick: float
    venue: str

    @property
    def ns(self) -> Longs:
        """Time of each row."""
        return self.rows[:, k.NS]

    @property
    def window(self) -> tuple[int, int]:
        """First and last moment at which something that is counted may begin, ns."""
        return _window(self.open_ns, self.close_ns)

    def within(self, ns: Longs) -> Bools:
        """Whether moments lie in the window and in minutes that have a book."""
        start, stop = self.window
        return np.asarray((ns >= start) & (ns <= stop) & self.has_book(ns))

    def has_book(self, ns: Longs) -> Bools:
        """Whether moments lie in minutes of the session that have a book."""
        minute = (ns - self.open_ns) // MINUTE_NS
        inside = (ns >= self.open_ns) & (ns <= self.close_ns)
        return np.asarray(inside & self.booked[np.clip(minute, 0, len(self.booked) - 1)])

    def row_at(self, ns: Longs) -> Longs:
        """Last row up to each moment, -1 before the first."""
        return np.asarray(np.searchsorted(self.ns, ns, side="right") - 1)

    def mid_at(self, ns: Longs) -> Floats:
        """Mid in ticks at each moment, nan where there is none."""
        return np.where(self.has_book(ns), self.mid_of(self.row_at(ns)), np.nan)

    def mid_of(self, row: Longs) -> Floats:
        """Mid in ticks after each row, nan where there is none."""
        bid, ask = (self.seen[np.maximum(row, 0), column] for column in (k.BID, k.ASK))
        fine = (row >= 0) & (bid < ask) & (ask - bid <= WIDE_TICKS)
        return np.where(fine, 0.5 * (bid + ask), np.nan)


class ReplayTally(Adder):
    """Sums of one replayed day."""

    def __init__(self, day: ReplayedDay) -> None:
        super().__init__(day.open_ns)
        self.day = day


def _window(open_ns: int, close_ns: int) -> tuple[int, int]:
    return open_ns + round(SKIP_S * NS_PER_SECOND), close_ns - round(END_S * NS_PER_SECOND)


def replayed(instrument: Instrument, events: Events) -> ReplayedDay:
    """Replay a day.

    Raises
    ------
    TapeError
        A tape of level totals, whose queues are not known, or a session that is shorter than the window's margins.
    """
    day = compile_day(instrument, events)
    about = f"{instrument.symbol} {instrument.date}"
    if day.by_level:
        raise TapeError(
            "a tape of single orders",
            f"level totals in {about}",
            "name a day whose queues are known",
        )
    open_ns, close_ns = instrument.session_open_ns, instrument.session_close_ns
    if not close_ns:
        open_ns, close_ns = int(events.exch_ns[0]), int(events.exch_ns[-1])
    close_ns = min(close_ns, int(events.exch_ns[-1]) + MINUTE_NS)
    start, stop = _window(open_ns, close_ns)
    if start >= stop:
        received = f"{(close_ns - open_ns) / NS_PER_SECOND:g} s on {about}"
        raise TapeError(
            f"a session longer than {SKIP_S + END_S:g} s", received, "name a longer day"
        )
    rows = day.rows.copy()
    starts = np.arange(start, stop + 1, round(EACH_S * NS_PER_SECOND), dtype=np.int64)
    seen, first, stand = noted(rows, starts, day.slots)
    return ReplayedDay(
        rows,
        seen,
        starts,
        first,
        stand,
        _booked(rows, seen, open_ns, close_ns),
        open_ns,
        close_ns,
        instrument.lot,
        instrument.tick,
        instrument.venue,
    )


def noted(rows: Longs, starts: Longs, slots: int) -> tuple[Longs, Longs, Longs]:
    """What each row did, the first row after each start and how the levels stood: `seen`, `first`, `stand`."""
    prices, rank = np.unique(rows[:, k.PRICE], return_inverse=True)
    seen = np.zeros((len(rows), k.SEEN), np.int64)
    first = np.zeros(len(starts), np.int64)
    stand = np.zeros((len(starts), 2, len(DISTANCES), k.STAND), np.int64)
    k.replay(
        rows,
        rank.astype(np.int64),
        prices,
        starts,
        np.array(DISTANCES, np.int64),
        np.zeros((2, len(prices), 2), np.int64),
        np.zeros((2, len(prices)), np.int64),
        np.zeros((slots + 1, k.ORDER), np.int64),
        seen,
        first,
        stand,
    )
    return seen, first, stand


def with_rows(day: ReplayedDay, rows: Longs) -> ReplayedDay:
    """A day with other rows of the same orders, replayed anew from its own starts."""
    seen, first, stand = noted(rows, day.starts, int(rows[:, k.SLOT].max(initial=0)) + 1)
    booked = _booked(rows, seen, day.open_ns, day.close_ns)
    return replace(day, rows=rows, seen=seen, first=first, stand=stand, booked=booked)


def _booked(rows: Longs, seen: Longs, open_ns: int, close_ns: int) -> Bools:
    """Minutes without a moment at which a side is empty or the touch too wide."""
    ns = rows[:, k.NS]
    until = np.append(ns[1:], close_ns)
    bid, ask = seen[:, k.BID], seen[:, k.ASK]
    none = ((bid == NO_BID) | (ask == NO_ASK) | (ask - bid > WIDE_TICKS)) & (until > ns)
    none &= (until > open_ns) & (ns < close_ns)
    minutes = int(-(-(close_ns - open_ns) // MINUTE_NS))
    change = np.zeros(minutes + 1, np.int64)
    np.add.at(change, np.clip((ns[none] - open_ns) // MINUTE_NS, 0, minutes - 1), 1)
    np.add.at(change, np.clip((until[none] - 1 - open_ns) // MINUTE_NS, 0, minutes - 1) + 1, -1)
    return np.asarray(np.cumsum(change[:-1]) == 0)
