"""The parity contract: an executor over the exchange is the batch, fill for fill and sum for sum."""

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tests.desk.trading.folded_orders import FoldedOrders, costs
from tests.market.simulator.replay_oracle import RandomTape

from tercel.core.orders import MarketRows, VenueEvent
from tercel.core.price_limit import limit_at
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.execution import step
from tercel.execution.costs import Costs
from tercel.execution.foresight.forecaster import TABLE, save, shipped_forecaster
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.policies_packaged import load_packaged
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Latency, Task
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.fix.client import FixVenue
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.windows import tape_plan
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.law import RegimeChain, with_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.source import Source, reactive, with_impact
from tercel.market.simulator.tape_source import replay
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

LATENCIES = [
    Latency(),
    Latency("constant", 40_000_000),
    Latency("exponential", 1_000_000, 700_000_000),
]
STRATEGIES = [
    "twap_passive",
    "twap_take",
    "peg_behind",
    "random",
    "mlp",
    "twap_repeg+events",
    "random+events",
]
FORESEEING = ["take_timed", "default"]


def strategy_of(name: str) -> Strategy:
    if name != "mlp":
        return (
            replace(load_packaged("default-1")[0], waiting=0.4)
            if name == "default"
            else build(name)
        )
    rng = np.random.default_rng(5)
    layers = tuple(
        (
            rng.normal(0, 0.6, shape).astype(np.float32),
            rng.normal(0, 0.3, shape[1]).astype(np.float32),
        )
        for shape in ((50, 16), (16, 8))
    )
    return PolicyStrategy(
        "mlp", MlpPolicy(layers, np.zeros(50, np.float32), np.ones(50, np.float32))
    )


def own_word(events: list[VenueEvent]) -> bool:
    return any(not isinstance(event, MarketRows) for event in events)


def work(
    exchange: SimulatedExchange | FixVenue,
    executors: list[ParentExecutor],
    followers: list[Follower],
    orders: FoldedOrders,
    most: int = 200_000,
) -> None:
    """What a session does, without gate and journal."""
    for follower in followers:
        exchange.subscribe(follower.instrument)
    ended = 0
    for _ in range(200_000):
        due = min(executor.due_ns for executor in executors)
        until = (
            due if due < FOREVER_NS else exchange.now_ns + 999_999_937
        )  # no time at which a row of a tape lies
        events = orders.hear(exchange.step(until))
        for event in events:
            if isinstance(event, MarketRows):
                for follower in followers:
                    if follower.instrument == event.instrument:
                        follower.on_market(event)
        for executor in executors:
            for command in executor.on_events(events):
                orders.send(exchange, command)
        if not own_word(events) and exchange.now_ns >= until:
            for executor in executors:
                for command in executor.on_time(exchange.now_ns):
                    orders.send(exchange, command)
        ended = ended + 1 if all(executor.done for executor in executors) else 0
        if ended:
            return
    raise AssertionError("it does not end")


def batch(
    source: Source, task: Task, plan: Plan, strategy: Strategy, run_out: bool
) -> tuple[Costs, np.ndarray]:
    told_by = forecaster_of(strategy)
    episodes = Episodes(
        source, task, 1, run_out=run_out, log_rows=4096, looks_back=told_by is not None
    )
    episodes.start(plan)
    episodes.set_gap(gap_of(strategy))
    episodes.set_forecaster(told_by)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    return episodes.costs(), episodes.fills(0)


def live(
    spec: MarketSpec, task: Task, row: np.ndarray, start_ns: int, strategy: Strategy, run_out: bool
) -> tuple[Costs, np.ndarray]:
    latency = EntryLatency(task.latency.kind, task.latency.a_ns, task.latency.b_ns)
    return over(
        SimulatedExchange({"X": spec}, latency=latency), task, row, start_ns, strategy, run_out
    )


def over(
    exchange: SimulatedExchange | FixVenue,
    task: Task,
    row: np.ndarray,
    start_ns: int,
    strategy: Strategy,
    run_out: bool,
) -> tuple[Costs, np.ndarray]:
    listing = exchange.listings()[0]
    follower = Follower(listing, width=exchange.width("X"), feed_levels=exchange.feed_levels("X"))
    order = Assignment(
        "P", "me", "X", int(row[step.E_SIDE]), int(row[step.E_QUANTITY]), start_ns, task,
        int(row[step.E_SEED]), int(row[step.E_INDEX]), run_out=run_out,
    )  # fmt: skip
    orders = FoldedOrders()
    executor = ParentExecutor(order, follower, strategy, orders)
    work(exchange, [executor], [follower], orders)
    executor.driver.check()
    return costs(executor), executor.fills()


def assert_same(one: tuple[Costs, np.ndarray], other: tuple[Costs, np.ndarray]) -> None:
    np.testing.assert_array_equal(one[1], other[1])
    for f in fields(Costs):
        if f.name not in ("cluster", "double_lots"):
            np.testing.assert_array_equal(
                getattr(one[0], f.name), getattr(other[0], f.name), err_msg=f.name
            )


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


TASK = Task(
    share=0.2, horizon_s=300.0, decisions=20, warmup_s=60.0, latency=LATENCIES[2], grid_points=7
)


def the_same(
    source: Source, task: Task, strategy: Strategy, index: int, plain: Source | None = None
) -> tuple[tuple[Costs, np.ndarray], int]:
    """What both come to, and the side: of the exchange of a source, and of the batch of it, or of another source."""
    plan, run_out = seeded_plan(task, 220, 7, index, 1), index % 2 == 1
    start = int(source.worlds_k[0, sim.NOW]) + task.warmup_ns
    wanted = batch(plain or source, task, plan, strategy, run_out)
    spec = MarketSpec(source, seed=7, index=index // 2)
    assert_same(live(spec, task, plan.rows[0], start, strategy, run_out), wanted)
    return wanted, int(plan.rows[0, step.E_SIDE])


@pytest.mark.parametrize(
    ("name", "latency"),
    [
        *product(STRATEGIES, LATENCIES[::2]),
        ("twap_passive", LATENCIES[1]),
        *product(FORESEEING, LATENCIES[1:2]),
    ],
    ids=str,
)
@pytest.mark.parametrize("index", [0, 1])
def test_an_executor_is_the_batch_in_a_reactive_market(
    csco: Source, name: str, latency: Latency, index: int
) -> None:
    wanted, _ = the_same(csco, replace(TASK, latency=latency), strategy_of(name), index)
    assert len(wanted[1]) > 3


@pytest.mark.usefixtures("one_tick_counts")
def test_an_executor_is_told_the_forecasts_of_its_instrument(csco: Source, tmp_path: Path) -> None:
    """A symbol whose gate is closed trades as without the forecaster, at the desk as in the batch."""
    gates = {
        symbol: {h: {"slope": 3.0, "speaks": symbol == "X"} for h in ("10", "30")}
        for symbol in ("X", "csco-santa-fe")
    }
    save(tmp_path, replace(shipped_forecaster(), card={**shipped_forecaster().card, TABLE: gates}))
    told = {"flow": {"model": str(tmp_path)}}
    strategy = replace(load_packaged("default-1")[0], waiting=0.4, action_parameters=told)
    task, plan = replace(TASK, latency=LATENCIES[1]), seeded_plan(TASK, 220, 7, 1, 1)
    heard, _ = the_same(csco, task, strategy, 1, replace(csco, name="X"))
    plain = batch(csco, task, plan, build("guarded"), True)
    assert_same(batch(csco, task, plan, strategy, True), plain)
    assert heard[1].tolist() != plain[1].tolist()


@pytest.mark.parametrize("name", ["twap_passive", "random", "mlp", "random+events"])
@pytest.mark.parametrize("index", [0, 1])
def test_an_executor_is_the_batch_in_a_market_that_own_trades_translate(
    csco: Source, name: str, index: int
) -> None:
    loud = with_impact(csco, ImpactLaw("translation", 5.0, trades=10.0, sigma_ticks=6.0))
    wanted, _ = the_same(loud, TASK, strategy_of(name), index)
    assert len(wanted[1]) > 3
    plain = batch(csco, TASK, seeded_plan(TASK, 220, 7, index, 1), strategy_of(name), index == 1)
    assert np.any(plain[0].mid2_grid != wanted[0].mid2_grid)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        *product([*STRATEGIES, "immediate"], ["-5bps", "5bps"]),
        *product(["twap_take", "random+events", "immediate"], ["-40bps", "4000bps"]),
    ],
)
def test_an_executor_is_the_batch_under_a_limit_price(csco: Source, name: str, limit: str) -> None:
    """Every sum and every fill, those that nobody sold among them; a limit far away changes nothing."""
    task = replace(TASK, limit_price=limit)
    for index in (0, 1):
        (costs, fills), side = the_same(csco, task, strategy_of(name), index)
        ticks = limit_at(limit, side, 0.01, int(costs.arrival_mid2[0]))
        traded = fills[fills[:, 6] != sim.UNFILLED]
        assert (side * (traded[:, 1] - ticks) <= 0).all()
        assert traded[:, 2].sum() == 220 - costs.unfilled_lots[0]
        assert limit != "-40bps" or costs.unfilled_lots[0] > 0
        if limit == "4000bps":
            free = seeded_plan(TASK, 220, 7, index, 1)
            unlimited = batch(csco, TASK, free, strategy_of(name), index == 1)
            assert_same((costs, fills), unlimited)


def test_an_executor_is_the_batch_under_regimes_and_fees(csco: Source) -> None:
    """Regimes are the venue's secret, fees are in its listing."""
    chain = RegimeChain(
        ("plain", "thin", "volatile"), ((0, 0.02, 0.02), (0.05, 0, 0), (0.05, 0, 0))
    )
    source = replace(with_regimes(csco, chain), fees=Fees(-0.0013, 0.0031))
    wanted, _ = the_same(source, TASK, build("twap_passive"), 1)
    assert wanted[0].fees[0] != 0


# -- tapes ------------------------------------------------------------------------------------------------------------


def tape_source(rows: np.ndarray, levels: int) -> Source:
    b, k = lay.new_book(512, 256, OWN_ORDERS), blank_state(sim.REPLAY)
    k[sim.FEED_LEVELS] = levels
    return Source("tape", sim.REPLAY, np.zeros(1), rows, b[None], k[None], 0.01, 1)


def tape_episode(source: Source, task: Task, side: int, lots: int, start_ns: int) -> np.ndarray:
    """Warm-up rows are already played when the episode begins at row 0 of the tape."""
    row = np.zeros((1, step.EPISODE_WORDS), np.int64)
    row[0, : step.E_LIMIT] = 3, 1, side, lots, start_ns, task.warmup_ns, 0, len(source.tape), 0
    row[0, [step.E_LIMIT, step.E_LIMIT_OF_MID]] = task.limit(side)
    return row


@pytest.mark.parametrize(("levels", "limit"), [(0, None), (2, None), (0, "0bps"), (2, "200bps")])
@pytest.mark.parametrize("name", STRATEGIES)
def test_an_executor_is_the_batch_on_a_tape(name: str, levels: int, limit: str | None) -> None:
    """Tapes with halts, several rows a moment, hidden trades, and a window that forgets levels."""
    latency = LATENCIES[1 if levels else 2]
    task = Task(
        horizon_s=120.0,
        decisions=24,
        warmup_s=30.0,
        latency=latency,
        grid_points=5,
        limit_price=limit,
    )
    traded = 0
    for seed in range(3):
        rows = RandomTape(random.Random(seed), 1500, levels).array()
        rows[:, sim.T_NS] *= 100_000_000
        source = tape_source(rows, levels)
        start = 60 * 10**9
        episode = tape_episode(source, task, 1 - 2 * (seed % 2), 60, start)
        wanted = batch(source, task, Plan(episode, np.zeros(1, np.int64)), strategy_of(name), False)
        spec = MarketSpec(source, 3, 1, began_ns=start - task.warmup_ns)
        got = live(spec, task, episode[0], start, strategy_of(name), False)
        assert_same(got, wanted)
        traded += len(wanted[1])
    assert traded > 3


@pytest.mark.parametrize("levels", [1, 5])
def test_an_executor_is_the_batch_on_a_recorded_day(
    levels: int, shared_data: Path, tmp_path: Path
) -> None:
    """Three windows of one real day that shows few levels; forecasts want a quarter of an hour before."""
    files = sorted(shared_data.rglob(f"*AMZN_2012-06-21_{levels}.zip"))
    if not files:
        pytest.skip(f"no day of AMZN with {levels} levels")
    lake = Lake(tmp_path / "lake")
    with LobsterFeed().days([files[0]], FeedOptions()) as days:
        for day in days:
            imported = day.read()
            lake.write(imported.instrument, imported.events)
    source, placed = replay(lake, "AMZN", ["2012-06-21"])
    told = Task(share=0.1, horizon_s=300.0, decisions=20, warmup_s=920.0, latency=LATENCIES[2])
    every = [
        (replace(told, warmup_s=120.0), ("twap_passive", "random"), (0, 0.5, 1)),
        (told, FORESEEING, (0.3, 0.8)),
    ]
    for task, names, parts in every:
        plan = tape_plan(placed, task, [20_000.0] * 13, seed=1)
        _assert_same_windows(
            source,
            task,
            plan.take(np.array([int(part * (len(plan) - 1)) for part in parts])),
            names,
        )


def _assert_same_windows(source: Source, task: Task, plan: Plan, names: Sequence[str]) -> None:
    for i, row in enumerate(plan.rows):
        start = int(row[step.E_START_NS])
        spec = MarketSpec(
            source, int(row[step.E_SEED]), int(row[step.E_INDEX]), int(row[step.E_WORLD]),
            began_ns=start - task.warmup_ns, first_row=int(row[step.E_CURSOR]), last_row=int(row[step.E_CURSOR_END]),
        )  # fmt: skip
        for name in names:
            wanted = batch(source, task, plan.take(np.array([i])), strategy_of(name), False)
            assert len(wanted[1])
            assert_same(live(spec, task, row, start, strategy_of(name), False), wanted)
