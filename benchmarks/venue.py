"""``benchmarks venue``: the stepped exchange in process, and a parent worked at it, beside the batch simulator.

The references are what the same market costs without a venue around it: the simulator's own loop for market data, an
episode of a batch of one for a parent. Both take turns.
"""

from time import perf_counter
from typing import Any

import numpy as np
from tests.desk.trading.folded_orders import FoldedOrders

from benchmarks import measured
from tercel import Task
from tercel.core import FOREVER_NS, NS_PER_SECOND, CancelOrder, MarketRows, NewOrder, Tif
from tercel.desk.trading import Assignment, Follower, ParentExecutor
from tercel.execution.strategies import build
from tercel.lab.evaluation import Episodes, seeded_plan
from tercel.market.flow import DEFAULT, load
from tercel.market.simulator import NO_TAPE, Source, layout as sim, reactive, run_free
from tercel.venues.exchange import MarketSpec, SimulatedExchange

MARKET_S = 7200
ORDERS = 2000
PARENTS = 20
TASK = Task(warmup_s=60.0)


def bench() -> list[dict[str, Any]]:
    """Rows, orders and parents a second."""
    source = reactive(load(DEFAULT))
    _orders(source, 10), _parent(source, 0), _batch(source, 0)  # compiles
    rows = [(_rows(source), _bare_rows(source)) for _ in range(3)]
    orders = max(_orders(source, ORDERS) for _ in range(3))
    spent = np.array([(_parent(source, n), _batch(source, n)) for n in range(PARENTS)])
    parents, episodes = 1.0 / np.median(spent, axis=0)
    best, bare = (max(pair) for pair in zip(*rows, strict=True))
    return [
        measured("venue.rows_per_s", best, "rows/s", "simulator, recorded", bare),
        measured("venue.orders_per_s", orders, "orders/s, each new and cancelled"),
        measured(
            "venue.parents_per_s",
            float(parents),
            "parents/s of 30 minutes",
            "batch of one",
            float(episodes),
        ),
    ]


def _rows(source: Source) -> float:
    """Market-data rows a second of a market that is stepped a second at a time and followed."""
    exchange = SimulatedExchange({"X": MarketSpec(source)})
    follower, count = Follower(exchange.listings()[0], width=exchange.width("X")), 0
    exchange.subscribe("X")
    start = perf_counter()
    for _ in range(MARKET_S):
        for event in exchange.step(exchange.now_ns + NS_PER_SECOND):
            if isinstance(event, MarketRows):
                follower.on_market(event)
                count += len(event.rows)
    return count / (perf_counter() - start)


def _bare_rows(source: Source) -> float:
    """The same market with a record and nothing else."""
    b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0, 8192)
    start = perf_counter()
    for _ in range(MARKET_S):
        run_free(b, k, source.flow, NO_TAPE, int(k[sim.NOW]) + NS_PER_SECOND)
    return int(k[sim.RECORD]) / (perf_counter() - start)


def _orders(source: Source, count: int) -> float:
    """Orders a second that are sent, acknowledged, cancelled and acknowledged again."""
    exchange = SimulatedExchange({"X": MarketSpec(source)})
    start = perf_counter()
    for n in range(count):
        exchange.send(NewOrder(f"{n}", "X", 1, 1, 1, Tif.DAY, "me", "", exchange.now_ns))
        exchange.send(CancelOrder(f"c{n}", f"{n}", "X", 1, "me", exchange.now_ns))
        exchange.step(exchange.now_ns)
        exchange.step(exchange.now_ns)
    return count / (perf_counter() - start)


def _parent(source: Source, index: int) -> float:
    """Seconds for one parent at the exchange, from its arrival."""
    exchange = SimulatedExchange({"X": MarketSpec(source, 1, index)})
    follower = Follower(exchange.listings()[0], width=exchange.width("X"))
    exchange.subscribe("X")
    order = Assignment("P", "me", "X", 1, 200, exchange.now_ns + TASK.warmup_ns, TASK, 1, index)
    orders = FoldedOrders()
    executor = ParentExecutor(order, follower, build("twap_passive"), orders)
    start = 0.0
    while not executor.done:
        start = start or (perf_counter() if executor.arrived else 0.0)
        due = executor.due_ns
        until = due if due < FOREVER_NS else exchange.now_ns
        events = orders.hear(exchange.step(until))
        for event in events:
            if isinstance(event, MarketRows):
                follower.on_market(event)
        commands = executor.on_events(events)
        if all(isinstance(event, MarketRows) for event in events) and exchange.now_ns >= until:
            commands += executor.on_time(exchange.now_ns)
        for command in commands:
            orders.send(exchange, command)
    return perf_counter() - start


def _batch(source: Source, index: int) -> float:
    """Seconds for the same parent as an episode."""
    episodes, strategy = Episodes(source, TASK, 1, run_out=False), build("twap_passive")
    episodes.start(seeded_plan(TASK, 200, 1, index, 1))
    start = perf_counter()
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    return perf_counter() - start
