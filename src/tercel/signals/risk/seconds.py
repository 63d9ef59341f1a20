"""Seconds of a market as the anomaly score reads them: order flow, depth and moves, simulated or counted live.

A second is one row of eight numbers. The same kernel measures a simulated market and the book that a live session
follows, since both are the same pair of arrays.
"""

from typing import Final, NamedTuple, Protocol

import numpy as np

from tercel.core.errors import CapacityError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.orders import M_KIND, MarketRows
from tercel.core.seeds import seed_stream
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.simulator.second_figures import ADDS, CANCELS, COLUMNS, LEVELS, TRADES, measure
from tercel.market.simulator.source import Source
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

RECORD_ROWS: Final = 1 << 14
"""Rows of a record that is read every second: more than any preset sends in one."""


class Second(NamedTuple):
    """Measures of one second of a market: flow, depth and moves.

    Parameters
    ----------
    spread_ticks : float
        Ask less bid at its end; the last known one while a side is empty.
    depth_own5, depth_far5 : float
        Public lots on the best five levels of the own side (bid without an own order) and of the other.
    imbalance : float
        (own - far) / (own + far).
    cancels, trades, adds : float
        Public orders withdrawn (in part or whole), resting orders executed, orders that came to rest, in this second.
    move_ticks : float
        Move of the public mid within it.
    """

    spread_ticks: float
    depth_own5: float
    depth_far5: float
    imbalance: float
    cancels: float
    trades: float
    adds: float
    move_ticks: float


def simulate(source: Source, rates: Floats, seed: int, index: int = 0, world: int = 0) -> Floats:
    """Seconds of a simulated reactive market whose rates change while it runs, float64 (n, 8).

    Parameters
    ----------
    source : Source
        A market that answers.
    rates : float64[n, 3]
        Factors of limit, market and cancel rates, by second; ones are an ordinary market.
    seed, index, world : int
        Of the flow's stream, and the book to start from.

    Returns
    -------
    float64[n, 8]
        One row per second, columns as in :class:`Second`, the bid being the own side.

    Raises
    ------
    CapacityError
        When the changed rates bring more orders than the book has slots for.
    """
    b = source.worlds_b[world].copy()
    k = sim.extend(source.worlds_k[world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    seconds = np.zeros((len(rates), COLUMNS))
    seconds[:, :3] = rates
    full = engine.measure_seconds(b, k, source.flow, seconds)
    if full >= 0:
        raise CapacityError(
            "room for the orders of every second", f"too many in second {full}", "scale rates less"
        )
    return seconds


class FollowedBook(Protocol):
    """Port of a followed market: its book and state arrays."""

    @property
    def book(self) -> Packed:
        """Packed book, int32, see `market.book.layout`."""

    @property
    def state(self) -> Longs:
        """Packed state, int64, see `market.simulator.layout`."""


@kernel
def _count(rows: Longs, counts: Floats) -> None:
    """Add the rows of an update to `counts`: additions, executions, and withdrawals in part or whole."""
    for i in range(rows.shape[0]):
        kind = rows[i, M_KIND]
        if kind == ADD:
            counts[ADDS] += 1.0
        elif kind == EXECUTE:
            counts[TRADES] += 1.0
        elif kind == DELETE or kind == REDUCE:
            counts[CANCELS] += 1.0


@kernel
def _close(
    b: Packed, k: Longs, mid2_before: int, scratch: Longs, counts: Floats, second: Floats
) -> int:
    """Write the second that ends now into `second` and reset the counts; the current mid, half-ticks."""
    s = state_at(k)
    measure(b, k, s.record, mid2_before if mid2_before != 0 else s.mid2, scratch, 0, second)
    for column in (ADDS, TRADES, CANCELS):
        second[column] = counts[column]
        counts[column] = 0.0
    return int(s.mid2)


class SecondReader:
    """Reader of seconds: counts a followed market's rows and closes a second on request.

    >>> reader = SecondReader()
    >>> reader.on_market(MarketRows("A", np.array([[0, ADD, 1, 1, 99, 5, 0]])))
    >>> int(reader.counts[ADDS])
    1
    """

    def __init__(self) -> None:
        """Start with counts of 0 and no mid."""
        self.counts = np.zeros(COLUMNS)
        self._mid2 = 0
        self._scratch = np.zeros(2 * LEVELS, np.int64)
        self._second = np.zeros(COLUMNS)

    def on_market(self, event: MarketRows) -> None:
        """Count the rows of an update; a snapshot is no flow."""
        if not event.snapshot:
            _count(event.rows, self.counts)

    def close(self, market: FollowedBook) -> Second:
        """Return the second that ends now, with counts and move since the last call, and begin to count the next."""
        self._mid2 = _close(
            market.book, market.state, self._mid2, self._scratch, self.counts, self._second
        )
        return Second._make(self._second.tolist())
