"""Value at Risk and regimes: against hmmlearn and scipy, on known truths, and on real data."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from studies.risk import regimes as r, tail as t
from studies.risk.series import read_sp500
from studies.risk.synthetic import gjr_series, regime_returns
from tercel.core.errors import DataError
from tercel.signals.risk.tail_models import FilteredHistoricalSimulation, judge

pytestmark = pytest.mark.release

pytest.importorskip("arch")


def test_historical_simulation_is_the_quantile_of_the_window() -> None:
    returns = np.random.default_rng(1).standard_normal(400) / 100
    var, es = t.HistoricalSimulation(250).forecast(returns, 300, 0.99)
    window = np.sort(returns[50:300])
    assert var[0] == pytest.approx(-np.quantile(window, 0.01))
    assert es[0] == pytest.approx(-window[window <= -var[0]].mean())


def test_filtered_simulation_is_near_the_truth_where_the_truth_is_known() -> None:
    known = gjr_series(2600, 2)
    var, _ = FilteredHistoricalSimulation(refit=200).forecast(known.series.returns, 1300, 0.99)
    quantile = 2.998 * np.sqrt(5 / 7)  # of Student's t with 7 degrees of freedom, unit variance
    ratio = var / (quantile * np.sqrt(known.variance[1300:]))
    assert 0.8 < np.median(ratio) < 1.2
    plain, _ = t.HistoricalSimulation().forecast(known.series.returns, 1300, 0.99)
    wrong = plain / (quantile * np.sqrt(known.variance[1300:]))
    assert np.std(np.log(ratio)) < 0.5 * np.std(np.log(wrong))


def test_filtered_simulation_passes_on_the_index_and_the_plain_one_fails(shared_data: Path) -> None:
    index = read_sp500(shared_data)
    returns, first = index.returns[1:], index.since(date(2004, 1, 2)) - 1
    plain, filtered = judge(
        [t.HistoricalSimulation(), FilteredHistoricalSimulation()], returns, first
    )
    assert filtered.tests.days == 3775
    assert 40 <= filtered.tests.hits <= 50
    assert min(filtered.tests.kupiec, filtered.tests.independence, filtered.tests.joint) > 0.10
    assert plain.tests.kupiec < 0.05
    assert plain.tests.independence < 0.05
    assert filtered.pinball < plain.pinball


# -- regimes ----------------------------------------------------------------------------------------------------------


def test_the_filter_is_hmmlearns_posterior_of_the_last_day() -> None:
    hmm = pytest.importorskip("hmmlearn.hmm")
    returns, _ = regime_returns(120, 4)
    fit = r.TwoStateModel(
        np.array([0.001, -0.001]),
        np.array([0.007, 0.02]),
        np.array([0.99, 0.97]),
        np.array([0.7, 0.3]),
    )
    theirs = hmm.GaussianHMM(2, "diag")
    theirs.startprob_, theirs.means_, theirs.covars_ = (
        fit.start,
        fit.means[:, None],
        fit.sds[:, None] ** 2,
    )
    theirs.transmat_ = np.array([[0.99, 0.01], [0.03, 0.97]])
    ours = fit.filtered(returns)
    for day in (0, 1, 17, 60, 119):
        assert ours[day] == pytest.approx(
            theirs.predict_proba(returns[: day + 1, None])[-1, 1], abs=1e-9
        )


def test_probabilities_do_not_change_when_later_days_are_added() -> None:
    returns, _ = regime_returns(1400, 5)
    short = r.regime_probabilities(returns[:1200], 700)
    long = r.regime_probabilities(returns, 700)
    np.testing.assert_allclose(long[: len(short)], short, rtol=1e-9)


def test_the_two_states_are_found() -> None:
    returns, truth = regime_returns(3000, 6)
    fit = r.fit_two_states(returns)
    assert fit.sds == pytest.approx([0.007, 0.02], rel=0.1)
    assert np.mean(r.switched(r.regime_probabilities(returns, 1500)) == truth[1500:]) > 0.9


def test_what_no_regime_can_be_found_in_is_refused() -> None:
    with pytest.raises(DataError, match="500 days"):
        r.fit_two_states(np.random.default_rng(1).standard_normal(100))
    with pytest.raises(DataError, match="constant"):
        r.fit_two_states(np.zeros(1000))
    with pytest.raises(DataError, match="both regimes"):
        r.judge("", np.zeros(100, np.bool_), np.ones(100))


def test_the_bars_on_the_index(shared_data: Path) -> None:
    pytest.importorskip("hmmlearn")
    index = read_sp500(shared_data)
    returns, first = index.returns[1:], index.since(date(2004, 1, 2)) - 1
    state = r.switched(r.regime_probabilities(returns, first))
    verdict = r.judge("HMM", state, returns[first:])
    assert verdict.ratio >= 2.5
    assert verdict.switches_per_year <= 8
    days = index.days[1:][first:]
    for day in (date(2008, 9, 15), date(2011, 8, 5), date(2018, 2, 6), date(2018, 10, 11)):
        assert state[days.index(day)], f"calm on {day}"
