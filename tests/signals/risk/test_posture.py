"""The posture policy: hysteresis, dwell, caution, and reasons with figures."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError, DataError
from tercel.core.messages import ANY_STYLE, Style
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.signals.risk.posture import (
    DEFAULT_RULES,
    PostureConfig,
    PostureDemand,
    PosturePolicy,
    PostureRule,
    RiskState,
)

CALM = RiskState("A", 0, volatility_ratio=1.0, depth_ratio=1.0, anomaly=-0.2)


def at(second: float, **values: float | None) -> tuple[RiskState, int]:
    ns = int(second * NS_PER_SECOND)
    return CALM._replace(at_ns=ns, **values), ns  # type: ignore[arg-type]


def test_calm_asks_for_nothing() -> None:
    posture = PosturePolicy("A").update(*at(0))
    assert (posture.urgency, posture.max_participation, posture.size_multiplier) == (0.0, 1.0, 1.0)
    assert posture.styles == ANY_STYLE
    assert posture.reasons == ()


def test_a_rule_enters_at_once_and_leaves_beyond_its_gap_after_the_dwell_time() -> None:
    policy = PosturePolicy("A", PostureConfig(dwell_ns=30 * NS_PER_SECOND))
    policy.update(*at(0))
    assert policy.update(*at(1, volatility_ratio=1.6)).size_multiplier == 0.75
    assert policy.changes == (
        "in force: volatility raised: volatility against its usual level is 1.60, at or above 1.5",
    )
    assert (
        policy.update(*at(40, volatility_ratio=1.3))
        .reasons[0]
        .endswith("is 1.30, not yet below 1.25")
    )
    assert policy.changes == ()
    held = policy.update(*at(41, volatility_ratio=1.2))
    assert held.reasons == ()
    assert policy.changes == (
        "lifted volatility raised: volatility against its usual level is 1.20, below 1.25",
    )
    policy.update(*at(42, volatility_ratio=1.6))
    assert (
        policy.update(*at(50, volatility_ratio=1.0))
        .reasons[0]
        .endswith("is 1.00, held for 8 s of 30 s")
    )
    assert policy.update(*at(72, volatility_ratio=1.0)).reasons == ()


def test_the_most_careful_word_of_each_kind_wins() -> None:
    posture = PosturePolicy("A").update(*at(0, volatility_ratio=3.0, depth_ratio=0.3, anomaly=1.5))
    assert posture.urgency == 0.9
    assert posture.max_participation == 1.0  # nothing that is at work is held back
    assert posture.size_multiplier == 0.25
    assert posture.styles == ANY_STYLE
    assert len(posture.reasons) == 7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"volatility_ratio": math.nan}, "volatility against its usual level is no number (nan)"),
        ({"anomaly": math.inf}, "no number (inf)"),
        ({"depth_ratio": None}, "depth against its usual level is missing"),
        ({"depth_ratio": -0.1}, "cannot be -0.1"),
    ],
)
def test_broken_inputs_give_the_cautious_posture_with_the_reason(
    values: dict[str, float], words: str
) -> None:
    policy = PosturePolicy("A")
    policy.update(*at(0))
    posture = policy.update(*at(1, **values))
    assert posture.size_multiplier == 0.0
    assert posture.styles == Style.JOIN
    assert words in posture.reasons[0]
    assert words in policy.changes[0]


def test_caution_outlasts_the_last_broken_input() -> None:
    policy = PosturePolicy("A", PostureConfig(dwell_ns=10 * NS_PER_SECOND))
    policy.update(None, 0)
    assert policy.update(*at(5)).reasons == ("cautious: inputs whole for 5.0 s of 10 s",)
    assert policy.update(*at(10)).reasons == ()
    assert policy.changes == ("caution over: inputs whole for 10.0 s",)


def test_stale_and_future_states_are_refused() -> None:
    policy = PosturePolicy("A")
    state, _ = at(0)
    assert "stale: 11.0 s old" in policy.update(state, 11 * NS_PER_SECOND).reasons[0]
    state, _ = at(100)
    assert "from the future" in policy.update(state, 12 * NS_PER_SECOND).reasons[0]
    assert "no state" in policy.update(None, 13 * NS_PER_SECOND).reasons[0]
    with pytest.raises(DataError):
        policy.update(None, 12 * NS_PER_SECOND)
    with pytest.raises(ConfigError):
        policy.update(CALM._replace(instrument="B"), 14 * NS_PER_SECOND)


def test_what_nobody_measures_and_nobody_requires_is_passed_over() -> None:
    policy = PosturePolicy("A", PostureConfig(required=(), dwell_ns=0))
    assert policy.update(RiskState("A", 0), 0).reasons == ()
    policy.update(RiskState("A", 1, depth_ratio=0.5), 1)
    assert policy.update(RiskState("A", 2), 2).reasons == ()
    assert "it is no longer measured" in policy.changes[0]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: PostureRule("x", "anomaly", 1.0, 1.0, PostureDemand()), "apart"),
        (lambda: PostureRule("x", "moon", 1.0, 0.5, PostureDemand()), "'moon'"),
        (lambda: PostureConfig(rules=(DEFAULT_RULES[0], DEFAULT_RULES[0])), "of the same name"),
        (lambda: PostureConfig(required=("moon",)), "'moon'"),
        (lambda: PostureConfig(stale_ns=0), "stale_ns"),
    ],
)
def test_tables_that_make_no_sense_are_refused(made: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made()


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 2), st.floats(-1, 4)), min_size=1, max_size=60)
)
def test_a_posture_is_always_one_that_can_be_obeyed_and_never_flaps(
    steps: list[tuple[float, float, float]],
) -> None:
    policy = PosturePolicy("A")
    last: dict[str, int] = {}
    for second, (volatility, depth, anomaly) in enumerate(steps):
        posture = policy.update(
            *at(second, volatility_ratio=volatility, depth_ratio=depth, anomaly=anomaly)
        )
        assert 0 < posture.max_participation <= 1
        assert posture.styles
        for rule in DEFAULT_RULES:
            in_force = any(reason.startswith(rule.name + ":") for reason in posture.reasons)
            value = {"volatility_ratio": volatility, "depth_ratio": depth, "anomaly": anomaly}.get(
                rule.watches
            )
            if value is not None and rule.enters(value):
                assert in_force
            if not in_force and rule.name in last:
                assert second - last.pop(rule.name) >= 30
            elif in_force:
                last.setdefault(rule.name, second)


VALUES = (
    st.none()
    | st.sampled_from([0.0, 0.4, 0.6, 1.0, 1.5, 2.0, math.nan, math.inf])
    | st.floats(-1.0, 3.0)
)


@given(st.lists(st.tuples(*[VALUES] * 3), max_size=40), st.booleans())
def test_seconds_in_which_nothing_can_change_are_passed_over(
    inputs: list[tuple[float | None, ...]], few: bool
) -> None:
    """A policy that looks at every rule every time says the same."""
    config = PostureConfig(
        required=() if few else PostureConfig().required, dwell_ns=3 * NS_PER_SECOND
    )
    quick, whole = PosturePolicy("A", config), PosturePolicy("A", config)
    whole._calm = lambda state, at_ns: False  # type: ignore[method-assign]
    for second, values in enumerate(inputs):
        state, now = (
            RiskState("A", second * NS_PER_SECOND, *values),
            (second + (second % 3 == 0)) * NS_PER_SECOND,
        )
        assert quick.update(state, now) == whole.update(state, now)
        assert quick.changes == whole.changes
