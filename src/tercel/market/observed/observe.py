"""A tape, or a simulated day, as one row per public event with the book just before it.

Definition of an event:

- a limit order that comes to rest behind a quoted opposite side; the remainder that a market order leaves resting is
  written too, flagged `remainder`;
- lots withdrawn, whole or in part; an order moved to another price is a cancel and a limit order;
- executions of one stamp and one aggressor side, merged into one MARKET row (size together, price of the first);
- no event: hidden executions (counted apart), crosses, levels that roll in or out of a feed's window, the rows of a
  snapshot (OPENING, or right after a CLEAR), anything while trading is halted, a side is missing or the book is
  crossed.

Of a feed of level totals (LEVEL_SET) the differences are read: prints (TRADE) are MARKET rows, what a level has more
than its prints left is a limit order, what it has less is a cancel. Several orders within one update are one there.
"""

from dataclasses import dataclass, replace

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Bytes, Int8, Int32, Ints
from tercel.core.errors import TapeError
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import event_columns, observe_kernel as k
from tercel.market.tape import Events, Instrument
from tercel.market.tape.schema import ADD, LEVEL_SET, MODIFY, TRADE_HIDDEN

_WIDE = {
    "ns": np.int64,
    "kind": np.uint8,
    "side": np.int8,
    "price": np.int32,
    "distance": np.int32,
    "lots": np.int32,
    "order_id": np.int64,
    "remainder": np.bool_,
}
_BOOK = ("bid_px", "ask_px", "bid_lots", "ask_lots")
# Columns of a row, as the kernel writes them: to its row of words, and to its row of levels.
_BY_ROW = (*_WIDE, *_BOOK)


@dataclass(frozen=True, eq=False)
class Observed:
    """Public events of one stretch of a session, n rows in tape order.

    Attributes
    ----------
    ns : int64[n]
        Exchange time.
    kind : uint8[n]
        See :mod:`tercel.market.observed.observe_kernel`.
    side : int8[n]
        +1 bid, -1 ask: of the order itself; of a MARKET row the aggressor (+1 buys).
    price : int32[n]
        Ticks; of a MARKET row that of its first execution.
    distance : int32[n]
        Ticks from the opposite best, 0 for MARKET.
    lots : int32[n]
        Lots placed, withdrawn or executed, in the tape's lots.
    order_id : int64[n]
        The exchange's id; 0 if it is not known.
    remainder : bool[n]
        Whether the order is the resting remainder of a market order.
    bid_px, ask_px, bid_lots, ask_lots : int32[n, levels]
        The occupied levels just before, best first; 0 beyond the last.
    hidden : int64[h, 6]
        Hidden executions while a touch stood and trading was on: ns, price and lots (of the tape), best bid, best ask,
        side that rested (0: not told).
    mid2, spread : int64[seconds + 1]
        Best bid + best ask and their difference (ticks) at each full second from `start_ns`, the last two-sided
        values where a side is missing; 0 before there were any.
    start_ns, stop_ns, open_ns : int
        The stretch, and the session's opening.
    lot : int
        Shares of a lot.
    window : int
        Occupied levels a side beyond which events were left out, 0 none.
    counts : dict of str to int
        unknown (messages of orders that were never seen), halts, clears, outside (events beyond `window`),
        hidden_lots.
    """

    ns: Ints
    kind: Bytes
    side: Int8
    price: Int32
    distance: Int32
    lots: Int32
    order_id: Ints
    remainder: Bools
    bid_px: Int32
    ask_px: Int32
    bid_lots: Int32
    ask_lots: Int32
    hidden: Ints
    mid2: Ints
    spread: Ints
    start_ns: int
    stop_ns: int
    open_ns: int
    lot: int
    window: int
    counts: dict[str, int]

    @property
    def n(self) -> int:
        """Number of events."""
        return len(self.ns)

    @property
    def seconds(self) -> float:
        """Length of the stretch."""
        return (self.stop_ns - self.start_ns) / NS_PER_SECOND

    @property
    def from_s(self) -> float:
        """Start of the stretch, seconds after the session's opening."""
        return (self.start_ns - self.open_ns) / NS_PER_SECOND

    @property
    def behind(self) -> Ints:
        """int64[n] ticks behind the own side's best, below 0 inside the spread."""
        best = np.where(self.side > 0, self.bid_px[:, 0], self.ask_px[:, 0])
        return (best.astype(np.int64) - self.price) * self.side

    def part(self, start_ns: int, stop_ns: int) -> "Observed":
        """The events in [start_ns, stop_ns); counts stay those of the whole stretch."""
        first, last = (int(i) for i in np.searchsorted(self.ns, (start_ns, stop_ns)))
        begin, end = (-(-(ns - self.start_ns) // NS_PER_SECOND) for ns in (start_ns, stop_ns))
        rows = {name: getattr(self, name)[first:last] for name in _BY_ROW}
        hidden = self.hidden[(self.hidden[:, 0] >= start_ns) & (self.hidden[:, 0] < stop_ns)]
        mid2 = self.mid2[begin : end + 1]
        spread = self.spread[begin : end + 1]
        return replace(
            self,
            start_ns=start_ns,
            stop_ns=stop_ns,
            hidden=hidden,
            mid2=mid2,
            spread=spread,
            **rows,
        )


def observe(
    instrument: Instrument,
    events: Events,
    skip_s: float = 900.0,
    levels: int = 5,
    from_s: float | None = None,
    to_s: float | None = None,
    window: int | None = None,
) -> Observed:
    """Public events of a tape, with the book before each.

    Parameters
    ----------
    instrument : Instrument
        Session bounds (where they are not known: the first and the last row), lot, and the levels that the feed shows.
    events : Events
        The whole day in file order: the book is built from its first row on, wherever the stretch begins.
    skip_s : float
        Seconds left out at the opening (of a simulated day: its warm-up).
    levels : int
        Levels a side that are written with each event.
    from_s, to_s : float, optional
        A stretch of the session, seconds after its opening. The skipped seconds stay out in any case.
    window : int, optional
        Leave out events that lie behind this many better occupied levels, as a feed of so many levels does; 0 keeps
        all. Default: the instrument's `levels`.

    Raises
    ------
    TapeError
        A tape without limit orders or level totals, or a stretch of no length.
    """
    kind = events.kind
    if not len(kind) or not np.any((kind == ADD) | (kind == LEVEL_SET)):
        raise TapeError(
            "a tape of orders or of level totals",
            f"{len(kind)} rows without either",
            "take a feed that shows a book",
        )
    start, stop, opening = stretch(instrument, events.exch_ns, skip_s, from_s, to_s)
    prices, rank = np.unique(events.price_ticks, return_inverse=True)
    ids, dense = np.unique(events.order_id, return_inverse=True)
    rows = len(kind) + int(np.count_nonzero(kind == MODIFY))
    event_rows = np.zeros((rows, 8), np.int64)
    book = np.zeros((rows, 4, levels), np.int32)
    grid2 = np.zeros(((stop - start) // NS_PER_SECOND + 1, 2), np.int64)
    hidden = np.zeros((int(np.count_nonzero(kind == TRADE_HIDDEN)), 6), np.int64)
    state = np.zeros(event_columns.STATE, np.int64)
    visible_levels = instrument.levels if window is None else window
    level = np.zeros((2, len(prices), event_columns.COLUMNS), np.int64)
    known = np.zeros((len(ids), event_columns.FIELDS), np.int64)
    k.replay_tape(
        events.columns(),
        dense.astype(np.int64),
        rank.astype(np.int64),
        prices.astype(np.int64),
        start,
        stop,
        visible_levels,
        event_columns.Tally(level, known, state, event_rows, book),
        grid2,
        hidden,
    )
    counts = {
        "unknown": event_columns.UNKNOWN,
        "halts": event_columns.HALTS,
        "clears": event_columns.CLEARS,
        "outside": event_columns.OUTSIDE,
        "hidden_lots": event_columns.HIDDEN,
    }
    return Observed(
        **_columns(event_rows, book, int(state[event_columns.ROWS])),
        hidden=hidden[: state[event_columns.HIDDEN_ROWS]],
        mid2=np.ascontiguousarray(grid2[:, 0]),
        spread=np.ascontiguousarray(grid2[:, 1]),
        start_ns=start,
        stop_ns=stop,
        open_ns=opening,
        lot=instrument.lot,
        window=visible_levels,
        counts={name: int(state[word]) for name, word in counts.items()},
    )


def split_at_breaks(observed: Observed, hours: VenueRules) -> list[Observed]:
    """The parts of a stretch that lie in windows of trading; without windows, the whole stretch."""
    spans = [
        (max(window.start_ns, observed.start_ns), min(window.end_ns, observed.stop_ns))
        for window in hours.windows
    ]
    return [observed.part(start, stop) for start, stop in spans if start < stop] or [observed]


def stretch(
    instrument: Instrument, ns: Ints, skip_s: float, from_s: float | None, to_s: float | None
) -> tuple[int, int, int]:
    """Start and stop of the stretch and the session's opening, ns.

    Raises
    ------
    TapeError
        When nothing is left between start and stop.
    """
    opening, close = instrument.session(ns)
    start = opening + round(max(skip_s, from_s or 0.0) * NS_PER_SECOND)
    stop = close if to_s is None else min(close, opening + round(to_s * NS_PER_SECOND))
    if start >= stop:
        raise TapeError(
            "a stretch of the session to read",
            f"{(close - opening) / NS_PER_SECOND:g} s of session, of which {skip_s:g} s are left out at the opening"
            + (
                ""
                if from_s is None and to_s is None
                else f" and {from_s or 0:g} to {to_s or 0:g} s were requested"
            ),
            "skip less, or request another stretch",
        )
    return start, stop, opening


def _columns(event_rows: Ints, book: Int32, n: int) -> dict[str, AnyArray]:
    """The event rows of the kernel as a mapping of column names to arrays."""
    columns: dict[str, AnyArray] = {
        name: event_rows[:n, column].astype(dtype)
        for column, (name, dtype) in enumerate(_WIDE.items())
    }
    return columns | {
        name: np.ascontiguousarray(book[:n, column]) for column, name in enumerate(_BOOK)
    }
