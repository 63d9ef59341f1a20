"""Blocks against closed forms, brute force and the published shares."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp

from tercel.core.errors import ConfigError
from tercel.market.blocks import CrossingSession, allocation, cross, dark_liquidation, survival


@given(st.floats(0.05, 3), st.floats(0.0, 2), st.floats(0.2, 3), st.floats(0.2, 5))
def test_the_marginal_cost_solves_its_equation(rate, risk, cost, left_s):
    first = dark_liquidation(0.05, rate, cost, risk)
    found = solve_ivp(
        lambda _, c: -(c**2) / cost - rate * c + risk,
        (0.05, 0.05 + left_s),
        [float(first)],
        rtol=1e-9,
        atol=1e-12,
    )
    assert dark_liquidation(0.05 + left_s, rate, cost, risk) == pytest.approx(
        found.y[0, -1], rel=1e-5
    )


def test_without_a_session_and_risk_it_is_even_trading():
    assert dark_liquidation(4.0, 0.0, 1.0) == 0.25


def test_tails_are_found_through_what_was_filled_whole():
    """The table of `facts/rfq.md`: tails .8, .4, .2, .1 and orders of 1 to 4; raw counts would miss by a factor of four."""
    rng, tails, n = np.random.default_rng(1), np.array([0.8, 0.4, 0.2, 0.1]), 200_000
    there = (rng.random(n)[:, None] < tails).sum(axis=1)
    sent = rng.integers(1, 5, n)
    assert survival(np.minimum(there, sent), sent) == pytest.approx(tails, abs=0.01)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=3),
    st.integers(1, 4),
)
def test_no_other_allocation_is_expected_to_fill_more(steps, lots):
    tails = [np.minimum.accumulate(np.array(one)) for one in steps]
    best = max(
        sum(tail[:n].sum() for tail, n in zip(tails, sent, strict=True))
        for sent in product(range(lots + 1), repeat=len(tails))
        if sum(sent) == lots
    )
    found = allocation(tails, lots)
    assert sum(tail[:n].sum() for tail, n in zip(tails, found, strict=True)) == pytest.approx(best)


@given(st.integers(0, 2**31), st.floats(0.1, 50), st.floats(0.0, 20), st.floats(0, 900))
def test_no_cross_is_larger_than_sent_smaller_than_asked_or_late(seed, size, least, every_s):
    session = CrossingSession(per_hour=60.0, every_s=every_s)
    found = cross(session, np.full(300, size), least, 600.0, np.random.default_rng(seed))
    lots, after = found.lots[found.filled], found.after_s[found.filled]
    assert (lots <= size).all()
    assert (lots >= min(least, size) - 1e-12).all()
    assert ((after >= 0.0) & (after <= 600.0)).all()
    if every_s:
        assert np.allclose(np.round(after / every_s) * every_s, after)


def test_the_markout_of_crosses_is_that_of_the_informed():
    session = CrossingSession(per_hour=600.0, size=100.0, minimum=0.0, leak_bps=0.0)
    found = cross(session, np.full(50_000, 1.0), 0.0, 600.0, np.random.default_rng(3))
    moved = found.markout_bps[found.filled]
    error = moved.std() / len(moved) ** 0.5
    assert moved.mean() == pytest.approx(session.mean_markout, abs=4 * error)


def test_a_larger_minimum_fills_less_and_larger():
    sizes, counts = [], []
    for least in (0.0, 5.0, 20.0):
        found = cross(
            CrossingSession(per_hour=30.0),
            np.full(20_000, 30.0),
            least,
            900.0,
            np.random.default_rng(4),
        )
        sizes.append(found.lots[found.filled].mean())
        counts.append(found.filled.mean())
    assert sizes == sorted(sizes)
    assert counts == sorted(counts, reverse=True)


def test_partial_fills_tell_that_more_is_to_come():
    session = replace(CrossingSession(per_hour=60.0), informed=0.0, leak_bps=2.0)
    found = cross(session, np.full(5_000, 10.0), 0.0, 900.0, np.random.default_rng(5))
    whole = found.filled & (found.lots == 10.0)
    assert (found.leak_bps[whole] == 0.0).all()
    assert (found.leak_bps[found.filled & ~whole] > 0.0).all()


@pytest.mark.parametrize(
    "wrong", [{"size": 0.0}, {"informed": 1.2}, {"per_hour": -1.0}, {"rests_s": float("nan")}]
)
def test_numbers_that_are_no_session_are_refused(wrong):
    with pytest.raises(ConfigError):
        CrossingSession(**wrong)
