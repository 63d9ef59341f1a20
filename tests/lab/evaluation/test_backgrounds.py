"""The public of a seed simulated once: markets that follow it, held against markets that simulate it themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from tests.market.simulator.test_background import Anything, orders

from benchmarks.environment import pooled
from tercel.core.errors import ConfigError
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, gap_of
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, bank_sampler, seeded_plan
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.law import law_on_card
from tercel.market.regimes.choice import with_named_regimes
from tercel.market.regimes.named import Factors
from tercel.market.simulator import layout as sim, packed_events
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape.schema import ADD, TRADE_HIDDEN

TASK = Task(
    share=1.0,
    horizon_s=300.0,
    decisions=30,
    warmup_s=60.0,
    latency=Latency("uniform", 0, 2_000_000_000),
)
SAME = {"latency": TASK.latency, "warmup_s": 60.0, "horizon_s": 300.0, "decisions": 30}


def own_words() -> NDArray[np.bool_]:
    """Words of a market that own orders, views and accounts rest on: all but the flow's memory and scratch."""
    own = np.ones(sim.GRID, np.bool_)
    own[sim.SESSION_NS + 1 : sim.FLOW_MEMORY + sim.FLOW_WORDS] = False
    own[sim.BACKGROUND : sim.BACKGROUND + sim.TALLIES] = False
    own[sim.BACKGROUND + sim.MID2 - sim.EVENTS] = True
    own[sim.MIRROR : sim.MIRROR + sim.MIRROR_ROWS * sim.RECORD_WORDS] = False
    own[[sim.CURSOR, sim.CURSOR_END]] = False
    return own


def market(name: str, regimes: str = "") -> Source:
    preset = load(name)
    law = law_on_card(preset.card)
    source = reactive(preset, worlds=2, seed=3, settle_s=900.0, impact=law or "none")
    return with_named_regimes(source, regimes, preset, 100.0) if regimes else source


def check_same(one: Episodes, other: Episodes) -> None:
    """Everything that anybody of ours sees, owns, paid or draws from."""
    length = int(one.source.worlds_b[0, lay.BACKGROUND])
    own = np.ones(one.states.shape[1], np.bool_)
    own[: sim.GRID] = own_words()
    assert np.array_equal(one.books[:, :length], other.books[:, :length])
    assert np.array_equal(one.states[:, own], other.states[:, own])
    words = [lay.PRICE, lay.QTY, lay.SIDE, lay.TAG]
    for b, c in zip(one.books[:, length:], other.books[:, length:], strict=True):
        assert b[lay.HIGH] == c[lay.HIGH]
        assert np.array_equal(orders(b)[:, words], orders(c)[:, words])
    for column in ("x", "m", "draw"):
        assert np.array_equal(getattr(one.view, column), getattr(other.view, column))


def run_both(
    source: Source, task: Task, plan: Plan, make: Strategy, again: Strategy, **options: int
) -> Episodes:
    """Run a plan with the public shared and not, the same at every decision."""
    alone, shared = (
        Episodes(source, task, len(plan), record_rows=10_000, log_rows=4_000) for _ in range(2)
    )
    shared.share_backgrounds(Backgrounds(**options))
    for episodes in (alone, shared):
        episodes.set_gap(gap_of(make))
        episodes.start(plan)
    while alone.working.any():
        check_same(alone, shared)
        alone.step(make.decide(alone.view))
        shared.step(again.decide(shared.view))
    check_same(alone, shared)
    for one in range(len(plan)):
        assert np.array_equal(alone.fills(one), shared.fills(one))
        assert np.array_equal(alone.record(one), shared.record(one))
    return shared


@pytest.mark.parametrize(
    ("name", "regimes"),
    [
        ("sh600961", ""),
        ("goog", ""),
        ("csco-hawkes", ""),
        ("amzn", "chain"),
        ("ibm", "flash_crash,season"),
        ("cw-flow", ""),
    ],
)
def test_a_market_that_follows_is_the_one_that_simulates(name: str, regimes: str) -> None:
    source = market(name, regimes)
    plan = seeded_plan(TASK, TASK.lots(load(name).volume_per_s), 11, 0, 8, worlds=2)
    shared = run_both(source, TASK, plan, Anything(5), Anything(5))
    apart = shared.states[:, sim.APART] == sim.PARTED
    assert (shared.states[apart, sim.CURSOR_END] > 0).all()
    assert apart.all() or name == "cw-flow"
    assert shared.states[:, sim.PASSIVE_LOTS].sum() > 0


@pytest.mark.parametrize("rule", ["twap_repeg", "popv", "guarded"])
def test_written_strategies_and_their_clocks(rule: str) -> None:
    task = Task(
        warmup_s=60.0,
        horizon_s=600.0,
        decisions=20,
        latency=Latency("exponential", 1_000, 20_000_000),
    )
    plan = seeded_plan(task, task.lots(load("sh600961").volume_per_s), 3, 0, 4)
    run_both(market("sh600961"), task, plan, build(rule), build(rule))


def test_both_sides_share_one_and_a_full_room_begins_anew_with_a_whole_batch() -> None:
    source, plan = market("sh600961"), seeded_plan(TASK, 2_000, 4, 0, 8)
    small = run_both(source, TASK, plan, Anything(1), Anything(1), max_mb=0.1)
    ends = small.states[:, sim.CURSOR_END]
    assert np.array_equal(ends[::2], ends[1::2])
    assert 0 < (ends > 0).sum() < 8
    backgrounds, episodes = Backgrounds(max_mb=0.1), Episodes(source, TASK, 8)
    episodes.share_backgrounds(backgrounds)
    for seed in (1, 2):
        episodes.start(seeded_plan(TASK, 100, seed, 0, 8))
        assert 0 < (episodes.states[:, sim.CURSOR_END] > 0).sum() < 8
    assert backgrounds.rows.nbytes <= 100_000


def test_a_market_that_loses_orders_simulates_itself() -> None:
    source = market("sh600961")
    books = source.worlds_b.copy()
    books[:, [lay.FREE, lay.HIGH]] = -1, load("sh600961").orders  # no slot is left
    plan = seeded_plan(TASK, 300, 5, 0, 2, worlds=2)
    lost = replace(source, worlds_b=books)
    shared = run_both(lost, TASK, plan, Anything(2), Anything(2))
    assert not shared.states[:, sim.CURSOR_END].any()
    assert (shared.costs().overflow > 0).all()


def test_flow_that_own_trades_lean_on_is_not_shared() -> None:
    preset = load("sh600961")
    law = law_on_card(preset.card)
    assert law is not None
    source = reactive(preset, 2, 3, 900.0, replace(law, law="weights"))
    plan = seeded_plan(TASK, 2_000, 5, 0, 4, worlds=2)
    shared = run_both(source, TASK, plan, Anything(4), Anything(4))
    assert not shared.states[:, sim.CURSOR_END].any()


def test_shared_markets_take_no_regime_from_outside() -> None:
    episodes = Episodes(market("sh600961"), TASK, 2)
    episodes.share_backgrounds(Backgrounds())
    with pytest.raises(ConfigError, match="no episodes share"):
        episodes.impose(Factors())


# -- environments ------------------------------------------------------------------------------------------------------


def environments(pool: int) -> tuple[ExecutionVec, ExecutionVec]:
    """An environment of a pool (0: of new episodes), and one of the same episodes that shares nothing."""
    task = Task(horizon_s=300.0, decisions=10, warmup_s=60.0)
    source = reactive(load("sh600961"), 2)
    sampler = bank_sampler(task, task.lots(load("sh600961").volume_per_s), 2)
    sampler = pooled(sampler, pool) if pool else sampler
    return ExecutionVec(source, task, sampler, 8, terms=TrainingTerms(share=True)), ExecutionVec(
        source, task, sampler, 8
    )


@pytest.mark.parametrize(("pool", "megabytes"), [(6, 64), (0, 64), (0, 0.05)])
def test_episodes_pay_what_they_paid_and_go_on_from_a_state(
    pool: int, megabytes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store is too small for all, so that it forgets what no market follows any more."""
    monkeypatch.setattr("tercel.lab.learning.envs.BACKGROUNDS_MB", megabytes)
    one, other = environments(pool)
    rng, states = np.random.default_rng(0), []
    assert np.array_equal(one.reset(seed=3)[0], other.reset(seed=3)[0])
    actions = rng.integers(0, one.actions.size, (60, 8))
    paid = []
    for n, action in enumerate(actions):
        obs, reward, done, _, _ = one.step(action)
        paid.append((obs.copy(), reward.copy(), done.copy()))
        for a, b in zip(paid[-1], other.step(action)[:3], strict=True):
            assert np.array_equal(a, b)
        if n in (13, 14):
            states.append((n, one.state()))
    assert one.backgrounds is not None
    assert one.backgrounds.rows[0].any()
    for fresh in environments(pool):
        for n, state in states:
            fresh.restore(state)
            for action, expected in zip(actions[n + 1 :], paid[n + 1 :], strict=True):
                for a, b in zip(fresh.step(action)[:3], expected, strict=True):
                    assert np.array_equal(a, b)


# -- rows --------------------------------------------------------------------------------------------------------------

ROW = st.tuples(
    st.sampled_from([ADD, TRADE_HIDDEN]),
    st.integers(0, 63),
    st.sampled_from([1, -1]),
    st.integers(0, packed_events.MAX_VALUE + 1),
    st.integers(0, packed_events.MAX_VALUE + 1),
)


@given(
    rows=st.lists(ROW, max_size=5),
    wait=st.integers(0, packed_events.LONGEST_WAIT + 1),
    draws=st.integers(0, 40),
    mid2=st.none() | st.integers(-(1 << 40), 1 << 40),
)
def test_rows_come_out_as_they_went_in(
    rows: list[tuple[int, ...]], wait: int, draws: int, mid2: int | None
) -> None:
    k = np.zeros(sim.GRID, np.int64)
    b = lay.new_book(64, 64, 4, background=True)
    packed = np.zeros((9, packed_events.PACKED_WORDS), np.int64)
    words = np.array([sim.R_KIND, sim.R_WHO, sim.R_SIDE, sim.R_PRICE, sim.R_LOTS])
    at = sim.MIRROR + np.arange(len(rows))[:, None] * sim.RECORD_WORDS + words
    k[at] = np.array(rows).reshape(-1, 5)
    k[sim.MIRROR_ROW] = len(rows)
    k[sim.BACKGROUND + sim.MID2 - sim.EVENTS] = mid2 or 0
    end = packed_events.pack_event(k, packed, 1, wait, draws, mid2 is not None)
    if wait > packed_events.LONGEST_WAIT or any(
        max(row[3:]) > packed_events.MAX_VALUE for row in rows
    ):
        assert end == packed_events.NO_ROOM
        return
    assert end == 1 + max(len(rows) + (mid2 is not None), 1)
    assert packed_events.pack_event(k, packed[:end], 1, wait, draws, True) in (
        end,
        packed_events.NO_ROOM,
    )
    assert int(packed[1, packed_events.HEAD]) >> packed_events.WAIT_AT == wait
    there = np.zeros_like(k)
    there[[sim.CURSOR, sim.CURSOR_END]] = 1, end
    there[[sim.FLOW_RNG, sim.FLOW_RNG + 1]] = 12345, 678
    k[[sim.FLOW_RNG, sim.FLOW_RNG + 1]] = 12345, 678
    packed_events.unpack_event(b, there, packed)
    assert there[sim.CURSOR] == end
    assert there[sim.MIRROR_ROW] == len(rows)
    np.testing.assert_array_equal(there[at], np.array(rows).reshape(-1, 5))
    if mid2 is not None:
        assert there[sim.BACKGROUND + sim.MID2 - sim.EVENTS] == mid2
    assert there[sim.HIDDEN_LOTS] == sum(row[4] for row in rows if row[0] == TRADE_HIDDEN)
    k[[sim.DRAW_RNG, sim.DRAW_RNG + 1]] = k[[sim.FLOW_RNG, sim.FLOW_RNG + 1]]
    k[[sim.FLOW_RNG, sim.FLOW_RNG + 1]] = there[[sim.FLOW_RNG, sim.FLOW_RNG + 1]]
    assert packed_events.count_draws(k, sim.DRAW_RNG) == draws
