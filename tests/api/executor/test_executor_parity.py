"""`tercel.Executor` sends what a desk's executor sends, command for command."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.api.executor.exchange_host import both
from tests.desk.trading.test_executor import (
    LATENCIES,
    STRATEGIES,
    strategy_of,
)
from tests.market.flow.conformance import as_events

import tercel as tc
from tercel.execution.task import Task
from tercel.market import tape
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.schema import LEVEL_SET, TRADE
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

NAMES = [*STRATEGIES, "default", "guarded"]
TASK = Task(
    share=0.2, horizon_s=300.0, decisions=20, warmup_s=60.0, latency=LATENCIES[2], grid_points=7
)
DEPTH = replace(TASK, horizon_s=120.0, warmup_s=30.0, latency=LATENCIES[1])


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


def by_order(csco: Source, name: str, index: int, task: Task, **how: Any) -> int:
    """Compare on an episode of a simulated market by order; the number of decisions."""

    def exchange() -> SimulatedExchange:
        latency = EntryLatency(task.latency.kind, task.latency.a_ns, task.latency.b_ns)
        return SimulatedExchange({"X": MarketSpec(csco, seed=7, index=index)}, latency=latency)

    start = int(csco.worlds_k[0, sim.NOW]) + task.warmup_ns
    side = 1 - 2 * (index % 2)
    wanted, got, executor, desk = both(exchange, task, side, 220, start, strategy_of(name), **how)
    assert got == wanted
    assert len(got) > 3
    assert executor.left == 0
    return desk.decisions


def by_level(name: str, seed: int, task: Task, **how: Any) -> int:
    """Compare on a day of level totals; the number of decisions."""
    source, begin = depth_day(seed)
    start = begin + 60 * 10**9

    def exchange() -> SimulatedExchange:
        latency = EntryLatency(task.latency.kind, task.latency.a_ns, task.latency.b_ns)
        spec = MarketSpec(source, 3, 0, began_ns=start - task.warmup_ns)
        return SimulatedExchange({"X": spec}, latency=latency)

    side = 1 - 2 * (seed % 2)
    wanted, got, executor, desk = both(exchange, task, side, 400, start, strategy_of(name), **how)
    assert got == wanted
    assert len(got) > 3
    assert executor.filled > 10
    return desk.decisions


def restored(name: str) -> Callable[[tc.Executor], tc.Executor]:
    """Another executor from its bytes, now and then."""
    rng = random.Random(name)
    return lambda executor: (
        tc.Executor.restore(executor.save(), strategy_of(name)) if rng.random() < 0.02 else executor
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("index", [0, 1])
def test_the_commands_of_a_desk_by_order(csco: Source, name: str, index: int) -> None:
    assert by_order(csco, name, index, replace(TASK, latency=LATENCIES[index + 1])) > 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_commands_of_a_desk_by_level(name: str, seed: int) -> None:
    assert by_level(name, seed, DEPTH) > 3


@pytest.mark.parametrize("name", ["random+events", "default"])
def test_restarts_from_bytes_change_no_command(csco: Source, name: str) -> None:
    by_order(csco, name, 2, TASK, between=restored(name))
    by_level(name, 3, DEPTH, between=restored(name))


@pytest.mark.long
def test_ten_thousand_decisions(csco: Source) -> None:
    decisions = 0
    for name in ("twap_repeg", "guarded", "default", "mlp"):
        for index in range(5):
            fine = replace(TASK, latency=LATENCIES[index % 3], decisions=300)
            decisions += by_order(csco, name, index, fine)
            decisions += by_level(name, index, replace(DEPTH, decisions=300, latency=fine.latency))
    assert decisions >= 10_000


def depth_day(seed: int, moments: int = 1800) -> tuple[Source, int]:
    """A day of level totals and prints: a touch that is eaten gives way, one that is left behind is joined."""
    rng, rows = random.Random(seed), list[tuple[int, ...]]()
    totals = {
        (side, 1000 + (1 - side) // 2 - side * i): rng.randint(5, 60)
        for side in (1, -1)
        for i in range(6)
    }
    begin = 1_704_465_000 * 10**9
    rows += [(begin, LEVEL_SET, *key, lots) for key, lots in totals.items()]
    for moment in range(1, moments):
        ns, side = begin + moment * 200_000_000 + rng.randrange(10**8), rng.choice((1, -1))
        best = max(price * side for of, price in totals if of == side) * side
        other = max(-price * side for of, price in totals if of == -side) * -side
        lots = rng.randint(1, 40)
        if rng.random() < 0.4:
            rows.append((ns, TRADE, side, best, min(lots, totals[side, best])))
            totals[side, best] -= min(lots, totals[side, best])
            change = side, best
        else:
            change = side, best - side * rng.randint(-1, 5)
            if change[1] * side >= other * side:
                continue
            totals[change] = max(totals.get(change, 0) + rng.randint(-30, 30), 0)
        rows.append((ns, LEVEL_SET, *change, totals[change]))
        if not totals[change]:
            del totals[change]
            if (
                change[1] == best and rng.random() < 0.8
            ):  # it is filled up again, or the other side comes nearer
                back = rng.choice((change, (-side, change[1])))
                totals[back] = rng.randint(5, 60)
                rows.append((ns, LEVEL_SET, *back, totals[back]))
        if sum(of == side for of, _ in totals) < 3:
            joined = side, best - side * 4
            totals[joined] = lots
            rows.append((ns, LEVEL_SET, *joined, lots))
    columns = np.array(rows, np.int64)
    day = compile_day(
        tape.Instrument(venue="X", symbol="A", date="2024-01-05", tick=0.01, timezone="UTC"),
        as_events([(row[0], row[1], 0, *row[2:]) for row in columns.tolist()]),
    )
    return source_of([day])[0], begin
