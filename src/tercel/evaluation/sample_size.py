"""What the work can tell, said before it: how many episodes a difference of 1 bps needs."""

from collections.abc import Mapping

import numpy as np

from tercel.execution.costs import Costs, attribute
from tercel.stats import clustered_se
from tercel.stats.power import needed


def sample_size_words(costs: Mapping[str, Costs], orders_a_day: float = 0.0) -> str:
    """How many episodes a difference of 1 bps needs, by costs on others; on tape how many days too.

    Parameters
    ----------
    costs : mapping of name to Costs
        Of written strategies, on the same episodes.
    orders_a_day : float
        Judged orders of a day; 0: a simulated market.
    """
    bps = {name: attribute(one, None)["is_bps"] for name, one in costs.items()}
    best = min(bps, key=lambda name: float(bps[name].mean()))
    cluster = next(iter(costs.values())).cluster
    apart = [clustered_se(row - bps[best], cluster) * len(row) ** 0.5 for name, row in bps.items() if name != best]
    if not apart or not np.isfinite(apart).all():
        return "how many episodes a difference of 1 bps needs is not known: too little was tried"
    sd, tried = float(np.median(apart)), len(bps[best])
    count = needed(sd)
    what = f"{count:,} episodes"
    if orders_a_day > 0:
        what = f"{count:,} orders, {max(round(count / orders_a_day), 1):,} days with {orders_a_day:g} a day"
    return (
        f"a difference of 1 bps needs some {what}: paired differences of {len(bps)} written strategies have a standard "
        f"deviation of {sd:.3g} bps an episode on {tried} that are not judged, a buy and a sell of one market counted "
        "together"
    )
