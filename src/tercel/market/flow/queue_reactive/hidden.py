"""Laws of hidden executions: frequency with and without a market order, by spread; place in it; size."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.empirical import points
from tercel.market.flow.queue_reactive.extract import (
    SOON_NS,
    WITH_NS,
    ExtractedDay,
    FlowState,
    dropped,
    gone,
    of_side,
)

FEW: Final = 20
PRIOR: Final = 5.0
"""Occasions at the wider law's rate that a cell is shrunk to."""


def laws(
    days: Sequence[ExtractedDay], seen: Sequence[FlowState], spread_edges: Floats, per_lot: float
) -> dict[str, Floats]:
    """Law of a side's hidden executions, by spread and by whether its best price holds.

    For each market order that takes from the side (those that it follows at once), and for each event (all others).
    Their place is a share of the spread, by how far the best price stands behind one that is gone. Which side rested is
    not told by the price on every feed: the nearer one did, so that a share is at most a half. A tape may round prices
    outwards, to the touch itself; then that is where they lie. `per_lot`: tape lots of a simulated lot.

    Returns
    -------
    hidden : float64[2 * STATES_OF_TOUCH * SPREADS]
        Mean executions on a side per market order that takes from it, then per event; by the state of its best price.
    hidden_at : float64[(1 + DROPS) * SPREADS * HIDDEN_POINTS]
        Equally likely shares; first `memory.dropped`, then the class of the spread.
    hidden_lots : float64[GAP_POINTS]
        Equally likely values.
    """
    rows = np.concatenate([d.o.hidden for d in days])
    gap = rows[:, 4] - rows[:, 3]
    at = np.clip((rows[:, 1] - rows[:, 3]) / np.maximum(gap, 1), 0.0, 1.0)
    at = np.minimum(at, 1.0 - at)
    classes = np.searchsorted(spread_edges, gap, side="right")
    nearer = np.where(2 * rows[:, 1] <= rows[:, 3] + rows[:, 4], 1, -1)
    state = of_side(
        np.concatenate([_then(d, dropped(d, s)) for d, s in zip(days, seen, strict=True)]), nearer
    )
    places = np.zeros((1 + q.DROPS, q.SPREADS, q.HIDDEN_POINTS))
    for m, c in itertools.product(range(1 + q.DROPS), range(q.SPREADS)):
        near = np.abs(classes - c) <= 1
        choices = ((classes == c) & (state == m), near & (state == m), state == m, classes == c)
        mine = next((at[which] for which in choices if which.sum() >= FEW), at)
        if len(mine):
            places[m, c] = points(mine, q.HIDDEN_POINTS, whole=False)
    lots = to_lots(rows[:, 2], per_lot) if len(rows) else np.ones(1)
    counts = np.sum([_counts(d, s, spread_edges) for d, s in zip(days, seen, strict=True)], axis=0)
    return {
        "hidden": np.concatenate([_rate(*counts[i]).ravel() for i in range(2)]),
        "hidden_at": np.clip(places, 0.0, 0.5).ravel(),
        "hidden_lots": np.maximum(points(lots, q.GAP_POINTS), 1.0),
    }


def again(days: Sequence[ExtractedDay]) -> float:
    """Share of hidden executions within a second of another on their side, at most .9."""
    close, count = 0, 0
    for d in days:
        ns, nearer = (
            d.o.hidden[:, 0],
            np.sign(2 * d.o.hidden[:, 1] - d.o.hidden[:, 3] - d.o.hidden[:, 4]),
        )
        for side in (-1, 1):
            close += int((np.diff(ns[nearer == side]) < SOON_NS).sum())
            count += int((nearer == side).sum())
    return min(close / max(count, 1), 0.9)


def _counts(day: ExtractedDay, seen: FlowState, spread_edges: Floats) -> Floats:
    """Executions, and occasions for them, float64[2, 2, STATES_OF_TOUCH, SPREADS]: with market orders, alone."""
    state, o = gone(day, seen), day.o
    out = np.zeros((2, 2, q.STATES_OF_TOUCH, q.SPREADS))
    spread = np.searchsorted(spread_edges, day.spread, side="right")
    market = o.kind == q.MARKET
    np.add.at(out[0, 1], (of_side(state, -o.side.astype(np.int64))[market], spread[market]), 1.0)
    for at in range(2):
        np.add.at(out[1, 1], (state[:, at], spread), 1.0)
    ns, price = o.hidden[:, 0], 2 * o.hidden[:, 1] - o.hidden[:, 3] - o.hidden[:, 4]
    met = np.searchsorted(spread_edges, o.hidden[:, 4] - o.hidden[:, 3], side="right")
    after = np.append(o.ns[market], np.iinfo(np.int64).max)
    joined = after[np.searchsorted(after, ns)] - ns <= WITH_NS
    then = _then(day, state)
    for side, weight in (
        (-1, np.where(price == 0, 0.5, price > 0)),
        (1, np.where(price == 0, 0.5, price < 0)),
    ):
        where = (
            np.where(joined, 0, 1),
            np.zeros(len(ns), np.int64),
            of_side(then, np.full(len(ns), side)),
            met,
        )
        np.add.at(out, where, weight)
    return out


def _then(day: ExtractedDay, state: Ints) -> Ints:
    """States of the bid and of the ask when each hidden execution came, int64[h, 2]."""
    return state[np.minimum(np.searchsorted(day.o.ns, day.o.hidden[:, 0]), max(day.o.n - 1, 0))]


def _rate(hidden: Floats, met: Floats) -> Floats:
    """Executions over occasions; thin cells are shrunk to their spread, thin spreads to all."""
    over_all = hidden.sum() / max(met.sum(), 1.0)
    by_spread = (hidden.sum(axis=0) + PRIOR * over_all) / (met.sum(axis=0) + PRIOR)
    return np.asarray((hidden + PRIOR * by_spread) / (met + PRIOR))
