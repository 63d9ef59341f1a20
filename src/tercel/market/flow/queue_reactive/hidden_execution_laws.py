"""Laws of hidden executions: how often with and without a market order, by spread; their place in it; their size."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.empirical import equally_likely
from tercel.market.flow.queue_reactive.extract import (
    SOON_NS,
    WITH_NS,
    ExtractedDay,
    FlowState,
    drop_classes,
    gone_states,
    of_side,
)

MIN_SAMPLE: Final = 20
PRIOR: Final = 5.0
"""Occasions at the wider law's rate that a cell is shrunk to."""


def hidden_laws(
    days: Sequence[ExtractedDay], states: Sequence[FlowState], spread_edges: Floats, per_lot: float
) -> dict[str, Floats]:
    """Law of a side's hidden executions, by spread and by whether its best price holds.

    For each market order that takes from the side (those that it follows at once), and for each event (all others).
    Their place is a share of the spread, by how far the best price is behind one that is gone. Which side rested is
    not shown by the price on every feed: the nearer one did, so that a share is at most a half. A tape may round prices
    outwards, to the touch itself; then that is where they lie. `per_lot`: tape lots of a simulated lot.

    Returns
    -------
    hidden : float64[2 * STATES_OF_TOUCH * SPREADS]
        Mean executions on a side per market order that takes from it, then per event; by the state of its best price.
    hidden_at : float64[(1 + DROPS) * SPREADS * HIDDEN_POINTS]
        Equally likely shares; first `touch_history.drop_class`, then the class of the spread.
    hidden_lots : float64[GAP_POINTS]
        Equally likely values.
    """
    rows = np.concatenate([d.o.hidden for d in days])
    gap = rows[:, 4] - rows[:, 3]
    depth_share = np.clip((rows[:, 1] - rows[:, 3]) / np.maximum(gap, 1), 0.0, 1.0)
    depth_share = np.minimum(depth_share, 1.0 - depth_share)
    classes = np.searchsorted(spread_edges, gap, side="right")
    nearer = np.where(2 * rows[:, 1] <= rows[:, 3] + rows[:, 4], 1, -1)
    state = of_side(
        np.concatenate(
            [_state_at_hidden(d, drop_classes(d, s)) for d, s in zip(days, states, strict=True)]
        ),
        nearer,
    )
    places = np.zeros((1 + q.DROPS, q.SPREADS, q.HIDDEN_POINTS))
    for m, c in itertools.product(range(1 + q.DROPS), range(q.SPREADS)):
        near = np.abs(classes - c) <= 1
        choices = ((classes == c) & (state == m), near & (state == m), state == m, classes == c)
        sample = next(
            (depth_share[mask] for mask in choices if mask.sum() >= MIN_SAMPLE), depth_share
        )
        if len(sample):
            places[m, c] = equally_likely(sample, q.HIDDEN_POINTS, as_integers=False)
    lots = to_lots(rows[:, 2], per_lot) if len(rows) else np.ones(1)
    counts = np.sum(
        [_counts(d, s, spread_edges) for d, s in zip(days, states, strict=True)], axis=0
    )
    return {
        "hidden": np.concatenate([_rate(*counts[i]).ravel() for i in range(2)]),
        "hidden_at": np.clip(places, 0.0, 0.5).ravel(),
        "hidden_lots": np.maximum(equally_likely(lots, q.GAP_POINTS), 1.0),
    }


def hidden_again_share(days: Sequence[ExtractedDay]) -> float:
    """Share of hidden executions within a second of another on their side, at most .9."""
    close = 0
    count = 0
    for d in days:
        ns = d.o.hidden[:, 0]
        nearer = np.sign(2 * d.o.hidden[:, 1] - d.o.hidden[:, 3] - d.o.hidden[:, 4])
        for side in (-1, 1):
            close += int((np.diff(ns[nearer == side]) < SOON_NS).sum())
            count += int((nearer == side).sum())
    return min(close / max(count, 1), 0.9)


def _counts(day: ExtractedDay, flow_state: FlowState, spread_edges: Floats) -> Floats:
    """Executions and their occasions, float64[2, 2, STATES_OF_TOUCH, SPREADS]: with market orders, and alone."""
    touch_states = gone_states(day, flow_state)
    o = day.o
    counts = np.zeros((2, 2, q.STATES_OF_TOUCH, q.SPREADS))
    spread = np.searchsorted(spread_edges, day.spread, side="right")
    market = o.kind == q.MARKET
    np.add.at(
        counts[0, 1], (of_side(touch_states, -o.side.astype(np.int64))[market], spread[market]), 1.0
    )
    for side_index in range(2):
        np.add.at(counts[1, 1], (touch_states[:, side_index], spread), 1.0)
    ns = o.hidden[:, 0]
    price = 2 * o.hidden[:, 1] - o.hidden[:, 3] - o.hidden[:, 4]
    met = np.searchsorted(spread_edges, o.hidden[:, 4] - o.hidden[:, 3], side="right")
    after = np.append(o.ns[market], np.iinfo(np.int64).max)
    joined = after[np.searchsorted(after, ns)] - ns <= WITH_NS
    then = _state_at_hidden(day, touch_states)
    for side, weight in (
        (-1, np.where(price == 0, 0.5, price > 0)),
        (1, np.where(price == 0, 0.5, price < 0)),
    ):
        cells = (
            np.where(joined, 0, 1),
            np.zeros(len(ns), np.int64),
            of_side(then, np.full(len(ns), side)),
            met,
        )
        np.add.at(counts, cells, weight)
    return counts


def _state_at_hidden(day: ExtractedDay, state: Ints) -> Ints:
    """States of the bid and of the ask when each hidden execution came, int64[h, 2]."""
    return state[np.minimum(np.searchsorted(day.o.ns, day.o.hidden[:, 0]), max(day.o.n - 1, 0))]


def _rate(hidden: Floats, met: Floats) -> Floats:
    """Executions over occasions; thin cells are shrunk to the rate at their spread, and these to the overall rate."""
    over_all = hidden.sum() / max(met.sum(), 1.0)
    by_spread = (hidden.sum(axis=0) + PRIOR * over_all) / (met.sum(axis=0) + PRIOR)
    return np.asarray((hidden + PRIOR * by_spread) / (met + PRIOR))
