"""Averages of a market that schedules need: expected volume by time, spread, depth, volatility, impact; not their measuring."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if


# Market estimates for rules, from training data alone.
@dataclass(frozen=True, eq=False)
class MarketEstimates:
    """Averages of a market over the horizon of a task: volume, spread, depth, volatility, impact.

    Parameters
    ----------
    expected_volume : float
        Public lots traded over the whole horizon, own trades excluded.
    volume_curve : float (g,), optional
        Public lots still to be traded when a share ``j / (g - 1)`` of the horizon has passed: starts at about
        `expected_volume`, ends at 0. A straight line when not given.
    sigma : float
        Volatility of the mid, ticks per square root of a second.
    eta : float
        Temporary impact: ticks of extra cost a lot when taking at one lot a second (see
        :func:`eta_of_depth`).
    spread : float
        Mean spread, ticks.
    market : str
        The shipped preset that this is, whose tuned rules then apply; empty: none.
    waiting : float
        Cost of a resting order without own impact, over half the spread (`View.waiting`); 0: not known.

    Raises
    ------
    ConfigError
        A negative or non-finite number, or a curve that does not fall to 0.

    >>> estimates = MarketEstimates(expected_volume=1000.0)
    >>> estimates.volume_left(np.array([0.0, 0.25, 1.0])).tolist()
    [1000.0, 750.0, 0.0]
    """

    expected_volume: float
    volume_curve: ArrayLike | None = None
    sigma: float = 0.0
    eta: float = 0.0
    spread: float = 1.0
    market: str = ""
    waiting: float = 0.0
    curve: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("expected_volume", "sigma", "eta", "spread"):
            value = getattr(self, name)
            refuse_if(
                not 0 <= value < np.inf,
                f"{name} >= 0",
                f"{value}",
                "estimate it from a market that trades",
            )
        points = (self.expected_volume, 0.0) if self.volume_curve is None else self.volume_curve
        curve = np.array(points, np.float64)
        falls = curve.ndim == 1 and len(curve) >= 2 and (np.diff(curve) <= 0).all()
        refuse_if(
            not falls or not np.isfinite(curve).all() or curve[-1] != 0,
            "a volume curve (lots to go) that falls to 0",
            f"{points}",
            "sum volumes from the end",
        )
        object.__setattr__(self, "curve", curve)

    def volume_left(self, elapsed: Floats) -> Floats:
        """Expected public lots from `elapsed` (shares of the horizon, any shape) to the horizon."""
        grid = np.linspace(0.0, 1.0, len(self.curve))
        return np.asarray(np.interp(elapsed, grid, self.curve), np.float64)


def eta_of_depth(mean_depth: ArrayLike, interval_s: float, level_ticks: float = 1.0) -> float:
    """Temporary impact eta of taking, from the displayed lots a level: half a level's ticks per lot, times the interval in s.

    A block of n lots that walks levels of d lots each, `level_ticks` apart, pays n * level_ticks / (2 d)
    ticks a lot beyond the touch. Almgren and Chriss (2000, eq. 7) write that as eta * n / tau, hence eta =
    tau level_ticks / (2 d).

    Parameters
    ----------
    mean_depth : float (levels,)
        Mean lots on the occupied levels.
    interval_s : float
        Seconds between two takes (tau).

    >>> eta_of_depth([50, 150], interval_s=60)
    0.3
    """
    return float(interval_s * level_ticks / (2 * np.mean(np.asarray(mean_depth, np.float64))))
