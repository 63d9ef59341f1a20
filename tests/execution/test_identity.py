"""The contract of research and production: a recorded session through the N = 1 driver is the same in every byte."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.market.simulator.replay_oracle import RandomTape
from tests.markets import martingale_market

from benchmarks.arrival import at_arrival
from tercel.execution import step
from tercel.execution.driver import Driver
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.intent import Intents
from tercel.execution.observation import observer
from tercel.execution.policies.mlp import Head, MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.law import RegimeChain, Season, with_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.bounds import with_undercutting
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import Source, reactive, run_free, with_impact
from tercel.market.simulator.terms import Fees
from tercel.market.simulator.undercutting import AGES, RATES, ROOMS
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    STATUS,
    TRADE_HIDDEN,
)

MS = 1_000_000
LATENCIES = {
    "none": Latency(),
    "constant": Latency("constant", 40 * MS),
    "drawn": Latency("exponential", 5 * MS, 2_000 * MS),
}
TASK = {"horizon_s": 240.0, "decisions": 24, "warmup_s": 20.0, "grid_points": 13}
TAPE_ROWS, ROWS = 40_000, 12_000
"""Of a recorded tape, and of the record of a session."""

# what only the simulated venue knows: its flow, and what the fills of its rules were worth to the tape
UNSHARED = [
    *(sim.FLOW_NS, sim.FLOW_RNG, sim.FLOW_RNG + 1, sim.CURSOR, sim.CURSOR_END, sim.DOUBLE_LOTS),
    *(sim.UNFILLED_LOTS, sim.DUE_NS, sim.GRID_NEXT),
    *range(sim.REGIME_NS, sim.IMPACT_NS),
    *range(sim.FLOW_MEMORY, sim.FLOW_MEMORY + sim.FLOW_WORDS),
    *(sim.AGGRESSOR_MID2, sim.AGGRESSOR_SIDE, sim.AGGRESSOR_NS),
    *(at for at in range(sim.RESTORE_NS, sim.GRID) if at != sim.UNFILLED_TICKS),
    *(at for at in range(sim.IMPACT_NS, sim.IMPACT_NS + sim.IMPACT_WORDS) if at != sim.SHIFT),
]

LOUD = ImpactLaw("translation", mean_trade_lots=5.0, trades=10.0, sigma_ticks=6.0)
"""Own trades move this book at once and far."""


@dataclass
class Watched(Strategy):
    """A strategy that remembers what it was shown and told, and the whole market as it stood."""

    strategy: Strategy
    by: Forecaster | None = None
    name: str = "watched"
    seen: list[tuple[bytes, ...]] = field(default_factory=list)
    told: list[list[int]] = field(default_factory=list)
    markets: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = field(default_factory=list)
    market: tuple[NDArray[np.int32], NDArray[np.int64]] | None = None

    @property
    def gap_ns(self) -> int:
        return gap_of(self.strategy)

    @property
    def forecaster(self) -> Forecaster | None:
        return self.by or forecaster_of(self.strategy)

    def decide(self, view: View) -> Intents:
        self.seen.append((view.x.tobytes(), view.m.tobytes(), view.draw.tobytes()))
        self.told.append(view.outlook_rows[0].tolist())
        if self.market is not None:
            b, k = self.market
            self.markets.append((b.copy(), k.copy()))
        return self.strategy.decide(view)


def small_network(seed: int, actions: int, head: Head = "logits") -> MlpPolicy:
    """Random weights; none for what is in bps of the price, which is negative where a kit mirrors a market."""
    rng, seen = np.random.default_rng(seed), observer("v3")
    layers = tuple(
        (rng.normal(size=pair).astype(np.float32), rng.normal(size=pair[1]).astype(np.float32))
        for pair in pairwise((seen.size, 16, actions))
    )
    layers[0][0][[seen.entries.index(name) for name in ("forecast", "spread_bps")]] = 0.0
    ones = np.ones(seen.size, np.float32)
    return MlpPolicy(layers, 0 * ones, ones, 10.0, "tanh", head)


def strategy_of(name: str) -> Strategy:
    return PolicyStrategy("small", small_network(5, 8)) if name == "network" else build(name)


# -- markets ----------------------------------------------------------------------------------------------------------


def recorded_tape(
    seed: int, halts: bool = True, levels: int = 0, preset: str = "csco-santa-fe"
) -> Source:
    """A replay market made from a simulated one's public record, with halts and hidden trades; of few levels a random one."""
    if levels:
        return tape_of_levels(seed, levels)
    source = reactive(load(preset), settle_s=600.0)
    k = sim.extend(source.worlds_k[0], 0, TAPE_ROWS)
    b = source.worlds_b[0].copy()
    first = b.copy()
    k[sim.FLOW_RNG] += seed
    run_free(b, k, source.flow, source.tape, int(k[sim.NOW]) + 300 * 10**9)
    n = int(k[sim.RECORD])
    assert n <= TAPE_ROWS
    tape: list[list[int]] = (
        k[k[sim.RECORD_AT] :][: n * sim.RECORD_WORDS].reshape(n, -1)[:, :6].tolist()
    )
    if halts:
        for share, pause in (
            (0.35, 10),
            (0.5, n // 8),
            (0.86, n // 50),
        ):  # the last: at the horizon
            at = int(share * len(tape))
            tape.insert(at, [tape[at][0], STATUS, 0, 0, -1, 0])
            tape.insert(at + pause, [tape[at + pause][0], STATUS, 0, 0, 1, 0])
        tape.insert(at := len(tape) * 3 // 4, [tape[at][0], CLEAR, -1, 0, 0, 0])
    for at in np.sort(np.random.default_rng(seed).choice(len(tape), 40))[::-1]:
        tape.insert(at, [tape[at][0], TRADE_HIDDEN, 0, 1, tape[at][4], 3])
    world = blank_state(sim.REPLAY)
    same = [sim.NOW, sim.MID2, sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK]
    world[same] = source.worlds_k[0][same]
    return Source(
        "recorded",
        sim.REPLAY,
        source.flow,
        np.array(tape, np.int64),
        first[None],
        world[None],
        0.01,
        1,
    )


def tape_of_levels(seed: int, levels: int) -> Source:
    """Five minutes of a random tape whose feed shows a few levels: what leaves them is forgotten, and comes as a block."""
    rows = RandomTape(Random(seed), 6_000, levels).array()
    rows = rows[rows[:, sim.T_KIND] != STATUS]
    rows[:, sim.T_NS] = rows[:, sim.T_NS] * 300 * 10**9 // rows[-1, sim.T_NS]
    world = blank_state(sim.REPLAY)
    world[sim.FEED_LEVELS] = levels
    book = lay.new_book(4_096, 64, 32)
    flow = reactive(load("csco-santa-fe"), settle_s=1.0).flow
    return Source("window", sim.REPLAY, flow, rows, book[None], world[None], 0.01, 1)


@pytest.fixture(scope="module")
def markets() -> dict[str, Source]:
    santa_fe = reactive(load("csco-santa-fe"), settle_s=600.0)
    tape, levels = recorded_tape(1), recorded_tape(2, levels=5)
    return {
        "santa_fe": santa_fe,
        "queue_reactive": reactive(load("goog"), settle_s=600.0),
        "martingale": martingale_market(),
        "tape": tape,
        "tape_of_5_levels": levels,
        "translated": with_impact(santa_fe, LOUD),
        "translated_tape_of_5_levels": with_impact(levels, LOUD),
        "undercut_tape": often_undercut(tape),
        "undercut_tape_of_5_levels": often_undercut(with_impact(levels, LOUD)),
    }


def often_undercut(source: Source) -> Source:
    """The tape under the bound `undercut`, at rates at which it happens in four minutes."""
    source = with_undercutting(source, "2003")
    rates = int(source.worlds_k[0, sim.UNDERCUT]) + RATES
    source.flow[rates : rates + ROOMS * AGES] += 5.0
    return source


# -- the contract -----------------------------------------------------------------------------------------------------


def plan_of(source: Source, task: Task, quantity: int, index: int) -> Plan:
    plan = seeded_plan(task, quantity, seed=11, first=index, n=1)
    if source.model == sim.REPLAY:
        plan.rows[:, step.E_START_NS] = source.worlds_k[0, sim.NOW] + task.warmup_ns
        plan.rows[:, step.E_CURSOR_END] = len(source.tape)
    return plan


def commands_of(record: NDArray[np.int64]) -> NDArray[np.int64]:
    """Recorded commands as the driver hands them out."""
    sent = record[record[:, sim.R_KIND] == sim.OWN_SENT]
    return sent[:, [sim.R_NS, sim.R_SIDE, sim.R_WHO, sim.R_PRICE, sim.R_LOTS, sim.R_MID2]]


def assert_same_markets(batch: Watched, driver: Watched) -> None:
    """At every decision: the same book, and the same state but for what is the venue's alone."""
    for (b, k), (mine, my_k) in zip(batch.markets, driver.markets, strict=True):
        on_show = slice(0, int(b[lay.BACKGROUND]) or len(b))  # behind it lies the public's own book
        np.testing.assert_array_equal(mine[on_show], b[on_show])
        shared = np.ones(len(k), np.bool_)
        shared[UNSHARED] = False
        shared[sim.GRID : k[sim.RECORD_AT]] = (
            False  # mids of the grid are written later, not otherwise
        )
        np.testing.assert_array_equal(np.flatnonzero((my_k != k) & shared), [])


def through_both(
    episodes: Episodes, plan: Plan, batch: Watched, mine: Watched, symbol: str = ""
) -> tuple[NDArray[np.int64], Driver]:
    """The record of a batch of one market, and a driver that it went through: they saw, were told and sent the same."""
    episodes.start(plan)
    if batch.forecaster is not None:
        episodes.set_forecaster(batch.forecaster)
    batch.market = episodes.books[0], episodes.states[0]
    while episodes.working.all():
        episodes.step(batch.decide(episodes.view))
    record = episodes.record(0).copy()
    b, k = at_arrival(episodes, plan)
    driver = Driver(b, k, mine, symbol=symbol)
    mine.market = driver.book, driver.state
    sent = driver.run(record[k[sim.RECORD] :])
    driver.decide_due(int(episodes.states[0, sim.NOW]))
    assert len(batch.seen) > 1
    assert (mine.seen, mine.told) == (batch.seen, batch.told)
    np.testing.assert_array_equal(sent, commands_of(record))
    return record, driver


@pytest.mark.long
def test_regimes_fees_and_a_late_feed_are_the_same(markets: dict[str, Source]) -> None:
    """What only the venue knows stays there; what it asks and how late it speaks is known on both sides."""
    chain = RegimeChain(
        ("plain", "thin", "volatile"), ((0, 0.02, 0.02), (0.05, 0, 0), (0.05, 0, 0))
    )
    source = replace(
        with_regimes(markets["santa_fe"], chain, Season.of(load("csco-santa-fe"))),
        fees=Fees(-0.0013, 0.0031),
    )
    late = Task(
        latency=LATENCIES["drawn"], feed_latency=Latency("uniform", 5 * MS, 300 * MS), **TASK
    )
    batch, mine = Watched(build("twap_passive")), Watched(build("twap_passive"))
    episodes = Episodes(source, late, 1, record_rows=ROWS)
    record, driver = through_both(episodes, plan_of(source, late, 600, 0), batch, mine)
    assert (record[:, sim.R_KIND] == sim.REGIME_IS).sum() > 3
    assert_same_markets(batch, mine)
    fees, end = [sim.FEES, sim.FEES_REST], episodes.states[0]
    np.testing.assert_array_equal(driver.state[fees], end[fees])
    assert end[sim.FEES] != 0


PLAIN = ("santa_fe", "queue_reactive", "tape", "tape_of_5_levels")
OTHERS = (
    "martingale",
    "translated",
    "translated_tape_of_5_levels",
    "undercut_tape",
    "undercut_tape_of_5_levels",
)
RULES = (("twap_passive", "drawn"), ("submit_and_leave", "none"), ("network", "constant"))


@pytest.mark.parametrize(
    ("market", "strategy", "latency"),
    [
        *((market, "random", latency) for market in (*PLAIN, *OTHERS) for latency in LATENCIES),
        *((market, *rule) for market in PLAIN for rule in RULES),
    ],
)
def test_a_recorded_session_through_the_driver_is_the_same(
    markets: dict[str, Source], market: str, strategy: str, latency: str
) -> None:
    source, task = markets[market], Task(latency=LATENCIES[latency], **TASK)
    episodes = Episodes(source, task, 1, record_rows=ROWS)
    for index in range(2):
        batch, mine = Watched(strategy_of(strategy)), Watched(strategy_of(strategy))
        record, driver = through_both(episodes, plan_of(source, task, 600, index), batch, mine)
        if strategy == "random":
            moved = (
                market in ("queue_reactive", "undercut_tape_of_5_levels") or "translated" in market
            )
            assert (sim.SHIFTED in record[:, sim.R_KIND]) == moved
            if "undercut" in market and latency == "none":
                drawn = record[:, sim.R_WHO] >= int(driver.book[lay.ORDERS]) - sim.RIVAL_SLOTS
                assert ((record[:, sim.R_KIND] == ADD) & drawn).any()
        assert_same_markets(batch, mine)
        end = episodes.states[0]
        account = [
            *range(sim.SIDE, sim.PHASE),
            *range(sim.SPREAD, sim.UNFILLED_LOTS),
            sim.FILL_ROWS,
            sim.RECORD,
            *range(sim.GRID, len(end)),
        ]
        np.testing.assert_array_equal(driver.state[account], end[account])


@pytest.mark.parametrize("clock", ["events", "volume"])
@pytest.mark.parametrize("market", ["santa_fe", "tape"])
def test_the_clocks_of_events_and_volume_are_the_same(
    markets: dict[str, Source], market: str, clock: str
) -> None:
    task = Task(latency=LATENCIES["drawn"], clock=clock, clock_step=30, **TASK)
    source = markets[market]
    batch, mine = Watched(build("random")), Watched(build("random"))
    episodes = Episodes(source, task, 1, record_rows=ROWS)
    through_both(episodes, plan_of(source, task, 600, 0), batch, mine)
