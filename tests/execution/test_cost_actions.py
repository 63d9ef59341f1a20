"""The actions `costs`: against a row-by-row twin, and `guarded` wherever something is not known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from certify.kits.strategy import random_views
from tercel.core.errors import ConfigError
from tercel.execution import columns as c
from tercel.execution.action_sets import CostDecoder, action_set
from tercel.execution.intent import CANCEL, OUTSIDE, REST0, TAKE, View
from tercel.execution.observation import half_spread, is_known, observe_costs, observer, view_of
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.policies_packaged import named
from tercel.execution.strategies import build

GUARDED = build("guarded")


def foretold(view: View, seed: int = 1) -> View:
    """The same view with forecasts of all sizes, some of them unknown."""
    rng = np.random.default_rng(seed)
    outlook = rng.integers(-9000, 9000, (view.n, c.OUTLOOK))
    for column in (c.USUAL_SPREAD, c.FORECAST_10_SD, c.FORECAST_30_SD):
        outlook[:, column] = 3000 * (rng.random(view.n) < 0.9)
    outlook[:, c.WAITING] = 400_000 * (rng.random(view.n) < 0.9)
    return replace(view, outlook=outlook)


def twin(scores: list[float], view: View, row: int, slices: float) -> list[int]:
    """One row, in plain Python."""
    want = GUARDED.decide(view)[row].tolist()
    told = view.outlook_rows[row].tolist()
    touch, far = int(view.m[row, c.TOUCH]), int(view.far[row])
    quoted = abs(touch) < 2**30 and abs(far) < 2**30 and not view.m[row, c.HALTED]
    room = (far - touch) * int(view.side[row])
    known = told[c.FORECAST_30_SD] > 0 and told[c.USUAL_SPREAD] > 0 and told[c.WAITING] > 0
    if not (quoted and known and room > 0):
        return want
    take, inside, hide = (score > 0 for score in scores)
    rest = sum(want[REST0:])
    if hide:
        want[REST0:] = [0] * 5
        want[OUTSIDE] = CANCEL
    elif inside and view.spread[row] > 1:
        want[REST0:] = [rest, 0, 0, 0, 0]
    if take:
        lots = int(np.ceil(slices * view.qty0[row] / view.decisions[row]))
        want[TAKE] = max(want[TAKE], min(lots, int(view.far_depth[row, 0])))
    left = int(view.left[row])
    for column in (TAKE, *range(REST0, REST0 + 5)):
        want[column] = min(want[column], left)
        left -= want[column]
    return want


@given(st.integers(0, 2**32), st.floats(0.1, 9.0))
def test_each_row_is_what_plain_python_says(seed: int, slices: float) -> None:
    view = foretold(random_views(30, seed), seed)
    scores = np.random.default_rng(seed).normal(size=(30, 3)) * (np.arange(30) % 5 > 0)[:, None]
    found = CostDecoder(slices=slices).decode(scores, view).tolist()
    assert found == [twin(scores[row].tolist(), view, row, slices) for row in range(30)]


def test_the_observation_is_in_usual_half_spreads_and_zero_where_nothing_is_known() -> None:
    told = np.zeros((2, c.OUTLOOK), np.int64)
    told[:, [c.FORECAST_10, c.FORECAST_30, c.FORECAST_30_SD]] = 5_000, -10_000, 1
    told[:, c.USUAL_SPREAD] = 4_000
    told[:, c.WAITING] = 250_000, 0
    view = view_of(
        qty0=100, left=[60, 60], touch=999, far=1002, mid2=2001, time_left_ns=3, horizon_ns=10
    )
    told[1, c.USUAL_SPREAD] = 0
    seen = observe_costs(replace(view, outlook=told))
    usual, half = 1e4 * 4 / 2001, 1e4 * 3 / 2001
    assert seen[0].tolist() == pytest.approx(
        [5 / usual, -10 / usual, half / usual, 0.25, 0.3, 0.3], rel=1e-6
    )
    assert seen[1].tolist() == pytest.approx([0, 0, 0, 0, 0.3, 0.3], rel=1e-6)
    assert observer("costs").size == 6


@given(st.floats(-20, 20), st.integers(1, 9), st.floats(-10, 10))
def test_what_taking_is_charged_more_stands_beside_half_the_spread(
    fees: float, spread: int, move: float
) -> None:
    """In bps and by hand; no clip cuts the fees, and what is dearer is taken less."""
    told = np.zeros((1, c.OUTLOOK), np.int64)
    told[:, [c.FORECAST_30_SD, c.USUAL_SPREAD, c.WAITING]] = 1, 4_000, 400_000
    told[:, c.FORECAST_30], told[:, c.FEES] = round(1000 * move), round(1000 * fees)
    view = replace(view_of(touch=1000, far=1000 + spread, mid2=2000 + spread), outlook=told)
    usual = 1e4 * 4 / (2000 + spread)
    half = spread / 4 + fees / usual
    seen = observe_costs(view)
    expected = [0.0, np.clip(move / usual, -3, 3), half, 0.4, 0.0, 1.0]
    assert seen[0].tolist() == pytest.approx(expected, abs=2e-3 / usual + 1e-5)
    policy = named("default")
    assert isinstance(policy, PolicyStrategy)
    dearer = seen + np.array([[0, 0, 1, 0, 0, 0]], np.float32)
    assert policy.policy.act(dearer)[0, 0] <= policy.policy.act(seen)[0, 0] - 0.1


def test_orders_that_a_bound_draws_narrow_no_spread() -> None:
    plain = view_of(touch=990, far=1010, mid2=2000)
    drawn = view_of(touch=990, far=1010, mid2=2000, undercut=15)
    assert drawn.spread.tolist() == [5]
    assert half_spread(drawn).tolist() == half_spread(plain).tolist() == [100.0]


def sure(far: int, **told: int) -> View:
    """A forecast of as much as counts that buying will be dearer, at 1000 to `far`."""
    outlook = np.zeros((1, c.OUTLOOK), np.int64)
    given = {"USUAL_SPREAD": 2_000, "FORECAST_30": 10**9, "FORECAST_30_SD": 1, "WAITING": 400_000}
    for name, value in (given | told).items():
        outlook[:, getattr(c, name)] = value
    view = view_of(touch=1000, far=far, mid2=1000 + far, decision=3, left=60, far1=50)
    return replace(view, outlook=outlook)


@pytest.mark.parametrize(
    ("view", "takes"),
    [
        (sure(1001), True),
        (sure(1050), False),
        (sure(1000), False),
        (sure(998), False),
        (sure(1001, FORECAST_30_SD=0), False),
        (sure(1001, WAITING=0), False),
        (sure(1001, FEES=80_000), False),
        (sure(1050, FEES=-400_000), True),
        (sure(1001, FORECAST_30=-(10**9), FEES=-80_000), True),
    ],
)
def test_what_is_taken_where_the_market_or_the_forecast_is_odd(view: View, takes: bool) -> None:
    """A tick, fifty ticks, locked, crossed; no forecast, no earlier days; fees that stop taking, and that pay for it."""
    policy, rule = named("default"), GUARDED.decide(view)
    found = policy.decide(view)
    assert (found[0, TAKE] > rule[0, TAKE]) == takes
    if not (is_known(view) & (view.spread > 1)).any():
        assert found[0, REST0] == rule[0, REST0], "nothing stands inside"


@pytest.mark.parametrize("wrong", [{"slices": 0}, {"slices": float("nan")}, {"base": "twap_take"}])
def test_parameters_that_will_not_do_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        action_set("costs", wrong)
    with pytest.raises(ConfigError, match="1 to 1"):
        observer("costs", 3)
