"""Guards of the whole market: nobody earns in a martingale, twins are identical, lots are conserved."""

import random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.execution.fills import Fills, costs_of_fills
from tests.market.simulator.audit import audit, public_lots
from tests.market.simulator.replay_oracle import RandomTape
from tests.markets import martingale_market

from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c, intent as it, step as kernels
from tercel.execution.costs import attribute
from tercel.execution.features import features_of
from tercel.execution.strategies import ALL_BASELINES, MarketEstimates, build
from tercel.execution.strategy import hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.book.book_records import in_window
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import Source, reactive, with_impact

DRAWN = Latency("exponential", a_ns=50_000_000, b_ns=900_000_000)
ESTIMATES = MarketEstimates(expected_volume=930.0, sigma=0.45, eta=0.5, spread=2.0)


def run_through(episodes, plan, decide):
    """Run a plan to its end; the cost sums."""
    episodes.start(plan)
    while episodes.working.any():
        episodes.step(decide(episodes.view))
    done = episodes.costs()
    done.check()
    return done


# -- nobody earns in a martingale -------------------------------------------------------------------------------------


def z_of(done):
    """Mean of the shortfall over its standard error."""
    values = attribute(done, None)["is_bps"]
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() / error) if error else 0.0


MARTINGALES = [
    Task(horizon_s=60.0, decisions=6, warmup_s=5.0, grid_points=3),
    Task(horizon_s=60.0, decisions=60, warmup_s=5.0, grid_points=3, latency=DRAWN),
    Task(horizon_s=9.0, decisions=3, warmup_s=0.0, grid_points=3, latency=DRAWN),
]


def wanderer(view):
    """Random intents that depend on everything: a policy of noise, seeded by the market's own draws."""
    intents = it.ladder(view.side, view.touch)
    u = view.draw
    for j in range(it.K):
        intents[:, it.REST0 + j] = np.where((u * 7 * (j + 3)) % 1 < 0.4, (u * 97 * (j + 1)) % 9, 0)
    intents[:, it.TAKE] = np.where((u * 13) % 1 < 0.2, (u * 31) % 7, 0)
    intents[:, it.ANCHOR] += view.side * ((u * 41) % 5 - 2).astype(np.int64)
    intents[:, it.OUTSIDE] = (u * 3) % 1 < 0.5
    return intents


def trend_follower(view):
    """Takes when the market has run away, waits when it comes closer: no foresight, so no gain."""
    intents = it.ladder(view.side, view.touch)
    intents[:, it.TAKE] = np.where(view.side * (view.mid2 - view.arrival_mid2) > 0, 5, 0)
    intents[:, it.REST0 + it.AT_TOUCH] = np.where(view.ofi > 0, 6, 2)
    return intents


CHANCE = ("random", "wanderer", "trend_follower")


@pytest.mark.parametrize(
    ("who", "task"),
    [
        *((who, task) for who in CHANCE for task in MARTINGALES),
        *(
            (who, MARTINGALES[number % 3])
            for number, who in enumerate(ALL_BASELINES)
            if who not in CHANCE
        ),
    ],
)
def test_nobody_earns_in_a_martingale(who, task):
    decide = {"wanderer": wanderer, "trend_follower": trend_follower}.get(who)
    decide = decide or build(who, ESTIMATES).decide
    source, n = martingale_market(), 4000 if who in CHANCE else 2000
    done = run_through(Episodes(source, task, n), seeded_plan(task, 60, 11, 0, n), decide)
    assert (done.side == 1).sum() == n // 2
    assert done.overflow.sum() == 0
    assert abs(z_of(done)) < 3.0, f"{who}: {z_of(done):.2f} standard errors"
    parts = attribute(done, None)
    assert (parts["spread_bps"] == 0.0).all(), "every fill is booked at the mid"


# -- costs, added up again from the log -------------------------------------------------------------------------------


def costs_of_log(episodes, done):
    """Costs from the log of fills by `costs_of_fills`, an implementation of its own (unfilled lots count as filled)."""
    rows, points = [], episodes.task.grid_points
    for i in range(episodes.n):
        start = int(episodes.states[i, sim.START_NS])
        log = episodes.fills(i)
        assert len(log) == episodes.states[i, sim.FILL_ROWS], "the log is full"
        for ns, price, lots, mid2, touch2, passive, forced in log.tolist():
            late = (ns - start) * (points - 1) // episodes.task.horizon_ns
            bucket = min(max(late, 0), points - 1)
            rows.append((i, 2 * price, touch2, mid2, lots, bucket, passive, forced, 0))
    columns = np.array(rows, np.int64).T.reshape(9, -1)
    fills = Fills(*columns[:6], *(column.astype(bool) for column in columns[6:]))
    return costs_of_fills(
        fills, qty=done.qty, arrival_mid2=done.arrival_mid2, side=done.side, mid2_grid=done.mid2_grid,
        cluster=done.cluster,
    )  # fmt: skip


def assert_same_costs(a, b):
    for name in (
        *("spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing"),
        *("passive_lots", "forced_lots", "lots_grid", "forced_lots_grid"),
    ):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


# -- twins ------------------------------------------------------------------------------------------------------------

TWIN_TASK = Task(horizon_s=120.0, decisions=6, warmup_s=60.0, grid_points=13)
PUBLIC = [sim.NOW, *range(sim.EVENTS, sim.DOUBLE_LOTS), sim.FLOW_RNG, sim.FLOW_RNG + 1]


@pytest.fixture(scope="module")
def csco():
    return reactive(load("csco-santa-fe"), worlds=3, settle_s=600.0)


@pytest.fixture(scope="module")
def markets(csco):
    """Sources by name; a function, so that no failure prints them."""
    loud = ImpactLaw("translation", 5.0, trades=10.0, sigma_ticks=6.0)
    return {
        "santa fe": csco,
        "martingale": martingale_market(),
        "translated": with_impact(csco, loud),
    }.get


def history(source, plan, decide, n, **options):
    """Books, public words and observations at every decision, and the mids."""
    episodes = Episodes(source, TWIN_TASK, n, **options)
    episodes.start(plan)
    seen = []
    while episodes.working.all():
        seen.append(
            (
                episodes.books.tobytes(),
                episodes.states[:, PUBLIC].tobytes(),
                episodes.view.m.tobytes(),
            )
        )
        episodes.step(decide(episodes.view))
    return seen, episodes


@pytest.mark.parametrize("market", ["csco-santa-fe", "martingale"])
def test_a_twin_without_own_orders_is_byte_identical(market, csco):
    """Quantity 0, an order that only holds, and one whose limits are out of reach: the same public world."""
    source = csco if market == "csco-santa-fe" else martingale_market()
    n = 8
    plan = seeded_plan(TWIN_TASK, 500, 5, 0, n, worlds=len(source.worlds_b))
    none = Plan(plan.rows.copy(), plan.cluster)
    none.rows[:, kernels.E_QUANTITY] = 0
    twin, twins = history(source, none, lambda view: it.empty(view.n), n)
    held, holds = history(source, plan, hold, n)
    assert twin == held
    assert len(twin) == TWIN_TASK.decisions
    assert np.array_equal(twins.costs().mid2_grid, holds.costs().mid2_grid)
    assert twins.costs().overflow.sum() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_episodes_do_not_depend_on_batch_order_or_threads(csco, threads):
    decide, n = build("random").decide, 12
    plan = seeded_plan(TWIN_TASK, 300, 5, 0, n, worlds=3)
    _, base = history(csco, plan, decide, n)
    order = np.random.default_rng(0).permutation(n)
    _, mixed = history(csco, plan.take(order), decide, n, threads=threads)
    assert np.array_equal(mixed.books, base.books[order])
    assert np.array_equal(mixed.states, base.states[order])
    for i in (0, 7):
        _, alone = history(csco, plan.take(np.array([i])), decide, 1, threads=threads)
        assert np.array_equal(alone.books[0], base.books[i])
        assert np.array_equal(alone.states[0], base.states[i])


# -- lots are conserved -----------------------------------------------------------------------------------------------


def replay_source(rng, levels):
    """A random small tape as a source, arrival at 0."""
    tape = RandomTape(rng, 150, levels).array()
    tape[:, sim.T_NS] *= 1_000_000
    k = blank_state(sim.REPLAY)
    k[sim.FEED_LEVELS] = levels
    b = lay.new_book(256, 32, 32)
    return Source("tape", sim.REPLAY, np.zeros(1), tape, b[None], k[None], 0.01, 1)


def absurd(rng, view):
    """Intents without manners: absurd anchors, steps, lots beyond what is left, KEEP and CANCEL."""
    intents = it.ladder(view.side, view.touch)
    for row in intents:
        u = rng.random()
        if u < 0.08:
            row[it.ANCHOR] = rng.choice((2**31 - 1, -(2**31), 0, 2**30, -(2**30) + 1, 1))
        elif u < 0.5:
            row[it.ANCHOR] = np.clip(int(row[it.ANCHOR]) + rng.randint(-6, 6), -NO_ASK, NO_ASK)
        row[it.STEP] = rng.choice((1, 1, 1, 2, 3, 0, -4, 2**31 - 1))
        row[it.OUTSIDE] = rng.choice((it.KEEP, it.CANCEL))
        for j in range(it.K):
            row[it.REST0 + j] = rng.choice((0, 0, 1, 3, 8, 20, 10**6, -3, 2**31 - 1))
        if rng.random() < 0.25:
            row[it.TAKE] = rng.choice((1, 4, 30, 10**6, -2))
            row[it.TAKE_LIMIT] = rng.choice(
                (int(row[it.TAKE_LIMIT]), int(row[it.ANCHOR]), 0, 2**31 - 1, -(2**31))
            )
    return intents


LATENCIES = [
    Latency(),
    Latency("constant", 3_000_000),
    Latency("uniform", 0, 40_000_000),
    Latency("exponential", 100, 10**8),
]


@settings(max_examples=3 * settings.default.max_examples)
@given(
    st.integers(0, 2**32), st.sampled_from(["santa fe", "translated", "martingale", "tape", "window 1", "window 3"]),
    st.sampled_from(range(len(LATENCIES))), st.sampled_from(["time", "events", "volume"]),
)  # fmt: skip
def test_lots_are_conserved(markets, seed, market, latency, clock):
    """At every decision, in every market, whatever is asked for: all counts are what a walk finds."""
    rng = random.Random(seed)
    source = markets(market)
    seconds = 0.6 if source is None else 40.0
    source = source or replay_source(rng, int(market[-1]) if market[-1].isdigit() else 0)
    lag = LATENCIES[latency]
    task = Task(
        horizon_s=seconds, decisions=12, warmup_s=0.0, grid_points=4, latency=lag,
        clock=clock, clock_step=0 if clock == "time" else 15,
    )  # fmt: skip
    n, quantity = 4, rng.choice((1, 25, 80, 100_000))
    plan = seeded_plan(task, quantity, seed % 1000, 0, n, worlds=len(source.worlds_b))
    plan.rows[:, kernels.E_CURSOR_END] = len(source.tape)
    episodes = Episodes(source, task, n, log_rows=2000)
    episodes.start(plan)
    while episodes.working.any():
        for i in np.flatnonzero(episodes.working):
            audit_market(episodes, i)
        episodes.step(absurd(rng, episodes.view))
    for i in range(n):
        assert episodes.states[i, sim.LEFT] == 0
    done = episodes.costs()
    if (done.arrival_mid2 > 0).all():
        done.check()
    if done.overflow.sum() == 0 and market != "martingale":
        assert_same_costs(costs_of_log(episodes, done), done)


def audit_market(episodes, i):
    b, k = episodes.books[i], episodes.states[i]
    if k[sim.MODEL] != sim.MARTINGALE:
        audit(b, k)
    x, m = episodes.view.x[i], episodes.view.m[i]
    assert x[c.LEFT] == k[sim.LEFT]
    assert 0 <= x[c.LIVE] <= x[c.LEFT]
    assert x[c.REST0 : c.REST0 + it.K].sum() + x[c.OUTSIDE_LOTS] <= x[c.LEFT]
    public = public_lots(b)
    side = int(x[c.SIDE])
    for at, touch, s in ((c.OWN1, m[c.TOUCH], side), (c.FAR1, m[c.FAR], -side)):
        best = sorted((p for t, p in public if t == s), reverse=s > 0)[: c.LEVELS]
        if best:
            assert touch == best[0]
            if in_window(b, s, best[0]):
                assert m[at] == public[s, best[0]]
    assert np.isfinite(features_of(episodes.view.x, episodes.view.m)[i]).all()
