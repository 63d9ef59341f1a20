"""Reconcile against a plain statement of it: fewest commands, newest cancelled first, no priority given up."""

import random
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from tests.market.simulator.audit import audit, commands_of, ledger_of
from tests.policies import PPO

from tercel.core.price_limit import LIMIT_PARTS
from tercel.core.vocabulary import BUY, SELL
from tercel.execution import columns as c, intent as it
from tercel.execution.features import features_of, observe
from tercel.execution.intent import CANCEL, KEEP
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.reconcile import reconcile
from tercel.execution.step import run
from tercel.execution.strategies import ALL_BASELINES, build
from tercel.execution.strategy import hold
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market_estimates import pilot
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.windows import tape_plan
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import reactive
from tercel.market.simulator.tape_source import replay
from tercel.market.tape.schema import ADD

FLOW = np.zeros(1)
TAPE = np.array([(0, ADD, 0, 1, 80, 30), (0, ADD, 1, -1, 120, 30)], np.int64)


def market(left=40, side=1, latency=0):
    """A quiet market, 80 at 120, and an order of `left` lots."""
    b = lay.new_book(16, 64, 32)
    k = sim.extend(blank_state(sim.REPLAY), 2)
    k[sim.SIDE], k[sim.QUANTITY], k[sim.LEFT], k[sim.PHASE] = side, left, left, sim.WORKING
    k[sim.HORIZON_NS], k[sim.CURSOR_END], k[sim.FLOW_NS], k[sim.LATENCY_A] = (
        10**12,
        len(TAPE),
        0,
        latency,
    )
    until(b, k, 0)
    return b, k


def until(b, k, ns):
    k[sim.DUE_NS] = ns
    assert run(b, k, FLOW, TAPE) == sim.DUE


def intent(anchor, rest=(), take=0, limit=0, outside=CANCEL, step=1):
    row = it.empty(1)[0]
    row[[it.TAKE, it.TAKE_LIMIT, it.ANCHOR, it.OUTSIDE, it.STEP]] = (
        take,
        limit,
        anchor,
        outside,
        step,
    )
    row[it.REST0 : it.REST0 + len(rest)] = rest
    return row


def want(b, k, row):
    """Reconcile; the commands sent, as (what, number of the own order, price, lots, immediate)."""
    before = int(k[sim.COMMAND_TAIL])
    reconcile(b, k, row)
    led = ledger_of(b)
    sent = (
        commands_of(k)[before - int(k[sim.COMMAND_TAIL]) :] if k[sim.COMMAND_TAIL] > before else []
    )
    out = []
    for command in sent:
        what, who, price, lots, how = command[sim.WHAT : sim.COMMAND].tolist()
        name = "new" if what == sim.NEW else "cancel"
        out.append((name, int(led[who, lay.SENT]), price, lots, bool(how & sim.IMMEDIATE)))
    return out


def live(b):
    """Own lots meant to live by price, oldest order first."""
    found = {}
    for led in sorted(ledger_of(b).tolist(), key=lambda led: led[lay.SENT]):
        if led[lay.STATE] != lay.FREE_SLOT and led[lay.OPEN] > led[lay.PENDING_CANCEL]:
            found.setdefault(led[lay.OWN_PRICE], []).append(led[lay.OPEN] - led[lay.PENDING_CANCEL])
    return found


def plain(b, k, row):
    """What reconcile should send, from the definition. Cancels as a set, new orders in order."""
    side, step = int(k[sim.SIDE]), max(int(row[it.STEP]), 1)
    prices = [int(row[it.ANCHOR]) - side * step * j for j in range(it.K)]
    own = [led for led in ledger_of(b).tolist() if led[lay.STATE] != lay.FREE_SLOT]
    cancels, grow = set(), []
    for price, wanted in zip(prices, row[it.REST0 :].tolist(), strict=True):
        stand = [led for led in own if led[lay.OWN_PRICE] == price]
        there = sorted((led[lay.SENT], led[lay.OPEN] - led[lay.PENDING_CANCEL]) for led in stand)
        excess = sum(max(lots, 0) for _, lots in there) - max(wanted, 0)
        grow.append((price, max(-excess, 0)))
        for number, lots in reversed(there):
            if min(excess, lots) > 0:
                cancels.add(("cancel", number, 0, min(excess, lots), False))
                excess -= min(excess, lots)
    if row[it.OUTSIDE] == CANCEL:
        for led in own:
            lots = led[lay.OPEN] - led[lay.PENDING_CANCEL]
            take = (
                abs(led[lay.OWN_PRICE]) == it.MARKET_LIMIT
            )  # dies on arrival: a cancel would come too late
            if led[lay.OWN_PRICE] not in prices and lots > 0 and not take:
                cancels.add(("cancel", led[lay.SENT], 0, lots, False))
    room = int(k[sim.LEFT]) - sum(led[lay.OPEN] for led in own)
    leaving = bool(cancels) or any(led[lay.PENDING_CANCEL] > 0 for led in own)
    news = []
    for price, lots, now in [
        (int(row[it.TAKE_LIMIT]), int(row[it.TAKE]), True),
        *((p, g, False) for p, g in grow),
    ]:
        if not now and lots > room and leaving:
            break  # a rung is one order: it waits for what leaves
        if min(lots, room) > 0:
            news.append((price, min(lots, room), now))
            room -= min(lots, room)
    return cancels, news


@given(st.integers(0, 2**32), st.sampled_from([1, -1]), st.sampled_from([0, 3, 50]))
def test_commands_are_those_of_the_definition(seed, side, latency):
    rng = random.Random(seed)
    b, k = market(side=side, latency=latency)
    row = None
    for _ in range(12):
        rest = [rng.choice((0, 0, 3, 5, 9, 15)) for _ in range(it.K)]
        take, limit = rng.choice(((0, 0), (0, 0), (4, 100), (6, 100 + 30 * side)))
        anchor = rng.choice((100, 101, 99, 98))
        row = intent(
            anchor, rest, take, limit, rng.choice((KEEP, CANCEL)), rng.choice((0, 1, 1, 2))
        )
        cancels, news = plain(b, k, row)
        sent = want(b, k, row)
        assert {s for s in sent if s[0] == "cancel"} == cancels
        assert len([s for s in sent if s[0] == "cancel"]) == len(cancels)
        assert [s[2:] for s in sent if s[0] == "new"] == news
        audit(b, k)
        until(b, k, int(k[sim.NOW]) + rng.choice((0, 2, 20)))
        audit(b, k)
    # what could not be sent at once has been sent as acknowledgements came in, and nothing else
    until(b, k, int(k[sim.NOW]) + 10_000)
    audit(b, k)
    total = sum(map(sum, live(b).values()))
    wanted = sum(row[it.REST0 :].tolist())
    ladder = {int(row[it.ANCHOR]) - side * max(int(row[it.STEP]), 1) * j for j in range(it.K)}
    on_ladder = sum(sum(lots) for price, lots in live(b).items() if price in ladder)
    assert total <= k[sim.LEFT]
    assert on_ladder == min(wanted, int(k[sim.LEFT]) - (total - on_ladder))


# -- one by one -------------------------------------------------------------------------------------------------------


def test_new_lots_wait_for_cancels_to_be_acknowledged():
    b, k = market(left=10, latency=100)
    want(b, k, intent(100, [10]))
    until(b, k, 1000)
    assert want(b, k, intent(99, [10])) == [("cancel", 0, 0, 10, False)]
    until(b, k, 1099)
    assert len(commands_of(k)) == 1
    until(b, k, 1100)
    assert [int(command[sim.HOW_MANY]) for command in commands_of(k)] == [10], (
        "sent when the cancel was acknowledged"
    )
    until(b, k, 1200)
    assert live(b) == {99: [10]}


def test_a_rung_through_the_far_touch_takes_and_rests_with_the_remainder():
    b, k = market()
    want(b, k, intent(120, [35]))
    until(b, k, 10)
    assert k[sim.LEFT] == 10
    assert live(b) == {120: [5]}


def test_no_command_is_sent_for_prices_that_are_none():
    """int32 anchors reach further than prices do: rungs beyond are held back, whatever the step."""
    for side in (1, -1):
        b, k = market(side=side)
        for anchor in (2**31 - 1, -(2**31), 2**30, -(2**30)):
            for step in (1, 2**31 - 1, -5):
                assert (
                    want(
                        b, k, intent(anchor, [1] if step > 1 else [1] * 5, outside=KEEP, step=step)
                    )
                    == []
                )
        assert want(b, k, intent(100, [3, 3, 3, 3, 3], step=2**31 - 1)) == [
            ("new", 0, 100, 3, False)
        ]
        until(b, k, 10)
        audit(b, k)


def view_of(b, k):
    x, m = np.zeros((1, c.PX), np.int64), np.zeros((1, c.MX), np.int64)
    observe(b, k, x[0], m[0])
    assert np.isfinite(features_of(x, m)).all()
    return View(x, m, np.zeros(1))


def waiting(k):
    """Lots that wait for acknowledgements, by price."""
    side, anchor, step = int(k[sim.SIDE]), int(k[sim.WAITING_ANCHOR]), int(k[sim.WAITING_STEP])
    return {anchor - side * step * j: int(k[sim.WAITING_REST + j]) for j in range(it.K)}


@example(56349414, 1, 50)
@given(st.integers(0, 2**32), st.sampled_from([1, -1]), st.sampled_from([0, 3, 50]))
def test_a_hold_never_sends_anything(seed, side, latency):
    """Whatever stands, flies or waits, but for what waits; also after intents that wanted more than is left."""
    rng = random.Random(seed)
    b, k = market(side=side, latency=latency)
    for _ in range(10):
        touch = 80 if side > 0 else 120
        anchor = touch + side * rng.choice((1, 1, 1, 0, 2, 5, 39, 40, 41))
        rest = [rng.choice((0, 3, 9, 10**6, 2**31 - 1, -7)) for _ in range(it.K)]
        take = rng.choice((0, 0, 3, 2**31 - 1))
        row = intent(
            anchor,
            rest,
            take,
            side * it.MARKET_LIMIT,
            rng.choice((KEEP, CANCEL)),
            rng.choice((1, 1, 2)),
        )
        want(b, k, row)
        until(b, k, int(k[sim.NOW]) + rng.choice((0, 2, 20)))
        audit(b, k)
        if k[sim.LEFT] == 0:
            return
        view = view_of(b, k)
        assert view.rest.sum() + view.outside_lots.sum() <= view.left.sum()
        before, waited = live(b), waiting(k)
        sent = want(b, k, hold(view)[0])
        for (
            what,
            _,
            price,
            lots,
            _,
        ) in sent:  # it waited: for more lots than are left, or for some that a hold forgets
            assert (what, lots <= waited.get(price, 0)) == ("new", True)
        assert sent or live(b) == before


# -- a parent's limit price: nothing trades beyond it, whoever decides ------------------------------------------------


PRICE, LOTS, FORCED = 1, 2, 6
LIMITED = Task(horizon="5min", decisions=10, warmup_s=120)
EPISODES = 8


@pytest.fixture(scope="module")
def simulated():
    """A market with the law of impact."""
    preset = load("sh600961")
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
    task = replace(LIMITED, limit_price=beyond, latency=Latency("constant", latency))
    check(source, task, plan_of(task), Wild(seed))


@pytest.mark.parametrize("where", ["simulated", "replayed"])
def test_written_strategies_and_policies_obey(request, where):
    source, plan_of = request.getfixturevalue(where)
    task = replace(LIMITED, limit_price="5bps")
    estimates = pilot(source, LIMITED, plan_of(LIMITED))
    unfilled = 0
    for name in ALL_BASELINES:
        unfilled += check(source, task, plan_of(task), build(name, estimates)).unfilled_lots.sum()
    policy = policy_strategy(PPO, "ppo")
    unfilled += check(source, task, plan_of(task), policy).unfilled_lots.sum()
    assert unfilled > 0


@pytest.mark.parametrize("where", ["simulated", "replayed"])
def test_a_limit_that_is_never_reached_changes_nothing(request, where):
    source, plan_of = request.getfixturevalue(where)
    far = replace(LIMITED, limit_price="4000bps")
    for strategy in (
        build("twap_passive"),
        build("submit_and_leave"),
        policy_strategy(PPO),
    ):
        assert same(
            worked(source, LIMITED, plan_of(LIMITED), strategy)[1],
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
    task = replace(LIMITED, limit_price="-4000bps")
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
    preset = load("sh600961")
    return reactive(preset, impact="none"), lambda task: seeded_plan(task, 500, 3, 0, EPISODES)


@pytest.mark.parametrize("where", ["simulated", "lawless", "replayed"])
@given(st.integers(0, 2**32))
@settings(max_examples=6)
def test_what_found_nobody_is_booked_the_same_however_many_pieces_it_is_in(request, where, seed):
    source, plan_of = request.getfixturevalue(where)
    task = replace(LIMITED, limit_price="-4000bps")
    _, whole = worked(source, task, plan_of(task), build("immediate"))
    episodes, pieces = worked(source, task, plan_of(task), Wild(seed))
    assert (pieces.unfilled_lots == pieces.qty).all()
    assert max(len(episodes.fills(i)) for i in range(EPISODES)) > 1
    assert pieces.shortfall.tolist() == whole.shortfall.tolist()
    assert pieces.unfilled_paid.tolist() == whole.unfilled_paid.tolist()
