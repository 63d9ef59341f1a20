"""Pools of orders whose cost under every strategy is known: each order of a simulated market is run under each, on its seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from studies.twins import without_own_orders
from tercel import Market, Task
from tercel.core import Floats
from tercel.desk.trading.experiment import Covariates, covariates_of
from tercel.execution import step as columns
from tercel.execution.policies import policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import build
from tercel.lab.evaluation import (
    Episodes,
    Scenario,
    batches,
    build_market,
    run_strategies,
    streams_plan,
)

GUARDED: Final = "guarded"
DEFAULT: Final = "packaged:default"
TAKES: Final = "twap_take"
SHARES: Final = (0.05, 0.2)
"""Of the volume expected in the horizon, from and to."""
SYNTHETIC_SD: Final = 20.0
"""Bps, about that of half an hour's orders in the markets."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Orders of a symbol, with what is known of each at its arrival and its cost under each strategy.

    Parameters
    ----------
    symbol : str
    horizon_s : float
    covariates : sequence of Covariates
    costs : mapping of strategy to float64 (n,)
        Bps; in a market "strategy@ratio", by the impact of a resting fill over that of a take.
    seen : float64 (n, F)
        All that a strategy sees at arrival.
    moved : float64 (n,)
        Mean move of the mid over the horizon where the order is not worked, times its side, bps: no one knows it at arrival.
    """

    symbol: str
    horizon_s: float
    covariates: Sequence[Covariates]
    costs: Mapping[str, Floats]
    seen: Floats
    moved: Floats


def market_pool(market: str, horizon_s: float, orders: int, seed: int) -> Pool:
    """Pool of a simulated market; sides and sizes are random."""
    task = Task(share=0.1, horizon_s=horizon_s)
    rng = np.random.default_rng((seed, int(horizon_s)))
    costs: dict[str, Floats] = {}
    for ratio in (1, 0):
        built = build_market(Scenario(Market(market, passive_impact=float(ratio)), task))
        estimates = built.estimates
        if not costs:
            plan = streams_plan(task, 1, seed, 0, orders)
            sizes = rng.uniform(*SHARES, orders) * estimates.expected_volume
            plan.rows[:, columns.E_QUANTITY] = np.maximum(sizes.round(), 1)
            plan.rows[:, columns.E_SIDE] = rng.choice([-1, 1], orders)
        strategies = {
            GUARDED: build(GUARDED),
            DEFAULT: policy_strategy(folder_of("default-1"), "default"),
            TAKES: build(TAKES, estimates),
        }
        found = run_strategies(built.judged, task, plan, [*strategies.values()], run_out=False)
        for name, one in zip(strategies, found, strict=True):
            costs[f"{name}@{ratio}"] = one.shortfall_bps
    covariates: list[Covariates] = []
    seen: list[Floats] = []
    moved: list[Floats] = []
    for batch in batches(plan):
        episodes = Episodes(built.judged, task, len(batch))
        episodes.start(batch)
        view = episodes.view
        mids = without_own_orders(built.judged, task, batch).costs().mid2_grid
        moved.append(view.side * (mids.mean(axis=1) / mids[:, 0] - 1.0) * 1e4)
        seen.append(np.column_stack((view.x, view.m)).astype(float))
        edges = np.sort(np.column_stack((view.touch, view.far)), axis=1).tolist()
        covariates += [
            covariates_of(
                int(side), int(lots), 0, (low, high), float(estimates.sigma) * horizon_s**0.5,
                float(estimates.expected_volume), None,
            )
            for side, lots, (low, high) in zip(view.side, view.qty0, edges, strict=True)
        ]  # fmt: skip
    return Pool(market, horizon_s, covariates, costs, np.concatenate(seen), np.concatenate(moved))


def synthetic_pool(law: str, orders: int, seed: int) -> Pool:
    """Pool of orders that nothing is known of, whose costs are drawn from a law: normal, t3, lognormal."""
    rng = np.random.default_rng(seed)
    laws: Mapping[str, Callable[[], Floats]] = {
        "normal": lambda: rng.normal(size=orders),
        "t3": lambda: rng.standard_t(3, orders) / 3**0.5,
        "lognormal": lambda: (np.exp(rng.normal(size=orders)) - np.exp(0.5)) / (np.e**2 - np.e) ** 0.5,
    }  # fmt: skip
    drawn = laws[law]()
    known = [Covariates(int(side), 0, 100) for side in rng.choice([-1, 1], orders)]
    return Pool(
        law, 600.0, known, {GUARDED: SYNTHETIC_SD * drawn}, np.ones((orders, 1)), np.zeros(orders)
    )
