"""Observed decisions of a policy over many episodes, laid flat: the material of every explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Float32, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution.costs import Costs
from tercel.execution.intent import ANCHOR, STEP, Intents, K
from tercel.execution.strategy import shares
from tercel.execution.task import Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.experiment import batches
from tercel.market.simulator.source import Source

GROUPS: Final = (
    ("time and lots left", ("time_left", "lots_left", "seconds_left")),
    ("size and urgency", ("order", "left_in", "slice", "horizon", "urgency", "side")),
    ("forecast", ("forecast",)),
    ("own orders", ("own_lots",)),
    ("queue ahead", ("queue",)),
    ("spread", ("spread",)),
    ("own-side depth", ("own_depth",)),
    ("far-side depth", ("far_depth",)),
    ("depth", ("depth",)),
    ("imbalance of the book", ("imbalance", "microprice")),
    ("volatility", ("volatility",)),
    ("price moves", ("drift",)),
    ("flow", ("order_flow", "volume", "events", "flow", "limit_", "trade")),
)
"""Families of entries by how their names begin, the longest beginning first; the rest is `OTHER`."""
OTHER: Final = "other"
PARTS: Final = ("take", "touch", "behind", "hold")
"""Of what is left: taken now, shown at the touch or inside it, shown behind it, held back."""


class ExplainableStrategy(Protocol):
    """Port of a strategy that answers to an observation, such as `PolicyStrategy`."""

    @property
    def name(self) -> str: ...

    def observe(self, view: View) -> Float32:
        """Observation of a view, float32 (n, D)."""

    def answer(self, obs: Float32, view: View) -> Intents:
        """Intents on the observations `obs`, int32 (n, 10)."""


@dataclass(frozen=True, eq=False)
class ObservedDecisions:
    """Decisions with lots left, one a row.

    Parameters
    ----------
    view : View
        Of N decisions.
    obs : float32 (N, D)
    episode : int64 (N,)
        Row of the plan.
    """

    view: View
    obs: Float32
    episode: Ints

    def __len__(self) -> int:
        return len(self.obs)

    def take(self, rows: Ints) -> "ObservedDecisions":
        """Some of the decisions."""
        return ObservedDecisions(rows_of(self.view, rows), self.obs[rows], self.episode[rows])

    def some(self, most: int, rng: np.random.Generator) -> "ObservedDecisions":
        """At most `most` decisions, drawn without replacement."""
        return (
            self
            if len(self) <= most
            else self.take(np.sort(rng.choice(len(self), most, replace=False)))
        )


def rows_of(view: View, rows: Ints) -> View:
    """A view of some of its rows, which may come again."""
    return View(view.x[rows], view.m[rows], view.obs[rows], view.draw[rows])


def watch(
    source: Source, task: Task, plan: Plan, strategy: ExplainableStrategy
) -> tuple[ObservedDecisions, Costs]:
    """Run a policy through all episodes of a plan; its observed decisions and their costs.

    Raises
    ------
    ConfigError
        When no decision was taken with lots left.
    """
    columns: list[tuple[NDArray[np.generic], ...]] = []
    costs, first = [], 0
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            view = episodes.view
            obs = strategy.observe(view)
            live = np.flatnonzero(episodes.working & (view.left > 0) & view.tradable)
            columns.append(
                (
                    view.x[live],
                    view.m[live],
                    view.obs[live],
                    view.draw[live],
                    obs[live],
                    first + live,
                )
            )
            episodes.step(strategy.answer(obs, view))
        costs.append(episodes.costs())
        first += len(part)
    x, m, raw, draw, obs, episode = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    if not len(x):
        raise ConfigError(
            "decisions with lots left", "none", "look at more episodes, or at another market"
        )
    return ObservedDecisions(View(x, m, raw, draw), obs, episode), Costs.concat(costs)


def parts(intents: Intents, view: View) -> Floats:
    """Shares of what is left in each of `PARTS`, float64 (n, 4); they add up to 1."""
    all_ = shares(intents, view)
    behind = np.where(behind_touch(intents, view) > 0, all_[:, 1:], 0.0).sum(axis=1)
    return np.stack(
        [all_[:, 0], all_[:, 1:].sum(axis=1) - behind, behind, 1.0 - all_.sum(axis=1)], axis=1
    )


def behind_touch(intents: Intents, view: View) -> Ints:
    """Ticks by which each rung stands behind the own touch, int64 (n, K); negative inside the spread."""
    steps = intents[:, [STEP]].astype(np.int64) * np.arange(K)
    return (view.touch - intents[:, ANCHOR])[:, None] * view.side[:, None] + steps


def places(intents: Intents, view: View) -> Floats:
    """Shares of what is left at each place, float64 (n, 7): take, the five rungs, held; they add up to 1."""
    all_ = shares(intents, view)
    return np.concatenate([all_, 1.0 - all_.sum(axis=1, keepdims=True)], axis=1)


def grouped(names: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """Columns by family, in the order of `GROUPS`.

    >>> grouped(["time_left", "imbalance_1", "imbalance_3", "moon"])
    {'time and lots left': (0,), 'imbalance of the book': (1, 2), 'other': (3,)}
    """
    heads = {head: group for group, heads in GROUPS for head in heads}
    found: dict[str, list[int]] = {group: [] for group in (*(group for group, _ in GROUPS), OTHER)}
    for column, name in enumerate(names):
        fitting = [head for head in heads if name.startswith(head)]
        found[heads[max(fitting, key=len)] if fitting else OTHER].append(column)
    return {group: tuple(columns) for group, columns in found.items() if columns}
