"""Episodes run one strategy at a time, each with a warm-up of its own: what shared runs are held to."""

from tercel.execution.costs import Costs
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation import runs
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.runs import Decisions
from tercel.market.simulator.source import Source


def run_alone(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Costs:
    """Costs of a strategy over all episodes of a plan."""
    parts = []
    for part in runs.batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        parts.append(episodes.costs())
    return Costs.concat(parts)


def run_recorded(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Decisions:
    """Recorded decisions of the plan's episodes (all at once: keep them few)."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(plan)
    seen = runs._Seen(len(plan), task, 0)
    while episodes.working.any() and seen.steps < task.decisions:
        seen.observe(episodes)
        episodes.step(strategy.decide(episodes.view))
    return seen.decisions(plan)
