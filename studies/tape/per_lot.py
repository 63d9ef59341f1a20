"""Extra opposite lots for each lot shown: a slope within cells of like moments.

Limit orders of every size at the touch are sorted into cells by cluster, kind, half hour, spread, queues and the flow
of the last 10 s (a fixed effect for each). The slope of opposite lots after the order on the order's own lots, cut at
20 usual sizes, is taken within cells. `placebo` is the same slope of the lots before, `beyond` their difference.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.tape.matched import effective
from studies.tape.shown import HORIZONS_S, OUTCOMES, STATE, ShownOrders
from tercel.core import NS_PER_SECOND
from tercel.core.stats import Replicates, cluster_sums

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

LARGEST: Final = 20.0
"""Usual sizes at which an order's lots are cut."""
_HALF_HOUR_NS = 1800 * NS_PER_SECOND
_CLASSES: Final = {
    "spread": 5,
    "own_queue": 4,
    "other_queue": 4,
    "opposite_lots_10s": 3,
    "other_lots_10s": 3,
}
"""Columns of the state and into how many classes of like counts they go; classes of one value stay whole."""


def slopes(
    orders: Sequence[ShownOrders],
    outcomes: Sequence[Floats],
    clusters: Sequence[Longs],
    usual: float,
    counts: Floats,
) -> dict[str, dict[str, float | None]]:
    """Slope for each horizon, with its interval from the cluster counts float64[B, C].

    Parameters
    ----------
    outcomes : sequence of float64[n, 2 * H * O]
        As :func:`~studies.tape.shown.outcomes` has them, flattened.
    """
    state, cluster = np.concatenate([one.state for one in orders]), np.concatenate(clusters)
    size = np.minimum(
        np.concatenate([one.lots for one in orders]).astype(np.float64), LARGEST * usual
    )
    cell = _cells(orders, state, cluster)
    x = _within(size, cell)
    variation = cluster_sums(x**2, cluster.astype(np.intp), counts.shape[1])
    shape = (-1, 2, len(HORIZONS_S), len(OUTCOMES))
    lots = np.concatenate(outcomes).reshape(shape)[..., OUTCOMES.index("opposite_lots")]
    found = {}
    for h, seconds in enumerate(HORIZONS_S):
        made = [
            _slope(cluster_sums(x * _within(lots[:, when, h], cell), cluster.astype(np.intp), counts.shape[1]),
                   variation, counts)
            for when in (0, 1)
        ]  # fmt: skip
        beyond = (made[0] - made[1]).estimate()
        after = made[0].estimate()
        found[f"{seconds:g}"] = {
            **after.to_json(), "placebo": made[1].point, "beyond": beyond.mean, "beyond_low": beyond.ci_low,
            "beyond_high": beyond.ci_high,
        }  # fmt: skip
    return found


def _slope(together: Floats, variation: Floats, counts: Floats) -> Replicates:
    """Slope over all clusters, and under each draw of them."""
    point = float(together.sum() / max(variation.sum(), 1e-12))
    draws = (counts @ together) / np.maximum(counts @ variation, 1e-12)
    return Replicates(point, draws, ((float(draws.var()), max(effective(variation) - 1.0, 1.0)),))


def _cells(orders: Sequence[ShownOrders], state: Floats, cluster: Longs) -> Longs:
    """A number for each cell."""
    half_hour = np.concatenate([one.ns for one in orders]) // _HALF_HOUR_NS
    improves = np.concatenate([one.improves for one in orders])
    columns = [cluster, half_hour, improves.astype(np.int64)]
    for name, classes in _CLASSES.items():
        values = state[:, STATE.index(name)]
        edges = np.unique(np.quantile(values, np.arange(1, classes) / classes))
        columns.append(np.searchsorted(edges, values))
    columns.append(np.sign(state[:, STATE.index("move_10s")]).astype(np.int64))
    table = np.column_stack(columns).astype(np.int64)
    return np.unique(table, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _within(values: Floats, cell: Longs) -> Floats:
    """Values less the mean of their cell."""
    number = np.bincount(cell)
    return np.asarray(values - (np.bincount(cell, weights=values) / number)[cell])
