"""The tuned rules: what they become at the corners of their parameters, and how parameters are given."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from certify.kits.strategy import random_views, wanted_lots
from tercel.core.errors import ConfigError
from tercel.execution import columns as c, intent as i, strategies
from tercel.execution.decoder_kernels import ROUNDING_PARTS
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import ALL_BASELINES, NAMES, MarketEstimates, build, tuned_values
from tercel.execution.strategies.direction_rule import DirectionRule
from tercel.execution.strategies.resting_rules import TwapRepeg
from tercel.execution.strategies.score_rule import SCORE as LAYOUT, ScoreRule

NEVER = {"threshold": 1e6, "pace": 30.0, "lean_score": 0.0, "cap": 30.0, "stay_front": 0.0}
"""No taking, nothing leant, nothing capped."""
EMPTY = dict.fromkeys(("improve", "touch", "behind_1", "behind_2", "behind_3"), -60.0)


def test_the_default_table_keeps_its_names() -> None:
    assert len(NAMES) == 10
    assert ALL_BASELINES[:11] == (*NAMES, "peg_behind")


def test_numbers_tuned_on_the_clock_of_events_come_before_the_schedules(monkeypatch) -> None:
    known = {"twap_repeg": {"ahead": 1.0, "behind": 2.0}, "twap_repeg+events": {"ahead": 3.0}}
    monkeypatch.setattr(strategies, "tuned_parameters", lambda market, name: known.get(name, {}))
    assert tuned_values("twap_repeg", "sh600961") == {"ahead": 1.0, "behind": 2.0}
    assert tuned_values("twap_repeg+events", "sh600961") == {"ahead": 3.0, "behind": 2.0}
    here = MarketEstimates(930.0, market="sh600961")
    on_clock, plain = build("twap_repeg+events", here), build("twap_repeg", here)
    np.testing.assert_array_equal(
        on_clock.inner.vector, TwapRepeg({"ahead": 3.0, "behind": 2.0}).vector
    )
    np.testing.assert_array_equal(plain.vector, TwapRepeg({"ahead": 1.0, "behind": 2.0}).vector)


@pytest.mark.parametrize("seed", range(3))
def test_it_becomes_peg_behind(seed: int) -> None:
    view = random_views(300, seed)
    rule = ScoreRule({**NEVER, **EMPTY, "behind_1": 60.0})
    ours, pegged = rule.decide(view), build("peg_behind").decide(view)
    lots = [i.TAKE, *range(i.REST0, i.WIDTH)]
    np.testing.assert_array_equal(np.delete(ours, lots, axis=1), np.delete(pegged, lots, axis=1))
    spared = view.qty0 // ROUNDING_PARTS
    assert (np.abs(ours[:, lots] - pegged[:, lots]).max(axis=1) <= np.maximum(spared, 0)).all()


def test_it_becomes_a_taking_twap() -> None:
    rule = ScoreRule({**NEVER, **EMPTY, "pace": 0.0})
    left, takes = 100, []
    for decision in range(10):
        row = rule.decide(view_of(qty0=100, left=left, decision=decision, decisions=10))[0]
        assert row[i.REST0 :].sum() == 0
        takes.append(int(row[i.TAKE]))
        left -= takes[-1]
    assert takes == [0, *[10] * 9], "TWAP, a slice late"


def test_it_becomes_submit_and_leave() -> None:
    rule = ScoreRule({**NEVER, **EMPTY, "touch": 60.0, "stay_front": 30.0, "stay_behind": 30.0})
    view = random_views(300, 2)
    view.x[:, c.LEFT] = np.maximum(view.left, view.live)
    whole = (view.live == view.left) & (view.left > 0) & view.tradable
    assert whole.sum() >= 10
    np.testing.assert_array_equal(
        rule.decide(view)[whole], build("submit_and_leave").decide(view)[whole]
    )


def test_it_takes_a_multiple_of_the_far_touch_when_the_book_leans_against_it() -> None:
    loud = {
        **NEVER,
        **EMPTY,
        "threshold": 0.5,
        "ramp": -10.0,
        "take": float(np.log(0.25)),
        "w_spread": 0.0,
    }
    against = view_of(qty0=1000, left=1000, own1=900, far1=100)
    towards = view_of(qty0=1000, left=1000, own1=100, far1=900)
    assert ScoreRule(loud).decide(against)[0, i.TAKE] == 25
    assert ScoreRule(loud).decide(towards)[0, i.TAKE] == 0


def test_a_cap_hides_the_rest() -> None:
    rule = ScoreRule({**NEVER, **EMPTY, "touch": 5.0, "cap": float(np.log(0.5))})
    view = view_of(qty0=1000, left=1000, **{f"own{k}": 80 for k in range(1, 6)})
    assert rule.decide(view)[0, i.REST0 :].tolist() == [0, 40, 0, 0, 0]


def test_nothing_improves_where_the_spread_is_one_tick() -> None:
    rule = ScoreRule({**NEVER, **EMPTY, "improve": 60.0})
    assert rule.decide(view_of(left=90, touch=1000, far=1001, mid2=2001))[
        0, i.REST0 :
    ].tolist() == [0, 90, 0, 0, 0]
    assert rule.decide(view_of(left=90, touch=999, far=1001))[0, i.REST0 :].tolist() == [
        90,
        0,
        0,
        0,
        0,
    ]


def test_small_changes_of_a_rung_are_not_made() -> None:
    rule = ScoreRule({**NEVER, **EMPTY, "touch": 60.0})
    assert rule.decide(view_of(left=100, live=97, rest1=97))[0, i.REST0 + i.AT_TOUCH] == 97
    assert rule.decide(view_of(left=100, live=90, rest1=90))[0, i.REST0 + i.AT_TOUCH] == 98, (
        "two grains of 4"
    )


@given(st.integers(0, 2**31), st.floats(0.0, 30.0))
def test_any_parameters_keep_the_rules_of_an_intent(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    view = random_views(40, seed % 1000)
    for rule in (ScoreRule, DirectionRule):
        intents = rule.intents(
            rng.normal(0, size, (view.n, len(rule.layout.names))), view.x, view.m
        )
        assert (intents[:, [i.TAKE, *range(i.REST0, i.WIDTH)]] >= 0).all()
        assert (wanted_lots(intents) <= view.left).all()


def test_direction_waits_while_the_market_comes_and_takes_when_it_turns() -> None:
    rule = DirectionRule({"take": float(np.log(0.5))})
    coming = {"drift": -8, "v_against": 100, "own1": 50, "far1": 400}
    turned = {"drift": 8, "v_same": 100, "own1": 400, "far1": 60}
    assert rule.decide(view_of(left=90, **coming))[0, [i.TAKE, *range(i.REST0, i.WIDTH)]].sum() == 0
    assert rule.decide(view_of(left=90, **turned))[0, i.TAKE] == 30


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"treshold": 1.0}, "threshold"),
        ({"take": float("nan")}, "finite"),
        ([1.0, 2.0], "finite parameters"),
        (np.zeros((3, len(LAYOUT.names))), "one vector, or one a market"),
    ],
)
def test_wrong_parameters_are_named(given: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ScoreRule(given).decide(view_of(left=[1, 2]))  # type: ignore[arg-type]


def test_the_share_behind_falls_with_the_spread() -> None:
    """Half of what is shown stands a tick behind where the spread is one tick, a sixth where it is three."""
    view = view_of(qty0=600, left=600, decision=0, decisions=60, touch=1000, far=[1001, 1003])
    for name in ("twap_repeg", "twap_cross"):
        shown = build(
            name, None, {"ahead": float(np.log(16)), "behind": 0.0, "spread_power": 1.0}
        ).decide(view)
        assert shown[:, [i.REST0 + i.AT_TOUCH, i.REST0 + i.AT_TOUCH + 1]].tolist() == [
            [80, 80],
            [133, 27],
        ]
        plain = build(
            name, None, {"ahead": float(np.log(16)), "behind": 0.0, "spread_power": 0.0}
        ).decide(view)
        assert plain[:, i.REST0 + i.AT_TOUCH].tolist() == [80, 80]


@given(st.integers(0, 2**31), st.floats(0.01, 1.0), st.floats(-2.0, 3.0))
def test_twap_repeg_stands_inside_where_a_tick_is_little_of_the_spread_and_nowhere_else(
    seed: int, inside: float, lots: float
) -> None:
    """There it shows no more than the cap, and at least a grain: less would stand nowhere once grains are whole."""
    view = random_views(60, seed)
    base = {"ahead": 1.0, "catch_up": 3.0}
    plain = build("twap_repeg", None, {**base, "inside": 0.0}).decide(view)
    intents = build("twap_repeg", None, {**base, "inside": inside, "inside_lots": lots}).decide(
        view
    )
    wide = (view.spread > 1) & (view.spread * inside >= 1) & view.tradable
    np.testing.assert_array_equal(intents[~wide], plain[~wide])
    shown = intents[wide, i.REST0 :]
    assert not shown[:, 1:].any()
    cap = np.maximum(np.exp(lots) * view.own_depth.mean(axis=1), -(-view.qty0 // ROUNDING_PARTS))[
        wide
    ]
    np.testing.assert_array_equal(
        shown[:, 0], np.minimum(plain[wide, i.REST0 :].sum(axis=1), cap.astype(np.int64))
    )
