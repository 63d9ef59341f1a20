"""Sample size of an evaluation: number of orders, or recorded days, that a difference in cost needs to be detected."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tercel.core.report.formatting import format_percent
from tercel.core.stats import clustered_se
from tercel.core.stats.power import POWER, detectable_gain, required_sample
from tercel.execution.costs import Costs


@dataclass(frozen=True)
class SampleSize:
    """Number of orders (and days) that an evaluation needs to detect a difference in cost, from a pilot's deviation.

    Parameters
    ----------
    sd_bps : float
        Standard deviation of a paired difference, bps an episode, what a cluster's episodes share included: the median
        over rules, each against the best.
    strategies, tried : int
        Number of strategies, and of their episodes.
    judged : int
        Episodes that are to be judged.
    episodes_for_1_bps : int
        Episodes from which a true difference of 1 bps is found with 80 % power.
    detectable_bps : float
        True difference that the judged episodes find with 80 % power, bps.
    words : str
        All of it in a line.

    >>> small = SampleSize.of(20.0, strategies=24, tried=500, judged=1000)
    >>> small.episodes_for_1_bps, round(small.detectable_bps, 2)
    (3140, 1.77)
    """

    sd_bps: float
    strategies: int
    tried: int
    judged: int
    episodes_for_1_bps: int
    detectable_bps: float
    words: str

    @classmethod
    def of(
        cls, sd_bps: float, strategies: int, tried: int, judged: int, orders_a_day: float = 0.0
    ) -> "SampleSize":
        """Sample size from a standard deviation of paired costs, bps; `orders_a_day` is 0 in a simulated market."""
        count = required_sample(sd_bps)
        detectable_bps = detectable_gain(sd_bps / judged**0.5, np.inf)
        unit = "episodes"
        if orders_a_day > 0:
            unit = (
                f"orders, {max(round(count / orders_a_day), 1):,} days with {orders_a_day:g} a day"
            )
        return cls(
            sd_bps,
            strategies,
            tried,
            judged,
            count,
            detectable_bps,
            f"a difference of 1 bps needs some {count:,} {unit}; {judged:,} are judged, which find "
            f"{detectable_bps:.2f} bps with {format_percent(POWER)} power (paired differences of {strategies} "
            f"rules have a standard deviation of {sd_bps:.3g} bps an episode on {tried:,} that "
            "are not judged, a buy and a sell of one market counted together)",
        )


def sample_size(
    costs: Mapping[str, Costs], judged: int, orders_a_day: float = 0.0
) -> SampleSize | None:
    """Sample size from costs of rules on the same validation episodes; None if too few were run.

    Parameters
    ----------
    costs : mapping of name to Costs
    judged : int
    orders_a_day : float
    """
    bps = {name: run.shortfall_bps for name, run in costs.items()}
    best = min(bps, key=lambda name: float(bps[name].mean()))
    cluster = next(iter(costs.values())).cluster
    tried = len(bps[best])
    differences_sd = [
        clustered_se(row - bps[best], cluster) * tried**0.5
        for name, row in bps.items()
        if name != best
    ]
    if (
        not differences_sd
        or not np.isfinite(differences_sd).all()
        or not np.median(differences_sd) > 0
    ):
        return None
    return SampleSize.of(float(np.median(differences_sd)), len(bps), tried, judged, orders_a_day)
