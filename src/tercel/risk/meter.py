"""From market data to a `RiskState`, second by second: what a live desk and a study both feed their posture with."""

import math
from typing import Protocol

import numpy as np

from tercel.core.jit import Longs, Packed
from tercel.core.orders import M_KIND, MarketRows
from tercel.market.simulator import layout as sim
from tercel.market.simulator import lockstep
from tercel.market.simulator.seconds import ADDS, CANCELS, COLUMNS, MOVE, TRADES
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tercel.risk.anomaly import Calm, StreamingAnomaly
from tercel.risk.posture import RiskState
from tercel.risk.seconds import Second


class Followed(Protocol):
    """A book that is followed: the pair of arrays that a market is."""

    @property
    def book(self) -> Packed:
        """int32, see `market.book.layout`."""
        ...

    @property
    def state(self) -> Longs:
        """int64, see `market.simulator.layout`."""
        ...


class SecondReader:
    """Counts a followed market's rows and closes a second whenever it is asked to.

    >>> reader = SecondReader()
    >>> reader.on_market(MarketRows("A", np.array([[0, ADD, 1, 1, 99, 5, 0]])))
    >>> int(reader.counts[ADDS])
    1
    """

    def __init__(self) -> None:
        self.counts = np.zeros(COLUMNS)
        self._mid2 = 0
        self._out = np.zeros((1, COLUMNS))

    def on_market(self, event: MarketRows) -> None:
        """Count the rows of an update; a snapshot is no flow."""
        if event.snapshot or not len(event.rows):
            return
        kinds = event.rows[:, M_KIND].tolist()
        self.counts[ADDS] += kinds.count(ADD)
        self.counts[TRADES] += kinds.count(EXECUTE)
        self.counts[CANCELS] += kinds.count(DELETE) + kinds.count(REDUCE)

    def close(self, market: Followed) -> Second:
        """The second that ends now: depth and touch as the market stands, counts and move since the last call."""
        k = market.state
        mid2 = int(k[sim.MID2])
        lockstep.measure_second(market.book, k, int(k[sim.RECORD]), self._mid2 or mid2, self._out)
        out = self._out[0]
        for column in (ADDS, TRADES, CANCELS):
            out[column] = self.counts[column]
        self._mid2 = mid2
        self.counts[:] = 0
        return Second(*out.tolist())


class RiskMeter:
    """Turns seconds of one instrument into the states that its posture follows.

    Parameters
    ----------
    instrument : str
    calm : Calm, optional
        What is ordinary (`anomaly.learn_calm`). Without it the first `warm_s` seconds are taken for calm; until then
        the state holds NaN, and the posture is the cautious one.
    warm_s : int
    volatility_s, depth_s : float
        Half-lives of volatility and of depth now, seconds.
    """

    def __init__(
        self,
        instrument: str,
        calm: Calm | None = None,
        warm_s: int = 600,
        volatility_s: float = 120.0,
        depth_s: float = 30.0,
    ) -> None:
        self.instrument = instrument
        self.score = StreamingAnomaly(calm, warm_s)
        self._gains = 1.0 - math.exp2(-1.0 / volatility_s), 1.0 - math.exp2(-1.0 / depth_s)
        self._variance = self._depth = math.nan

    def update(
        self, second: Second, at_ns: int, regime: float | None = None, cost_ratio: float | None = None
    ) -> RiskState:
        """The state after one more second, which ended at `at_ns`.

        Parameters
        ----------
        regime : float, optional
            Filtered probability of the turbulent regime, where a daily model says one.
        cost_ratio : float, optional
            What recent parents cost over what was expected.
        """
        anomaly = self.score.update(second)
        calm = self.score.calm
        if calm is None:
            return RiskState(self.instrument, at_ns, math.nan, math.nan, math.nan, regime, cost_ratio)
        square = second[MOVE] ** 2
        lots = second.depth_own5 + second.depth_far5
        if math.isnan(self._variance):
            self._variance, self._depth = calm.variance, calm.depth
        if math.isfinite(square) and math.isfinite(lots):
            self._variance += self._gains[0] * (square - self._variance)
            self._depth += self._gains[1] * (lots - self._depth)
            volatility = math.sqrt(self._variance / calm.variance) if calm.variance > 0 else math.nan
            depth = self._depth / calm.depth if calm.depth > 0 else math.nan
        else:
            volatility = depth = math.nan
        return RiskState(self.instrument, at_ns, volatility, depth, anomaly, regime, cost_ratio)
