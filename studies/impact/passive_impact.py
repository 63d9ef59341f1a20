"""Impact of a resting fill to that of a take (`passive_impact`), from own orders that were assigned at random.

Orders of at most a mean trade, where impact is linear in lots, are drawn to rest at the touch, to take, or to be
withheld. With moves of the mid in an order's direction, the impact of a lot is

    b_arm = (mean move of the arm - mean move without orders) / mean lots filled in the arm,    ratio = b_rest / b_take

Orders that did not fill count with 0 lots: assignment is random, being filled is not. Instead, moves may be counted from
a fill where withheld orders have ghosts: the same order at the same place in the queue, filled as if it had been there.
The interval is Fieller's (1954): it holds for a ratio of noisy means, and says so where takes move nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core import ConfigError, Floats
from tercel.core.stats import t_quantile

ARMS: Final = ("none", "ghost", "rest", "take")
LEAST_ORDERS: Final = 10


@dataclass(frozen=True)
class PassiveImpact:
    """A ratio with its interval, and the impact of a lot in each arm, in the unit of the moves."""

    ratio: float
    ci_low: float
    ci_high: float
    rest_per_lot: float
    take_per_lot: float


def estimate_passive_impact(
    arms: ArrayLike,
    lots: ArrayLike,
    moves: ArrayLike,
    controls: ArrayLike | None = None,
    level: float = 0.95,
) -> PassiveImpact:
    """Estimate the ratio from n independent orders.

    Parameters
    ----------
    arms : str (n,)
        "rest", "take", "none" (withheld) and, if there are any, "ghost": what filled ghosts show. Resting orders are
        compared with ghosts where there are some, takes with "none"; without either, moves count from 0, as moves less
        those of a twin do.
    lots : float (n,)
        Lots filled, 0 or more; read for "rest" and "take" alone.
    moves : float (n,)
        Move of the mid in the direction of the order.
    controls : float (n, c), optional
        What was known at assignment and predicts moves, such as the imbalance of the touch in the order's direction.
    level : float
        Of the interval.

    Returns
    -------
    PassiveImpact

    Raises
    ------
    ConfigError
        Arrays that differ in length or hold other arms or numbers, an arm with fewer than ten orders or without fills,
        takes that do not move the price significantly at this level.

    >>> rng = np.random.default_rng(1)
    >>> arms = np.repeat(["none", "rest", "take"], 4000)
    >>> lots = np.where(arms == "rest", rng.integers(0, 2, 12000), arms == "take")
    >>> moves = np.where(arms == "rest", 0.5, 1.0) * lots + rng.normal(0.0, 1.0, 12000)
    >>> found = estimate_passive_impact(arms, lots, moves)
    >>> found.ci_low < 0.5 < found.ci_high
    True
    """
    arm = np.asarray(arms, np.str_)
    filled, moved = np.asarray(lots, np.float64), np.asarray(moves, np.float64)
    fits = arm.ndim == 1 and arm.shape == filled.shape == moved.shape
    if not fits or not set(arm.tolist()) <= set(ARMS):
        raise ConfigError(
            f"an arm ({', '.join(ARMS)}), lots and a move of every order",
            f"shapes {arm.shape}, {filled.shape}, {moved.shape}, arms {sorted(set(arm.ravel().tolist()))[:8]}",
            "write one entry an order",
        )
    if not np.isfinite(moved).all() or not np.isfinite(filled).all() or filled.min() < 0.0:
        raise ConfigError(
            "finite moves, and lots of 0 or more", "others", "leave such orders out of all arms"
        )
    if controls is not None:
        moved = _adjust(arm, moved, np.asarray(controls, np.float64).reshape(len(arm), -1))
    per_lot, variance = {}, {}
    bases = {"rest": "ghost" if "ghost" in arm else "none", "take": "none"}
    for name, base_name in bases.items():
        mine = arm == name
        mean_lots = filled[mine].mean() if mine.any() else 0.0
        base, base_variance = _mean(moved[arm == base_name], base_name)
        if mean_lots <= 0.0:
            raise ConfigError(f"fills in the arm {name}", "none", "let the trial run on")
        per_lot[name] = (_mean(moved[mine], name)[0] - base) / mean_lots
        own_variance = _mean(moved[mine] - per_lot[name] * filled[mine], name)[1]
        variance[name] = (own_variance + base_variance) / mean_lots**2
    covariance = 0.0
    if bases["rest"] == "none":
        covariance = _mean(moved[arm == "none"], "none")[1] / (
            filled[arm == "rest"].mean() * filled[arm == "take"].mean()
        )
    fewest = min(int((filled[arm == name] > 0.0).sum()) for name in bases)
    quantile = t_quantile(0.5 + level / 2.0, max(fewest - 1, 1))
    low, high = fieller(
        per_lot["rest"], per_lot["take"], variance["rest"], variance["take"], covariance, quantile
    )
    return PassiveImpact(
        float(per_lot["rest"] / per_lot["take"]), low, high, per_lot["rest"], per_lot["take"]
    )


def fieller(
    numerator: float,
    denominator: float,
    numerator_variance: float,
    denominator_variance: float,
    covariance: float,
    quantile: float,
) -> tuple[float, float]:
    """Interval of a ratio of two normal estimates: every r at which numerator - r denominator differs from 0 by fewer
    standard errors than `quantile`.

    >>> fieller(1.0, 2.0, 0.0, 0.0, 0.0, 1.96)
    (0.5, 0.5)

    Raises
    ------
    ConfigError
        A denominator that is not significant: every ratio is possible.
    """
    z2 = quantile**2
    a = denominator**2 - z2 * denominator_variance
    if a <= 0.0:
        raise ConfigError(
            "takes that move the price significantly",
            f"{denominator:.3g} a lot with a standard error of {denominator_variance**0.5:.2g}",
            "let the trial run on, or trade larger orders",
        )
    b = numerator * denominator - z2 * covariance
    c = numerator**2 - z2 * numerator_variance
    half = max(b**2 - a * c, 0.0) ** 0.5
    return float((b - half) / a), float((b + half) / a)


def _mean(values: Floats, arm: str) -> tuple[float, float]:
    """Mean of an arm and its variance; (0, 0) for withheld orders where there are none."""
    if arm == "none" and not len(values):
        return 0.0, 0.0
    if len(values) < LEAST_ORDERS:
        raise ConfigError(
            f"at least {LEAST_ORDERS} orders in the arm {arm}", f"{len(values)}", "let it run on"
        )
    return float(values.mean()), float(values.var(ddof=1) / len(values))


def _adjust(arm: NDArray[np.str_], moves: Floats, controls: Floats) -> Floats:
    """Moves less what controls predict of them, by one regression within arms; controls are centred over all orders."""
    within, left = controls.copy(), moves.copy()
    for name in np.unique(arm):
        within[arm == name] -= within[arm == name].mean(axis=0)
        left[arm == name] -= left[arm == name].mean()
    slopes = np.linalg.lstsq(within, left, rcond=None)[0]
    return np.asarray(moves - (controls - controls.mean(axis=0)) @ slopes)
