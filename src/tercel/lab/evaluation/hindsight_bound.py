"""Hindsight bound: cost of an order for somebody who knew the path beforehand, to measure gaps by.

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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tercel.core.arrays import Bools, Ints
from tercel.core.jit import Floats
from tercel.execution import columns as c
from tercel.execution.costs import BPS
from tercel.lab.evaluation.episodes import Episodes

LABEL = "hindsight (not attainable)"
"""How tables call it."""
_ONE_SIDE = [c.TOUCH, *range(c.OWN1, c.OWN1 + c.LEVELS), c.V_SAME]
# Columns of a market row that trade places where an order is on the other side.
_OTHER = [c.FAR, *range(c.FAR1, c.FAR1 + c.LEVELS), c.V_AGAINST]


def cheapest(prices: Ints, lots: Ints, quantity: Ints) -> Ints:
    """Least cost of `quantity` lots when any of the offers may be had in part.

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
    """Offers of one interval: prices (side x ticks, less is better) and lots, int64 (n, levels + 1) each.

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


@dataclass(frozen=True, eq=False)
class MarketSnapshot:
    """Touch and depth of n markets at one decision, or after the last one.

    Parameters
    ----------
    m : int64 (n, MX)
        Market rows.
    working, tradable : bool (n,)
        Whether the episode goes on, and the market is open.
    """

    m: Ints
    working: Bools
    tradable: Bools

    @classmethod
    def of(cls, episodes: Episodes) -> "MarketSnapshot":
        """Snapshot of the markets as they stand."""
        return cls(episodes.view.m.copy(), episodes.working, episodes.view.tradable)

    def seen_by(self, market: Ints, turned: Bools) -> "MarketSnapshot":
        """Snapshot for orders in these markets, int64 (k,), on the other side where `turned`, bool (k,)."""
        m = self.m[market]
        m[np.ix_(turned, _ONE_SIDE + _OTHER)] = m[np.ix_(turned, _OTHER + _ONE_SIDE)]
        return MarketSnapshot(m, self.working[market], self.tradable[market])


def hindsight(moments: Sequence[MarketSnapshot], side: Ints, quantity: Ints) -> Floats:
    """Arrival shortfall of n orders with perfect foresight, bps: float64 (n,).

    Parameters
    ----------
    moments : sequence of MarketSnapshot
        The decisions of markets without own orders, and what came after the last, as the orders' sides see them.
    side, quantity : int64 (n,)
    """
    arrival = moments[0].m[:, c.ARRIVAL_MID2]
    prices: list[Ints] = []
    lots: list[Ints] = []
    for before, after in pairwise(moments):
        live = before.working & before.tradable
        quoted = live & after.tradable
        cost, there = offers(before.m, after.m, side)
        there[~live] = 0
        there[~quoted, -1] = 0
        cost[~live] = (
            side[~live, None] * before.m[~live, c.MID2, None] // 2
        )  # no lots there: any price will do
        cost[:, -1] = np.where(quoted, cost[:, -1], cost[:, 0])
        prices.append(cost)
        lots.append(there)
    paid = cheapest(np.concatenate(prices, axis=1), np.concatenate(lots, axis=1), quantity)
    return np.asarray(
        (2 * paid - side * arrival * quantity) / (arrival * quantity) * BPS, np.float64
    )
