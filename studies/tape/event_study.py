"""What size on show does: the market after a limit order of several times the usual size, beside matched moments.

After / placebo. For each outcome the mean after large orders over that after their matched controls is `ratio`. The
same over windows that ended 10 s before the orders came is `placebo`: how different the two were already. Their
quotient is the estimate, and the interval is its own. Controls are limit orders of the same kind and of usual size;
random moments are none, because large orders come when everything is busy. `opposite_over_other_*` compares the two
sides of the same windows: what both sides have in common is activity, not attraction.

The mid's drift is a difference, and a past move does not go on by itself: its interval is that of the move after, the
placebo stands beside it and is not taken off.

`detectable` is the smallest factor that the interval would have told from 1 in four of five samples (`stats.power`),
from the bootstrap's own error; a cell *tells* when that is at most :data:`TELLS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.tape import matched, per_lot, shown
from studies.tape.matched import Sums
from studies.tape.shown import COUNTED, DRIFT, HORIZONS_S, OUTCOMES, ShownOrders
from tercel.core import ConfigError
from tercel.core.stats import BLOCK_NS, Replicates, detectable_gain, draw_counts
from tercel.market.observed import Observed

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

FACTORS: Final = (3, 5, 10)
USUAL: Final = (0.5, 1.5)
"""Controls have so many medians."""
LEAST_DAYS: Final = 5
"""From so many days on clusters are days, otherwise half hours."""
LEAST_EVENTS: Final = 20
LEAST_CLUSTERS: Final = 2.0
"""Fewer events, or fewer clusters of equal weight, say nothing."""
RESAMPLES: Final = 2000
TELLS: Final = 1.25
TELLS_SPREADS: Final = 0.25
"""A drift tells when a quarter of the median spread would be seen."""
SIDES: Final = {
    "opposite_over_other_orders": ("opposite_orders", "other_orders"),
    "opposite_over_other_lots": ("opposite_lots", "other_lots"),
}
"""Quotients of two outcomes of the same windows."""


@dataclass(frozen=True)
class Study:
    """A finished study; the fields are those of its JSON."""

    symbol: str
    days: tuple[str, ...]
    left_out: dict[str, str]
    usual_lots: float
    clusters: str
    events: dict[str, dict[str, int]]
    effective_clusters: dict[str, dict[str, float]]
    effects: dict[str, Any]
    lots_per_lot_shown: dict[str, dict[str, float | None]]
    balance: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class _Day:
    """One day's events with outcomes flattened to float64[n, 2 * H * O] and their clusters."""

    orders: ShownOrders
    outcomes: Floats
    cluster: Longs


def event_study(symbol: str, days: Mapping[str, Observed], seed: int = 0) -> Study:
    """Measure.

    Parameters
    ----------
    symbol : str
    days : mapping of date to Observed
    seed : int
        Of the bootstrap.

    Raises
    ------
    ConfigError
        No day that can be used, or no limit order at the touch.
    """
    used, left_out, wide = shown.usable_days(days)
    usual = shown.usual_lots(list(used.values()))
    orders = [shown.shown_orders(day, wide) for day in used.values()]
    labels, size = _clusters(orders)
    read = [
        _Day(one, shown.outcomes(day, one).reshape(one.n, -1), cluster)
        for day, one, cluster in zip(used.values(), orders, labels, strict=True)
    ]
    counts = draw_counts(size, RESAMPLES, np.random.default_rng(seed))
    spread = float(np.median(np.concatenate([day.spread[day.spread > 0] for day in used.values()])))
    found = {kind: _matched(read, kind == "improve", usual, size) for kind in shown.KINDS}
    by_kind = {kind: sums for kind, (sums, _) in found.items()}
    return Study(
        symbol=symbol,
        days=tuple(used),
        left_out=left_out,
        usual_lots=usual,
        clusters="days" if len(used) >= LEAST_DAYS else "half hours",
        events=_each(by_kind, lambda one: int(one.events.sum())),
        effective_clusters=_each(by_kind, lambda one: one.effective_clusters),
        effects=_each(by_kind, lambda one: _effects(one, counts, spread)),
        lots_per_lot_shown=per_lot.slopes(
            orders, [day.outcomes for day in read], labels, usual, counts
        ),
        balance={kind: balance for kind, (_, balance) in found.items()},
    )


def _each(
    by_kind: Mapping[str, Mapping[int, Sums]], of: Callable[[Sums], Any]
) -> dict[str, dict[str, Any]]:
    """Something of the sums of each kind and factor."""
    return {kind: {str(k): of(one) for k, one in sums.items()} for kind, sums in by_kind.items()}


def _clusters(orders: Sequence[ShownOrders]) -> tuple[list[Longs], int]:
    """Cluster of each event, 0 .. C - 1, day by day, and C."""
    number = np.repeat(np.arange(len(orders)), [one.n for one in orders])
    start = np.concatenate([one.ns for one in orders])
    if not len(start):
        raise ConfigError(
            "limit orders at the touch with room around them", "none", "name longer days"
        )
    labels = number if len(orders) >= LEAST_DAYS else start // BLOCK_NS
    found, index = np.unique(labels, return_inverse=True)
    ends = np.cumsum([one.n for one in orders])[:-1]
    return [part.astype(np.int64) for part in np.split(index, ends)], len(found)


def _matched(
    days: Sequence[_Day], improves: bool, usual: float, size: int
) -> tuple[dict[int, Sums], dict[str, float]]:
    """Sums for each factor, and how far treated and controls of the smallest factor are apart in their state."""
    width = days[0].outcomes.shape[1]
    sums = {k: matched.empty(size, width) for k in FACTORS}
    kept = [(day, day.orders.improves == improves) for day in days]
    pooled = np.concatenate([day.orders.state[kind] for day, kind in kept])
    if not len(pooled):
        return sums, {}
    units = matched.scales(pooled)
    gaps, weight = np.zeros(len(shown.STATE)), 0
    for day, kind in kept:
        size_of = day.orders.lots / usual
        large = np.flatnonzero(kind & (size_of >= FACTORS[0]))
        plain = np.flatnonzero(kind & (size_of >= USUAL[0]) & (size_of <= USUAL[1]))
        state, ns = day.orders.state, day.orders.ns
        near = matched.neighbours(state[large], ns[large], state[plain], ns[plain], units)
        for k in FACTORS:
            chosen = size_of[large] >= k
            rows = large[chosen]
            sums[k] += matched.add_up(
                day.outcomes[rows],
                day.cluster[rows],
                day.outcomes[plain],
                day.cluster[plain],
                near[chosen],
                size,
            )
        fine = near[:, -1] >= 0
        if np.any(fine):
            gaps += (state[large[fine]] - state[plain][near[fine]].mean(axis=1)).sum(axis=0)
            weight += int(fine.sum())
    apart = gaps / max(weight, 1) / np.maximum(pooled.std(axis=0), 1e-9)
    return sums, {name: float(value) for name, value in zip(shown.STATE, apart, strict=True)}


def _effects(sums: Sums, counts: Floats, spread: float) -> dict[str, dict[str, Any]]:
    """Every outcome at every horizon; None where there are too few events."""
    shape = (-1, 2, len(HORIZONS_S), len(OUTCOMES))
    point = [part.reshape(shape) for part in sums.means(np.ones((1, len(sums.events))))]
    drawn = [part.reshape(shape) for part in sums.means(counts)]
    enough = sums.events.sum() >= LEAST_EVENTS and sums.effective_clusters >= LEAST_CLUSTERS
    freedom = max(sums.effective_clusters - 1.0, 1.0)

    def of(name: str, parts: list[Floats], h: int) -> list[Floats]:
        if name not in SIDES:
            return [part[:, :, h, OUTCOMES.index(name)] for part in parts]
        top, bottom = (of(one, parts, h) for one in SIDES[name])
        return [
            np.divide(x, y, out=np.zeros_like(x), where=y > 0.0)
            for x, y in zip(top, bottom, strict=True)
        ]

    found: dict[str, dict[str, Any]] = {}
    for name in (*COUNTED, *SIDES, DRIFT):
        cell, limit = (difference, TELLS_SPREADS * spread) if name == DRIFT else (quotient, TELLS)
        found[name] = {
            f"{seconds:g}": cell(of(name, point, h), of(name, drawn, h), freedom, limit)
            if enough
            else None
            for h, seconds in enumerate(HORIZONS_S)
        }
    return found


def quotient(
    point: Sequence[Floats], drawn: Sequence[Floats], freedom: float, limit: float
) -> dict[str, Any] | None:
    """After over placebo of a count; the interval is made of logarithms.

    Parameters
    ----------
    point, drawn : pair of float64[1, 2] and of float64[B, 2]
        Means of treated events and controls, after and before.
    """
    if np.any(point[0] <= 0.0) or np.any(point[1] <= 0.0):
        return None
    ratio = np.log(point[0][0] / point[1][0])
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.log(drawn[0] / drawn[1])
    draws = draws[np.isfinite(draws).all(axis=1)]
    after, placebo = (
        _replicates(ratio[0], draws[:, 0], freedom),
        _replicates(ratio[1], draws[:, 1], freedom),
    )
    both = after - placebo
    interval, before = both.estimate(), placebo.estimate()
    detectable = float(np.exp(detectable_gain(both.error, freedom)))
    return {
        "ratio": float(np.exp(ratio[0])),
        "ci_low": _exp(interval.ci_low),
        "ci_high": _exp(interval.ci_high),
        "placebo": float(np.exp(ratio[1])),
        "placebo_low": _exp(before.ci_low),
        "placebo_high": _exp(before.ci_high),
        "after_over_placebo": float(np.exp(interval.mean)),
        "detectable": detectable,
        "tells": bool(detectable <= limit),
    }


def difference(
    point: Sequence[Floats], drawn: Sequence[Floats], freedom: float, limit: float
) -> dict[str, Any]:
    """A drift beside that of controls, ticks; arguments as of :func:`quotient`."""
    gap, draws = (point[0] - point[1])[0], drawn[0] - drawn[1]
    after, placebo = (
        _replicates(gap[0], draws[:, 0], freedom),
        _replicates(gap[1], draws[:, 1], freedom),
    )
    interval, before = after.estimate(), placebo.estimate()
    detectable = detectable_gain(after.error, freedom)
    return {
        "difference": interval.mean,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "placebo": before.mean,
        "placebo_low": before.ci_low,
        "placebo_high": before.ci_high,
        "detectable": detectable,
        "tells": bool(detectable <= limit),
    }


def _replicates(point: float, draws: Floats, freedom: float) -> Replicates:
    return Replicates(float(point), draws, ((float(draws.var()), freedom),))


def _exp(value: float | None) -> float | None:
    return None if value is None else float(np.exp(value))
