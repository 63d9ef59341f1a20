"""What an order would cost somebody who knew the day beforehand: a bound to measure gaps by, and nothing to attain.

The oracle knows the public path of the episode without own orders, as strategies see it at their decisions. The problem
is relaxed until it can be solved exactly:

- At every decision it may take what is displayed on the five occupied levels of the far side; levels behind the touch
  count as one tick apart, which is never dearer than they are.
- Between two decisions it may have, at the better of the own touches at both, all that aggressors traded against the
  own side, whoever stood first in the queue.
- Nothing that it does moves anything, and every decision's depth is there whatever was taken before.

Lots are then interchangeable and chances independent, so that buying the cheapest ones first is optimal (a fractional
knapsack). What finds no chance is taken a tick beyond the worst. Own trading that changes the path in its favour is
outside of this bound: a strategy that moves a market cleverly could in principle cost less.
"""

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Floats
from tercel.evaluation.episodes import Episodes, Plan
from tercel.evaluation.experiment import batches, without_orders
from tercel.execution import columns as c
from tercel.execution import step as kernels
from tercel.execution.costs import BPS
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.market.simulator.source import Source

LABEL = "hindsight (not attainable)"
"""How tables call it."""
Ints = NDArray[np.int64]


def cheapest(prices: Ints, lots: Ints, quantity: Ints) -> Ints:
    """Least that `quantity` lots cost when any of the offers may be had in part.

    Parameters
    ----------
    prices, lots : int64 (n, c)
        Offers, a row an order; prices so that less is better.
    quantity : int64 (n,)

    Returns
    -------
    int64 (n,): price x lots. Lots that are offered nowhere cost one more than the dearest offer.

    >>> cheapest(np.array([[3, 1, 2]]), np.array([[5, 2, 2]]), np.array([6])).tolist()
    [12]
    """
    order = np.argsort(prices, axis=1, kind="stable")
    ranked, offered = np.take_along_axis(prices, order, 1), np.take_along_axis(lots, order, 1)
    upto = np.minimum(np.cumsum(np.maximum(offered, 0), axis=1), quantity[:, None])
    bought = np.diff(upto, axis=1, prepend=0)
    missing = quantity - upto[:, -1]
    return np.asarray((bought * ranked).sum(axis=1) + missing * (ranked[:, -1] + 1), np.int64)


def offers(m: Ints, after: Ints, side: Ints) -> tuple[Ints, Ints]:
    """Prices (side x ticks: less is better) and lots that one interval offers, int64 (n, levels + 1) each.

    Parameters
    ----------
    m, after : int64 (n, MX)
        Market rows at the interval's decision and at the next.
    side : int64 (n,)
    """
    levels = np.arange(c.LEVELS)
    take_prices = (side * m[:, c.FAR])[:, None] + levels
    take_lots = m[:, c.FAR1 : c.FAR1 + c.LEVELS]
    rest_price = np.minimum(side * m[:, c.TOUCH], side * after[:, c.TOUCH])
    prices = np.concatenate([take_prices, rest_price[:, None]], axis=1)
    lots = np.concatenate([take_lots, after[:, c.V_AGAINST][:, None]], axis=1)
    return prices, lots


def hindsight(source: Source, task: Task, plan: Plan) -> Floats:
    """Arrival shortfall of the oracle in every episode of a plan, bps: float64 (n,)."""
    found = [_of_batch(source, task, part) for part in batches(plan)]
    return np.concatenate(found)


def _of_batch(source: Source, task: Task, part: Plan) -> Floats:
    episodes = Episodes(source, task, len(part))
    episodes.start(without_orders(part))
    side, quantity = part.rows[:, kernels.E_SIDE], part.rows[:, kernels.E_QUANTITY]
    arrival = episodes.view.m[:, c.ARRIVAL_MID2].copy()
    prices: list[Ints] = []
    lots: list[Ints] = []
    while episodes.working.any():
        live = episodes.working & episodes.view.tradable
        before = episodes.view.m.copy()
        episodes.step(empty(len(part)))
        quoted = live & episodes.view.tradable
        cost, there = offers(before, episodes.view.m, side)
        there[~live] = 0
        there[~quoted, -1] = 0
        cost[~live] = side[~live, None] * before[~live, c.MID2, None] // 2  # no lots there: any price will do
        cost[:, -1] = np.where(quoted, cost[:, -1], cost[:, 0])
        prices.append(cost)
        lots.append(there)
    paid = cheapest(np.concatenate(prices, axis=1), np.concatenate(lots, axis=1), quantity)
    return np.asarray((2 * paid - side * arrival * quantity) / (arrival * quantity) * BPS, np.float64)
