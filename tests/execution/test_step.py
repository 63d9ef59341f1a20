"""The step of a batch: when decisions fall due, reward terms, draws, arrival."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tercel.core.fixed_point import FEE_UNIT
from tercel.execution import columns as c, intent as it, step as kernels
from tercel.execution.costs import BPS, PARTS, attribute
from tercel.execution.strategies import build
from tercel.execution.strategy import hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import Source, reactive
from tercel.market.simulator.terms import Fees
from tercel.market.tape.schema import ADD, EXECUTE, STATUS

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4)


@pytest.fixture(scope="module")
def csco():
    return reactive(load("csco-santa-fe"), settle_s=300.0)


def started(source, task, quantity=40, n=4, seed=1, **options):
    episodes = Episodes(source, task, n, **options)
    episodes.start(seeded_plan(task, quantity, seed, 0, n))
    return episodes


def test_time_decisions_fall_on_an_even_grid_the_first_at_arrival(csco):
    episodes = started(csco, TASK)
    start = episodes.states[:, sim.START_NS].copy()
    assert (start == csco.worlds_k[0, sim.NOW] + TASK.warmup_ns).all()
    for d in range(TASK.decisions):
        assert (episodes.states[:, sim.NOW] == start + d * TASK.horizon_ns // 6).all()
        assert (episodes.view.decision == d).all()
        assert (episodes.view.time_left_ns == TASK.horizon_ns - d * TASK.horizon_ns // 6).all()
        episodes.step(hold(episodes.view))
    assert not episodes.working.any()


@pytest.mark.parametrize("clock", ["events", "volume"])
def test_decisions_by_events_or_volume(csco, clock):
    task = Task(
        horizon_s=600.0, decisions=5, clock=clock, clock_step=20, warmup_s=5.0, grid_points=4
    )
    episodes = started(csco, task, quantity=10**6)
    before = None
    for _ in range(5):
        k = episodes.states
        count = k[:, sim.EVENTS] if clock == "events" else k[:, sim.BOUGHT] + k[:, sim.SOLD]
        if before is not None:
            passed = count - before
            assert (passed >= 20).all()
            assert clock == "volume" or (passed < 23).all(), "one flow event may touch a few orders"
        before = count.copy()
        episodes.step(hold(episodes.view))
    assert not episodes.working.any()
    assert (episodes.costs().forced_lots == 10**6).all()


def test_terms_add_up_to_the_shortfall(csco):
    """Execution against the mid at decision plus the mid's moves on what is left: the arrival-price shortfall."""
    for latency in (Latency(), Latency("exponential", 10**8, 10**9)):
        task = Task(horizon_s=60.0, decisions=6, warmup_s=5.0, grid_points=4, latency=latency)
        decide, n = build("random").decide, 64
        charged = replace(csco, fees=Fees(-0.002, 0.005))
        episodes = started(charged, task, 60, n, run_out=False)
        cash, drift, forced = (np.zeros(n, np.int64) for _ in range(3))
        while episodes.working.any():
            episodes.step(decide(episodes.view))
            cash += episodes.reward_terms[:, 0]
            drift += episodes.reward_terms[:, 1]
            forced += episodes.reward_terms[:, 2]
        costs = episodes.costs()
        assert (costs.fees != 0).any()
        assert np.array_equal(cash + drift, costs.shortfall)
        assert np.array_equal(forced, costs.forced_lots)


def test_draws_belong_to_the_decision_and_the_seed(csco):
    a, b = started(csco, TASK), started(csco, TASK)
    take = it.empty(4)
    take[:, it.TAKE], take[:, it.TAKE_LIMIT] = 3, a.view.side * it.MARKET_LIMIT
    seen = []
    for _ in range(3):
        seen.append(a.view.draw.copy())
        assert np.array_equal(a.view.draw, b.view.draw), "whatever was done before"
        a.step(take)
        b.step(hold(b.view))
    assert len(np.unique(np.concatenate(seen))) == 6  # a buy and a sell of one market draw alike


def test_finished_markets_are_left_alone(csco):
    episodes = started(csco, TASK, quantity=1, run_out=False)
    take = it.ladder(episodes.view.side, episodes.view.touch)
    take[0, it.TAKE] = 1
    take[1:, it.OUTSIDE] = it.KEEP
    episodes.step(take)
    assert episodes.working.tolist() == [False, True, True, True]
    frozen = episodes.books[0].copy(), episodes.states[0].copy()
    episodes.step(hold(episodes.view))
    assert np.array_equal(frozen[0], episodes.books[0])
    assert np.array_equal(frozen[1], episodes.states[0])
    assert (episodes.reward_terms[0] == 0).all()
    episodes.start(seeded_plan(TASK, 5, 9, 0, 1), np.array([0]))
    assert episodes.working.all()


def test_an_arrival_in_a_halt_waits_for_its_end():
    rows = [
        (0, ADD, 0, 1, 99, 9),
        (0, ADD, 1, -1, 101, 9),
        (5, STATUS, -1, 0, -1, 0),
        (8, ADD, 2, 1, 100, 1),
    ]
    rows += [(40, STATUS, -1, 0, 1, 0), (50, EXECUTE, 1, -1, 101, 2)]
    table = np.array(rows, np.int64)
    b, k = lay.new_book(16, 64, 8), blank_state(sim.REPLAY)
    source = Source("tape", sim.REPLAY, np.zeros(1), table, b[None], k[None], 0.01, 1)
    task = Task(side=1, horizon_s=100e-9, decisions=2, warmup_s=0.0, grid_points=3)
    episodes = Episodes(source, task, 1)
    plan = seeded_plan(task, 4, 1, 0, 1)
    plan.rows[:, [kernels.E_START_NS, kernels.E_CURSOR_END, kernels.E_WARMUP_NS]] = (
        20,
        len(rows),
        10,
    )
    episodes.start(plan)
    assert episodes.states[0, [sim.NOW, sim.START_NS, sim.ARRIVAL_MID2]].tolist() == [40, 40, 201]
    assert episodes.view.x[0, c.TIME_LEFT_NS] == 100
    episodes.step(hold(episodes.view))
    assert episodes.states[0, sim.NOW] == 90
    assert episodes.view.v_seen[0] == 2


# -- fees and a late feed ---------------------------------------------------------------------------------------------


MS = 1_000_000
LONG = Task(horizon_s=300.0, decisions=30, warmup_s=60.0, grid_points=7)
N = 12


def ended(
    source: Source, task: Task, strategy: str = "twap_passive", quantity: int = 60
) -> Episodes:
    episodes = Episodes(source, task, N, log_rows=2000, record_rows=8_000)
    episodes.start(seeded_plan(task, quantity, 5, 0, N))
    chosen = build(strategy)
    while episodes.working.any():
        episodes.step(chosen.decide(episodes.view))
    return episodes


@pytest.mark.parametrize("fees", [Fees(-0.0021, 0.0030), Fees(1.5, 5.0, "bps"), Fees(0.0, 0.0033)])
def test_the_shortfall_is_its_parts_and_the_fees_of_its_fills(csco: Source, fees: Fees) -> None:
    """Fills are added up again from the log, fee by fee, in fractions."""
    free, charged = ended(csco, LONG), ended(replace(csco, fees=fees), LONG)
    costs, same = charged.costs(), free.costs()
    costs.check()
    np.testing.assert_array_equal(
        costs.shortfall - costs.fees, same.shortfall
    )  # fees change no decision of a schedule
    words = fees.kernel_values(csco.tick)
    for i in range(N):
        fills = charged.fills(i)
        assert len(fills) > 3
        side, mid2 = int(costs.side[i]), int(costs.arrival_mid2[i])
        paid = sum(
            Fraction(words[0 if passive else 1] + words[2 if passive else 3] * 2 * price, FEE_UNIT)
            * lots
            for _, price, lots, _, _, passive, _ in fills.tolist()
        )
        assert abs(int(costs.fees[i]) - paid) <= Fraction(1, 2)
        traded = sum(side * (2 * price - mid2) * lots for _, price, lots, *_ in fills.tolist())
        assert int(costs.shortfall[i]) == traded + int(costs.fees[i])
    parts = attribute(costs, costs.mid2_grid)
    np.testing.assert_allclose(sum(parts[name] for name in PARTS), parts["is_bps"], atol=1e-9)
    np.testing.assert_allclose(parts["fees_bps"], costs.fees / costs.denominator * BPS)


def test_a_late_feed_is_a_late_command(csco: Source) -> None:
    """One decision answers to what was seen d ago: the same commands, d later, as with d more of order entry."""
    feed = ended(
        csco,
        replace(
            LONG, latency=Latency("constant", 3 * MS), feed_latency=Latency("constant", 400 * MS)
        ),
    )
    entry = ended(csco, replace(LONG, latency=Latency("constant", 403 * MS)))
    for i in range(N):
        np.testing.assert_array_equal(feed.record(i), entry.record(i))
    drawn = ended(
        csco,
        replace(LONG, latency=Latency(), feed_latency=Latency("uniform", 100 * MS, 900 * MS)),
    )
    sent = np.concatenate(
        [drawn.record(i)[drawn.record(i)[:, sim.R_KIND] == sim.OWN_SENT] for i in range(N)]
    )
    late = (sent[:, sim.R_TOUCH2] - sent[:, sim.R_NS]) / MS
    assert late.min() >= 100
    assert late.max() <= 900
    assert np.unique(late).size > N


def test_an_empirical_latency_reaches_the_market(csco: Source) -> None:
    values = tuple(range(5 * MS, 37 * MS, MS))
    law = Latency("empirical", values_ns=values)
    record = ended(csco, replace(LONG, latency=law)).record(0)
    sent = record[record[:, sim.R_KIND] == sim.OWN_SENT]
    late = sent[:, sim.R_TOUCH2] - sent[:, sim.R_NS]
    assert set(late.tolist()) <= set(values)


def test_a_task_without_the_new_terms_is_the_task_it_was() -> None:
    plain = Task(horizon_s=600.0, decisions=20, warmup_s=120.0, latency=Latency())
    assert "feed_latency" not in plain.to_dict()
    assert plain.id == "dfc705ba7b06"  # as policies' cards have it
    assert replace(plain, feed_latency=Latency("constant", 1)).id != plain.id
