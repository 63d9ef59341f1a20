"""Blocks against closed forms, brute force and the published shares."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.market.blocks import CrossingSession, Interest, count_available, cross, survival


def test_tails_are_found_through_what_was_filled_whole():
    """The table of `facts/rfq.md`: tails .8, .4, .2, .1 and orders of 1 to 4; raw counts would miss by a factor of four."""
    rng, tails, n = np.random.default_rng(1), np.array([0.8, 0.4, 0.2, 0.1]), 200_000
    there = (rng.random(n)[:, None] < tails).sum(axis=1)
    sent = rng.integers(1, 5, n)
    assert survival(*count_available(np.minimum(there, sent), sent, 4)) == pytest.approx(
        tails, abs=0.01
    )


def crossed(session, size, least, seconds, seed):
    """Orders in sessions of their own for so long."""
    there = Interest.draw(session, len(size), seconds, np.random.default_rng(seed))
    return cross(session, there, size, least, 0.0, seconds)


@given(st.integers(0, 2**31), st.floats(0.1, 50), st.floats(0.0, 20), st.floats(0, 900))
def test_no_cross_is_larger_than_sent_smaller_than_asked_or_late(seed, size, least, every_s):
    session = CrossingSession(per_hour=60.0, every_s=every_s)
    found = crossed(session, np.full(300, size), least, 600.0, seed)
    lots, after = found.lots[found.filled], found.after_s[found.filled]
    assert (lots <= size).all()
    assert (lots >= min(least, size) - 1e-12).all()
    assert ((after >= 0.0) & (after <= 600.0)).all()
    if every_s:
        assert np.allclose(np.round(after / every_s) * every_s, after)


@given(st.integers(0, 2**31), st.lists(st.floats(0.0, 30.0), min_size=1, max_size=5))
def test_interest_is_crossed_once_whatever_is_sent_when(seed, sizes):
    """Against a loop over what has come, in five parts of an hour."""
    session = CrossingSession(per_hour=40.0)
    there = Interest.draw(session, 3, 3600.0, np.random.default_rng(seed))
    left = [
        list(zip(*row, strict=True))
        for row in zip(
            there.arrival.tolist(), there.leaves.tolist(), there.size.tolist(), strict=True
        )
    ]
    for part, size in enumerate(sizes):
        begin, end = 720.0 * part, 720.0 * (part + 1)
        found = cross(session, there, np.full(3, size), 1.0, begin, end)
        for row, lots in zip(left, found.lots, strict=True):
            fits = [
                one
                for one in row
                if max(one[0], begin) <= min(one[1], end)
                and min(one[2], size) >= max(session.minimum * one[2], 1.0)
            ]
            first = min(fits, key=lambda one: max(one[0], begin), default=None)
            assert lots == (0.0 if first is None else min(first[2], size))
            if first is not None:
                row.remove(first)


def test_interest_that_knows_comes_to_both_sides_alike():
    session = CrossingSession(per_hour=20.0)
    there = Interest.draw(session, 2_000, 3600.0, np.random.default_rng(6))
    parts = [there.count_informed(a, a + 900.0) for a in (0.0, 900.0, 1800.0, 2700.0)]
    assert (sum(parts) == there.count_informed(0.0, 3600.0)).all()
    mean = session.informed * session.per_hour
    assert sum(parts).mean() == pytest.approx(mean, abs=4 * (mean / 2_000) ** 0.5)


def test_the_markout_of_crosses_is_that_of_the_informed():
    session = CrossingSession(per_hour=600.0, size=100.0, minimum=0.0, leak_bps=0.0)
    found = crossed(session, np.full(10_000, 1.0), 0.0, 600.0, 3)
    moved = found.markout_bps[found.filled]
    error = moved.std() / len(moved) ** 0.5
    assert moved.mean() == pytest.approx(-session.informed * session.move_bps, abs=4 * error)


def test_a_larger_minimum_fills_less_and_larger():
    sizes, counts = [], []
    for least in (0.0, 5.0, 20.0):
        session = CrossingSession(per_hour=30.0)
        found = crossed(session, np.full(20_000, 30.0), least, 900.0, 4)
        sizes.append(found.lots[found.filled].mean())
        counts.append(found.filled.mean())
    assert sizes == sorted(sizes)
    assert counts == sorted(counts, reverse=True)


def test_partial_fills_tell_that_more_is_to_come():
    session = replace(CrossingSession(per_hour=60.0), informed=0.0, leak_bps=2.0)
    found = crossed(session, np.full(5_000, 10.0), 0.0, 900.0, 5)
    whole = found.filled & (found.lots == 10.0)
    assert (found.leak_bps[whole] == 0.0).all()
    assert (found.leak_bps[found.filled & ~whole] > 0.0).all()


@pytest.mark.parametrize(
    "wrong", [{"size": 0.0}, {"informed": 1.2}, {"per_hour": -1.0}, {"rests_s": float("nan")}]
)
def test_numbers_that_are_no_session_are_refused(wrong):
    with pytest.raises(ConfigError):
        CrossingSession(**wrong)
