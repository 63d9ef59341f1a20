"""A filter on slow flow, outside any network: an order in a market that trends is taken at once, or waits.

A market whose flow leans to one side for half an hour moves further than any schedule saves: against such a move the
order is taken at once, with it the order waits. What tells is the order flow imbalance and the mid since the warm-up
began, minutes before the order came, and the mid since its arrival. On recorded days flow leans for hours and the price
stays: one without the other is no trend. Three steps, all of them functions of one view:

1. Both are put into units of what they do in a market without a trend. The mid's are the root of its long variance. A
   single interval's imbalance may be sized by the volume traded, by what is displayed times what the mid moves, or by
   its own root mean square over the last four intervals; each is off by a factor that depends on the market, and their
   geometric mean by the least.
   What moves further than a trend would counts no more than one: a crash is a jump, and comes back.
2. Bayes' rule over five cases: no trend, and a trend to either side that began with the warm-up or with the order. A
   trend shifts each half minute by `speed` standard deviations, however often the order decides; `prior` and `recent`
   are the chances of each side, so low that a market without a trend pays next to nothing.
3. The chance of a trend against the order less that of one with it, times `gain` (what half an hour of trend moves,
   in units of what taking costs more than resting), is what waiting costs. Taking begins where half of it over the
   time left exceeds `hurry`. Waiting goes on while it saves more than the next interval's crowding costs, which grows
   with the fourth power of the time that has passed; from `last` on the order stands at the touch.
"""

from dataclasses import dataclass

import numpy as np

from tercel import View
from tercel.core import ConfigError, Floats
from tercel.execution import (
    AT_TOUCH,
    REST0,
    TAKE,
    Intents,
    Strategy,
    Wrapper,
    columns as c,
    finish_intents,
    ladder,
)

IMBALANCE_SD = 1.4
"""Standard deviation of the imbalance of a market without a trend, in the units of :func:`imbalance_unit`."""
MOVE_SD = 0.8
"""The same of the mid, in roots of its long variance: what bounces comes back."""
CORRELATION = 0.5
"""Of the two in a market without a trend."""
INTERVAL_NS = 30 * 10**9
"""Of the intervals that `speed` counts, however often the order decides."""
HORIZON_NS = 1_800 * 10**9
"""Of the whole horizon that `gain` is of: a trend moves in proportion to time."""
EARLY, LATE = 0.3, 10.0
"""What the next interval's crowding costs at arrival, and at the horizon."""
SLICES = 10
"""An order that takes is taken in so many decisions, or by the far touch where that is more."""
SUFFIX = "+trend"
"""Behind a strategy's name: the strategy in the switch."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The filter and its thresholds; where nothing tells of a trend, intents stay exactly what they are.

    Parameters
    ----------
    prior, recent : float
        Chance of a trend to one side that began with the warm-up, and with the order.
    speed : float
        What a trend shifts 30 seconds by, standard deviations.
    gain : float
        What half an hour of trend moves, in units of what taking costs more than resting.
    hurry : float
        What half of that over the time left has to exceed before the order is taken; above 1 it spares false alarms.
    last : float
        Share of the horizon from which on nothing waits.
    most : float
        Standard deviations beyond what a trend would have moved where evidence is cut: further goes a jump, no trend.

    >>> from tercel.execution.probe_views import view_of
    >>> flow = {"age_ns": 3600 * 10**9, "rv_long": 4, "long_same": 90, "long_against": 90, "own1": 10, "far1": 10}
    >>> flow |= {"ofi": 6, "past_ofi1": -6, "past_ofi2": 6, "past_ofi3": -6}
    >>> flow |= {"horizon_ns": 1800 * 10**9, "decisions": 60}
    >>> view = view_of(long_ofi=[0, 800, -800], long_drift=[0, 60, -60], **flow)
    >>> Trend().applied(ladder(view), view)[:, [TAKE, REST0 + AT_TOUCH]].tolist()
    [[0, 0], [10, 90], [0, 0]]
    """

    prior: float = 0.004
    recent: float = 0.0015
    speed: float = 0.31
    gain: float = 17.0
    hurry: float = 3.3
    last: float = 0.88
    most: float = 2.0

    def __post_init__(self) -> None:
        """Refuse chances that are none."""
        chances = min(self.prior, self.recent) >= 0 and self.prior + self.recent < 0.5
        bounded = (
            0 < self.speed < np.inf
            and min(self.gain, self.hurry, self.most) >= 0
            and 0 <= self.last <= 1
        )
        if not (chances and bounded):
            received = f"{self.prior}, {self.recent}, {self.speed}, {self.gain}, {self.hurry}, {self.last}, {self.most}"
            raise ConfigError(
                "chances prior, recent >= 0 that add up to less than 0.5, speed > 0, gain, hurry, most >= 0, last in "
                "[0, 1]", received, "0.004, 0.0015, 0.31, 17, 3.3, 0.88 and 2 are usual",
            )  # fmt: skip

    def trend(self, view: View) -> Floats:
        """Probability of a trend against the order less that of one with it, float64 (n,)."""
        began, scale = view.age_ns / INTERVAL_NS, intervals_of(view)
        move = MOVE_SD * np.sqrt(np.maximum(view.rv_long * scale, 1))
        flow = self._cut(view.long_ofi / (IMBALANCE_SD * imbalance_unit(view, began)), began)
        both = flow + self._cut(view.long_drift / move, began)
        since = view.decision / scale
        moved = self._cut(view.side * (view.mid2 - view.arrival_mid2) / move, since)
        alike = 1 + CORRELATION
        evidence = [(sign * total, n, chance) for total, n, chance in
                    ((both / alike, 2 * began / alike, self.prior), (moved, since, self.recent))
                    for sign in (1, -1)]  # fmt: skip
        logs = np.array([self.speed * total - self.speed**2 * n / 2 for total, n, _ in evidence])
        top = np.maximum(logs.max(axis=0), 0.0)
        chances = np.exp(logs - top) * np.array([chance for *_, chance in evidence])[:, None]
        plain = (1 - 2 * (self.prior + self.recent)) * np.exp(-top)
        against, along = chances[::2].sum(axis=0), chances[1::2].sum(axis=0)
        return np.asarray((against - along) / (against + along + plain), np.float64)

    def _cut(self, total: Floats, intervals: Floats) -> Floats:
        """A sum of standardised intervals, no further from 0 than a trend would have brought it, and `most` more."""
        furthest = self.speed * intervals + self.most * np.sqrt(intervals)
        return np.asarray(np.clip(total, -furthest, furthest), np.float64)

    def applied(self, intents: Intents, view: View) -> Intents:
        """`intents`, int32 (n, 10), changed in place: all is taken in a trend against the order; with one it waits."""
        costs = self.gain * self.trend(view) * (view.horizon_ns / HORIZON_NS)
        passed = np.minimum(view.decision / view.decisions, 1.0)
        hurries = view.tradable & (costs * (1 - passed) / 2 > self.hurry)
        waits = view.tradable & (-costs > EARLY + LATE * np.minimum(passed, self.last) ** 4)
        lots = np.where(hurries, np.maximum(view.far_depth[:, 0], -(-view.qty0 // SLICES)), 0)
        switched = ladder(view)
        switched[:, TAKE] = take = np.minimum(lots, view.left)
        switched[:, REST0 + AT_TOUCH] = np.where(waits & (passed < self.last), 0, view.left - take)
        chosen = hurries | waits
        intents[chosen] = finish_intents(switched, view)[chosen]
        return intents


@dataclass(frozen=True)
class TrendSwitch(Trend, Wrapper):
    """`inner`'s intents, unless the market trends; exactly `inner`'s where nothing says so.

    Parameters
    ----------
    inner : Strategy
        Anything.

    >>> from tercel.execution.strategies import build
    >>> TrendSwitch(build("peg_touch")).name
    'peg_touch+trend'
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """Name of the inner strategy with +trend."""
        return f"{self.inner.name}{SUFFIX}"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; in a trend against the order all of it, in one with it nothing."""
        return self.applied(self.inner.decide(view), view)


def intervals_of(view: View) -> Floats:
    """Decision intervals in one of `INTERVAL_NS`, float64 (n,)."""
    return np.asarray(INTERVAL_NS * view.decisions / np.maximum(view.horizon_ns, 1), np.float64)


def imbalance_unit(view: View, intervals: Floats) -> Floats:
    """Size of an interval's order flow imbalance as the view tells it, lots, float64 (n,); see the module.

    Parameters
    ----------
    view : View
    intervals : float64 (n,)
        Of `INTERVAL_NS`, since the warm-up began.
    """
    volume = 1 + (view.long_same + view.long_against) / np.maximum(intervals, 1)
    depth = 1 + np.hstack([view.own_depth, view.far_depth]).mean(axis=1)
    last = view.m[:, [c.OFI, c.PAST_OFI1, c.PAST_OFI2, c.PAST_OFI3]].astype(np.float64)
    scale = intervals_of(view)
    rms = 1 + np.sqrt((last**2).mean(axis=1) * scale)
    return np.asarray(
        np.cbrt(volume * depth * np.sqrt(np.maximum(view.rv_long * scale, 1)) * rms), np.float64
    )
