"""Laws of hidden executions: how often with and without a market order, by spread; their place in it; their size."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Floats
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.empirical import equally_likely
from tercel.market.flow.queue_reactive.extract import (
    WITH_NS,
    ExtractedDay,
    FlowState,
    first_of_bursts,
    of_side,
    resting_sides,
)

MIN_SAMPLE: Final = 20
PRIOR: Final = 5.0
"""Occasions at the wider law's rate that a cell is shrunk to."""


def hidden_laws(
    days: Sequence[ExtractedDay], states: Sequence[FlowState], spread_edges: Floats, per_lot: float
) -> dict[str, Floats]:
    """Law of a side's hidden executions, by spread and by where the last trade was.

    For each market order that takes from the side (those that it follows at once), and for each event (all others).
    Their price is the last trade's, or a share of the spread. A tape may round prices outwards, to the touch itself; then
    that is where they lie. `per_lot`: tape lots of a simulated lot.

    Returns
    -------
    hidden : float64[2 * LAST_PLACES * SPREADS]
        Mean executions on a side per market order that takes from it, then per event; by `touch_history.last_place`.
    hidden_same : float64[LAST_PLACES]
        Chance of the last trade's price.
    hidden_at : float64[LAST_PLACES * SPREADS * HIDDEN_POINTS]
        Equally likely shares of the spread, else.
    hidden_lots : float64[GAP_POINTS]
        Equally likely values.
    """
    rows = np.concatenate([d.o.hidden for d in days])
    side = resting_sides(rows)
    gap = rows[:, 4] - rows[:, 3]
    own = np.where(side > 0, rows[:, 3], rows[:, 4])
    into = np.clip((rows[:, 1] - own) * side / np.maximum(gap, 1), 0.0, 1.0)
    classes = np.searchsorted(spread_edges, gap, side="right")
    first = np.concatenate([first_of_bursts(d.o.hidden) for d in days])
    place, beyond = (
        of_side(np.concatenate([_at_hidden(d, x) for d, x in zip(days, values, strict=True)]), side)
        for values in ([s.last_place for s in states], [s.beyond_last for s in states])
    )
    again = first & (rows[:, 1] == own - side * beyond) & (place > 0) & (place < q.LAST_PLACES - 1)
    drawn = first & ~again
    places = np.zeros((q.LAST_PLACES, q.SPREADS, q.HIDDEN_POINTS))
    for m, c in itertools.product(range(q.LAST_PLACES), range(q.SPREADS)):
        near = np.abs(classes - c) <= 1
        here = drawn & (place == m)
        choices = ((classes == c) & here, near & here, here, drawn & (classes == c))
        sample = next((into[mask] for mask in choices if mask.sum() >= MIN_SAMPLE), into)
        if len(sample):
            places[m, c] = equally_likely(sample, q.HIDDEN_POINTS, as_integers=False)
    lots = to_lots(rows[:, 2], per_lot) if len(rows) else np.ones(1)
    counts = np.sum(
        [_counts(d, s, spread_edges) for d, s in zip(days, states, strict=True)], axis=0
    )
    return {
        "hidden": np.concatenate([_rate(*counts[i]).ravel() for i in range(2)]),
        "hidden_same": np.array(
            [
                again[place == m].sum() / max(first[place == m].sum(), 1)
                for m in range(q.LAST_PLACES)
            ]
        ),
        "hidden_at": places.ravel(),
        "hidden_lots": np.maximum(equally_likely(lots, q.GAP_POINTS), 1.0),
    }


def hidden_again_share(days: Sequence[ExtractedDay]) -> float:
    """Share of hidden executions within a second of another on their side, at most .9."""
    count = sum(len(d.o.hidden) for d in days)
    first = sum(int(first_of_bursts(d.o.hidden).sum()) for d in days)
    return min(1.0 - first / max(count, 1), 0.9) if count else 0.0


def _counts(day: ExtractedDay, flow_state: FlowState, spread_edges: Floats) -> Floats:
    """Executions and their occasions, float64[2, 2, LAST_PLACES, SPREADS]: with market orders, and alone."""
    o = day.o
    place = flow_state.last_place.astype(np.int64)
    counts = np.zeros((2, 2, q.LAST_PLACES, q.SPREADS))
    spread = np.searchsorted(spread_edges, day.spread, side="right")
    market = o.kind == q.MARKET
    taken = of_side(place, -o.side.astype(np.int64))
    np.add.at(counts[0, 1], (taken[market], spread[market]), 1.0)
    for column in range(2):
        np.add.at(counts[1, 1], (place[:, column], spread), 1.0)
    ns = o.hidden[:, 0]
    met = np.searchsorted(spread_edges, o.hidden[:, 4] - o.hidden[:, 3], side="right")
    after = np.append(o.ns[market], np.iinfo(np.int64).max)
    alone = (after[np.searchsorted(after, ns)] - ns > WITH_NS).astype(np.int64)
    then = of_side(_at_hidden(day, place), resting_sides(o.hidden))
    np.add.at(counts, (alone, np.zeros_like(alone), then, met), 1.0)
    return counts


def _at_hidden(day: ExtractedDay, values: AnyArray) -> AnyArray:
    """Values [n, 2] of the bid and of the ask when each hidden execution came, [h, 2]."""
    rows = np.minimum(np.searchsorted(day.o.ns, day.o.hidden[:, 0]), max(day.o.n - 1, 0))
    return np.asarray(values[rows])


def _rate(hidden: Floats, met: Floats) -> Floats:
    """Executions over occasions; thin cells are shrunk to the rate at their spread, and these to the overall rate."""
    over_all = hidden.sum() / max(met.sum(), 1.0)
    by_spread = (hidden.sum(axis=0) + PRIOR * over_all) / (met.sum(axis=0) + PRIOR)
    return np.asarray((hidden + PRIOR * by_spread) / (met + PRIOR))
