"""Markets at arrival and without own orders: how much liquidity an order found, and which way the price went."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.execution import columns as c, step as kernels
from tercel.execution.costs import BPS
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.runs import batches, streams_of, without_orders
from tercel.market.simulator.source import Source

LABEL = "hindsight (not attainable)"
"""Label of the bound in tables."""
_ONE_SIDE = [c.TOUCH, *range(c.OWN1, c.OWN1 + c.LEVELS), c.V_SAME]
# Columns of a market row that trade places where an order is on the other side.
_OTHER = [c.FAR, *range(c.FAR1, c.FAR1 + c.LEVELS), c.V_AGAINST]


def cheapest(prices: Ints, lots: Ints, quantity: Ints) -> Ints:
    """Least cost of `quantity` lots when any of the offers may be had in part.

    Parameters
    ----------
    prices, lots : int64 (n, c)
        Offers, one row per order; prices so that less is better.
    quantity : int64 (n,)

    Returns
    -------
    int64 (n,): price x lots. Lots that are offered nowhere cost one more than the most expensive offer.

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
        Whether the episode is running and the market is open.
    """

    m: Ints
    working: Bools
    tradable: Bools

    @classmethod
    def of(cls, episodes: Episodes) -> "MarketSnapshot":
        """Snapshot of the current markets."""
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


TERCILES = ("low", "middle", "high")


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Markets of n episodes at arrival and without own orders: liquidity and price move.

    Parameters
    ----------
    mid2_grid : int64 (n, G)
        Mids on the task's grid, half ticks.
    depth : int64 (n,)
        Public lots on five levels of both sides at arrival.
    spread : int64 (n,)
        Ticks at arrival, 0 where a side was empty.
    volume : int64 (n,)
        Public lots traded in the decision interval before arrival.
    """

    mid2_grid: Ints
    depth: Ints
    spread: Ints
    volume: Ints

    def select(self, rows: Bools | Indices) -> "Arrivals":
        """The episodes of a mask, or of so many rows."""
        return Arrivals(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def concat(cls, parts: Sequence["Arrivals"]) -> "Arrivals":
        """Episodes of several batches, one after another."""
        return cls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in parts])
                for f in fields(cls)
            }
        )


def run_arrivals(source: Source, task: Task, plan: Plan) -> tuple[Arrivals, Floats]:
    """Run the plan's markets with nothing to execute, each once: what they were, and the arrival shortfall of the
    oracle in every episode, bps: float64 (n,)."""
    first, which = streams_of(plan)
    parts, bps, at = list[Arrivals](), np.zeros(len(plan)), 0
    for part in batches(plan.take(first)):
        episodes = Episodes(source, task, len(part))
        episodes.start(without_orders(part))
        view = episodes.view
        depth = (view.own_depth + view.far_depth).sum(axis=1)
        spread = np.where(view.tradable, np.abs(view.far - view.touch), 0)
        volume = view.v_same + view.v_against
        moments = [MarketSnapshot.of(episodes)]
        while episodes.working.any():
            episodes.meet()
            episodes.step(empty(len(part)))
            moments.append(MarketSnapshot.of(episodes))
        grid = episodes.costs().mid2_grid
        parts.append(
            Arrivals(grid, *(np.array(column, np.int64) for column in (depth, spread, volume)))
        )
        rows = np.flatnonzero((which >= at) & (which < at + len(part)))
        side, quantity = (
            plan.rows[rows, column] for column in (kernels.E_SIDE, kernels.E_QUANTITY)
        )
        market = which[rows] - at
        turned = side != part.rows[market, kernels.E_SIDE]
        bps[rows] = hindsight([one.seen_by(market, turned) for one in moments], side, quantity)
        at += len(part)
    return Arrivals.concat(parts).select(which), bps


def terciles(values: Ints) -> dict[str, Indices]:
    """Row numbers of the lowest, middle and highest third, by name; equal values stay together.

    >>> {name: rows.tolist() for name, rows in terciles(np.array([5, 1, 3, 1, 9, 7])).items()}
    {'low': [1, 3], 'middle': [0, 2], 'high': [4, 5]}
    """
    low, high = np.quantile(values, [1 / 3, 2 / 3], method="inverted_cdf")
    which = (values > low).astype(int) + (values > high)
    return {name: np.flatnonzero(which == number) for number, name in enumerate(TERCILES)}
