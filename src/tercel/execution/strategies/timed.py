"""Takes that wait for their moment, slice by slice: `spread_rule` for a narrow spread, `take_timed` for a forecast too.

An order's slices are those of a TWAP. Within a slice a lot is taken when what taking costs now is small beside what it
usually costs, and the later in the slice the less it has to be; at the slice's end what is overdue is taken at any
price. Both decide on the clock of events, so that they see moments between decisions of the schedule.

Cost is half the spread for the spread rule, and half the spread less what waiting is expected to cost for `take_timed`.
Where there is no forecast, `take_timed` is the spread rule.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.foresight.forecaster import Forecaster, heard, shipped, spread_alone
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.view import View

LOOK_NS: Final = NS_PER_SECOND // 10
"""Least time between two looks."""
LAST_NS: Final = 10 * NS_PER_SECOND
"""Time before the horizon from which on all is overdue."""


@dataclass(frozen=True, eq=False)
class SpreadRule(Strategy):
    """Take a slice when the spread is small against its own past; at its end whatever it is.

    Parameters
    ----------
    narrow : float
        Spread over the usual one at or below which is taken as a slice begins.
    ease : float
        By how much more it may be at the slice's end.

    >>> from tercel.execution.strategies import build
    >>> build("spread_rule").gap_ns
    100000000
    """

    name: ClassVar[str] = "spread_rule"
    gap_ns: ClassVar[int] = LOOK_NS
    narrow: float = 0.5
    ease: float = 0.4

    def __post_init__(self) -> None:
        if not (np.isfinite([self.narrow, self.ease]).all() and self.ease >= 0.0):
            raise ConfigError(
                "finite numbers, ease from 0", f"{self.narrow}, {self.ease}", "such as 0.5, 0.4"
            )

    @property
    def forecaster(self) -> Forecaster:
        """Nobody's forecasts, the usual spread."""
        return spread_alone()

    def cost(self, view: View) -> Floats:
        """What taking costs now over what it usually does; NaN where that is not known."""
        usual = view.usual_spread
        return np.where(usual > 0, view.spread / np.where(usual > 0, usual, 1.0), np.nan)

    def decide(self, view: View) -> Intents:
        """Take what is due in this slice when it is cheap, and at its end."""
        intents = ladder(view)
        due, into = slices(view)
        cheap = self.cost(view) <= self.narrow + self.ease * into
        late, _ = slices(view, after=1)
        # no more than is shown at the touch: the rest of a slice has time
        intents[:, TAKE] = np.where(
            cheap, np.maximum(due, np.minimum(late, view.far_depth[:, 0])), due
        )
        return settle(intents, view)


@dataclass(frozen=True, eq=False)
class TakeTimed(SpreadRule):
    """Take a slice when half the spread, less what the next seconds cost who waits, is small; at its end anyway.

    Parameters
    ----------
    narrow, ease : float
        As of the spread rule.
    weight : float
        Of the forecast: above 1 for one that shrinks to nothing what it is not sure of.
    model : str
        A forecaster that ships, or its folder; empty: the shipped one.
    """

    name: ClassVar[str] = "take_timed"
    narrow: float = 0.3
    ease: float = 0.6
    weight: float = 1.5
    model: str = ""

    @property
    def forecaster(self) -> Forecaster:
        """The shipped one, or that of a folder."""
        return heard(self.model) if self.model else shipped()

    def cost(self, view: View) -> Floats:
        """Half the spread less the weighted forecast, over half the usual spread."""
        tick_bps = 2e4 / np.maximum(np.abs(view.mid2), 1)
        said = np.where(view.forecast_10_sd_bps > 0, view.forecast_10_bps, 0.0)
        usual = np.where(view.usual_spread > 0, view.usual_spread, np.nan)
        return np.asarray((view.spread - 2.0 * self.weight * said / tick_bps) / usual)


def slices(view: View, after: int = 0) -> tuple[Ints, Floats]:
    """Lots that a TWAP of the task's decisions has behind it and we have not, at the slice `after` this one; and how
    much of the slice is over, 0 to 1.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(qty0=100, left=100, decisions=10, time_left_ns=690 * 10**9, horizon_ns=1000 * 10**9)
    >>> slices(view)[0].tolist()
    [30]
    """
    passed = (view.horizon_ns - view.time_left_ns) / np.maximum(view.horizon_ns, 1) * view.decisions
    slice_ = np.minimum(np.floor(passed + 1e-9), view.decisions - 1)
    target = -(-view.qty0 * (slice_ + after).astype(np.int64) // np.maximum(view.decisions, 1))
    target = np.where(view.time_left_ns <= LAST_NS, view.qty0, np.minimum(target, view.qty0))
    due: Ints = np.clip(target - view.done - view.inflight, 0, view.left)
    return due, np.clip(passed - slice_, 0.0, 1.0)
