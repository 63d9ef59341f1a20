"""`tercel.Executor` sends what a desk's executor sends, command for command."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from tests.api.executor.exchange_host import both
from tests.desk.trading.test_executor import LATENCIES, STRATEGIES, strategy_of, tape_episode
from tests.market.flow.conformance import as_events

import tercel as tc
from tercel.core.vocabulary import NO_ASK
from tercel.execution.strategy import forecaster_of, gap_of
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan
from tercel.market import tape
from tercel.market.book import layout as lay
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


def evaluated(name: str, seed: int, task: Task) -> tuple[np.ndarray, int, Source]:
    """What an evaluation recorded of an episode on a day of level totals, and when it began."""
    source, begin = depth_day(seed)
    start = begin + 60 * 10**9
    row = tape_episode(source, task, 1 - 2 * (seed % 2), 400, start)
    row[0, 1] = 0
    strategy = strategy_of(name)
    forecaster = forecaster_of(strategy)
    episodes = Episodes(
        source, task, 1, log_rows=4096, record_rows=50_000, looks_back=forecaster is not None
    )
    episodes.start(Plan(row, np.zeros(1, np.int64)))
    episodes.set_gap(gap_of(strategy))
    episodes.set_forecaster(forecaster)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    return episodes.record(0), start, source


class Record:
    """A record of an evaluation, told to an executor: the market and what became of its orders, not what was sent."""

    def __init__(self, name: str, seed: int, task: Task) -> None:
        self.rows, start, source = evaluated(name, seed, task)
        instrument = tc.Instrument(
            "A", "0.01", 1, orders=512, window=int(source.worlds_b[0][lay.WIDTH])
        )
        side = "sell" if seed % 2 else "buy"
        parent = tc.Parent(side, 400, task.horizon_s, None, start, task.decisions)
        self.executor = tc.Executor(
            strategy_of(name), instrument, parent, latency=task.latency, warmup_s=task.warmup_s,
            own_orders_shown=False, seed=3,
        )  # fmt: skip
        self.names: dict[int, str] = {}
        self.sizes: dict[str, int] = {}
        self.filled: dict[str, int] = {}
        self.sent: list[Any] = []
        self.asked: list[Any] = []
        self.changes: dict[str, list[Any]] = {}

    def tell(self) -> int:
        """Tell all rows; how many commands were the same.

        Up to a total that rises through an own order: a replay takes the lots that it fills out of the level, a book of
        totals is shown all of them until the level is stated again.
        """
        opening: dict[int, list[tuple[float, int]]] = {1: [], -1: []}
        first = int(self.rows[0, sim.R_NS])
        same = 0
        for number, row in enumerate(self.rows.tolist()):
            ns, kind, who, side, price, lots, flags, _ = row
            if ns == first:
                opening[side].append((price / 100, lots))
                if self.rows[number + 1, sim.R_NS] > first:
                    self.executor.on_book(ns, opening[1], opening[-1])
                continue
            while (due := self.executor.next_decision_ns) is not None and due < ns:
                self.asked += self.executor.commands(due)
            if kind == sim.OWN_SENT:
                self.asked = self.asked or self.executor.commands(ns)
                self.compare(self.asked.pop(0), who, side, price, lots, flags)
                same += 1
            elif kind in (sim.OWN_REST, sim.OWN_FILL, sim.OWN_DEAD):
                self.hear(ns, kind, self.names[who], side, price, lots, number)
            elif kind == LEVEL_SET:
                if sim.OWN_FILL in self.rows[number + 1 : number + 2, sim.R_KIND]:
                    return same
                level = [(price / 100, lots)]
                self.executor.on_book(
                    ns, level if side > 0 else [], level if side < 0 else [], whole=False
                )
            elif kind == TRADE:
                self.executor.on_trade(ns, price / 100, lots, {1: "sell", -1: "buy"}.get(side, ""))
        assert self.asked == []
        return same

    def compare(self, command: Any, who: int, what: int, price: int, lots: int, flags: int) -> None:
        if what == sim.NEW:
            market = abs(price) >= NO_ASK
            assert command == tc.Place(
                command.name, self.executor.parent.side, None if market else Decimal(price) / 100,
                Decimal(lots), bool(flags & sim.IMMEDIATE),
            )  # fmt: skip
            self.names[who] = command.name
            self.sizes[command.name], self.filled[command.name] = lots, 0
            return
        name = self.names[who]
        assert command.name == name
        self.changes.setdefault(name, []).append(command)
        if isinstance(command, tc.Amend):
            assert self.sizes[name] - lots == command.size
            self.sizes[name] -= lots
        else:
            assert lots == self.sizes[name] - self.filled[name]

    def hear(
        self, ns: int, kind: int, name: str, flags: int, price: int, lots: int, number: int
    ) -> None:
        if kind == sim.OWN_REST:
            self.executor.on_order(name, "accepted", ns)
        elif kind == sim.OWN_FILL:
            self.filled[name] += lots
            self.executor.on_order(
                name, "filled", ns, price=Decimal(price) / 100, size=lots, execution=f"T{number}", passive=bool(flags & 1)
            )  # fmt: skip
        elif not price:
            self.executor.on_order(name, "expired", ns)
        else:
            change = self.changes[name].pop(0)
            amended = "amended" if isinstance(change, tc.Amend) else "cancelled"
            self.executor.on_order(name, amended if lots else "cancel_rejected", ns)


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_an_evaluation_by_level(name: str) -> None:
    assert sum(Record(name, seed, DEPTH).tell() for seed in range(1, 7)) > 30
