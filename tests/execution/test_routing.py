"""A router finds out what its dealers do, and takes what is expected to cost least."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tercel.execution.outside import Terms
from tercel.execution.routing import (
    OFTEN,
    STEP,
    UNSEEN,
    Knowledge,
    Routed,
    Way,
    costing,
    explored,
    ranked,
    ways_of,
)
from tercel.execution.strategies.baselines import TwapTake
from tercel.market.blocks import CrossingSession, survival
from tercel.market.dealers import State, load_panel, request

PANEL = load_panel("equity")
TERMS = Terms(PANEL, CrossingSession(), lots=1_000.0)
BASE = {
    (1.0, False): (6.0, 20.0),
    (1.0, True): (4.5, 15.0),
    (0.5, False): (4.0, 20.0),
    (0.5, True): (3.3, 15.0),
}

KNOWN = Knowledge.expected(TERMS, BASE)


def taught(panel, orders: int, seed: int = 1, known: Knowledge | None = None) -> Knowledge:
    """Knowledge after requests of 1 to 5 units to two to eight drawn dealers each."""
    known, rng = known or Knowledge.expected(TERMS, BASE), np.random.default_rng(seed)
    for _ in range(orders // 20):
        asked = rng.random((20, 10)).argsort(axis=1) < rng.integers(2, 9, (20, 1))
        size = rng.uniform(1.0, 5.0, 20)
        found = request(
            panel, State.drawn(panel, 20, rng), rng.choice([-1, 1], 20), size, asked, rng
        )
        known = known.saw_quotes(size, asked, found.answers.distance)
        losers = found.answers.there.sum(axis=1) - found.traded
        moved = found.drift(panel) + 0.5 * rng.standard_normal(20)
        known = known.saw_drift(size, losers, found.traded, moved, 0.5)
    return known


def test_dealers_are_learned():
    """Other dealers than the panel says: who is near, who answers, and what leaks."""
    other = replace(PANEL.drawn(5), ahead=3.0 * PANEL.ahead)
    known = taught(other, 1_000)
    asked = np.ones((4_000, 10), np.bool_)
    rng = np.random.default_rng(9)
    side, size = rng.choice([-1, 1], 4_000), np.full(4_000, 3.0)
    seen = request(other, State.drawn(other, 4_000, rng), side, size, asked, rng).answers
    mean = np.nanmean(seen.distance, axis=0)
    assert np.corrcoef(known.distance(3.0), mean)[0, 1] > 0.9
    assert known.answered / known.asked == pytest.approx(other.answers, abs=0.12)
    truth = other.impact * float(other.ahead.mean())
    assert known.moves[0] > Knowledge.expected(TERMS, BASE).moves[0]
    assert known.moves[0] == pytest.approx(truth, rel=0.5)
    assert known.moves[1] == pytest.approx(other.impact, rel=0.3)


def test_what_is_expected_of_a_request_is_what_it_costs():
    """Mean of the best of five quotes that was paid, within a tenth."""
    known = taught(PANEL, 1_000)
    who = list(ranked(known, 3.0)[:5])
    paid, _, often = known.request(3.0, who, 99.0)
    rng = np.random.default_rng(3)
    asked = np.zeros((4_000, 10), np.bool_)
    asked[:, who] = True
    found = request(
        PANEL,
        State.drawn(PANEL, 4_000, rng),
        rng.choice([-1, 1], 4_000),
        np.full(4_000, 3.0),
        asked,
        rng,
    )
    assert paid == pytest.approx(np.nanmean(found.paid), rel=0.1)
    assert often == pytest.approx(found.traded.mean(), abs=0.05)


def test_the_cheapest_way_is_taken_and_risk_counts():
    router = Routed(TwapTake(), Knowledge.expected(TERMS, BASE))
    means = [one.mean for one in router.ways(3.0)]
    assert means == sorted(means)
    dear = replace(router, known=replace(KNOWN, moves=np.array([0.5, 0.8])))
    careful = replace(dear, risk=1.0).ways(3.0)
    assert careful[0].sd < dear.ways(3.0)[0].sd
    assert {one.way.share for one in replace(router, only="rfq").ways(3.0)} == {1.0}
    assert [one.way for one in replace(router, only="block").ways(3.0)] == [Way(block=True)]


def test_a_small_order_is_not_asked_of_many_and_a_cheap_book_wins():
    cheap = dict.fromkeys(BASE, (0.1, 1.0))
    known = Knowledge.expected(TERMS, cheap)
    assert Routed(TwapTake(), known).ways(3.0)[0].mean == pytest.approx(0.1, abs=0.01)
    leaky = replace(Knowledge.expected(TERMS, BASE), moves=np.array([5.0, 0.8]))
    requests = [one for one in ways_of(10) if one.share == 0.5 and not one.block]
    assert min(requests, key=lambda way: costing(leaky, way, 3.0).mean).dealers == 1


def in_session(share: float) -> Knowledge:
    """Knowledge of a session that crosses a unit in an interval in which 3 units rest, and each next one, this often."""
    usual = Knowledge.expected(TERMS, BASE).saw_rest(np.full(800, 3.0), units_crossed(0.3), 0)
    known = replace(usual, usual=usual.crosses, rests=3.0, crosses=UNSEEN)
    return known.saw_rest(np.full(800, 3.0), units_crossed(share), 0)


def units_crossed(share: float) -> np.ndarray:
    """Of 3 units: geometric."""
    return np.minimum(np.random.default_rng(5).geometric(1.0 - share, 800) - 1.0, 3.0)


def test_more_crosses_than_expected_make_blocks_cheaper():
    way = Way(block=True)
    less, same, more = (costing(in_session(share), way, 3.0).mean for share in (0.1, 0.3, 0.5))
    assert more < same < less
    assert same == pytest.approx(BASE[1.0, True][0])


def test_crosses_of_all_that_rested_tell_nothing_of_what_more_was_there():
    """Orders of 1 unit, always whole, then few of 3: Kaplan-Meier says what raw counts would miss by half."""
    known = Knowledge.expected(TERMS, BASE).saw_rest(np.ones(400), np.ones(400), 0)
    known = known.saw_rest(np.full(40, 3.0), np.full(40, 3.0) - 2.0 * (np.arange(40) % 2), 0)
    tails = survival(*known.crosses)
    assert tails[: round(1 / STEP)] == pytest.approx(1.0)
    assert tails[round(3 / STEP) - 1] == pytest.approx(0.5)


@settings(max_examples=6)
@given(st.integers(0, 2**31), st.floats(0.0, 2.0))
def test_what_exploring_costs_in_expectation_stays_within_its_budget(seed, budget):
    known, rng = KNOWN, np.random.default_rng(seed)
    best = Routed(TwapTake(), known).ways(3.0)[0]
    for _ in range(2):
        way, expected = explored(known, 3.0, rng, budget)
        assert 0.0 <= expected <= budget + 1e-12
        assert expected <= OFTEN * max(costing(known, one, 3.0).mean for one in ways_of(10))
        if way == best.way:
            continue
        assert way.share > 0.0
        assert len(way.who) == way.dealers


def test_exploring_pays_its_expectation():
    """Costs expected of the ways taken, less the best's, on average: what was said, within four standard errors."""
    known, rng = KNOWN, np.random.default_rng(2)
    best = Routed(TwapTake(), known).ways(3.0)[0].mean
    drawn = [explored(known, 3.0, rng, 0.3) for _ in range(60)]
    excess = np.array([costing(known, way, 3.0).mean - best for way, _ in drawn])
    said = float(np.mean([expected for _, expected in drawn]))
    assert excess.mean() == pytest.approx(said, abs=4 * excess.std() / 7.7 + 1e-9)
    assert len({way.who for way, _ in drawn}) > 10


@pytest.mark.long
def test_after_dealers_change_the_router_finds_the_new_ones():
    """Within 200 orders it is as near to the new dealers as it was to the old ones; what it knew of them is worth nothing."""
    old, new = PANEL.drawn(3), PANEL.drawn(4)
    known = taught(old, 400)
    assert regret(known, old) < 0.15
    assert regret(known, new) > 0.5
    assert regret(taught(new, 200, known=known), new) < 0.2


def regret(known: Knowledge, panel) -> float:
    """Distance of the best of the three dealers that it asks first beyond that of the best three, bps."""
    rng = np.random.default_rng(8)
    state, every = State.drawn(panel, 2_000, rng), np.ones((2_000, 10), np.bool_)
    found = request(panel, state, rng.choice([-1, 1], 2_000), np.full(2_000, 3.0), every, rng)
    quotes = found.answers.ranked
    worth = [
        np.minimum(quotes[:, list(who)].min(axis=1), BASE[1.0, True][0]).mean()
        for who in (ranked(known, 3.0)[:3], *combinations(range(10), 3))
    ]
    return float(worth[0] - min(worth[1:]))
