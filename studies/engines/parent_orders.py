"""Parent orders worked by strategies in the replay, and by the same strategies through `tc.Executor` in hftbacktest.

Both engines have no impact, no fees and the same latency. Costs of both are shortfalls from the same mid at arrival.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from studies.engines.hosts import Job, do_jobs
from studies.engines.touch_orders import SKIP_S, exported_day
from tercel import Latency, Task
from tercel.core import NS_PER_SECOND, Floats, Longs
from tercel.execution import BPS, Costs, step
from tercel.execution.policies_packaged import build_named
from tercel.execution.strategies import MarketEstimates
from tercel.lab.evaluation import Plan, run_strategies, window_row
from tercel.market.simulator import Source, TapeDay, replay_source
from tercel.market.tape import EXECUTE, Lake

BASE: Final = "twap_repeg"
STRATEGIES: Final = (BASE, "guarded", "peg_touch", "default")
HORIZON_S: Final = 600.0
DECISIONS: Final = 20
WARMUP_S: Final = 900.0
"""As long as forecasts look back."""
WAITING: Final = 0.4
"""Cost of waiting over half the spread, told to strategies that read it; the usual one."""
_ORDER, _NS, _PRICE, _SIZE, _PASSIVE = range(5)
"""Columns of executions in hftbacktest."""


class Worked(NamedTuple):
    """Parent orders of a strategy in an engine: cost (bps), share filled at rest, share filled, each float64 (n,)."""

    bps: Floats
    passive: Floats
    filled: Floats


Both = tuple[Mapping[str, Worked], Mapping[str, Worked]]


class Parents(NamedTuple):
    """Orders of some symbol: their days as clusters, int64 (n,), and what each strategy made of them, by bound and feed."""

    cluster: Longs
    here: Mapping[str, Mapping[str, Worked]]
    there: Mapping[str, Mapping[str, Worked]]


class Size(NamedTuple):
    """Size of parent orders: a share of the lots traded in a horizon of the day, on average, and so many lots at least."""

    share: float
    least: int


def plan_day(lake: Lake, day: TapeDay, orders: int, size: Size, task: Task) -> Plan:
    """Orders of a day one after another, bought and sold in turn."""
    _, events = lake.read(day.instrument.symbol, day.instrument.date)
    traded = int(events.qty_lots[events.kind == EXECUTE].sum())
    session_s = (day.close_ns - day.open_ns) / NS_PER_SECOND
    lots = max(round(size.share * traded * task.horizon_s / session_s), size.least)
    first = day.open_ns + round((WARMUP_S + SKIP_S) * NS_PER_SECOND)
    last = day.close_ns - task.horizon_ns - SKIP_S * NS_PER_SECOND
    starts = np.linspace(first, last, orders).astype(np.int64)
    rows = [
        window_row(day, task, start, 1 - 2 * (number % 2), lots, 0, number)
        for number, start in enumerate(starts.tolist())
    ]
    return Plan(np.array(rows, np.int64), np.zeros(orders, np.int64))


def worked_here(source: Source, task: Task, plan: Plan) -> tuple[dict[str, Worked], Costs]:
    """Each strategy in the replay under the bound of `source`, and the costs of the last."""
    estimates = MarketEstimates(0.0, waiting=WAITING)
    strategies = [build_named(name, estimates) for name in STRATEGIES]
    found = run_strategies(source, task, plan, strategies, run_out=False)
    worked = {
        name: Worked(
            BPS * one.shortfall / one.denominator, one.passive_lots / one.qty, one.lots_filled / one.qty
        )
        for name, one in zip(STRATEGIES, found, strict=True)
    }  # fmt: skip
    return worked, found[-1]


def worked_there(executions: Floats, plan: Plan, costs: Costs, day: TapeDay) -> Worked:
    """What executions (n, 5) of hftbacktest on a day cost, from the arrival prices of `costs`.

    An order that is not filled whole has no cost (nan).
    """
    order = executions[:, _ORDER].astype(int)
    side, lots = plan.rows[:, step.E_SIDE], plan.rows[:, step.E_QUANTITY]

    def by_order(weights: Floats) -> Floats:
        return np.asarray(np.bincount(order, weights, len(plan)), np.float64)

    size = executions[:, _SIZE] / float(day.instrument.lot_units)
    filled = by_order(size)
    ticks = np.rint(executions[:, _PRICE] / day.instrument.tick) - day.instrument.price_origin
    bps = BPS * side * (2.0 * by_order(ticks * size) - costs.arrival_mid2 * filled)
    bps /= costs.denominator
    passive = by_order(size * executions[:, _PASSIVE]) / lots
    return Worked(np.where(filled == lots, bps, np.nan), passive, filled / lots)


def compare(
    lake: Lake,
    symbol: str,
    dates: Sequence[str],
    orders_a_day: int,
    size: Size,
    bounds: Sequence[str],
    feeds: Sequence[str],
    latency_ns: int,
    python: Path,
    folder: Path,
) -> Parents:
    """The same parent orders of some days in both engines; `folder` takes the files that they exchange."""
    task = Task(
        quantity=1, horizon=HORIZON_S, decisions=DECISIONS, warmup_s=WARMUP_S, latency=Latency("constant", latency_ns)
    )  # fmt: skip
    jobs: list[Job] = []
    here: dict[str, list[dict[str, Worked]]] = {bound: [] for bound in bounds}
    plans, arrivals, days = [], [], []
    for date in dates:
        for bound in bounds:
            source, (day,) = replay_source(lake, symbol, [date], bound=bound)
            plan = plan_day(lake, day, orders_a_day, size, task)
            worked, costs = worked_here(source, task, plan)
            here[bound].append(worked)
        plans.append(plan)
        arrivals.append(costs)
        days.append(day)
        lot = float(day.instrument.lot_units)
        sent = folder / f"parents-{symbol}-{date}.npz"
        columns = ("ns", step.E_START_NS), ("side", step.E_SIDE)
        orders: dict[str, Any] = {name: plan.rows[:, column] for name, column in columns}
        np.savez(sent, **orders, quantity=lot * plan.rows[:, step.E_QUANTITY])
        for feed in feeds:
            jobs.append({
                "job": "work", "day": exported_day(lake, symbol, date, folder), "orders": sent, "feed": feed,
                "tick": day.instrument.tick, "lot": lot, "strategies": STRATEGIES, "horizon_s": HORIZON_S, "decisions": DECISIONS,
                "warmup_s": WARMUP_S, "latency_ns": latency_ns, "waiting": WAITING,
                "out": folder / f"executions-{symbol}-{date}-{feed}.npz",
            })  # fmt: skip
    do_jobs(python, "tercel_hftbacktest", jobs, folder)
    there: dict[str, list[dict[str, Worked]]] = {feed: [] for feed in feeds}
    for number, job in enumerate(jobs):
        place = number // len(feeds)
        with np.load(job["out"]) as found:
            there[job["feed"]].append(
                {name: worked_there(found[name], plans[place], arrivals[place], days[place]) for name in STRATEGIES}
            )  # fmt: skip
    cluster = np.repeat(np.arange(len(dates)), orders_a_day)
    return Parents(cluster, _by_strategy(here), _by_strategy(there))


def _by_strategy(
    parts: Mapping[str, Sequence[Mapping[str, Worked]]],
) -> dict[str, dict[str, Worked]]:
    """Orders of all days of a strategy together, by bound or feed."""
    return {
        key: {
            name: Worked(
                *(np.concatenate(x) for x in zip(*(day[name] for day in days), strict=True))
            )
            for name in STRATEGIES
        }
        for key, days in parts.items()
    }
