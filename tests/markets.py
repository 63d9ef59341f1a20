"""Markets that tests alone trade in, and what markets do where nobody sends orders."""

import numpy as np

from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation import experiment
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.experiment import streams_of, without_orders
from tercel.market.book import layout as lay
from tercel.market.flow import martingale
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import NO_TAPE, OWN_ORDERS, Source, blank_state


def martingale_market(jump_rate: float = 0.2, trade_rate: float = 1.0, level_lots: int = 20) -> Source:
    """Martingale guard market: a random-walk mid that no order moves, own fills at the current mid."""
    flow = np.array([jump_rate, trade_rate, 30, level_lots, 6, 0.0, 0.0, 0.0])
    b = lay.new_book(64, 64, OWN_ORDERS)
    k = blank_state(sim.MARTINGALE)
    k[sim.REFILLED] = 10_000
    k[sim.MID2] = 2 * k[sim.REFILLED]
    k[sim.AT_MID] = 1
    k[sim.FLOW_NS] = 1
    k[[sim.LAST_BID, sim.LAST_ASK]] = k[sim.REFILLED] - 1, k[sim.REFILLED] + 1
    martingale.lay_book(b, k, flow)
    return Source("martingale", sim.MARTINGALE, flow, NO_TAPE, b[None], k[None], 0.01, 1)


def without_own_orders(source: Source, task: Task, plan: Plan) -> Episodes:
    """Episodes of the plan that ended without own orders."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    while episodes.working.any():
        episodes.step(empty(len(plan)))
    return episodes


def run_twins(source: Source, task: Task, plan: Plan) -> np.ndarray:
    """Mids of every episode without own orders on the task's time grid: int64 (n, G), half-ticks."""
    first, which = streams_of(plan)
    grids = [without_own_orders(source, task, part).costs().mid2_grid for part in experiment.batches(plan.take(first))]
    return np.concatenate(grids)[which]


def public_volume(source: Source, task: Task, plan: Plan) -> np.ndarray:
    """Lots traded within the horizon of every episode without own orders: int64 (n,)."""
    k = without_own_orders(source, task, plan).states
    return k[:, sim.BOUGHT] + k[:, sim.SOLD] - k[:, sim.ARRIVED + 1] - k[:, sim.ARRIVED + 2]
