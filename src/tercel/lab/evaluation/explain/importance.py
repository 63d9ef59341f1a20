"""Permutation importance (Breiman 2001, "Random forests", section 10), of actions and of costs.

A feature's column is shuffled among decisions, so that it keeps its distribution and loses its meaning. How far that
moves the action is told as a total variation distance of where the lots go; what it costs is measured by letting the
policy act on the shuffled feature in the same episodes. Columns that say the same share their importance, so families
of them are shuffled as one too (`seen.grouped`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.stats import Estimate, mean_interval
from tercel.execution.costs import Costs, attribute
from tercel.execution.intent import Intents
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.experiment import batches
from tercel.lab.evaluation.explain.observed import (
    ExplainableStrategy,
    ObservedDecisions,
    parts,
    places,
)
from tercel.market.simulator.source import Source

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
        Mean absolute change of each share, in the order of `seen.PARTS`.
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
