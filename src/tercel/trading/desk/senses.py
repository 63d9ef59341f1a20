"""What a desk senses of one instrument, second by second: the state of risk, and the features that alpha is made from.

Both are read from the follower of the instrument's market data, the very arrays that agents observe.
"""

import math
from collections import deque
from typing import Final

import numpy as np

from tercel.core.orders import M_KIND, MarketRows
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tercel.risk.anomaly import StreamingAnomaly
from tercel.risk.posture import RiskState
from tercel.risk.seconds import ADDS, CANCELS, COLUMNS, FAR5, IMBALANCE, MOVE, OWN5, SPREAD, TRADES, Second, measure
from tercel.trading.follower import Follower

NOW_S: Final = 20.0
"""Half-life of "now", seconds."""
USUAL_S: Final = 3600.0
"""Half-life of "usual", seconds; a plain mean until that much was seen."""
WINDOW_S: Final = 60
"""Seconds over which flow features are summed."""
FLOW: Final = ("ofi", "signed_volume", "return_bps")
NAMES: Final = (*FLOW, "imbalance", "microprice_bps", "news")
"""The features, in the order of a packaged model's card; `news` comes from elsewhere."""


class _Level:
    """A quantity now and as usual."""

    def __init__(self) -> None:
        self.seen, self.now, self.usual = 0, 0.0, 0.0

    def update(self, value: float) -> None:
        self.seen += 1
        self.now += max(1 - 0.5 ** (1 / NOW_S), 1 / self.seen) * (value - self.now)
        self.usual += max(1 - 0.5 ** (1 / USUAL_S), 1 / self.seen) * (value - self.usual)

    @property
    def ratio(self) -> float:
        """Now over usual; NaN before anything was seen."""
        return self.now / self.usual if self.usual > 0 else math.nan


class Senses:
    """One instrument's senses.

    Parameters
    ----------
    follower : Follower
        Of its market data; whoever owns it feeds it before these senses.
    warm_s : int
        Seconds that are taken for calm.
    """

    def __init__(self, follower: Follower, warm_s: int = 600) -> None:
        self._follower = follower
        self._anomaly = StreamingAnomaly(warm_s=warm_s)
        self._counts = np.zeros(3)
        self._row, self._depth = np.zeros(COLUMNS), np.zeros(10, np.int64)
        self._mid2 = 0
        self._variance, self._depths = _Level(), _Level()
        self._tallies: deque[tuple[int, int, int]] = deque(maxlen=WINDOW_S + 1)
        self._score = math.nan
        self._at_ns = -1

    def on_market(self, event: MarketRows) -> None:
        """Count what was withdrawn, traded and brought; a snapshot is no news."""
        if event.snapshot or not len(event.rows):
            return
        kinds = event.rows[:, M_KIND]
        self._counts[0] += np.count_nonzero((kinds == DELETE) | (kinds == REDUCE))
        self._counts[1] += np.count_nonzero(kinds == EXECUTE)
        self._counts[2] += np.count_nonzero(kinds == ADD)

    def second(self, at_ns: int) -> None:
        """One more second is over."""
        book, state = self._follower.book, self._follower.state
        if not self._follower.ready or not state[sim.MID2]:
            return
        if not self._mid2:
            self._mid2 = int(state[sim.MID2])
        measure(book, state, int(state[sim.RECORD]), self._mid2, self._depth, self._row)
        self._row[[CANCELS, TRADES, ADDS]] = self._counts
        self._counts[:] = 0
        self._mid2 = int(state[sim.MID2])
        self._variance.update(float(self._row[MOVE]) ** 2)
        self._depths.update(float(self._row[OWN5] + self._row[FAR5]))
        self._score = self._anomaly.update(Second(*self._row.tolist()))
        self._tallies.append((int(state[sim.OFI]), int(state[sim.BOUGHT] - state[sim.SOLD]), self._mid2))
        self._at_ns = at_ns

    def risk(self, instrument: str, cost_ratio: float | None) -> RiskState | None:
        """What risk measures now; None before the first second."""
        if self._at_ns < 0:
            return None
        return RiskState(
            instrument,
            self._at_ns,
            volatility_ratio=math.sqrt(self._variance.ratio) if self._variance.usual > 0 else math.nan,
            depth_ratio=self._depths.ratio,
            anomaly=max(self._score, 0.0),
            cost_ratio=cost_ratio,
        )

    def features(self, news: float | None) -> dict[str, float | None]:
        """The features of `NAMES`; None where there is no such fact now (one side empty, nothing seen yet)."""
        state = self._follower.state
        bid, ask = int(state[sim.PUBLIC_BID]), int(state[sim.PUBLIC_ASK])
        values: dict[str, float | None] = dict.fromkeys(NAMES)
        values["news"] = news
        if self._at_ns < 0 or bid == NO_BID or ask == NO_ASK:
            return values
        mid = 0.5 * (bid + ask)
        old, new = self._tallies[0], self._tallies[-1]
        imbalance = float(self._row[IMBALANCE])
        return values | {
            "ofi": float(new[0] - old[0]),
            "signed_volume": float(new[1] - old[1]),
            "return_bps": 1e4 * (new[2] - old[2]) / (2 * mid),
            "imbalance": imbalance,
            "microprice_bps": 1e4 * 0.5 * float(self._row[SPREAD]) * imbalance / mid,
        }


def seconds_between(from_ns: int, to_ns: int) -> range:
    """The whole seconds after `from_ns` up to `to_ns`, ns.

    >>> list(seconds_between(500_000_000, 2_000_000_000))
    [1000000000, 2000000000]
    """
    first = (from_ns // NS_PER_SECOND + 1) * NS_PER_SECOND
    return range(first, to_ns + 1, NS_PER_SECOND)
