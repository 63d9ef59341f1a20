"""Power of a paired comparison: the smallest gain that it detects, and the sample that a gain needs."""

from math import ceil

from tercel.core.stats.quantiles import normal_quantile, t_quantile

# What a test could have seen: the smallest true gain that it would have found most of the time.
#
# A gain g with standard error s is called positive when g / s exceeds the t quantile of the level; the gain that does so
# with probability `power` is the sum of both quantiles, times s (Cohen 1988, "Statistical power analysis", 2).
POWER = 0.8


def detectable_gain(
    error: float, freedom: float, *, level: float = 0.95, power: float = POWER
) -> float:
    """Smallest true gain whose interval of `level` excludes zero with probability `power`, in the error's unit.

    Parameters
    ----------
    error : float
        Standard error of the estimated gain.
    freedom : float
        Degrees of freedom of the interval; at least 1.

    >>> round(detectable_gain(1.0, 1e9), 3), round(detectable_gain(0.5, 4), 2)
    (2.802, 1.86)
    """
    level_quantile = t_quantile(0.5 + level / 2.0, freedom)
    # Student's here too: with few clusters the normal would promise power that is not there.
    power_quantile = normal_quantile(power) if freedom > 1e6 else t_quantile(power, freedom)
    return (level_quantile + power_quantile) * error


def required_sample(
    sd: float, gain: float = 1.0, *, level: float = 0.95, power: float = POWER
) -> int:
    """Number (at least 2) of independent differences of standard deviation `sd` that detect a true mean of `gain` with `power`.

    >>> required_sample(10.0), round(detectable_gain(10.0 / 785**0.5, 1e9), 2)
    (785, 1.0)
    """
    # Normal quantiles: the number is the result, so its degrees of freedom are not known yet.
    return max(
        ceil(((normal_quantile(0.5 + level / 2.0) + normal_quantile(power)) * sd / gain) ** 2), 2
    )
