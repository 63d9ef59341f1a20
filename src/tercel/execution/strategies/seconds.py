"""`OnSeconds`: the forecast of the next 30 seconds joins the forecast of hours or days that guides an order.

A strategy that takes guidance (`+alpha`, the guided schedules) reads one forecast: a move, its error and its half-life.
Around it, this wrapper makes one of two, each at its own horizon:

- the same way: both moves together, at the half-life at which the move of the next 30 s is the sum of both;
- opposite ways: the one that moves further in the next 30 s, since the other is there to be read again then.

To raise an order's urgency where the next 30 s go against it was tried on tape as well, and costs orders that rest
(`python -m studies seconds`).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution import columns as c
from tercel.execution.foresight.forecaster import DEFAULT, Forecaster, heard
from tercel.execution.guidance import expected_move
from tercel.execution.intent import Intents, View
from tercel.execution.strategy import Strategy, Wrapper, forecaster_of

NEXT_NS: Final = 30_000_000_000
"""How far the forecast of seconds reaches."""
SPENT: Final = 0.75
"""Share of it that is over then: its half-life is half of that."""
_LONGEST_NS: Final = 1e17


@dataclass(frozen=True)
class OnSeconds(Wrapper):
    """`inner`, guided by the forecast of seconds as well; exactly `inner` where nothing is said of them.

    Parameters
    ----------
    inner : Strategy
        One that takes guidance.
    model : str
        A forecaster that ships, or its folder; one that `inner` listens to itself goes before.

    >>> from tercel.execution.strategies import build
    >>> OnSeconds(build("twap_take+alpha")).name
    'twap_take+alpha+seconds'
    """

    inner: Strategy
    model: str = DEFAULT

    @property
    def name(self) -> str:
        """Name of the inner strategy with +seconds."""
        return f"{self.inner.name}+seconds"

    @property
    def forecaster(self) -> Forecaster:
        """Whose forecasts it is told of."""
        return forecaster_of(self.inner) or heard(self.model)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy under both forecasts."""
        return self.inner.decide(replace(view, x=joined(view)))


def joined(view: View) -> Ints:
    """The private columns of a view with both forecasts as one, int64 (n, PX)."""
    x = view.x.copy()
    said = np.asarray(view.told[:, c.FORECAST_30_SD] > 0)
    soon = np.where(said, view.told[:, c.FORECAST_30], 0).astype(np.float64)
    late = np.where(x[:, c.HALF_LIFE_NS] > 0, x[:, c.ALPHA], 0).astype(np.float64)
    soon_now, late_now = SPENT * soon, expected_move(late, x[:, c.HALF_LIFE_NS], NEXT_NS)
    same = soon * late >= 0
    speaks = said & (soon != 0) & (same | (np.abs(soon_now) > np.abs(late_now)))
    whole, now = (np.where(same, a + b, a) for a, b in ((soon, late), (soon_now, late_now)))
    share = np.clip(now / np.where(whole == 0, 1.0, whole), 1e-9, 1 - 1e-9)
    half = np.minimum(-NEXT_NS / np.log2(1.0 - share), _LONGEST_NS)
    sd = np.hypot(np.where(same, x[:, c.ALPHA_SD], 0), view.told[:, c.FORECAST_30_SD])
    for column, value in ((c.ALPHA, whole), (c.ALPHA_SD, sd), (c.HALF_LIFE_NS, half)):
        x[speaks, column] = np.rint(value[speaks])
    return x
