"""Run strategies on the episodes of a plan: the same episodes for every strategy, with or without recorded decisions."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np

from tercel.core.arrays import Bools, Indices, Ints
from tercel.execution import step as kernels
from tercel.execution.costs import Costs
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.policies.parts import PlaceboForecast
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Task
from tercel.execution.view import View
from tercel.lab.evaluation.adaptability import Decisions
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, sides_of
from tercel.lab.evaluation.windows import forecast_outlooks
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

BATCH = 256
"""Markets at once: their state stays inside the cache."""
Progress = Callable[[int], None]


def batches(plan: Plan, size: int = BATCH) -> Iterator[Plan]:
    """Iterate over a plan in pieces of at most `size` episodes, in order."""
    for start in range(0, len(plan), size):
        yield plan.take(slice(start, start + size))


def without_orders(plan: Plan) -> Plan:
    """Plan of the same episodes with quantity 0: markets without own orders (twins)."""
    rows = plan.rows.copy()
    rows[:, kernels.E_QUANTITY] = 0
    return Plan(rows, plan.cluster)


def streams_of(plan: Plan) -> tuple[Indices, Indices]:
    """Rows of a plan with distinct markets (without orders), and for each row the index of its market among them.

    A market that is bought and sold in is one: without orders both are the same.
    """
    order_columns = [kernels.E_SIDE, kernels.E_QUANTITY, kernels.E_LIMIT, kernels.E_LIMIT_OF_MID]
    markets = np.delete(plan.rows, order_columns, axis=1)
    _, first_rows, market_of_row = np.unique(
        markets, axis=0, return_index=True, return_inverse=True
    )
    return first_rows, market_of_row.ravel()


def run_strategy(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Costs:
    """Costs of a strategy over all episodes of a plan, in the plan's order."""
    return run_strategies(source, task, plan, [strategy])[0]


def start_decisions(view: View, task: Task, cluster: Ints) -> Decisions:
    """Decisions of a batch of episodes that :func:`record_decision` fills in, all zero."""
    x, m, draw, live = (
        np.zeros((view.n, task.decisions, *column.shape[1:]), column.dtype)
        for column in (view.x, view.m, view.draw, view.left > 0)
    )
    return Decisions(x, m, draw, live, cluster)


def record_decision(decisions: Decisions, episodes: Episodes, step: int, gap_ns: int) -> None:
    """Store what a strategy sees at its decision number `step` from 0; `gap_ns` is its shortest time between decisions."""
    view = episodes.view
    decision = view.decision if gap_ns else np.full(view.n, step)
    inside = decision < decisions.live.shape[1]
    if gap_ns:
        inside &= view.on_schedule & episodes.working
    live = episodes.working & (view.left > 0)
    for array, column in (
        (decisions.x, view.x),
        (decisions.m, view.m),
        (decisions.draw, view.draw),
        (decisions.live, live),
    ):
        array[inside, decision[inside]] = column[inside]


def run_strategies(
    source: Source,
    task: Task,
    plan: Plan,
    strategies: Sequence[Strategy],
    stop: Callable[[], bool] = lambda: False,
    decisions: list[Decisions] | None = None,
    run_out: bool | Bools = True,
    placebo: Plan | None = None,
) -> list[Costs]:
    """Costs of several strategies over all episodes of a plan, as by :func:`run_strategy`; those cut off by `stop` are
    missing. Appends each one's decisions in the first batch to `decisions`.

    Every market warms up once, and what its public does after that is simulated once; each strategy finds it as it was
    at arrival. Where `stop` says so between two strategies, the rest is left out (of a plan of one batch; otherwise
    everything). Without `run_out` (bool (n,), or one for all) an episode ends with its order: the same costs, but mids
    on the grid only as far as it went. A `PlaceboForecast` reads the forecasts of the episodes of `placebo`, one
    for each of the plan (`placebo.others`).
    """
    costs_by_strategy: list[list[Costs]] = [[] for _ in strategies]
    for number, batch in enumerate(batches(plan)):
        looks_back = any(forecaster_of(strategy) is not None for strategy in strategies)
        episodes = Episodes(source, task, len(batch), looks_back=looks_back)
        if len(strategies) * sides_of(batch) > 1:
            episodes.share_backgrounds(Backgrounds())
        episodes.start(batch)
        first = number * BATCH
        episodes.states[:, sim.RUN_OUT] = (
            run_out if isinstance(run_out, bool) else run_out[first : first + len(batch)]
        )
        arrival_snapshot = episodes.snapshot()
        placebos: dict[Forecaster | None, Ints] = {}
        for strategy, strategy_costs in zip(strategies, costs_by_strategy, strict=True):
            if stop():
                break
            forecaster = forecaster_of(strategy)
            placebo_episodes = placebo if isinstance(strategy, PlaceboForecast) else None
            if (
                placebo_episodes is not None
                and forecaster is not None
                and forecaster not in placebos
            ):
                placebo_batch = placebo_episodes.take(slice(first, first + BATCH))
                placebos[forecaster] = forecast_outlooks(source, task, placebo_batch, forecaster)
            episodes.restore(arrival_snapshot)
            episodes.follow(
                strategy, None if placebo_episodes is None else placebos.get(forecaster)
            )
            recorded = None
            if decisions is not None and number == 0:
                recorded = start_decisions(episodes.view, task, batch.cluster)
                decisions.append(recorded)
            for step in count():
                if not episodes.working.any():
                    break
                if recorded is not None:
                    record_decision(recorded, episodes, step, gap_of(strategy))
                episodes.work(strategy)
            strategy_costs.append(episodes.costs())
    batch_count = -(-len(plan) // BATCH)
    return [
        Costs.concat(strategy_costs)
        for strategy_costs in costs_by_strategy
        if len(strategy_costs) == batch_count
    ]


def markets_of(
    strategy: Strategy, source: Source, task: Task, plan: Plan, log_rows: int, record_rows: int = 0
) -> Episodes:
    """Batch of markets in which the episodes of a plan have started, with the clock and forecasts of one strategy."""
    looks_back = forecaster_of(strategy) is not None
    episodes = Episodes(
        source, task, len(plan), log_rows=log_rows, record_rows=record_rows, looks_back=looks_back
    )
    episodes.start(plan)
    episodes.follow(strategy)
    return episodes
