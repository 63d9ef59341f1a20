"""A router finds out what its dealers do, and takes what is expected to cost least."""

from dataclasses import replace

import numpy as np
import pytest

from tercel.execution.outside import Terms
from tercel.execution.routing import Knowledge, Routed, Way, costing, ways_of
from tercel.execution.strategies.baselines import TwapTake
from tercel.market.blocks import CrossingSession
from tercel.market.dealers import State, load_panel, request

PANEL = load_panel("equity")
TERMS = Terms(PANEL, CrossingSession(), lots=1_000.0)
BASE = {
    (1.0, False): (6.0, 20.0),
    (1.0, True): (4.5, 15.0),
    (0.5, False): (4.0, 20.0),
    (0.5, True): (3.3, 15.0),
}


def taught(panel, orders: int, seed: int = 1) -> Knowledge:
    """Knowledge after requests of 3 units to five drawn dealers each."""
    known, rng = Knowledge.expected(TERMS, BASE), np.random.default_rng(seed)
    for _ in range(orders // 20):
        asked = rng.random((20, 10)).argsort(axis=1) < 5
        size = np.full(20, 3.0)
        found = request(
            panel, State.drawn(panel, 20, rng), rng.choice([-1, 1], 20), size, asked, rng
        )
        known = known.saw_quotes(size, asked, found.answers.distance)
        losers = found.answers.there.sum(axis=1) - found.traded
        moved = panel.impact * found.ahead + 2.0 * rng.standard_normal(20)
        known = known.saw_drift(size, losers, moved, 2.0)
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
    truth = other.impact * float((other.ahead * other.answers).mean() / other.answers.mean())
    assert known.drift > Knowledge.expected(TERMS, BASE).drift
    assert known.drift == pytest.approx(truth, rel=0.5)


def test_what_is_expected_of_a_request_is_what_it_costs():
    """Mean of the best of five quotes that was paid, within a tenth."""
    known = taught(PANEL, 1_000)
    paid, _, often = known.request(3.0, 5, 99.0)
    rng, who = np.random.default_rng(3), known.best(3.0)[:5]
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
    careful = replace(router, risk=1.0).ways(3.0)
    assert careful[0].sd < router.ways(3.0)[0].sd
    assert {one.way.share for one in replace(router, only="rfq").ways(3.0)} == {1.0}
    assert [one.way for one in replace(router, only="block").ways(3.0)] == [Way(block=True)]


def test_a_small_order_is_not_asked_of_many_and_a_cheap_book_wins():
    cheap = dict.fromkeys(BASE, (0.1, 1.0))
    known = Knowledge.expected(TERMS, cheap)
    assert Routed(TwapTake(), known).ways(3.0)[0].mean == pytest.approx(0.1, abs=0.01)
    leaky = replace(Knowledge.expected(TERMS, BASE), drift=5.0)
    requests = [one for one in ways_of(10) if one.share == 0.5 and not one.block]
    assert min(requests, key=lambda way: costing(leaky, way, 3.0).mean).dealers == 1


def test_more_crosses_than_expected_make_blocks_cheaper():
    known = Knowledge.expected(TERMS, BASE)
    lots = np.full(200, 100)
    more = known.saw_rest(lots, np.full(200, 10.0), 0.05)
    less = known.saw_rest(lots, np.full(200, 0.0), 0.05)
    way = Way(block=True)
    assert (
        costing(more, way, 3.0).mean < costing(known, way, 3.0).mean < costing(less, way, 3.0).mean
    )
