"""Episodes step by step: the book, what the policy wanted and why, what came of it.

Why: each feature in turn is replaced by what other decisions saw of it; what that changes in the mean is what the
feature contributed to this decision against an ordinary one (the one-feature term of a Shapley value, Strumbelj &
Kononenko 2014, without the interactions).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import intent as i
from tercel.execution.costs import BPS
from tercel.execution.intent import Intents, View
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.explain import importance
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

BACKGROUND: Final = 32
"""Decisions of other episodes that a feature is drawn from."""
REASONS: Final = 3
LEAST: Final = 0.01
"""Contributions below a hundredth of what is left are not listed."""
LOG_ROWS: Final = 4096


@dataclass(frozen=True)
class Reason:
    """What one feature did to one decision, against ordinary values of it: changes of the shares of what is left."""

    name: str
    value: float
    rank: float
    """Share of all decisions that saw less of it, 0 to 1."""
    change: tuple[float, ...]
    """In the order of `seen.PARTS`."""


@dataclass(frozen=True, eq=False)
class EpisodeStep:
    """One decision of a traced episode; prices in ticks, quantities in lots."""

    time_s: float
    left: int
    bid: int
    ask: int
    own_depth: int
    far_depth: int
    take: int
    rest: tuple[tuple[int, int], ...]
    """Lots wanted on the ladder: (ticks behind the own touch, lots)."""
    reasons: tuple[Reason, ...]
    filled: int
    """Lots filled since the decision before."""
    passive: int
    """Of these, while resting."""
    cost_bps: float
    """Of all fills so far, in bps of the whole order."""

    @property
    def wants(self) -> str:
        """The intent as a phrase."""
        wanted = [f"take {self.take}"] if self.take else []
        wanted += [
            f"show {lots} at touch{-ticks:+d}" if ticks else f"show {lots} at touch"
            for ticks, lots in self.rest
        ]
        return ", ".join(wanted + ([f"hold {self.held}"] if self.held > 0 else []))

    @property
    def shown(self) -> int:
        """Lots on the ladder of the intent."""
        return sum(lots for _, lots in self.rest)

    @property
    def held(self) -> int:
        """Lots held back by the intent."""
        return self.left - self.take - self.shown


@dataclass(frozen=True, eq=False)
class EpisodeTrace:
    """Trace of one episode, decision by decision.

    Parameters
    ----------
    title : str
    episode : int
        Row of the plan.
    side, lots : int
    cost_bps : float
        Implementation shortfall.
    steps : tuple of EpisodeStep
    fill_s, fill_ticks, fill_lots : float64, int64, int64 (f,)
    fill_passive, fill_forced : bool (f,)
    """

    title: str
    episode: int
    side: int
    lots: int
    cost_bps: float
    steps: tuple[EpisodeStep, ...]
    fill_s: Floats
    fill_ticks: Ints
    fill_lots: Ints
    fill_passive: Bools
    fill_forced: Bools


def chosen(cost_bps: Floats, each: int) -> list[tuple[str, int]]:
    """The `each` cheapest, middle and dearest episodes: (title, row).

    >>> chosen(np.array([3.0, 1.0, 2.0]), 1)
    [('cheapest', 1), ('median', 2), ('dearest', 0)]
    """
    order = np.argsort(cost_bps, kind="stable").tolist()
    middle = max((len(order) - each) // 2, 0)
    picks = (
        ("cheapest", order[:each]),
        ("median", order[middle : middle + each]),
        ("dearest", order[::-1][:each]),
    )
    return [(title, row) for title, rows in picks for row in rows]


def trace_episodes(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: importance.ExplainableStrategy,
    seen: importance.ObservedDecisions,
    names: Sequence[str],
    picks: Sequence[tuple[str, int]],
    rng: np.random.Generator,
) -> list[EpisodeTrace]:
    """Run the episodes `picks` (title, row of the plan) again, with every step recorded."""
    rows = np.array([row for _, row in picks], np.int64)
    episodes = Episodes(source, task, len(rows), log_rows=LOG_ROWS)
    episodes.start(plan.take(rows))
    start = episodes.states[:, sim.START_NS].copy()
    background, ranks = seen.some(BACKGROUND, rng).obs, np.sort(seen.obs, axis=0)
    moments: list[list[tuple[View, Float32, Intents, int]]] = [[] for _ in picks]
    while episodes.working.any():
        view = episodes.view
        obs = strategy.observe(view).copy()
        intents = strategy.answer(obs, view)
        for market in np.flatnonzero(episodes.working & (view.left > 0)).tolist():
            one = np.array([market])
            now = int(episodes.states[market, sim.NOW])
            moments[market].append(
                (importance.rows_of(view, one), obs[one], intents[one].copy(), now)
            )
        episodes.step(intents)
    costs = episodes.costs()
    found = []
    for market, (title, row) in enumerate(picks):
        fills = episodes.fills(market).copy()
        reasons = [
            why(strategy, view, obs, background, ranks, names)
            for view, obs, _, _ in moments[market]
        ]
        order = int(costs.side[market]), int(costs.qty[market]), int(costs.arrival_mid2[market])
        steps = _steps(moments[market], reasons, fills, order, int(start[market]))
        cost = float(costs.shortfall[market] / costs.denominator[market] * BPS)
        found.append(
            EpisodeTrace(
                title,
                row,
                order[0],
                order[1],
                cost,
                steps,
                (fills[:, 0] - start[market]) / NS_PER_SECOND,
                fills[:, 1],
                fills[:, 2],
                fills[:, 5] != 0,
                fills[:, 6] != 0,
            )
        )
    return found


def why(
    strategy: importance.ExplainableStrategy,
    view: View,
    obs: Float32,
    background: Float32,
    ranks: Float32,
    names: Sequence[str],
) -> tuple[Reason, ...]:
    """Features that moved one decision most, with their effects.

    Parameters
    ----------
    view, obs : View, float32 (1, D)
        Of the decision.
    background : float32 (B, D)
        Of other decisions.
    ranks : float32 (N, D)
        All that was seen, each column sorted.
    """
    features, drawn = obs.shape[1], len(background)
    swapped = np.repeat(obs, features * drawn, axis=0)
    column = np.repeat(np.arange(features), drawn)
    swapped[np.arange(len(swapped)), column] = background.T.ravel()
    many = importance.rows_of(view, np.zeros(len(swapped), np.int64))
    here, there = strategy.answer(obs, view), strategy.answer(swapped, many)
    gone = importance.places(there, many).reshape(features, drawn, -1).mean(axis=1)
    size = 0.5 * np.abs(importance.places(here, view) - gone).sum(axis=1)
    change = importance.parts(here, view) - importance.parts(there, many).reshape(
        features, drawn, -1
    ).mean(axis=1)
    best = [int(j) for j in np.argsort(-size, kind="stable")[:REASONS] if size[j] >= LEAST]
    return tuple(
        Reason(
            names[j],
            float(obs[0, j]),
            float(np.mean(ranks[:, j] < obs[0, j])),
            tuple(change[j].tolist()),
        )
        for j in best
    )


def _ladder(intents: Intents, view: View) -> tuple[tuple[int, int], ...]:
    """Lots wanted by how far behind the touch, of one decision."""
    ticks, lots = importance.behind_touch(intents, view)[0].tolist(), intents[0, i.REST0 :].tolist()
    return tuple((tick, lot) for tick, lot in zip(ticks, lots, strict=True) if lot)


def _steps(
    moments: Sequence[tuple[View, Float32, Intents, int]],
    reasons: Sequence[tuple[Reason, ...]],
    fills: Ints,
    order: tuple[int, int, int],
    start: int,
) -> tuple[EpisodeStep, ...]:
    side, lots, arrival = order
    paid = side * (2 * fills[:, 1] - arrival) * fills[:, 2]
    steps, before, filled = [], 0, np.cumsum(fills[:, 2])
    for (view, _, intents, now), why_ in zip(moments, reasons, strict=True):
        known = int(
            np.searchsorted(filled, lots - int(view.left[0]), "right")
        )  # takes bear their decision's own time
        new = fills[before:known]
        touch, far = int(view.touch[0]), int(view.far[0])
        steps.append(
            EpisodeStep(
                (now - start) / NS_PER_SECOND,
                int(view.left[0]),
                min(touch, far),
                max(touch, far),
                int(view.own_depth[0, 0]),
                int(view.far_depth[0, 0]),
                int(intents[0, i.TAKE]),
                _ladder(intents, view),
                why_,
                int(new[:, 2].sum()),
                int(new[new[:, 5] != 0, 2].sum()),
                float(paid[:known].sum() / (arrival * lots) * BPS),
            )
        )
        before = known
    return tuple(steps)
