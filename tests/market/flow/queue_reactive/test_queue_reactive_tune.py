"""Pilots by class of the spread: shares counted by hand, and steps of the factors towards the tape."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.market.flow.queue_reactive import tune
from tercel.market.flow.queue_reactive import words as q

EDGES = (2.0, 4.0, *[1e300] * (q.SPREADS - 3))
OFTEN = 1e9 * np.arange(q.SPREADS, 0, -1.0)
"""Events by class of the spread, so many that the shares overall weigh nothing."""


def day(spread: list[int], kind: list[int]) -> Any:
    return SimpleNamespace(spread=np.array(spread), o=SimpleNamespace(kind=np.array(kind)))


def stepped(turned: np.ndarray, mix: np.ndarray, got: np.ndarray, gain: float = 1.0) -> np.ndarray:
    tape, pilots = OFTEN[:, None] * mix, OFTEN[:, None] * got
    return np.reshape(tune._by_spread(turned.ravel().tolist(), tape, pilots, gain), turned.shape)


def mixed(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(q.KINDS, 5.0), q.SPREADS)


def test_shares_of_kinds_by_hand() -> None:
    """Three of four events at one tick are market orders, one of two at three ticks; 50 events lean on all."""
    days = [day([1, 1, 1], [q.MARKET] * 3), day([1, 3, 3], [q.LIMIT_AT_BEST, q.MARKET, q.LIMIT_AT_BEST])]
    counts = tune.tallied(days, EDGES)
    assert counts.sum() == 6.0
    assert counts[0, [q.LIMIT_AT_BEST, q.MARKET]].tolist() == [1.0, 3.0]
    assert counts[1, [q.LIMIT_AT_BEST, q.MARKET]].tolist() == [1.0, 1.0]
    found = tune.mixes(counts)
    markets = (4.0 + 1.0) / (6.0 + q.KINDS)
    assert found[0, q.MARKET] == pytest.approx((3 + 50 * markets) / 54)
    assert found[1, q.MARKET] == pytest.approx((1 + 50 * markets) / 52)
    np.testing.assert_allclose(found[2:, q.MARKET], markets)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_shares_of_a_class_that_is_met_often_are_its_own() -> None:
    days = [day([1] * 100_000 + [3] * 100_000, [q.MARKET] * 100_000 + [q.LIMIT_AT_BEST] * 100_000)]
    np.testing.assert_allclose(tune.mixes(tune.tallied(days, EDGES))[:2, q.MARKET], (1.0, 0.0), atol=1e-3)


def test_factors_go_where_pilots_have_too_few_and_keep_their_mean() -> None:
    mix, turned = mixed(1), np.ones((q.SPREADS, q.KINDS))
    got = mix.copy()
    got[0, q.MARKET] *= 0.5  # too few market orders at narrow spreads
    found = stepped(turned, mix, got)
    assert found[0, q.MARKET] > 1.0 > found[1, q.MARKET]
    assert found[0, q.MARKET] / found[1, q.MARKET] == pytest.approx(2.0**0.7, rel=1e-3)
    assert found[1, q.MARKET] == pytest.approx(found[5, q.MARKET])
    mean = np.average(np.log(found[:, q.MARKET]), weights=OFTEN * mix[:, q.MARKET])
    assert mean == pytest.approx(0.0, abs=1e-3)
    others = [kind for kind in range(q.KINDS) if kind != q.MARKET]
    np.testing.assert_allclose(found[:, others], 1.0)


def test_what_is_off_by_one_factor_in_all_classes_is_left_to_the_knobs() -> None:
    mix, turned = mixed(2), np.exp(np.random.default_rng(3).normal(0.0, 0.3, (q.SPREADS, q.KINDS)))
    turned /= np.exp(np.average(np.log(turned), axis=0))
    weighed = OFTEN[:, None] * mix
    turned /= np.exp((np.log(turned) * weighed).sum(axis=0) / weighed.sum(axis=0))
    np.testing.assert_allclose(stepped(turned, mix, 1.7 * mix), turned, rtol=1e-3)


def test_steps_end_at_the_tape() -> None:
    """A market whose shares are the law's times the factors: the factors become what is missing."""
    truth, law = mixed(4), mixed(5)
    turned = np.ones((q.SPREADS, q.KINDS))
    for _ in range(200):
        got = law * turned
        turned = stepped(turned, truth, got, 0.5)
    for kind in tune.TURNED:
        missing = np.log(truth[:, kind] / law[:, kind])
        missing -= np.average(missing, weights=OFTEN * truth[:, kind])
        np.testing.assert_allclose(np.log(turned[:, kind]), np.clip(missing, -2.0, 2.0), atol=0.01)
    untouched = [kind for kind in range(q.KINDS) if kind not in tune.TURNED]
    assert (turned[:, untouched] == 1.0).all()


@pytest.mark.parametrize("where", ["tape", "pilots", "both"])
def test_a_kind_that_never_comes_turns_nothing_into_nonsense(where: str) -> None:
    """On a tape of spreads of one tick nobody goes into the spread: its factor stays as it is."""
    few, none = [q.MARKET, q.LIMIT_IN_SPREAD, q.LIMIT_AT_BEST], [q.MARKET, q.LIMIT_AT_BEST, q.LIMIT_AT_BEST]
    tape, pilots = (tune.tallied([day([1, 3, 5], kinds)], EDGES) for kinds in (
        none if where != "pilots" else few, none if where != "tape" else few))  # fmt: skip
    found = np.reshape(tune._by_spread([1.0] * (q.SPREADS * q.KINDS), tape, pilots, 1.0), (q.SPREADS, q.KINDS))
    assert np.isfinite(found).all()
    assert ((found >= 0.1) & (found <= 8.0)).all()
    if where != "pilots":
        assert (found[:, q.LIMIT_IN_SPREAD] == 1.0).all()


def test_a_figure_that_a_tape_is_too_short_for_turns_no_knob() -> None:
    """Three minutes know nothing of ten; and no step is longer than the longest, whatever pilots do."""
    preset = made(1)
    told = {"rate": 1.0, "markets": 0.1, "gone": 0.1, "lots": 5.0, "spread": 2.0, "same": 0.3, "reach": 9.0}
    told |= {f"depth{n}": 9.0 for n in range(q.LEVELS)} | {f"sd{h}": 1.0 for h in tune.HORIZONS}
    short, wild = told | {"sd600": tune.UNTOLD}, told | {"sd600": 1e6, "sd60": 1e-6}
    assert tune._turned(preset, short, wild | {"sd60": 1.0}, 1.0).knobs == preset.knobs
    assert tune._turned(preset, told, wild, 1.0).knobs.drift_sd <= 0.35 * tune.MOST + 1e-9
    assert tune.loss_of(short, wild | {"sd60": 1.0}) == 0.0
