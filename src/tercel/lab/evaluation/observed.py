"""What a policy observes in episodes of its markets, for the figures beside its card."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.execution.features import features_of
from tercel.execution.policies.observed import CalmObservations
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan, seeded_plan
from tercel.lab.evaluation.experiment import Recording, run_strategies
from tercel.market.flow import load
from tercel.market.simulator.source import Source, reactive

EPISODES: Final = 256
"""Episodes in all that are looked at."""
SEED: Final = 2_026


def observed_in(
    plans: Sequence[tuple[Source, Task, Plan]], strategy: Strategy, market: str, command: str
) -> CalmObservations:
    """Figures of what a strategy observes in episodes of plans, at most :data:`EPISODES` of all.

    Parameters
    ----------
    plans : sequence of (Source, Task, Plan)
        Market, order and episodes.
    strategy : Strategy
    market, command : str
        What the figures say of where they are from, and what printed them.
    """
    each = max(EPISODES // len(plans), 1)
    parts = []
    episodes = 0
    for source, task, plan in plans:
        part = plan.take(slice(each))
        recording = Recording(len(part))
        run_strategies(source, task, part, [strategy], recording=recording)
        seen = recording.decisions[0]
        parts.append(features_of(seen.x[seen.live], seen.m[seen.live]).astype(np.float64))
        episodes += len(part)
    return CalmObservations.of(np.concatenate(parts), episodes, market, command)


def observed_in_preset(task: Task, strategy: Strategy, market: str) -> CalmObservations:
    """Figures of what a strategy observes in a preset market, working orders of a task."""
    preset = load(market)
    plan = seeded_plan(task, task.lots(preset.volume_per_s), SEED, 0, EPISODES)
    plans = [(reactive(preset, 1), task, plan)]
    return observed_in(plans, strategy, preset.name, f"Policy.observe({market!r})")
