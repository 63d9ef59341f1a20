"""What the costs of like orders on recorded days say of the same order on the next day."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.stats import t_quantile

LEVEL: Final = 0.9
"""Share of next days whose mean cost the interval is to hold."""
WORST: Final = 0.95
"""Share of orders that are to cost less than the worst case."""


@dataclass(frozen=True)
class Prediction:
    """Cost of an order on the next day, bps.

    Parameters
    ----------
    mean : float
        Expected cost: the mean over days, each of buys and sells alike.
    low, high : float
        Interval for a day's mean cost of such orders on one side, level `LEVEL`.
    standard_error : float
        Of `mean`.
    sd : float
        Standard deviation of a single order.
    worst : float
        Cost that `WORST` of single orders stay below.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    sd: float
    worst: float


def day_means(values: Floats, day: Ints, side: Ints) -> tuple[Floats, Floats]:
    """Half the sum, and half the difference, of a day's mean buy and mean sell, float64 (days,) each; days with both sides.

    >>> day_means(np.array([5.0, 1.0, 7.0]), np.array([0, 0, 1]), np.array([1, -1, 1]))
    (array([3.]), array([2.]))
    """
    sides = [
        {d: values[(day == d) & (side == s)].mean() for d in np.unique(day[side == s]).tolist()}
        for s in (1, -1)
    ]
    both = sorted(sides[0].keys() & sides[1].keys())
    buys, sells = (np.array([means[d] for d in both]) for means in sides)
    return (buys + sells) / 2, (buys - sells) / 2


def predict(bps: Floats, day: Ints, side: Ints) -> Prediction:
    """Predict the cost of such an order on the next day from the costs of like orders, each bought and sold.

    Days are independent, orders of a day are not. A day's mean cost on one side is c + s m: c the mean of its buys and
    sells, s the side, and m, half their difference, what the price's drift adds, taken to be 0 on average. So a next day's
    mean lies within t sqrt(var(c) (1 + 1 / n) + mean(m^2)) of the mean of c over n days, with Student's t of n - 1
    degrees of freedom. The worst case is the quantile of rank `WORST` (orders + 1) among the costs of all orders.

    Parameters
    ----------
    bps : float64 (orders,)
        Costs of like orders.
    day : int64 (orders,)
    side : int64 (orders,)
        +1 buy, -1 sell.

    Raises
    ------
    ConfigError
        Fewer than two days with both sides.

    >>> rng = np.random.default_rng(1)
    >>> day, side = np.repeat(np.arange(200), 2), np.tile([1, -1], 200)
    >>> found = predict(5.0 + side * np.repeat(rng.normal(0.0, 10.0, 200), 2), day, side)
    >>> round(found.mean, 6), round((found.high - found.low) / 2 / found.sd, 2)
    (5.0, 1.65)
    """
    centre, drift = day_means(bps, day, side)
    n = len(centre)
    refuse_if(
        n < 2,
        "like orders, bought and sold, on two days or more",
        f"{n}",
        "import more days, or give another start",
    )
    error2 = float(centre.var(ddof=1)) / n
    half = t_quantile(0.5 + LEVEL / 2, n - 1) * np.sqrt(error2 * (n + 1) + np.mean(drift**2))
    mean = float(centre.mean())
    ranked = np.sort(bps)
    worst = np.interp(WORST * (len(bps) + 1) - 1, np.arange(len(bps)), ranked)
    return Prediction(
        mean,
        mean - float(half),
        mean + float(half),
        float(np.sqrt(error2)),
        float(bps.std()),
        float(worst),
    )
