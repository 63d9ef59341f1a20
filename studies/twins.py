"""Markets as they are without own orders: what the same streams do where nobody of ours sends any."""

import numpy as np
from numpy.typing import NDArray

from tercel import Task
from tercel.execution import empty_intents as empty
from tercel.lab.evaluation import Episodes, Plan, batches, streams_of, without_orders
from tercel.market.simulator import Source, layout as sim


def without_own_orders(source: Source, task: Task, plan: Plan) -> Episodes:
    """Episodes of the plan that ended without own orders."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    while episodes.working.any():
        episodes.step(empty(len(plan)))
    return episodes


def run_twins(source: Source, task: Task, plan: Plan) -> NDArray[np.int64]:
    """Mids of every episode without own orders on the task's time grid: int64 (n, G), half-ticks."""
    first, which = streams_of(plan)
    grids = [
        without_own_orders(source, task, part).costs().mid2_grid
        for part in batches(plan.take(first))
    ]
    mids: NDArray[np.int64] = np.concatenate(grids)[which]
    return mids


def public_volume(source: Source, task: Task, plan: Plan) -> NDArray[np.int64]:
    """Lots traded within the horizon of every episode without own orders: int64 (n,)."""
    k = without_own_orders(source, task, plan).states
    volume: NDArray[np.int64] = (
        k[:, sim.BOUGHT] + k[:, sim.SOLD] - k[:, sim.ARRIVED + 1] - k[:, sim.ARRIVED + 2]
    )
    return volume
