"""What the trend switch believes, and what it does with it."""

import numpy as np
import pytest

from certify.kits.strategy import StrategyConformance
from studies.regimes.trend import IMBALANCE_SD, MOVE_SD, TrendSwitch, imbalance_unit
from tercel.execution.intent import REST0, TAKE
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import build
from tercel.execution.view import View

pytestmark = pytest.mark.release

BASE = build("peg_touch")
OFIS = ("ofi", "past_ofi1", "past_ofi2", "past_ofi3")
FLOW = {
    **{"horizon_ns": 1800 * 10**9, "age_ns": 900 * 10**9, "decisions": 60, "rv_long": 16},
    **{
        "long_same": 3000,
        "long_against": 3000,
        "ofi": 100,
        "past_ofi1": -100,
        "past_ofi2": 100,
        "past_ofi3": -100,
    },
    **{f"{side}{level}": 40 for side in ("own", "far") for level in range(1, 6)},
}


def flowing(units: float, **values: int) -> View:
    """A view whose imbalance and mid since the warm-up began lie so many standard deviations off, both."""
    unit = imbalance_unit(view_of(**FLOW), np.array([30.0]))[0]
    flow, move = (
        round(units * sd * np.sqrt(30))
        for sd in (IMBALANCE_SD * unit, MOVE_SD * np.sqrt(FLOW["rv_long"]))
    )
    return view_of(**{**FLOW, "long_drift": move, **values}, long_ofi=flow)


class TestSwitchedPeg(StrategyConformance):
    def strategy(self) -> TrendSwitch:
        return TrendSwitch(BASE)


def test_the_unit_is_a_geometric_mean_of_three_sizes() -> None:
    sizes = [
        1 + 6000 / 30,
        (1 + 40) * 4,
        1 + 100,
    ]  # volume, depth times what the mid moves, root mean square
    assert imbalance_unit(view_of(**FLOW), np.array([30.0]))[0] == pytest.approx(
        np.prod(sizes) ** (1 / 3)
    )


def test_bayes_rule_by_hand() -> None:
    switch = TrendSwitch(BASE, prior=0.1, recent=0.0)
    for units in (-2.0, 0.5, 3.0):
        # two that correlate by a half count as 4/3 of one
        up, down = (
            0.1 * np.exp(4 / 3 * (s * 0.31 * units * np.sqrt(30) - 0.31**2 * 15)) for s in (1, -1)
        )
        assert switch.trend(flowing(units))[0] == pytest.approx(
            (up - down) / (up + down + 0.8), abs=0.02
        )


def test_flow_without_a_move_of_the_price_is_no_trend() -> None:
    """On recorded days flow leans for hours and the price stays."""
    leaning, quiet = (
        TrendSwitch(BASE).trend(flowing(4.0, **still))[0] for still in ({}, {"long_drift": 0})
    )
    assert leaning > 0.5
    assert quiet < 0.1


def test_it_takes_against_waits_with_and_else_leaves_the_rule_alone() -> None:
    switch = TrendSwitch(BASE)
    np.testing.assert_array_equal(switch.decide(flowing(0.0)), BASE.decide(flowing(0.0)))
    assert switch.decide(flowing(4.0))[0, TAKE] == 40
    assert switch.decide(flowing(-4.0))[0, [TAKE, *range(REST0, REST0 + 5)]].sum() == 0
    late = flowing(-4.0, decision=55)
    assert switch.decide(late)[0, REST0:].sum() == late.left[0]
