"""Markets at an order's arrival and without own orders: liquidity, price move, and the cost with perfect foresight."""

from dataclasses import dataclass

import numpy as np

from tercel.core.array_records import ArrayRecord
from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.execution import columns as c, step as kernels
from tercel.execution.costs import BPS
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.runs import batches, streams_of, without_orders
from tercel.market.simulator.source import Source

LABEL = "hindsight (not attainable)"
"""Label of the bound in tables."""
_OWN_SIDE = [c.TOUCH, *range(c.OWN1, c.OWN1 + c.LEVELS), c.V_SAME]
# Columns of a market row that trade places where an order is on the other side.
_FAR_SIDE = [c.FAR, *range(c.FAR1, c.FAR1 + c.LEVELS), c.V_AGAINST]


TERCILES = ("low", "middle", "high")


def least_cost(prices: Ints, lots: Ints, quantity: Ints) -> Ints:
    """Least cost (price x lots) of buying `quantity` lots from offers, in part or whole; missing lots at the highest price + 1.

    Parameters
    ----------
    prices, lots : int64 (n, c)
        Offers, one row per order; prices so that less is better.
    quantity : int64 (n,)

    Returns
    -------
    int64 (n,): price x lots. Lots that are offered nowhere cost one more than the most expensive offer.

    >>> least_cost(np.array([[3, 1, 2]]), np.array([[5, 2, 2]]), np.array([6])).tolist()
    [12]
    """
    ranking = np.argsort(prices, axis=1, kind="stable")
    ranked = np.take_along_axis(prices, ranking, 1)
    offered = np.take_along_axis(lots, ranking, 1)
    cumulative_lots = np.minimum(np.cumsum(np.maximum(offered, 0), axis=1), quantity[:, None])
    bought = np.diff(cumulative_lots, axis=1, prepend=0)
    missing = quantity - cumulative_lots[:, -1]
    return np.asarray((bought * ranked).sum(axis=1) + missing * (ranked[:, -1] + 1), np.int64)


def offers(m: Ints, next_m: Ints, side: Ints) -> tuple[Ints, Ints]:
    """Prices (side x ticks, less is better) and lots that one interval offers to an order, int64 (n, levels + 1) each.

    First the far side's levels, to be taken; in the last column the touch, at which as much fills at rest as trades there.

    Parameters
    ----------
    m, next_m : int64 (n, MX)
        Market rows at the interval's decision and at the next.
    side : int64 (n,)
    """
    levels = np.arange(c.LEVELS)
    take_prices = (side * m[:, c.FAR])[:, None] + levels
    take_lots = m[:, c.FAR1 : c.FAR1 + c.LEVELS]
    rest_price = np.minimum(side * m[:, c.TOUCH], side * next_m[:, c.TOUCH])
    prices = np.concatenate([take_prices, rest_price[:, None]], axis=1)
    lots = np.concatenate([take_lots, next_m[:, c.V_AGAINST][:, None]], axis=1)
    return prices, lots


def hindsight_shortfall(
    m: Ints, working: Bools, tradable: Bools, side: Ints, quantity: Ints
) -> Floats:
    """Arrival shortfall of n orders with perfect foresight, bps, float64 (n,), from markets without own orders.

    Parameters
    ----------
    m : int64 (T, n, MX)
        Market rows at the decisions, and after the last, as the orders' sides see them.
    working, tradable : bool (T, n)
        Whether the episode is running and the market is open.
    side, quantity : int64 (n,)
    """
    arrival = m[0, :, c.ARRIVAL_MID2]
    prices: list[Ints] = []
    lots: list[Ints] = []
    for step, before in enumerate(m[:-1]):
        live = working[step] & tradable[step]
        quoted = live & tradable[step + 1]
        interval_prices, interval_lots = offers(before, m[step + 1], side)
        interval_lots[~live] = 0
        interval_lots[~quoted, -1] = 0
        interval_prices[~live] = (
            side[~live, None] * before[~live, c.MID2, None] // 2
        )  # no lots there: any price will do
        interval_prices[:, -1] = np.where(quoted, interval_prices[:, -1], interval_prices[:, 0])
        prices.append(interval_prices)
        lots.append(interval_lots)
    total_cost = least_cost(np.concatenate(prices, axis=1), np.concatenate(lots, axis=1), quantity)
    return np.asarray(
        (2 * total_cost - side * arrival * quantity) / (arrival * quantity) * BPS, np.float64
    )


@dataclass(frozen=True, eq=False)
class Arrivals(ArrayRecord):
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


def run_arrivals(source: Source, task: Task, plan: Plan) -> tuple[Arrivals, Floats]:
    """Run each market of a plan once without own orders: for each episode its state at arrival, and the shortfall with
    perfect foresight, bps, float64 (n,).
    """
    first_rows, market_of_row = streams_of(plan)
    parts = list[Arrivals]()
    bps = np.zeros(len(plan))
    offset = 0
    for batch in batches(plan.take(first_rows)):
        episodes = Episodes(source, task, len(batch))
        episodes.start(without_orders(batch))
        view = episodes.view
        depth = (view.own_depth + view.far_depth).sum(axis=1)
        spread = np.where(view.tradable, np.abs(view.far - view.touch), 0)
        volume = view.v_same + view.v_against
        steps = [_market_state(episodes)]
        while episodes.working.any():
            episodes.advance_outside()
            episodes.step(empty(len(batch)))
            steps.append(_market_state(episodes))
        grid = episodes.costs().mid2_grid
        parts.append(
            Arrivals(grid, *(np.array(column, np.int64) for column in (depth, spread, volume)))
        )
        rows = np.flatnonzero((market_of_row >= offset) & (market_of_row < offset + len(batch)))
        side, quantity = (
            plan.rows[rows, column] for column in (kernels.E_SIDE, kernels.E_QUANTITY)
        )
        market = market_of_row[rows] - offset
        m, working, tradable = (np.stack(arrays)[:, market] for arrays in zip(*steps, strict=True))
        opposite_side = np.flatnonzero(side != batch.rows[market, kernels.E_SIDE])[:, None]
        m[:, opposite_side, _OWN_SIDE + _FAR_SIDE] = m[:, opposite_side, _FAR_SIDE + _OWN_SIDE]
        bps[rows] = hindsight_shortfall(m, working, tradable, side, quantity)
        offset += len(batch)
    return Arrivals.concat(parts).select(market_of_row), bps


def _market_state(episodes: Episodes) -> tuple[Ints, Bools, Bools]:
    """Market rows of the current decision, int64 (n, MX), whether episodes run, and whether markets are open, bool (n,)."""
    return episodes.view.m.copy(), episodes.working, episodes.view.tradable


def terciles(values: Ints) -> dict[str, Indices]:
    """Row numbers of the lowest, middle and highest third, by name; equal values stay together.

    >>> {name: rows.tolist() for name, rows in terciles(np.array([5, 1, 3, 1, 9, 7])).items()}
    {'low': [1, 3], 'middle': [0, 2], 'high': [4, 5]}
    """
    low, high = np.quantile(values, [1 / 3, 2 / 3], method="inverted_cdf")
    tercile = (values > low).astype(int) + (values > high)
    return {name: np.flatnonzero(tercile == number) for number, name in enumerate(TERCILES)}
