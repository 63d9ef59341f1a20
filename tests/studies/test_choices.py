"""The filter that knows the law of a trend, and who knows the truth."""

from dataclasses import replace

import numpy as np
import pytest

from studies.regimes.choices import (
    BayesSwitch,
    Oracle,
    TrendLaw,
)
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import build

pytestmark = pytest.mark.release

LAW = TrendLaw(np.array([2.0, 0.5]), np.diag([16.0, 4.0]), np.array([0.0, 2000.0]))
AT_ARRIVAL = {"horizon_ns": 1800 * 10**9, "decisions": 60, "age_ns": 900 * 10**9}


def test_bayes_rule_by_hand() -> None:
    bayes = BayesSwitch(build("peg_touch"), law=LAW, prior=0.1, hazard=0.0)
    found = bayes.trend(view_of(**AT_ARRIVAL, side=[1, -1], long_ofi=[40, -40], mid2=2010))
    log = 2 / 16 * 40 + 0.5 / 4 * 10 - 30 * (4 / 16 + 0.25 / 4) / 2
    up, down = 0.1 * np.exp(log), 0.1 * np.exp(log - 2 * (2 / 16 * 40 + 0.5 / 4 * 10))
    assert found == pytest.approx(np.array([1, -1]) * (up - down) / (up + down + 0.8))


def test_increments_add_up_and_a_new_order_begins_anew() -> None:
    """Without a hazard the course does not matter, only where it ends."""
    bayes = BayesSwitch(build("peg_touch"), law=LAW, hazard=0.0)
    first = view_of(**AT_ARRIVAL, long_ofi=10, mid2=2004)
    at_once = view_of(**{**AT_ARRIVAL, "age_ns": 930 * 10**9}, long_ofi=25, mid2=2009)
    direct = bayes.trend(at_once)
    bayes.trend(first)
    assert bayes.trend(view_of(**AT_ARRIVAL, decision=1, long_ofi=25, mid2=2009)) == pytest.approx(
        direct
    )


def test_a_hazard_lets_a_late_trend_be_found() -> None:
    found = []
    for hazard in (0.0, 0.01):
        bayes = BayesSwitch(build("peg_touch"), law=LAW, hazard=hazard)
        for number in range(60):
            late = max(number - 30, 0)
            found.append(
                bayes.trend(
                    view_of(**AT_ARRIVAL, decision=number, long_ofi=2 * late, mid2=2000 + late // 2)
                )[0]
            )
    assert found[-1] > 0.8 > found[59]


def test_the_oracle_knows_sides_and_the_onset() -> None:
    oracle = Oracle(build("peg_touch"), onset=0.5)
    view = view_of(decision=[4, 5, 5], decisions=10, side=[1, 1, -1])
    assert oracle.trend(view).tolist() == [0.0, 1.0, -1.0]
    assert replace(oracle, onset=0.0).trend(view).tolist() == [1.0, 1.0, -1.0]
