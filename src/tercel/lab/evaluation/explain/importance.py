"""What a policy observes, which features its decisions depend on, and how."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Float32, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.stats import Estimate, mean_interval
from tercel.execution.costs import Costs, attribute
from tercel.execution.intent import ANCHOR, STEP, Intents, K, View
from tercel.execution.strategy import shares
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.runs import batches
from tercel.market.simulator.source import Source

# -- observed -------------------------------------------------------------------------------------
# Observed decisions of a policy over many episodes, laid flat: the material of every explanation.

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
    return View(view.x[rows], view.m[rows], view.draw[rows])


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
                    view.draw[live],
                    obs[live],
                    first + live,
                )
            )
            episodes.step(strategy.answer(obs, view))
        costs.append(episodes.costs())
        first += len(part)
    x, m, draw, obs, episode = (np.concatenate(column) for column in zip(*columns, strict=True))
    if not len(x):
        raise ConfigError(
            "decisions with lots left", "none", "look at more episodes, or at another market"
        )
    return ObservedDecisions(View(x, m, draw), obs, episode), Costs.concat(costs)


def parts(intents: Intents, view: View) -> Floats:
    """Shares of what is left in each of `PARTS`, float64 (n, 4); they add up to 1."""
    all_ = shares(intents, view)
    behind = np.where(behind_touch(intents, view) > 0, all_[:, 1:], 0.0).sum(axis=1)
    return np.stack(
        [all_[:, 0], all_[:, 1:].sum(axis=1) - behind, behind, 1.0 - all_.sum(axis=1)], axis=1
    )


def behind_touch(intents: Intents, view: View) -> Ints:
    """Ticks of each rung behind the own touch, int64 (n, K); negative inside the spread."""
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


# -- importance -----------------------------------------------------------------------------------
# Permutation importance (Breiman 2001, "Random forests", section 10), of actions and of costs.
#
# A feature's column is shuffled among decisions, so that it keeps its distribution and loses its meaning. How far that
# moves the action is measured as a total variation distance of where the lots go; what it costs is measured by letting the
# policy act on the shuffled feature in the same episodes. Columns that say the same share their importance, so families
# of them are shuffled as one too (`seen.grouped`).

Columns = Mapping[str, tuple[int, ...]]
REPEATS = 4
"""Shufflings of each feature."""


@dataclass(frozen=True)
class PermutationImportance:
    """Importance of a feature or family: change of the action when it is shuffled.

    Parameters
    ----------
    name : str
    distance : Estimate
        Share of what is left that goes to another place, mean over decisions; clusters are episodes.
    change : tuple of float
        Mean absolute change of each share, in the order of `PARTS`.
    """

    name: str
    distance: Estimate
    change: tuple[float, ...]


def moves_action(
    strategy: ExplainableStrategy,
    seen: ObservedDecisions,
    columns: Columns,
    rng: np.random.Generator,
) -> list[PermutationImportance]:
    """Importances of every feature (or family) for the action, largest first."""
    before_places, before_parts = _both(strategy, seen)
    found = []
    for name, which in columns.items():
        distance, change = np.zeros(len(seen)), np.zeros((len(seen), before_parts.shape[1]))
        for _ in range(REPEATS):
            obs = seen.obs.copy()
            obs[:, which] = seen.obs[rng.permutation(len(seen))][:, which]
            after_places, after_parts = _both(
                strategy, ObservedDecisions(seen.view, obs, seen.episode)
            )
            distance += 0.5 * np.abs(after_places - before_places).sum(axis=1) / REPEATS
            change += np.abs(after_parts - before_parts) / REPEATS
        found.append(
            PermutationImportance(
                name,
                mean_interval(distance, seen.episode, rng),
                tuple(change.mean(axis=0).tolist()),
            )
        )
    return sorted(found, key=lambda moved: -moved.distance.mean)


def away_from(
    intents: Intents,
    strategy: ExplainableStrategy,
    seen: ObservedDecisions,
    rng: np.random.Generator,
) -> Estimate:
    """Share of what is left that a strategy sends elsewhere than `intents` of the same decisions would."""
    own = places(strategy.answer(seen.obs, seen.view), seen.view)
    distance = 0.5 * np.abs(own - places(intents, seen.view)).sum(axis=1)
    return mean_interval(distance, seen.episode, rng)


def _both(strategy: ExplainableStrategy, seen: ObservedDecisions) -> tuple[Floats, Floats]:
    intents = strategy.answer(seen.obs, seen.view)
    return places(intents, seen.view), parts(intents, seen.view)


def moves_cost(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: ExplainableStrategy,
    plain: Costs,
    columns: Columns,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Estimate]:
    """Extra cost of acting on a shuffled feature, bps, on the same episodes.

    At each decision the column is shuffled among the episodes that run side by side, so it comes from the same moment
    of another episode: what is lost is what the feature says of *this* episode beyond the time.
    """
    before = attribute(plain, None)["is_bps"]
    found = {}
    for name, which in columns.items():
        after = attribute(_run_shuffled(source, task, plan, strategy, which, rng), None)["is_bps"]
        found[name] = mean_interval(after - before, plain.cluster, rng)
        if progress is not None:
            progress(name)
    return found


def _run_shuffled(
    source: Source,
    task: Task,
    plan: Plan,
    strategy: ExplainableStrategy,
    which: tuple[int, ...],
    rng: np.random.Generator,
) -> Costs:
    done = []
    for part in batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            view = episodes.view
            obs = strategy.observe(view).copy()
            live = np.flatnonzero(episodes.working & (view.left > 0))
            columns = np.array(which)
            obs[live[:, None], columns] = obs[rng.permutation(live)[:, None], columns]
            episodes.step(strategy.answer(obs, view))
        done.append(episodes.costs())
    return Costs.concat(done)


# -- dependence -----------------------------------------------------------------------------------
# Partial dependence (Friedman 2001, "Greedy function approximation", section 8.2): the mean action by one feature.

POINTS: Final = 13
_LEVELS: Final = (0.02, 0.98)


@dataclass(frozen=True, eq=False)
class Dependence:
    """The mean shares of what is left that go to each of `PARTS` while one feature is set to each value of a grid.

    Parameters
    ----------
    name : str
    grid : float64 (G,)
        Quantiles of what was seen, from 2 to 98 %.
    mean : float64 (G, 4)
        In the order of `PARTS`.
    """

    name: str
    grid: Floats
    mean: Floats


def partial_dependence(
    strategy: ExplainableStrategy, seen: ObservedDecisions, names: Sequence[str], column: int
) -> Dependence:
    """Set `column` to each value of a grid in all decisions, everything else as it was seen.

    Where features go together some of these decisions never happen; read it beside the importance.
    """
    grid = np.unique(
        np.quantile(seen.obs[:, column], np.linspace(*_LEVELS, POINTS)).astype(np.float32)
    )
    rows = np.tile(np.arange(len(seen)), len(grid))
    obs = seen.obs[rows]
    obs[:, column] = np.repeat(grid, len(seen))
    view = rows_of(seen.view, rows)
    all_ = parts(strategy.answer(obs, view), view)
    return Dependence(
        names[column], grid.astype(np.float64), all_.reshape(len(grid), len(seen), -1).mean(axis=1)
    )
