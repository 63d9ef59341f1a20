"""Pilots by class of the spread: shares counted by hand, and steps of the factors towards the tape."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.market.flow.queue_reactive import layout as q, tune

EDGES = (2.0, 4.0, *[1e300] * (q.SPREADS - 3))
OFTEN = np.array([100, 50, 10] + [0] * (q.SPREADS - 3))


def day(spread: list[int], kind: list[int]) -> Any:
    return SimpleNamespace(spread=np.array(spread), o=SimpleNamespace(kind=np.array(kind)))


def stepped(turned: np.ndarray, tape: np.ndarray, made: np.ndarray) -> np.ndarray:
    return np.reshape(
        tune._step_spread_factors(turned.ravel().tolist(), tape, made, 1.0), turned.shape
    )


def counted(seed: int) -> np.ndarray:
    """Very many events, so that no class leans on others."""
    return (
        1e9
        * OFTEN[:, None]
        * np.random.default_rng(seed).dirichlet(np.full(q.KINDS, 5.0), q.SPREADS)
    )


def test_shares_of_kinds_by_hand() -> None:
    """Four events at one tick, two at three, four of the six market orders; 50 events of a class lean on all."""
    days = [
        day([1, 1, 1], [q.MARKET] * 3),
        day([1, 3, 3], [q.LIMIT_AT_BEST, q.MARKET, q.LIMIT_AT_BEST]),
    ]
    counts = tune.tally_events(days, EDGES)
    assert counts[:3, q.MARKET].tolist() == [3, 1, 0]
    assert counts[:3].sum(axis=1).tolist() == [4, 2, 0]
    found, every = tune.event_shares(counts), 5.0 / 12.0  # one event of each kind is added
    assert found[0, q.MARKET] == pytest.approx((3 + 50 * every) / 54)
    assert found[1, q.MARKET] == pytest.approx((1 + 50 * every) / 52)
    np.testing.assert_allclose(found[2:, q.MARKET], every)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_factors_go_where_pilots_have_too_few_and_keep_their_mean() -> None:
    tape = counted(1)
    made = tape.copy()
    made[0, q.MARKET] *= (
        0.5  # too few market orders at narrow spreads, orders at the best in their stead
    )
    made[0, q.LIMIT_AT_BEST] += made[0, q.MARKET]
    found = stepped(np.ones((q.SPREADS, q.KINDS)), tape, made)
    assert found[0, q.MARKET] > 1.0 > found[1, q.MARKET]
    assert found[0, q.MARKET] / found[1, q.MARKET] == pytest.approx(2.0**tune.TURN, rel=1e-3)
    assert found[1, q.MARKET] == pytest.approx(found[2, q.MARKET])
    assert np.average(np.log(found[:3, q.MARKET]), weights=tape[:3, q.MARKET]) == pytest.approx(
        0.0, abs=1e-3
    )
    assert (found[3:] == 1.0).all()  # the tape tells nothing of them
    others = [kind for kind in range(q.KINDS) if kind != q.MARKET]
    np.testing.assert_allclose(found[:, others], 1.0)


def test_pilots_that_are_the_tape_turn_nothing() -> None:
    tape, turned = (
        counted(2),
        np.exp(np.random.default_rng(3).normal(0.0, 0.3, (q.SPREADS, q.KINDS))),
    )
    turned[:3] /= np.exp(np.average(np.log(turned[:3]), axis=0, weights=tape[:3]))
    np.testing.assert_allclose(stepped(turned, tape, tape), turned, rtol=1e-3)


@pytest.mark.parametrize("where", ["tape", "pilots", "both"])
def test_a_kind_that_never_comes_turns_nothing_into_nonsense(where: str) -> None:
    """On a tape of spreads of one tick nobody goes into the spread."""
    few, none = (
        [q.MARKET, q.LIMIT_IN_SPREAD, q.LIMIT_AT_BEST],
        [q.MARKET, q.LIMIT_AT_BEST, q.LIMIT_AT_BEST],
    )
    tape = tune.tally_events([day([1, 3, 5], few if where == "pilots" else none)], EDGES)
    made = tune.tally_events([day([1, 3, 5], few if where == "tape" else none)], EDGES)
    found = stepped(np.ones((q.SPREADS, q.KINDS)), tape, made)
    assert np.isfinite(found).all()
    assert ((found >= 0.1) & (found <= 8.0)).all()


def test_a_figure_that_a_tape_is_too_short_for_turns_no_knob() -> None:
    """Three minutes know nothing of ten; and no step is longer than the longest, whatever pilots do."""
    preset = made(1)
    told = {
        "rate": 1.0,
        "markets": 0.1,
        "gone": 0.1,
        "lots": 5.0,
        "spread": 2.0,
        "same": 0.3,
        "reach": 9.0,
    }
    told |= {"response3": 1.0, "response10": 1.0, "response60": 2.0, "busy": 0.4}
    told |= {f"depth{n}": 9.0 for n in range(q.LEVELS)} | {f"sd{h}": 1.0 for h in tune.HORIZONS}
    short, wild = told | {"sd600": tune.UNKNOWN}, told | {"sd600": 1e6, "sd60": 1e-6}
    assert tune._step_knobs(preset, short, wild | {"sd60": 1.0}, 1.0).knobs == preset.knobs
    assert tune._step_knobs(preset, told, wild, 1.0).knobs.trend <= 0.15 * tune.MAX_LOG_RATIO + 1e-9
    assert tune.loss_of(short, wild | {"sd60": 1.0}) == 0.0
