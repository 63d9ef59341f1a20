"""Risk meter: `RiskState` from market data, second by second, for a live desk and for studies."""

import math
from typing import Final, Protocol

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.orders import M_KIND, MarketRows
from tercel.market.simulator.records import state_at
from tercel.market.simulator.seconds import ADDS, CANCELS, COLUMNS, LEVELS, TRADES, measure
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tercel.signals.risk.anomaly import AnomalyBaseline, Second, StreamingAnomaly
from tercel.signals.risk.posture import RiskState

GAINS: Final = 1.0 - math.exp2(-1.0 / 120.0), 1.0 - math.exp2(-1.0 / 30.0)
"""Shares of a new second in volatility and in depth now: half-lives of two minutes and of half a minute."""


class FollowedBook(Protocol):
    """Port of a followed market: its pair of arrays."""

    @property
    def book(self) -> Packed:
        """Packed book, int32, see `market.book.layout`."""

    @property
    def state(self) -> Longs:
        """Packed state, int64, see `market.simulator.layout`."""


@kernel
def _count(rows: Longs, counts: Floats) -> None:
    """Count the rows of an update by what they are."""
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
    b: Packed, k: Longs, mid2_before: int, scratch: Longs, counts: Floats, out: Floats
) -> int:
    """The second that ends now into `out`, the counts begun anew; the mid, half ticks."""
    s = state_at(k)
    measure(b, k, s.record, mid2_before if mid2_before != 0 else s.mid2, scratch, 0, out)
    for column in (ADDS, TRADES, CANCELS):
        out[column] = counts[column]
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
        self.counts = np.zeros(COLUMNS)
        self._mid2 = 0
        self._scratch = np.zeros(2 * LEVELS, np.int64)
        self._out = np.zeros(COLUMNS)

    def on_market(self, event: MarketRows) -> None:
        """Count the rows of an update; a snapshot is no flow."""
        if not event.snapshot:
            _count(event.rows, self.counts)

    def close(self, market: FollowedBook) -> Second:
        """The second that ends now: depth and touch of the market, counts and move since the last call."""
        self._mid2 = _close(
            market.book, market.state, self._mid2, self._scratch, self.counts, self._out
        )
        return Second._make(self._out.tolist())


class RiskMeter:
    """Meter of one instrument: seconds to the states that its posture follows.

    Parameters
    ----------
    instrument : str
    calm : AnomalyBaseline, optional
        What is ordinary (`anomaly.learn_calm`). Without it the first `warm_s` seconds are taken for calm; until then
        the state holds NaN, and the posture is the cautious one.
    warm_s : int
    """

    def __init__(
        self, instrument: str, calm: AnomalyBaseline | None = None, warm_s: int = 600
    ) -> None:
        self.instrument = instrument
        self.score = StreamingAnomaly(calm, warm_s)
        self._variance = self._depth = math.nan

    def update(self, second: Second, at_ns: int) -> RiskState:
        """Risk state after one more second, which ended at `at_ns`."""
        anomaly = self.score.update(second)
        calm = self.score.calm
        if calm is None:
            return RiskState(self.instrument, at_ns, math.nan, math.nan, math.nan)
        square = second.move_ticks**2
        lots = second.depth_own5 + second.depth_far5
        if math.isnan(self._variance):
            self._variance = calm.variance
            self._depth = calm.depth
        if math.isfinite(square) and math.isfinite(lots):
            self._variance += GAINS[0] * (square - self._variance)
            self._depth += GAINS[1] * (lots - self._depth)
            volatility = (
                math.sqrt(self._variance / calm.variance) if calm.variance > 0 else math.nan
            )
            depth = self._depth / calm.depth if calm.depth > 0 else math.nan
        else:
            volatility = depth = math.nan
        return RiskState(self.instrument, at_ns, volatility, depth, anomaly)
