"""Rules of trading: a twin in plain Python, closed forms, limits, no look-ahead, controls without skill."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import brentq, minimize_scalar

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.portfolio.book import BookRule, Walk, backtest
from tercel.signals.portfolio.comparison import belief_of
from tercel.signals.portfolio.comparison_result import THIRD, back_after
from tercel.signals.portfolio.config import PortfolioConfig
from tercel.signals.portfolio.cost_laws import CostLaw, flat_cost, square_root_cost
from tercel.signals.portfolio.rebalance import (
    LEAST_PAST,
    RULES,
    BookTargets,
    CostBelief,
    book_targets,
    choose,
    labels_ended,
    on_paper,
    step,
    trade,
)

WEEK = 7 * 86_400 * 10**9
START = 1_041_900_000 * 10**9  # 2003-01-07


def drawn(
    seed: int, dates: int = 120, names: int = 12, skill: float = 0.3, missing: float = 0.05
) -> Walk:
    """Persistent forecasts of weekly returns, some names missing on some dates."""
    rng = np.random.default_rng(seed)
    value, now = np.zeros((dates, names)), rng.standard_normal(names)
    for t in range(dates):
        now = value[t] = 0.8 * now + 0.6 * rng.standard_normal(names)
    outcome = 0.03 * (skill * value + rng.standard_normal((dates, names)))
    value = np.where(rng.random(value.shape) < missing, np.nan, value)
    time = START + WEEK * np.arange(dates, dtype=np.int64)
    labels = np.array([f"N{i:02d}" for i in range(names)])
    return Walk(
        time, time + WEEK // 7, time + WEEK // 7 + WEEK, labels, value, np.clip(outcome, -0.5, 0.5)
    )


def sought(walk: Walk, bps: float = 10.0, law: CostLaw | None = None, **more: Any) -> BookTargets:
    sd = 0.01 + 0.002 * np.arange(len(walk.names))[None, :] * np.ones((len(walk.time_ns), 1))
    return book_targets(walk, sd, law or flat_cost(1.0), np.full(len(walk.time_ns), bps), **more)


def root(walk: Walk) -> CostLaw:
    shape = walk.value.shape
    return square_root_cost(
        1.0, 1e7, np.full(shape, 0.02), 1e7 * (1.0 + np.arange(shape[1])) * np.ones(shape)
    )


def twin(of: BookTargets, rule: str, chosen: Floats) -> list[tuple[float, float, float]]:
    """Gross, cost and half-turns of a date in plain Python, name by name, by the parameters that were chosen."""
    held = dict.fromkeys(of.walk.names.tolist(), 0.0)
    rows = []
    for t in range(len(of.target)):
        gross = cost = turned = 0.0
        wanted, centre = {}, 0.0

        def zoned(i: int, centre: float, t: int = t, held: dict[str, float] = held) -> float:
            middle, half = (
                float(of.target[t, i] - centre * of.unit[t, i]),
                float(chosen[t] * of.unit[t, i]),
            )
            return min(max(held[of.walk.names[i]], middle - half), middle + half)

        if rule == "zone":
            there = [i for i in range(len(held)) if not math.isnan(of.walk.value[t, i])]
            centre = float(
                brentq(
                    lambda c, there=there: sum(zoned(i, c) for i in there), -99.0, 99.0, xtol=1e-14
                )
            )
        for i, name in enumerate(of.walk.names.tolist()):
            aim, have = float(of.target[t, i]), held[name]
            if math.isnan(of.walk.value[t, i]):
                change = -have
            elif rule == "zone":
                change = zoned(i, centre) - have
            else:
                change = float(chosen[t]) * (aim - have)
            scale = float(np.broadcast_to(of.law.scale_at(t), of.target[t].shape)[i])
            came = 0.0 if math.isnan(of.walk.outcome[t, i]) else float(of.walk.outcome[t, i])
            wanted[name] = (have + change, came)
            gross += (have + change) * came
            cost += float(of.level[t]) * scale * abs(change) ** of.law.power
            turned += abs(change)
        held = {name: w * (1.0 + came) / (1.0 + gross - cost) for name, (w, came) in wanted.items()}
        rows.append((gross, cost, turned))
    return rows


@pytest.mark.parametrize("rule", ["all_at_once", "rate", "zone"])
@pytest.mark.parametrize("by_root", [False, True])
def test_a_twin_name_by_name_finds_the_same(rule: str, by_root: bool) -> None:
    walk = drawn(3)
    walk.outcome[::9, ::4] = np.nan
    of = sought(walk, 0.3 if by_root else 30.0, root(walk) if by_root else None)
    found = trade(of, RULES[rule], CostBelief(of.level[0] / 3, learns=True))
    expected = np.array(twin(of, rule, found.chosen))
    got = np.stack([found.book.gross, found.book.cost, found.book.turnover], axis=1)
    np.testing.assert_allclose(got, expected, atol=1e-11)
    assert len(set(found.chosen.tolist())) > 1 or rule == "all_at_once"


def test_all_at_once_is_the_backtest_of_signals() -> None:
    """With scores of equal risk: the same book, cost and return as `signals backtest --book scores`."""
    walk = drawn(4)
    of = sought(walk, 7.5, by_risk=False, hold=0.5)
    plain = backtest(walk, BookRule("scores", hold=0.5), flat_cost(7.5))
    found = trade(of, RULES["all_at_once"]).book
    for key in ("weights", "gross", "cost", "net", "turnover", "ic"):
        np.testing.assert_allclose(
            getattr(found, key), getattr(plain, key), atol=1e-13, err_msg=key
        )
    assert found.periods == plain.periods


def test_targets_by_hand() -> None:
    """Scores 2, 0, -2 around their mean over volatilities 1 %, 2 %, 4 %: each leg is one name here."""
    walk = drawn(1, dates=2, names=3, missing=0.0)
    walk.value[:] = [[3.0, 1.0, -1.0], [4.0, 1.0, -2.0]]
    of = book_targets(walk, np.array([[0.01, 0.02, 0.04]] * 2), flat_cost(1.0), np.ones(2))
    assert of.target.tolist() == [[1.0, 0.0, -1.0]] * 2
    each = np.array([100.0, 50.0, 25.0])
    np.testing.assert_allclose(of.unit[0], each * (4 / 3) * 2 / (200.0 + 50.0))


@pytest.mark.parametrize("by_root", [False, True])
def test_by_name_is_each_names_own_optimum(by_root: bool) -> None:
    walk = drawn(6, missing=0.0)
    of = sought(walk, 0.5 if by_root else 20.0, root(walk) if by_root else None)
    t, held = 100, 0.5 * drawn(7, dates=1, missing=0.0).value
    change = step(of, RULES["by_name"], t, held, np.ones((1, 1)))[0]
    for i in range(len(walk.names)):
        curve = of.gain[t] * of.sd[t, i] / of.unit[t, i]
        scale = of.level[t] * np.broadcast_to(of.law.scale_at(t), change.shape)[i]

        def loses(x: float, i: int = i, curve: float = curve, scale: float = scale) -> float:
            left = of.target[t, i] - held[0, i] - x
            return float(0.5 * curve * left**2 + scale * abs(x) ** of.law.power)

        best = minimize_scalar(
            loses, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-10}
        )
        assert loses(float(change[i])) <= best.fun + 1e-12


def test_limits_of_cost() -> None:
    """Where trading is free all of it is done by name; where it costs everything none is; the dearer, the slower."""
    walk = drawn(8, missing=0.0)
    free, dear = sought(walk, 0.0), sought(walk, 1e7)
    held = np.zeros((1, len(walk.names)))
    np.testing.assert_allclose(
        step(free, RULES["by_name"], 90, held, np.ones((1, 1)))[0], free.target[90], atol=1e-12
    )
    assert not step(dear, RULES["by_name"], 90, held, np.ones((1, 1))).any()
    for name in ("rate", "zone"):
        paper = on_paper(free, RULES[name])
        picks = [choose(paper, 100, level) for level in (0.0, 3.0, 10.0, 30.0, 100.0)]
        assert picks == sorted(picks)
        assert picks[-1] > picks[0]
    perfect = drawn(9, skill=50.0, missing=0.0)
    perfect.value[:] = np.random.default_rng(1).permuted(
        perfect.value, axis=0
    )  # no persistence: the newest is all
    perfect.outcome[:] = 0.02 * perfect.value
    of = sought(perfect, 0.0, by_risk=False)
    assert [choose(on_paper(of, RULES[name]), 100, 0.0) for name in ("rate", "zone")] == [0, 0]


@given(
    st.integers(0, 10_000),
    st.floats(0, 40),
    st.booleans(),
    st.sampled_from(["all_at_once", "rate", "zone", "by_name"]),
)
def test_accounting_holds_for_any_walk(seed: int, bps: float, by_risk: bool, name: str) -> None:
    walk = drawn(seed, dates=60)
    found = trade(sought(walk, bps, by_risk=by_risk), RULES[name], CostBelief(bps, learns=True))
    book = found.book
    np.testing.assert_array_equal(book.net, book.gross - book.cost)
    np.testing.assert_allclose(book.cost, 1e-4 * bps * book.turnover, atol=1e-15)
    np.testing.assert_allclose(
        book.gross, (book.weights * np.nan_to_num(walk.outcome)).sum(axis=1), atol=1e-13
    )
    assert not book.weights[np.isnan(walk.value)].any()
    if name in ("all_at_once", "zone"):
        np.testing.assert_allclose(book.weights.sum(axis=1), 0.0, atol=1e-9)


@pytest.mark.parametrize("name", ["all_at_once", "rate", "zone", "by_name"])
def test_nothing_of_the_future_is_known(name: str) -> None:
    """Whatever comes after a date, and where the walk is cut there, trades up to it are the same to the byte."""
    walk, cut = drawn(11), 90
    of = sought(walk, 15.0)
    later = drawn(12)
    value, outcome = walk.value.copy(), walk.outcome.copy()
    value[cut:], outcome[cut:] = later.value[cut:], later.outcome[cut:]
    outcome[labels_ended(walk)[cut - 1] :] = later.outcome[
        labels_ended(walk)[cut - 1] :
    ]  # labels that had not ended by then
    found = trade(of, RULES[name], CostBelief(5.0, learns=True), seed=3)
    for other in (
        sought(replace(walk, value=value, outcome=outcome), 15.0),
        sought(walk.rows(np.arange(cut)), 15.0),
    ):
        got = trade(other, RULES[name], CostBelief(5.0, learns=True), seed=3)
        assert got.chosen[:cut].tobytes() == found.chosen[:cut].tobytes()
        assert got.believed[:cut].tobytes() == found.believed[:cut].tobytes()
        assert got.book.weights[: cut - 1].tobytes() == found.book.weights[: cut - 1].tobytes()


def test_a_year_chooses_by_labels_that_had_ended() -> None:
    walk = drawn(13, dates=160)
    of = sought(walk, 15.0)
    found, paper = trade(of, RULES["zone"]), on_paper(of, RULES["zone"])
    years = walk.time_ns.astype("datetime64[ns]").astype("datetime64[Y]")
    for t in np.flatnonzero(np.r_[True, years[1:] != years[:-1]]):
        past = int((walk.end_ns <= walk.time_ns[t]).sum())
        assert past <= max(t - 1, 0)
        net = paper[0][:past] - 15.0 * paper[1][:past]
        best = 0 if past < LEAST_PAST else int(np.argmax(net.mean(axis=0) / net.std(axis=0)))
        assert found.chosen[t] == RULES["zone"].parameters[best]
    assert len(np.unique(found.chosen)) > 1


def test_a_cost_is_learned_and_learned_again_after_it_tripled() -> None:
    weeks = []
    walk = drawn(14, dates=200, names=60)
    for seed in range(8):
        of = sought(walk, 100.0)
        of.level[120:] *= 3.0
        found = trade(of, RULES["rate"], CostBelief(30.0, learns=True), seed=seed)
        assert abs(found.believed[119] / 100.0 - 1.0) < 0.3
        weeks.append(back_after(found.believed[120:], of.level[120:]))
    assert all(one is not None and one <= 26 for one in weeks), weeks
    assert back_after(np.ones(9), np.full(9, 3.0)) is None


def test_what_cannot_be_traded_is_refused() -> None:
    walk = drawn(15, dates=10)
    sd = np.full(walk.value.shape, 0.01)
    sd[3] = np.nan
    with pytest.raises(DataError, match="none on date 4"):
        book_targets(walk, sd, flat_cost(1.0), np.ones(10))
    walk.outcome[:] = np.where(
        np.nan_to_num(walk.value) > np.nanmean(walk.value, axis=1, keepdims=True), -0.9, 0.9
    )
    with pytest.raises(DataError, match="by all_at_once"):
        trade(sought(walk), RULES["all_at_once"])
    with pytest.raises(DataError, match="mean-variance"):
        trade(sought(drawn(16)), RULES["mean_variance"])


def test_a_named_belief_is_of_the_first_true_cost_and_a_third_of_the_last() -> None:
    of = sought(drawn(17, dates=9, names=5))
    of.level[:] = np.arange(10.0, 19.0)
    priors = {
        said: None if (one := belief_of(PortfolioConfig(), of, said)) is None else one.prior
        for said in ("true", 1.0, 2.5, THIRD)
    }
    assert priors == {"true": None, 1.0: 10.0, 2.5: 25.0, THIRD: pytest.approx(18.0 / 3)}
