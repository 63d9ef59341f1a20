"""The contract of research and production: a recorded session through the N = 1 driver is the same in every byte."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.markets import martingale_market

from benchmarks.arrival import at_arrival
from tercel.execution import step
from tercel.execution.driver import Driver
from tercel.execution.intent import Intents, View
from tercel.execution.observation import observer
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes, Plan, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow.preset import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.law import RegimeChain, Season, with_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.replay import AGES, RATES, ROOMS
from tercel.market.simulator.source import Source, reactive, run_free, undercutting, with_impact
from tercel.market.simulator.terms import Fees
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
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
ROWS = 40_000

# what only the simulated venue knows: its flow, and what the fills of its rules were worth to the tape
UNSHARED = [
    sim.FLOW_NS,
    sim.FLOW_RNG,
    sim.FLOW_RNG + 1,
    sim.CURSOR,
    sim.CURSOR_END,
    sim.DOUBLE_LOTS,
]
UNSHARED += [sim.UNFILLED_LOTS, sim.DUE_NS, sim.GRID_NEXT]
UNSHARED += [*range(sim.REGIME_NS, sim.IMPACT_NS)]
UNSHARED += [*range(sim.FLOW_MEMORY, sim.FLOW_MEMORY + sim.FLOW_WORDS)]
UNSHARED += [sim.AGGRESSOR_MID2, sim.AGGRESSOR_SIDE, sim.AGGRESSOR_NS]
UNSHARED += [at for at in range(sim.RESTORE_NS, sim.GRID) if at != sim.UNFILLED_TICKS]
UNSHARED += [at for at in range(sim.IMPACT_NS, sim.IMPACT_NS + sim.IMPACT_WORDS) if at != sim.SHIFT]

LOUD = ImpactLaw("translation", mean_trade_lots=5.0, trades=10.0, sigma_ticks=6.0)
"""Own trades move this book at once and far."""


@dataclass
class Watched(Strategy):
    """A strategy that remembers what it was shown, and the whole market as it stood."""

    strategy: Strategy
    name: str = "watched"
    seen: list[tuple[bytes, ...]] = field(default_factory=list)
    markets: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = field(default_factory=list)
    market: tuple[NDArray[np.int32], NDArray[np.int64]] | None = None

    def decide(self, view: View) -> Intents:
        self.seen.append((view.x.tobytes(), view.m.tobytes(), view.draw.tobytes()))
        if self.market is not None:
            b, k = self.market
            self.markets.append((b.copy(), k.copy()))
        return self.strategy.decide(view)


def small_network(seed: int) -> PolicyStrategy:
    rng = np.random.default_rng(seed)
    seen = observer("v3").size
    sizes = (seen, 16, 8)
    layers = tuple(
        (rng.normal(size=pair).astype(np.float32), rng.normal(size=pair[1]).astype(np.float32))
        for pair in pairwise(sizes)
    )
    policy = MlpPolicy(layers, np.zeros(seen, np.float32), np.ones(seen, np.float32))
    return PolicyStrategy("small", policy)


def strategy_of(name: str) -> Strategy:
    return small_network(5) if name == "network" else build(name)


# -- markets ----------------------------------------------------------------------------------------------------------


def recorded_tape(
    seed: int, halts: bool = True, levels: int = 0, preset: str = "csco-santa-fe"
) -> Source:
    """A replay market made from a simulated one's public record, with halts, hidden trades and a feed of few levels."""
    source = reactive(load(preset), settle_s=600.0)
    k = sim.extend(source.worlds_k[0], 0, ROWS)
    b = source.worlds_b[0].copy()
    first = b.copy()
    k[sim.FLOW_RNG] += seed
    start = int(k[sim.NOW])
    run_free(b, k, source.flow, source.tape, start + 300 * 10**9)
    n = int(k[sim.RECORD])
    assert n <= ROWS
    rows = k[k[sim.RECORD_AT] :][: n * sim.RECORD_WORDS].reshape(n, -1)[:, :6].copy()
    rng = np.random.default_rng(seed)
    tape: list[list[int]] = window(first, rows.tolist(), levels) if levels else rows.tolist()
    if halts:
        for share, pause in (
            (0.35, 10),
            (0.5, len(tape) // 8),
            (0.86, len(tape) // 50),
        ):  # the last: at the horizon
            at = int(share * len(tape))
            tape.insert(at, [tape[at][0], STATUS, 0, 0, -1, 0])
            tape.insert(at + pause, [tape[at + pause][0], STATUS, 0, 0, 1, 0])
        tape.insert(at := len(tape) * 3 // 4, [tape[at][0], CLEAR, -1, 0, 0, 0])
    for at in np.sort(rng.choice(len(tape), 40))[::-1]:
        tape.insert(at, [tape[at][0], TRADE_HIDDEN, 0, 1, tape[at][4], 3])
    world = blank_state(sim.REPLAY)
    same = [sim.NOW, sim.MID2, sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK]
    world[same] = source.worlds_k[0][same]
    world[sim.FEED_LEVELS] = levels
    compiled = np.array(tape, np.int64)
    return Source("recorded", sim.REPLAY, source.flow, compiled, first[None], world[None], 0.01, 1)


def window(b: NDArray[np.int32], rows: list[list[int]], levels: int) -> list[list[int]]:
    """The same rows as a feed of `levels` levels shows them: what leaves the window is forgotten, and comes as a block.

    Edits the book `b` to what is shown at the start.
    """
    slots = int(b[lay.ORDERS])
    usual = range(slots - sim.RIVAL_SLOTS)
    orders = {s: b[lay.HEADER + s * lay.ORDER :][: lay.ORDER] for s in range(slots)}
    live = {
        s: [int(o[lay.SIDE]), int(o[lay.PRICE]), int(o[lay.QTY])]
        for s, o in orders.items()
        if o[lay.QTY] > 0
    }
    shown = set(live)
    blocks: dict[tuple[int, int], int] = {}
    free: list[int] = []
    out: list[list[int]] = []
    seen: dict[int, set[int]] = {side: set(_best_prices(live, side, 10**6)) for side in (1, -1)}

    def refresh(ns: int) -> None:
        for side in (1, -1):
            now = set(_best_prices(live, side, levels))
            for price in seen[side] - now:
                if any(o[:2] == [side, price] for o in live.values()):
                    out.append([ns, ROLL_OUT, 0, side, price, 0])
                    shown.difference_update({s for s, o in live.items() if o[:2] == [side, price]})
                if (side, price) in blocks:
                    free.append(blocks.pop((side, price)))
            for price in now - seen[side]:
                lots = sum(
                    o[2] for s, o in live.items() if o[:2] == [side, price] and s not in shown
                )
                if lots:
                    slot = (
                        free.pop()
                        if free
                        else next(s for s in reversed(usual) if s not in blocks.values())
                    )
                    blocks[side, price] = slot
                    out.append([ns, ROLL_IN, slot, side, price, lots])
            seen[side] = now

    refresh(rows[0][0])
    for ns, kind, slot, side, price, lots in rows:
        if kind == ADD:
            live[slot] = [side, price, lots]
            if (
                price in seen[side]
                or len(seen[side]) < levels
                or (price - min(p * side for p in seen[side]) * side) * side > 0
            ):
                shown.add(slot)
                seen[side].add(price)
                out.append([ns, ADD, slot, side, price, lots])
        else:
            left = live[slot][2] - lots
            if slot in shown:
                out.append([ns, kind, slot, side, price, lots])
            elif price in seen[side]:
                out.append([ns, kind, -1, side, price, lots])
            live[slot][2] = left
            if left == 0:
                del live[slot]
                shown.discard(slot)
        refresh(ns)
    assert max(r[1] for r in out) <= max(ADD, DELETE, EXECUTE, REDUCE, ROLL_IN, ROLL_OUT)
    return out


def _best_prices(live: dict[int, list[int]], side: int, n: int) -> list[int]:
    return sorted({o[1] for o in live.values() if o[0] == side}, reverse=side > 0)[:n]


@pytest.fixture(scope="module")
def markets() -> dict[str, Source]:
    return {
        "santa_fe": reactive(load("csco-santa-fe"), settle_s=600.0),
        "queue_reactive": reactive(load("goog"), settle_s=600.0),
        "martingale": martingale_market(),
        "tape": recorded_tape(1),
        "tape_of_5_levels": recorded_tape(2, levels=5),
        "translated": with_impact(reactive(load("csco-santa-fe"), settle_s=600.0), LOUD),
        "translated_tape_of_5_levels": with_impact(recorded_tape(2, levels=5), LOUD),
        "undercut_tape": often_undercut(recorded_tape(1)),
        "undercut_tape_of_5_levels": often_undercut(with_impact(recorded_tape(2, levels=5), LOUD)),
    }


def often_undercut(source: Source) -> Source:
    """The tape under the bound `undercut`, at rates at which it happens in four minutes."""
    source = undercutting(source, "2003")
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


def run_batch(episodes: Episodes, plan: Plan, strategy: Watched) -> NDArray[np.int64]:
    """The record of a batch of one market."""
    episodes.start(plan)
    strategy.market = episodes.books[0], episodes.states[0]
    while episodes.working.all():
        episodes.step(strategy.decide(episodes.view))
    return episodes.record(0).copy()


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
    episodes, plan = Episodes(source, late, 1, record_rows=ROWS), plan_of(source, late, 600, 0)
    batch, mine = Watched(build("twap_passive")), Watched(build("twap_passive"))
    record = run_batch(episodes, plan, batch)
    assert (record[:, sim.R_KIND] == sim.REGIME_IS).sum() > 3
    b, k = at_arrival(episodes, plan)
    driver = Driver(b, k, mine)
    mine.market = driver.book, driver.state
    sent = driver.run(record[k[sim.RECORD] :])
    assert mine.seen == batch.seen
    np.testing.assert_array_equal(sent, commands_of(record))
    assert_same_markets(batch, mine)
    end = episodes.states[0]
    fees = [sim.FEES, sim.FEES_REST]
    np.testing.assert_array_equal(driver.state[fees], end[fees])
    assert end[sim.FEES] != 0


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("strategy", ["twap_passive", "submit_and_leave", "random", "network"])
@pytest.mark.parametrize(
    "market",
    [
        "santa_fe",
        "queue_reactive",
        "martingale",
        "tape",
        "tape_of_5_levels",
        "translated",
        "translated_tape_of_5_levels",
        "undercut_tape",
        "undercut_tape_of_5_levels",
    ],
)
def test_a_recorded_session_through_the_driver_is_the_same(
    markets: dict[str, Source], market: str, strategy: str, latency: str
) -> None:
    source, task = markets[market], Task(latency=LATENCIES[latency], **TASK)
    episodes = Episodes(source, task, 1, record_rows=ROWS)
    for index in range(2):
        plan = plan_of(source, task, 600, index)
        batch, mine = Watched(strategy_of(strategy)), Watched(strategy_of(strategy))
        record = run_batch(episodes, plan, batch)
        b, k = at_arrival(episodes, plan)
        driver = Driver(b, k, mine)
        mine.market = driver.book, driver.state
        sent = driver.run(record[k[sim.RECORD] :])
        driver.decide_due(int(episodes.states[0, sim.NOW]))
        assert len(batch.seen) > 1
        if strategy == "random":
            moved = (
                market in ("queue_reactive", "undercut_tape_of_5_levels") or "translated" in market
            )
            assert (sim.SHIFTED in record[:, sim.R_KIND]) == moved
            if "undercut" in market and latency == "none":
                slots = int(b[lay.ORDERS])
                undercut = (record[:, sim.R_KIND] == ADD) & (
                    record[:, sim.R_WHO] >= slots - sim.RIVAL_SLOTS
                )
                assert undercut.any()
        assert mine.seen == batch.seen
        np.testing.assert_array_equal(sent, commands_of(record))
        assert_same_markets(batch, mine)
        end = episodes.states[0]
        account = [
            *range(sim.SIDE, sim.PHASE),
            *range(sim.SPREAD, sim.UNFILLED_LOTS),
            sim.FILL_ROWS,
            sim.RECORD,
        ]
        np.testing.assert_array_equal(driver.state[account], end[account])
        grid = slice(sim.GRID, int(end[sim.RECORD_AT]))
        np.testing.assert_array_equal(driver.state[grid], end[grid])
        np.testing.assert_array_equal(driver.state[end[sim.RECORD_AT] :], end[end[sim.RECORD_AT] :])


@pytest.mark.parametrize("clock", ["events", "volume"])
@pytest.mark.parametrize("market", ["santa_fe", "tape"])
def test_the_clocks_of_events_and_volume_are_the_same(
    markets: dict[str, Source], market: str, clock: str
) -> None:
    task = Task(latency=LATENCIES["drawn"], clock=clock, clock_step=30, **TASK)
    source = markets[market]
    episodes, plan = Episodes(source, task, 1, record_rows=ROWS), plan_of(source, task, 600, 0)
    batch, mine = Watched(build("random")), Watched(build("random"))
    record = run_batch(episodes, plan, batch)
    b, k = at_arrival(episodes, plan)
    sent = Driver(b, k, mine).run(record[k[sim.RECORD] :])
    assert mine.seen == batch.seen
    np.testing.assert_array_equal(sent, commands_of(record))
