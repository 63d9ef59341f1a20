"""Sample size, told beforehand: episodes that a difference of 1 bps needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tercel.core.stats import clustered_se
from tercel.core.stats.power import POWER, detectable_gain, needed
from tercel.execution.costs import Costs, attribute


@dataclass(frozen=True)
class SampleSize:
    """Sample size of a judgement, by costs on other episodes.

    Parameters
    ----------
    sd_bps : float
        Standard deviation of a paired difference, bps an episode, what a cluster's episodes share included: the median
        over written strategies, each against the best.
    strategies, tried : int
        How many strategies, on how many episodes.
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
        """What follows from a standard deviation, with so many orders on a recorded day; 0: a simulated market."""
        count, least, what = (
            needed(sd_bps),
            detectable_gain(sd_bps / judged**0.5, np.inf),
            "episodes",
        )
        if orders_a_day > 0:
            what = (
                f"orders, {max(round(count / orders_a_day), 1):,} days with {orders_a_day:g} a day"
            )
        words = (
            f"a difference of 1 bps needs some {count:,} {what}; {judged:,} are judged, which find "
            f"{least:.2f} bps with {100 * POWER:.0f} % power (paired differences of {strategies} "
            f"written strategies have a standard deviation of {sd_bps:.3g} bps an episode on {tried:,} that "
            "are not judged, a buy and a sell of one market counted together)"
        )
        return cls(sd_bps, strategies, tried, judged, count, least, words)


def sample_size(
    costs: Mapping[str, Costs], judged: int, orders_a_day: float = 0.0
) -> SampleSize | None:
    """What costs of written strategies on the same other episodes say; None where too little was tried.

    Parameters
    ----------
    costs : mapping of name to Costs
    judged : int
    orders_a_day : float
    """
    bps = {name: attribute(one, None)["is_bps"] for name, one in costs.items()}
    best = min(bps, key=lambda name: float(bps[name].mean()))
    cluster, tried = next(iter(costs.values())).cluster, len(bps[best])
    apart = [
        clustered_se(row - bps[best], cluster) * tried**0.5
        for name, row in bps.items()
        if name != best
    ]
    if not apart or not np.isfinite(apart).all() or not np.median(apart) > 0:
        return None
    return SampleSize.of(float(np.median(apart)), len(bps), tried, judged, orders_a_day)
