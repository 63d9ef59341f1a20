"""A placebo for strategies that listen: the same strategy, told what is forecast in another episode.

What it saves it saves by its habit, such as to hide now and then, and not by what a forecast knows. On tape the other
episode is of another day, at the same time of day or the nearest that there is; within one day it is another window, in
a simulated market another stream. It runs without an order and is forecast for the side of the order that is told.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import columns as c
from tercel.execution import step as kernels
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.market.simulator.source import Source

MOST_LOOKS: Final = 1800
"""Forecasts of an episode at most: one a second in half an hour, fewer a second in longer orders."""
DAY_NS: Final = 86_400 * NS_PER_SECOND
_STREAM = [kernels.E_SEED, kernels.E_INDEX]


def placebo_plan(plan: Plan) -> Plan | None:
    """For each episode of a plan another one, without an order; None where there is no other.

    >>> from tercel.lab.evaluation.episodes import seeded_plan
    >>> found = placebo_plan(seeded_plan(Task(), 5, 1, 0, 4))
    >>> found.rows[:, [kernels.E_INDEX, kernels.E_SIDE, kernels.E_QUANTITY]].tolist()
    [[1, 1, 0], [1, -1, 0], [0, 1, 0], [0, -1, 0]]
    """
    rows = plan.rows
    start = rows[:, kernels.E_START_NS]
    # a recorded day is told by its last row
    told_by = [[kernels.E_CURSOR_END], [kernels.E_START_NS]] if start.any() else [_STREAM]
    labels = [np.unique(rows[:, by], axis=0, return_inverse=True)[1].ravel() for by in told_by]
    label = next((one for one in labels if one.max() > 0), None)
    if label is None:
        return None
    found = np.empty(len(rows), np.int64)
    for n in range(len(rows)):
        later = (label - label[n]) % (label.max() + 1)
        off = np.abs(start % DAY_NS - start[n] % DAY_NS)
        found[n] = np.lexsort((later, off, later == 0))[0]
    told = rows[found]
    told[:, kernels.E_QUANTITY] = 0
    own = [kernels.E_SIDE, kernels.E_HORIZON_NS]
    told[:, own] = rows[:, own]
    return Plan(told, plan.cluster)


def outlooks(source: Source, task: Task, plan: Plan, forecaster: Forecaster) -> Ints:
    """What a forecaster says in episodes without orders, int64 (looks, n, OUTLOOK): at looks evenly over the horizon.

    Parameters
    ----------
    source : Source
    task : Task
    plan : Plan
        Of :func:`placebo_plan`.
    forecaster : Forecaster
    """
    looks = min(max(int(task.horizon_s), 1), MOST_LOOKS)
    watching = replace(task, clock="time", clock_step=0, decisions=looks)
    episodes = Episodes(source, watching, len(plan), looks_back=True)
    episodes.start(plan)
    episodes.foresee(forecaster)
    told = np.zeros((looks, len(plan), c.OUTLOOK), np.int64)
    for look in range(looks):
        told[look] = episodes.view.told
        episodes.step(empty(len(plan)))
    return told
