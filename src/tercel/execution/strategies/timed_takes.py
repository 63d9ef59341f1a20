"""Takes that wait for a cheap moment within each slice of a TWAP: `spread_rule` and `take_timed`.

A lot is taken when taking costs little beside its usual cost, and the later in the slice the less little it has to be; at
the slice's end overdue lots are taken at any price. Both decide on the clock of events, so that they see moments between
decisions of the schedule. Cost is half the spread for `spread_rule`, and half the spread less the expected cost of waiting
for `take_timed`. Without a forecast `take_timed` is `spread_rule`.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.foresight.forecaster import (
    Forecaster,
    readable_forecaster,
    shipped_forecaster,
    spread_only_forecaster,
)
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategy import Strategy, finish_intents, ladder
from tercel.execution.view import View

# Least time between two looks.
LOOK_NS: Final = NS_PER_SECOND // 10
# Time before the horizon from which on all is overdue.
LAST_NS: Final = 10 * NS_PER_SECOND


@dataclass(frozen=True, eq=False)
class SpreadRule(Strategy):
    """Take a slice when the spread is small against its usual value, and at the end of the slice in any case.

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
        refuse_if(
            not (np.isfinite([self.narrow, self.ease]).all() and self.ease >= 0.0),
            "finite numbers, ease from 0",
            f"{self.narrow}, {self.ease}",
            "such as 0.5, 0.4",
        )

    @property
    def forecaster(self) -> Forecaster:
        """A forecaster that only tells the usual spread."""
        return spread_only_forecaster()

    def cost(self, view: View) -> Floats:
        """Spread over its usual value, (n,), low at a cheap moment; NaN if the usual spread is unknown."""
        usual = view.usual_spread
        return np.where(usual > 0, view.spread / np.where(usual > 0, usual, 1.0), np.nan)

    def decide(self, view: View) -> Intents:
        """Take the overdue lots, and where taking is cheap the slice's, up to those at the far touch; nothing rests."""
        intents = ladder(view)
        due, into = slices(view)
        cheap = self.cost(view) <= self.narrow + self.ease * into
        late, _ = slices(view, after=1)
        # no more than is shown at the touch: the rest of a slice has time
        intents[:, TAKE] = np.where(
            cheap, np.maximum(due, np.minimum(late, view.far_depth[:, 0])), due
        )
        return finish_intents(intents, view)


@dataclass(frozen=True, eq=False)
class TakeTimed(SpreadRule):
    """Take a slice when half the spread less the expected cost of waiting is small, and at the end of the slice.

    Parameters
    ----------
    narrow, ease : float
        As of the spread rule.
    weight : float
        Of the forecast: above 1 for a forecast that shrinks uncertain moves to 0.
    model : str
        A pre-trained forecaster, or its folder; empty: the default one.
    """

    name: ClassVar[str] = "take_timed"
    narrow: float = 0.3
    ease: float = 0.6
    weight: float = 1.5
    model: str = ""

    @property
    def forecaster(self) -> Forecaster:
        """The shipped forecaster, or that of a folder."""
        return readable_forecaster(self.model) if self.model else shipped_forecaster()

    def cost(self, view: View) -> Floats:
        """Half the spread less the weighted forecast of 10 s, over half the usual spread, (n,); NaN if that is unknown."""
        tick_bps = 2e4 / np.maximum(np.abs(view.mid2), 1)
        forecast = np.where(view.forecast_10_sd_bps > 0, view.forecast_10_bps, 0.0)
        usual = np.where(view.usual_spread > 0, view.usual_spread, np.nan)
        return np.asarray((view.spread - 2.0 * self.weight * forecast / tick_bps) / usual)


def slices(view: View, after: int = 0) -> tuple[Ints, Floats]:
    """Lots missing to TWAP's line at the begin of the slice `after` this one (all in the last 10 s), int64 (n,), those in flight
    counted as done, and the share of the current slice that has passed, (n,).

    >>> from tercel.execution.probe_views import view_of
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
