"""Dealers and crossing sessions: a router finds out what they do, and takes what is expected to cost least."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tercel.core.errors import ConfigError
from tercel.execution import outside
from tercel.execution.intent import REST0, TAKE, empty
from tercel.execution.market import Market, make_market
from tercel.execution.outside import WAITS_S, OffBookOrders, OffBookTrading, Terms, terms_in
from tercel.execution.routing import (
    OFTEN,
    STEP,
    UNSEEN,
    Knowledge,
    Route,
    Routed,
    cost_route,
    explore_route,
    rank_dealers,
    routes_for,
)
from tercel.execution.strategies.baselines import TwapTake
from tercel.execution.task import Task
from tercel.lab.evaluation.arrivals import run_arrivals
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.blocks import CrossingSession, survival
from tercel.market.dealers import State, load_panel, request
from tercel.market.dealers.requests import draw_answers, settle
from tercel.market.flow import load
from tercel.market.impact.pilot import law_for
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

PANEL = load_panel("equity")
TERMS = Terms(PANEL, CrossingSession(), lots=1_000.0)
BASE = {
    (1.0, False): (6.0, 20.0),
    (1.0, True): (4.5, 15.0),
    (0.5, False): (4.0, 20.0),
    (0.5, True): (3.3, 15.0),
}

KNOWN = Knowledge.prior(TERMS, BASE)


def taught(panel, orders: int, seed: int = 1, known: Knowledge | None = None) -> Knowledge:
    """Knowledge after requests of 1 to 5 units to two to eight drawn dealers each."""
    known, rng = known or Knowledge.prior(TERMS, BASE), np.random.default_rng(seed)
    for _ in range(orders // 20):
        asked = rng.random((20, 10)).argsort(axis=1) < rng.integers(2, 9, (20, 1))
        size = rng.uniform(1.0, 5.0, 20)
        found = request(
            panel, State.draw(panel, 20, rng), rng.choice([-1, 1], 20), size, asked, rng
        )
        known = known.update_quotes(size, asked, found.answers.distance)
        losers = found.answers.has_quote.sum(axis=1) - found.traded
        moved = found.drift(panel) + 0.5 * rng.standard_normal(20)
        known = known.update_drift(size, losers, found.traded, moved, 0.5)
    return known


def test_dealers_are_learned():
    """Other dealers than the panel says: who is near, who answers, and what leaks."""
    other = replace(PANEL.draw_variant(5), ahead=3.0 * PANEL.ahead)
    known = taught(other, 1_000)
    asked = np.ones((4_000, 10), np.bool_)
    rng = np.random.default_rng(9)
    side, size = rng.choice([-1, 1], 4_000), np.full(4_000, 3.0)
    seen = request(other, State.draw(other, 4_000, rng), side, size, asked, rng).answers
    mean = np.nanmean(seen.distance, axis=0)
    assert np.corrcoef(known.distance(3.0), mean)[0, 1] > 0.9
    assert known.replies / known.requests == pytest.approx(other.answers, abs=0.12)
    truth = other.impact * float(other.ahead.mean())
    assert known.moves[0] > Knowledge.prior(TERMS, BASE).moves[0]
    assert known.moves[0] == pytest.approx(truth, rel=0.5)
    assert known.moves[1] == pytest.approx(other.impact, rel=0.3)


def test_what_is_expected_of_a_request_is_what_it_costs():
    """Mean of the best of five quotes that was paid, within a tenth."""
    known = taught(PANEL, 1_000)
    who = list(rank_dealers(known, 3.0)[:5])
    paid, _, often = known.expect_request(3.0, who, 99.0)
    rng = np.random.default_rng(3)
    asked = np.zeros((4_000, 10), np.bool_)
    asked[:, who] = True
    found = request(
        PANEL,
        State.draw(PANEL, 4_000, rng),
        rng.choice([-1, 1], 4_000),
        np.full(4_000, 3.0),
        asked,
        rng,
    )
    assert paid == pytest.approx(np.nanmean(found.paid), rel=0.1)
    assert often == pytest.approx(found.traded.mean(), abs=0.05)


def test_the_cheapest_way_is_taken_and_risk_counts():
    router = Routed(TwapTake(), Knowledge.prior(TERMS, BASE))
    means = [one.mean for one in router.routes(3.0)]
    assert means == sorted(means)
    dear = replace(router, knowledge=replace(KNOWN, moves=np.array([0.5, 0.8])))
    careful = replace(dear, risk=1.0).routes(3.0)
    assert careful[0].sd < dear.routes(3.0)[0].sd
    assert {one.route.share for one in replace(router, only="rfq").routes(3.0)} == {1.0}
    assert [one.route for one in replace(router, only="block").routes(3.0)] == [Route(block=True)]


def test_a_small_order_is_not_asked_of_many_and_a_cheap_book_wins():
    cheap = dict.fromkeys(BASE, (0.1, 1.0))
    known = Knowledge.prior(TERMS, cheap)
    assert Routed(TwapTake(), known).routes(3.0)[0].mean == pytest.approx(0.1, abs=0.01)
    leaky = replace(Knowledge.prior(TERMS, BASE), moves=np.array([5.0, 0.8]))
    requests = [one for one in routes_for(10) if one.share == 0.5 and not one.block]
    assert min(requests, key=lambda way: cost_route(leaky, way, 3.0).mean).dealers == 1


def in_session(share: float) -> Knowledge:
    """Knowledge of a session that crosses a unit in an interval in which 3 units rest, and each next one, this often."""
    usual = Knowledge.prior(TERMS, BASE).update_crossing(np.full(800, 3.0), units_crossed(0.3), 0)
    known = replace(usual, usual=usual.crosses, rests=3.0, crosses=UNSEEN)
    return known.update_crossing(np.full(800, 3.0), units_crossed(share), 0)


def units_crossed(share: float) -> np.ndarray:
    """Of 3 units: geometric."""
    return np.minimum(np.random.default_rng(5).geometric(1.0 - share, 800) - 1.0, 3.0)


def test_more_crosses_than_expected_make_blocks_cheaper():
    way = Route(block=True)
    less, same, more = (cost_route(in_session(share), way, 3.0).mean for share in (0.1, 0.3, 0.5))
    assert more < same < less
    assert same == pytest.approx(BASE[1.0, True][0])


def test_crosses_of_all_that_rested_tell_nothing_of_what_more_was_there():
    """Orders of 1 unit, always whole, then few of 3: Kaplan-Meier says what raw counts would miss by half."""
    known = Knowledge.prior(TERMS, BASE).update_crossing(np.ones(400), np.ones(400), 0)
    known = known.update_crossing(np.full(40, 3.0), np.full(40, 3.0) - 2.0 * (np.arange(40) % 2), 0)
    tails = survival(*known.crosses)
    assert tails[: round(1 / STEP)] == pytest.approx(1.0)
    assert tails[round(3 / STEP) - 1] == pytest.approx(0.5)


@settings(max_examples=6)
@given(st.integers(0, 2**31), st.floats(0.0, 2.0))
def test_what_exploring_costs_in_expectation_stays_within_its_budget(seed, budget):
    known, rng = KNOWN, np.random.default_rng(seed)
    best = Routed(TwapTake(), known).routes(3.0)[0]
    for _ in range(2):
        way, expected = explore_route(known, 3.0, rng, budget)
        assert 0.0 <= expected <= budget + 1e-12
        assert expected <= OFTEN * max(cost_route(known, one, 3.0).mean for one in routes_for(10))
        if way == best.route:
            continue
        assert way.share > 0.0
        assert len(way.named_dealers) == way.dealers


def test_exploring_pays_its_expectation():
    """Costs expected of the ways taken, less the best's, on average: what was said, within four standard errors."""
    known, rng = KNOWN, np.random.default_rng(2)
    best = Routed(TwapTake(), known).routes(3.0)[0].mean
    drawn = [explore_route(known, 3.0, rng, 0.3) for _ in range(60)]
    excess = np.array([cost_route(known, way, 3.0).mean - best for way, _ in drawn])
    said = float(np.mean([expected for _, expected in drawn]))
    assert excess.mean() == pytest.approx(said, abs=4 * excess.std() / 7.7 + 1e-9)
    assert len({way.named_dealers for way, _ in drawn}) > 10


@pytest.mark.long
def test_after_dealers_change_the_router_finds_the_new_ones():
    """Within 200 orders it is as near to the new dealers as it was to the old ones; what it knew of them is worth nothing."""
    old, new = PANEL.draw_variant(3), PANEL.draw_variant(4)
    known = taught(old, 400)
    assert regret(known, old) < 0.15
    assert regret(known, new) > 0.5
    assert regret(taught(new, 200, known=known), new) < 0.2


def regret(known: Knowledge, panel) -> float:
    """Distance of the best of the three dealers that it asks first beyond that of the best three, bps."""
    rng = np.random.default_rng(8)
    state, every = State.draw(panel, 2_000, rng), np.ones((2_000, 10), np.bool_)
    found = request(panel, state, rng.choice([-1, 1], 2_000), np.full(2_000, 3.0), every, rng)
    quotes = found.answers.ranked
    worth = [
        np.minimum(quotes[:, list(who)].min(axis=1), BASE[1.0, True][0]).mean()
        for who in (rank_dealers(known, 3.0)[:3], *combinations(range(10), 3))
    ]
    return float(worth[0] - min(worth[1:]))


# -- trades beside the book: booked exactly, felt by the market, the same dealers for every strategy ------------------


TASK = Task(horizon="2min", decisions=8, warmup_s=10.0)
LOTS = 40
N = 12


@pytest.fixture(scope="module")
def source():
    """csco-santa-fe with ten dealers and a busy session."""
    preset = load("csco-santa-fe")
    made = reactive(preset, impact=law_for(preset, "translation"))
    mid = float(made.worlds_k[0, sim.MID2]) / 2
    terms = terms_in(load_panel("equity"), preset.volume_per_s, made.impact, mid, drawn=True)
    return replace(
        made, outside=replace(terms, session=CrossingSession(per_hour=2_000.0, size=20.0))
    )


@dataclass
class Sends:
    """Everything to dealers at arrival, or everything to the session; nothing to the book."""

    lots: int = 0
    block: int = 0
    within: float = np.inf
    name: str = "sends"

    def ask(self, view):
        n, none = view.n, np.zeros(view.n, np.int64)
        lots = np.where(view.decision == 0, self.lots, 0)
        return OffBookOrders(
            lots, np.ones((n, 10), np.bool_), np.full(n, self.within), none + self.block, none
        )

    def decide(self, view):
        return empty(view.n)


def run(source, strategy):
    episodes = Episodes(source, TASK, N)
    episodes.start(seeded_plan(TASK, LOTS, 3, 0, N))
    while episodes.working.any():
        episodes.work(strategy)
    costs = episodes.costs()
    costs.check()
    return episodes, costs


def test_a_request_is_booked_at_its_quote_to_the_half_tick_lot(source):
    episodes, costs = run(source, Sends(lots=LOTS))
    found = episodes.outside.requests[0][2]
    assert found.traded.any()
    mid2 = (costs.timing / LOTS * costs.side + costs.arrival_mid2)[found.traded]
    assert (mid2 == np.round(mid2)).all()  # one mid, that of the trade
    exact = found.paid[found.traded] * 1e-4 * mid2 * LOTS
    assert costs.spread[found.traded].tolist() == np.ceil(exact - 1e-9).tolist()
    assert (costs.shortfall == costs.spread + costs.timing)[found.traded].all()
    assert (costs.lots_filled[found.traded] == LOTS).all()


def test_a_cross_costs_what_the_mid_has_moved(source):
    """And what was not crossed is forced at the horizon, never more than the order."""
    episodes, costs = run(source, Sends(block=LOTS))
    crossed = sum(one.lots for _, _, one in episodes.outside.crosses) * source.outside.lots
    assert (costs.forced_lots == LOTS - np.round(crossed).clip(0, LOTS)).all()
    assert (costs.forced_lots < LOTS).any()
    assert (costs.spread == 0).all()


def test_dealers_move_the_market_of_who_asked(source):
    """Where the request traded, the mid ends where the law puts it for the dealers' trades."""
    asked, _ = run(source, Sends(lots=LOTS))
    silent, _ = run(source, Sends(lots=0))
    found = asked.outside.requests[0][2]
    volume = found.ahead + found.hedge
    assert (asked.outside.mids[1] == silent.outside.mids[1]).all()
    moved = asked.outside.sides * (asked.outside.mids[2] - silent.outside.mids[2])
    some = volume * source.outside.lots > 2 * source.impact.mean_trade_lots
    assert some.any()
    assert moved[some].mean() > 0


def test_all_strategies_meet_what_comes_to_the_session(source):
    """Who sends nothing beside the book meets the interest of who does, and so do the markets without orders."""
    quiet = replace(source, outside=replace(source.outside, session=CrossingSession(per_hour=0.0)))
    beside, _ = run(source, Sends())
    first, again = (run(source, Sends(lots=LOTS, within=within))[0] for within in (np.inf, 1.0))
    one, other = (e.outside.requests[0][2].answers.distance for e in (first, again))
    assert np.array_equal(one, other, equal_nan=True)
    taken, costs = run(source, TwapTake())
    _, alone = run(quiet, TwapTake())
    assert (costs.shortfall != alone.shortfall).any()
    for one, other in (
        (beside.outside.opposite_interest, taken.outside.opposite_interest),
        (beside.outside.own_side_interest, taken.outside.own_side_interest),
    ):
        assert (one.arrival == other.arrival).all()
    up = taken.outside.opposite_interest.arrival[1::2], taken.outside.own_side_interest.arrival[::2]
    assert (up[0] == up[1]).all()  # what a sell meets is beside the buy on its stream
    plan = seeded_plan(TASK, LOTS, 3, 0, N)
    seen, _ = run_arrivals(source, TASK, plan)
    assert (seen.mid2_grid == beside.costs().mid2_grid).all()


def test_quotes_are_about_the_mid_of_their_moment(source, monkeypatch):
    """The client pays from the mid at its trade: what was quoted, less what the mid has moved since; a router sees quotes."""
    settled = []

    def record_settlement(*arguments, move_bps, **options):
        settled.append((move_bps, settle(*arguments, move_bps=move_bps, **options)))
        return settled[-1][1]

    monkeypatch.setattr(outside, "settle", record_settlement)
    episodes, _ = run(source, Sends(lots=LOTS))
    beside = OffBookTrading.begin(
        source.outside, 3, np.arange(N) // 2, np.tile([1, -1], N // 2), 120.0
    )
    first = draw_answers(
        beside.panel,
        beside.state,
        np.tile([1, -1], N // 2),
        np.full(N, LOTS / source.outside.lots),
        np.ones((N, 10), np.bool_),
        np.random.default_rng((beside.seed, 0, 11)),
    )
    turn, _, found = episodes.outside.requests[0]
    assert turn == 1
    both = first.has_quote & found.answers.has_quote
    assert (first.distance[both] == found.answers.distance[both]).all()
    moved, traded = settled[0]
    both &= traded.answers.has_quote
    assert np.allclose(traded.answers.distance[both], (first.distance - moved)[both])
    assert (np.abs(moved[both]) > 0).any()
    assert np.abs(moved[both]).max() < 20.0
    assert (found.answers.after_s[both] <= WAITS_S).all()
    late = first.has_quote & (first.after_s > WAITS_S)
    assert late.any()
    assert not (late & found.answers.has_quote).any()


def test_who_asks_at_the_last_decision_gets_no_answer(source):
    late = Sends(lots=LOTS)
    late.ask = lambda view: replace(
        Sends.ask(late, view), lots=np.where(view.decision == 7, LOTS, 0)
    )
    episodes, costs = run(source, late)
    assert episodes.outside.requests == []
    assert (costs.forced_lots == LOTS).all()


@dataclass
class Hostile:
    """Asks dealers, rests in the session and wants everything in the book, at every decision."""

    seed: int
    name: str = "hostile"

    def ask(self, view):
        rng = np.random.default_rng((self.seed, int(view.decision[0])))
        lots, block, least = rng.integers(0, 2 * LOTS, (3, view.n))
        return OffBookOrders(
            lots, rng.random((view.n, 10)) < 0.5, rng.normal(3.0, 3.0, view.n), block, least // 20
        )

    def decide(self, view):
        rng = np.random.default_rng((self.seed, int(view.decision[0]), 1))
        intents = empty(view.n)
        intents[:, TAKE] = rng.integers(0, LOTS // 4, view.n)
        intents[:, REST0] = rng.integers(0, 2 * LOTS, view.n)
        return intents


KNOWS = {(s, b): (9.0, 1.0) for s in (0.5, 1.0) for b in (True, False)}


@pytest.mark.parametrize("seed", [*range(3), None])
def test_nobody_trades_more_than_the_order_wherever_it_asks_at_once(source, seed):
    """Costs of every lot add up, and no distance is on the client's side of mid; also of half by request, the rest in the
    book and in the session at once."""
    known = replace(Knowledge.prior(source.outside, {}), base=KNOWS)
    both = replace(Routed(TwapTake(), known), fixed=Route(0.5, 5, True))
    episodes, costs = run(source, both if seed is None else Hostile(seed))
    assert (costs.lots_filled + costs.unfilled_lots == LOTS).all()
    assert (costs.lots_grid.sum(axis=1) + costs.forced_lots_grid.sum(axis=1) == LOTS).all()
    outcomes = [found for _, _, found in episodes.outside.requests]
    assert outcomes
    assert all((found.paid[found.traded] >= 0.0).all() for found in outcomes)


def test_dealers_need_a_market_that_answers():
    with pytest.raises(ConfigError, match="answers"):
        terms_in(load_panel("equity"), 1.0, None, 100.0)
    with pytest.raises(ConfigError, match="simulated"):
        Market(lake="lake", symbol="AMZN", dealers="drawn")
    with pytest.raises(ConfigError, match="panel"):
        make_market("sh600961", dealers="nobody")
