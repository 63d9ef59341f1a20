"""Figures of what a strategy observes in a calm market, against which its observations on a desk are compared."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.errors import PolicyError
from tercel.execution.features import features_of
from tercel.execution.policies.calm_observations import CalmObservations
from tercel.execution.policies.card import Card
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.adaptability import Decisions
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.runs import run_strategies
from tercel.market.flow import load
from tercel.market.simulator.source import Source, reactive

EPISODES: Final = 256
"""Number of observed episodes, over all plans."""
SEED: Final = 2_026


def observe_plans(
    plans: Sequence[tuple[Source, Task, Plan]], strategy: Strategy, market: str, command: str
) -> CalmObservations:
    """Figures of what a strategy observes in the first episodes of each plan, an equal number each, :data:`EPISODES` in all.

    Parameters
    ----------
    plans : sequence of (Source, Task, Plan)
        Market, order and episodes.
    strategy : Strategy
    market, command : str
        Market of the figures, and the command that printed them.
    """
    per_plan = max(EPISODES // len(plans), 1)
    parts = []
    episodes = 0
    for source, task, plan in plans:
        sample = plan.take(slice(per_plan))
        decisions: list[Decisions] = []
        run_strategies(source, task, sample, [strategy], decisions=decisions)
        [seen] = decisions
        parts.append(features_of(seen.x[seen.live], seen.m[seen.live]).astype(np.float64))
        episodes += len(sample)
    return CalmObservations.of(np.concatenate(parts), episodes, market, command)


def observe_preset(task: Task, strategy: Strategy, market: str) -> CalmObservations:
    """Figures of what a strategy observes in a preset market while it works orders of a task."""
    preset = load(market)
    plan = seeded_plan(task, task.lots(preset.volume_per_s), SEED, 0, EPISODES)
    plans = [(reactive(preset, 1), task, plan)]
    return observe_plans(plans, strategy, preset.name, f"Policy.observe({market!r})")


def task_of(card: Card) -> Task:
    """Task from the fields of a policy's card, defaults for fields that the card lacks; PolicyError if they make no
    task.

    Raises
    ------
    PolicyError
        For a task that is none.
    """
    task_values = {name: card.task[name] for name in Task.__dataclass_fields__ if name in card.task}
    try:
        for name in ("latency", "feed_latency"):
            if name in task_values:
                values = dict(task_values[name])
                task_values[name] = Latency(
                    **{**values, "values_ns": tuple(values.get("values_ns", ()))}
                )
        return Task(**task_values)
    except (TypeError, ValueError) as error:
        raise PolicyError("a card with a task", str(error), "save the policy again") from error
