"""Markets at arrival and without own orders: how much liquidity an order found, and which way the price went."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.execution import step as kernels
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.experiment import batches, streams_of, without_orders
from tercel.lab.evaluation.hindsight_bound import MarketSnapshot, hindsight
from tercel.market.simulator.source import Source

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
