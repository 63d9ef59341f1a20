"""The ratio of a resting fill's impact to a take's: closed forms on arrays, and a planted one found in a market."""

import numpy as np
import pytest

from studies.impact.passive_impact import estimate_passive_impact, fieller
from studies.impact.passive_trial import run_trial
from tercel.core.errors import ConfigError
from tercel.core.stats import t_quantile


def test_without_noise_the_ratio_is_exact_whatever_fills_and_the_market_moves() -> None:
    """b_rest = (m_rest - m_none) / l_rest, b_take alike: .3 and .75 a lot under a drift of 2."""
    arms = np.repeat(["none", "rest", "take"], 20)
    lots = np.concatenate((np.zeros(20), np.tile([0.0, 4.0], 10), np.full(20, 3.0)))
    per_lot = np.where(arms == "rest", 0.3, 0.75)
    found = estimate_passive_impact(arms, lots, 2.0 + per_lot * lots)
    assert found.ratio == pytest.approx(0.4)
    assert (found.rest_per_lot, found.take_per_lot) == pytest.approx((0.3, 0.75))
    assert (found.ci_low, found.ci_high) == pytest.approx((0.4, 0.4))


def test_the_interval_is_fiellers_with_the_shared_untreated_orders() -> None:
    """Ratios at its ends are those at which the contrast of the three means is t standard errors from 0."""
    rng = np.random.default_rng(3)
    n = {"none": 400, "rest": 300, "take": 200}
    arms = np.repeat(list(n), list(n.values()))
    moves = rng.normal(0.0, 1.0, 900) + np.where(arms == "rest", 0.5, arms == "take")
    found = estimate_passive_impact(arms, np.ones(900), moves)
    mean, var = (
        {arm: fun(moves[arms == arm]) for arm in n} for fun in (np.mean, lambda x: x.var(ddof=1))
    )
    for end in (found.ci_low, found.ci_high):
        contrast = mean["rest"] - end * mean["take"] - (1 - end) * mean["none"]
        weights = {"rest": 1.0, "take": end, "none": 1 - end}
        error = sum(weights[arm] ** 2 * var[arm] / n[arm] for arm in n) ** 0.5
        assert abs(contrast) / error == pytest.approx(t_quantile(0.975, 199))


def test_a_control_that_predicts_the_market_narrows_the_interval() -> None:
    rng = np.random.default_rng(5)
    arms = np.tile(["none", "rest", "take"], 200)
    known = rng.normal(0.0, 3.0, 600)
    moves = known + rng.normal(0.0, 0.5, 600) + np.where(arms == "rest", 0.5, arms == "take")
    found = estimate_passive_impact(arms, np.ones(600), moves, known)
    assert found.ci_low < 0.5 < found.ci_high
    assert found.ci_high - found.ci_low < 0.3
    with pytest.raises(ConfigError, match="takes that move the price significantly"):
        estimate_passive_impact(arms, np.ones(600), np.where(arms == "take", 0.1, 0.0) + 9 * known)


def test_ghosts_take_the_move_that_fills_an_order_away() -> None:
    """What fills a resting order moves the mid by -2; against withheld orders alone the ratio would be below 0."""
    arms = np.repeat(["none", "ghost", "rest", "take"], 50)
    moves = np.array([{"none": 0.0, "ghost": -2.0, "rest": -1.5, "take": 1.0}[arm] for arm in arms])
    assert estimate_passive_impact(arms, np.ones(200), moves).ratio == pytest.approx(0.5)
    there = arms != "ghost"
    assert estimate_passive_impact(arms[there], np.ones(150), moves[there]).ratio == -1.5


@pytest.mark.parametrize(
    ("arms", "lots", "moves", "said"),
    [
        (["rest", "take"], [1.0], [1.0, 1.0], "lots and a move of every order"),
        (["rest", "peg"], [1.0, 1.0], [1.0, 1.0], "lots and a move of every order"),
        (["rest", "take"], [1.0, -1.0], [1.0, 1.0], "lots of 0 or more"),
        (["rest", "take"], [1.0, 1.0], [1.0, np.nan], "finite moves"),
        (["rest"] * 20 + ["take"] * 9, [1.0] * 29, [1.0] * 29, "at least 10 orders"),
        (["rest"] * 20 + ["take"] * 20, [0.0] * 40, [1.0] * 40, "fills in the arm rest"),
    ],
)
def test_what_is_no_trial_is_refused(
    arms: list[str], lots: list[float], moves: list[float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        estimate_passive_impact(arms, lots, moves)


def test_every_ratio_is_possible_where_takes_move_nothing() -> None:
    with pytest.raises(ConfigError, match="significantly"):
        fieller(1.0, 0.1, 0.01, 0.01, 0.0, 1.96)


@pytest.mark.parametrize("planted", [0.25, 1.0])
def test_a_planted_ratio_is_found_beside_twins(planted: float) -> None:
    found = estimate_passive_impact(*run_trial("ibm", planted, 300, 5).orders["twin"], level=0.99)
    assert found.ci_low < planted < found.ci_high
    assert found.ci_high - found.ci_low < 0.5
