"""A parent's limit price: nothing trades beyond it, whoever decides; without one nothing changes."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.execution.test_reconcile import intent, live, market, until, want
from tests.policies import PPO

from tercel.core.price_limit import LIMIT_PARTS
from tercel.core.vocabulary import BUY, SELL
from tercel.execution import intent as it
from tercel.execution.intent import CANCEL, KEEP
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.strategies import ALL_BASELINES, build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.lab.evaluation.runs import pilot
from tercel.lab.evaluation.windows import tape_plan
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.simulator.source import reactive, replay

PRICE, LOTS, FORCED = 1, 2, 6
TASK = Task(horizon="5min", decisions=10, warmup_s=120)
EPISODES = 8


@pytest.fixture(scope="module")
def simulated():
    """A market with the law of impact."""
    preset = load("csco")
    return reactive(preset), lambda task: seeded_plan(
        task, 3 * task.lots(preset.volume_per_s), 3, 0, EPISODES
    )


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """Recorded days."""
    source, days = replay(
        simulated_lake(tmp_path_factory.mktemp("lake"), 1, DAYS[:1]), "SIM", DAYS[:1]
    )
    return source, lambda task: tape_plan(days, task, [3000.0] * 13)


def worked(source, task, plan, strategy):
    """Episodes that are over."""
    episodes = Episodes(source, task, len(plan), log_rows=4096)
    episodes.start(plan)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    costs = episodes.costs()
    costs.check()
    return episodes, costs


def same(one, other):
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


class Wild:
    """Any intents at all."""

    name = "wild"

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def decide(self, view):
        n, rng = view.n, self.rng
        rows = it.ladder(view.side, view.touch)
        rows[:, it.TAKE] = rng.integers(0, 60, n) * (rng.random(n) < 0.4)
        rows[:, it.TAKE_LIMIT] = np.where(
            rng.random(n) < 0.5, rows[:, it.TAKE_LIMIT], view.touch + rng.integers(-9, 9, n)
        )
        rows[:, it.ANCHOR] = view.touch + view.side * rng.integers(-6, 9, n)
        rows[:, it.STEP] = rng.integers(0, 4, n)
        rows[:, it.OUTSIDE] = rng.choice((KEEP, CANCEL), n)
        rows[:, it.REST0 :] = rng.integers(0, 40, (n, it.K))
        return rows


def check(source, task, plan, strategy):
    """No fill beyond the limit; what nobody sold is counted, and costs at least what the limit would have."""
    episodes, costs = worked(source, task, plan, strategy)
    for i, side in enumerate(costs.side.tolist()):
        fills, limit = episodes.fills(i), int(episodes.states[i, sim.LIMIT])
        ticks, of_mid = task.limit(side, source.tick)
        assert (
            limit == ticks
            if ticks
            else side * (2 * limit * LIMIT_PARTS - costs.arrival_mid2[i] * of_mid) <= 0
        )
        booked = fills[:, FORCED] == sim.UNFILLED
        assert (side * (fills[~booked, PRICE] - limit) <= 0).all()
        assert (side * (fills[booked, PRICE] - limit) >= 0).all()
        assert fills[booked, LOTS].sum() == costs.unfilled_lots[i]
        paid = side * (2 * fills[booked, PRICE] - costs.arrival_mid2[i]) * fills[booked, LOTS]
        assert paid.sum() == costs.unfilled_paid[i]
        assert fills[:, LOTS].sum() == costs.qty[i]
    return costs


@given(
    st.integers(0, 2**32),
    st.sampled_from([BUY, SELL]),
    st.integers(-60, 60),
    st.sampled_from([0, 3, 50]),
)
def test_nothing_is_sent_beyond_it_and_nothing_is_lost(seed, side, above, latency):
    rng = np.random.default_rng(seed)
    b, k = market(side=side, latency=latency)
    k[sim.LIMIT] = limit = 100 + side * above
    for _ in range(12):
        rest = [int(lots) for lots in rng.choice((0, 0, 3, 5), it.K)]
        take, at = int(rng.choice((0, 4))), 100 + int(rng.integers(-40, 40))
        row = intent(
            int(rng.integers(60, 140)),
            rest,
            take,
            at,
            rng.choice((KEEP, CANCEL)),
            int(rng.choice((0, 1, 2))),
        )
        sent = want(b, k, row)
        assert all(side * (price - limit) <= 0 for what, _, price, _, _ in sent if what == "new")
        if row[it.OUTSIDE] == CANCEL and not latency and not take:
            waiting = int(k[sim.WAITING_REST : sim.WAITING_REST + it.K].sum())
            assert sum(map(sum, live(b).values())) + waiting == sum(rest)
        until(b, k, int(k[sim.NOW]) + int(rng.choice((0, 2, 20))))


@pytest.mark.parametrize(
    ("anchor", "rest", "limit", "step", "stands"),
    [
        (81, (4, 5, 6, 0, 0), 82, 1, {81: [4], 80: [5], 79: [6]}),
        (81, (4, 5, 6, 0, 0), 80, 1, {80: [9], 79: [6]}),
        (81, (4, 5, 6, 0, 0), 60, 1, {60: [15]}),
        (81, (4, 5, 6, 0, 0), 80, 2, {79: [9], 77: [6]}),
        (81, (0, 5, 6, 0, 0), 81, 1, {80: [5], 79: [6]}),
    ],
)
def test_lots_beyond_it_rest_on_the_first_rung_within(anchor, rest, limit, step, stands):
    b, k = market()
    k[sim.LIMIT] = limit
    want(b, k, intent(anchor, rest, step=step))
    assert live(b) == stands
    assert want(b, k, intent(anchor, rest, step=step)) == []


def test_orders_that_are_kept_stay_where_the_ladder_is_beyond_it():
    b, k = market()
    k[sim.LIMIT] = 70
    want(b, k, intent(70, (4, 0, 3, 0, 0)))
    assert want(b, k, intent(81, (0, 0, 0, 0, 0), outside=KEEP)) == []
    want(b, k, intent(81, (2, 3, 0, 0, 0), outside=KEEP))
    assert live(b) == {70: [4, 1], 68: [3]}


@pytest.mark.parametrize("where", ["simulated", "replayed"])
@pytest.mark.parametrize("beyond", ["-20bps", "0bps", "15bps"])
@given(st.integers(0, 2**32), st.sampled_from([0, 2_000_000_000]))
@settings(max_examples=6)
def test_no_strategy_fills_beyond_it(request, where, beyond, seed, latency):
    source, plan_of = request.getfixturevalue(where)
    task = replace(TASK, limit_price=beyond, latency=Latency("constant", latency))
    check(source, task, plan_of(task), Wild(seed))


@pytest.mark.parametrize("where", ["simulated", "replayed"])
def test_written_strategies_and_policies_obey(request, where):
    source, plan_of = request.getfixturevalue(where)
    task = replace(TASK, limit_price="5bps")
    estimates = pilot(source, TASK, plan_of(TASK))
    unfilled = 0
    for name in ALL_BASELINES:
        unfilled += check(source, task, plan_of(task), build(name, estimates)).unfilled_lots.sum()
    policy = policy_strategy(PPO, "ppo")
    unfilled += check(source, task, plan_of(task), policy).unfilled_lots.sum()
    assert unfilled > 0


@pytest.mark.parametrize("where", ["simulated", "replayed"])
def test_a_limit_that_is_never_reached_changes_nothing(request, where):
    source, plan_of = request.getfixturevalue(where)
    far = replace(TASK, limit_price="4000bps")
    for strategy in (
        build("twap_passive"),
        build("submit_and_leave"),
        policy_strategy(PPO),
    ):
        assert same(
            worked(source, TASK, plan_of(TASK), strategy)[1],
            worked(source, far, plan_of(far), strategy)[1],
        )


def test_a_price_is_a_limit_on_tape(replayed):
    source, plan_of = replayed
    free = Task(side="sell", horizon="5min", decisions=10, warmup_s=120)
    mids = worked(source, free, plan_of(free), build("twap_take"))[1].arrival_mid2 / 2 * source.tick
    task = replace(free, limit_price=float(np.median(mids)))
    costs = check(source, task, plan_of(task), build("twap_take"))
    assert 0 < costs.unfilled_lots.sum() < costs.qty.sum()


def test_lots_left_at_the_limit_cost_the_next_price_and_the_law_for_the_whole_order(replayed):
    """Nothing may be taken at all: the whole order is booked at the far touch, or worse."""
    source, plan_of = replayed
    task = replace(TASK, limit_price="-4000bps")
    plan = plan_of(task)
    episodes, costs = worked(source, task, plan, build("immediate"))
    assert (costs.unfilled_lots == costs.qty).all()
    touch = np.where(
        costs.side > 0, episodes.states[:, sim.LAST_ASK], episodes.states[:, sim.LAST_BID]
    )
    price = np.array([episodes.fills(i)[-1, PRICE] for i in range(len(plan))])
    assert (costs.side * (price - touch) >= episodes.states[:, sim.UNFILLED_TICKS]).all()
    assert (costs.shortfall == costs.side * (2 * price - costs.arrival_mid2) * costs.qty).all()


@pytest.fixture(scope="module")
def lawless():
    """A market without impact."""
    preset = load("csco")
    return reactive(preset, impact="none"), lambda task: seeded_plan(task, 500, 3, 0, EPISODES)


@pytest.mark.parametrize("where", ["simulated", "lawless", "replayed"])
@given(st.integers(0, 2**32))
@settings(max_examples=6)
def test_what_found_nobody_is_booked_the_same_however_many_pieces_it_is_in(request, where, seed):
    source, plan_of = request.getfixturevalue(where)
    task = replace(TASK, limit_price="-4000bps")
    _, whole = worked(source, task, plan_of(task), build("immediate"))
    episodes, pieces = worked(source, task, plan_of(task), Wild(seed))
    assert (pieces.unfilled_lots == pieces.qty).all()
    assert max(len(episodes.fills(i)) for i in range(EPISODES)) > 1
    assert pieces.shortfall.tolist() == whole.shortfall.tolist()
    assert pieces.unfilled_paid.tolist() == whole.unfilled_paid.tolist()
