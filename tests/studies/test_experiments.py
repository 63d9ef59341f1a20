"""Experiments of simulated desks against the textbook estimator, plain loops, and desks without a difference."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from studies.experiments.command import held_out_r2
from studies.experiments.desks import Design, first_call, run_desk, scores_of
from studies.experiments.pools import GUARDED, synthetic_pool
from tercel.core.stats.confidence_sequence import mixture_variance
from tercel.desk.trading.experiment_analysis import analyse_experiment

EQUAL = {"a": (GUARDED, 0.0), "b": (GUARDED, 0.0)}
PLANTED = {"a": (GUARDED, 0.0), "b": (GUARDED, 15.0)}


def test_the_mean_score_is_the_inverse_probability_estimate_of_the_adjusted_costs():
    pools = [synthetic_pool(law, 200, 1) for law in ("normal", "lognormal")]
    record = run_desk(pools, PLANTED, Design(days=5, day_sd=3.0), 7)
    orders = list(record.orders.values())
    assert len(orders) == 5 * 24
    cost, expected = (np.array([getattr(o, x) for o in orders]) for x in ("cost_bps", "expected"))
    is_arm = np.array([order.draw.arm == "b" for order in orders])
    estimates = [
        np.mean(drawn * (cost - expected)) / 0.5 for drawn in (~is_arm, is_arm)
    ]  # Horvitz and Thompson (1952), at chances of one half
    scores = np.array([score for _, score in scores_of(record)])
    report = analyse_experiment(record)
    assert scores.mean() == pytest.approx(estimates[0] - estimates[1])
    assert report.savings[0].saved_bps == pytest.approx(scores.mean())
    assert not report.imbalances


def test_a_planted_saving_is_called_at_the_look_that_a_plain_loop_finds():
    design = Design(planned=300, days=15)
    record = run_desk([synthetic_pool("normal", 500, 4)], PLANTED, design, 5)
    found = first_call(record)
    scores = np.array([score for _, score in scores_of(record)])
    days = np.array([day for day, _ in scores_of(record)])
    rho2 = mixture_variance(300)
    calls = []
    for n in range(40, len(scores) + 1):
        part, day = scores[:n], days[:n]
        left = part - part.mean()
        m = day.max() + 1
        sums = np.bincount(day, left)
        variance = max(left.var(ddof=1), (sums**2).sum() / n * m / (m - 1) if m > 1 else 0.0)
        variance = max(variance, (part**2).mean())  # were assignment to change nothing
        bound = np.sqrt(variance * (n + 1 / rho2) * np.log((n * rho2 + 1) / 0.05**2))
        if abs(part.sum()) >= bound:
            calls.append(n)
    assert found is not None
    assert found == (calls[0], pytest.approx(scores[: calls[0]].mean()))
    assert analyse_experiment(record).savings[0].verdict == "better"


def test_adjustment_removes_what_is_known_at_arrival():
    """Half of the variance is forecast: half of it goes."""
    rng = np.random.default_rng(10)
    pool = synthetic_pool("normal", 2000, 9)
    known = rng.normal(size=2000) * pool.costs[GUARDED].std()
    covariates = [
        structs.replace(one, forecast_bps=float(bps))
        for one, bps in zip(pool.covariates, known, strict=True)
    ]
    forecast = replace(pool, covariates=covariates, costs={GUARDED: pool.costs[GUARDED] + known})
    reports = [analyse_experiment(run_desk([forecast], EQUAL, Design(), desk)) for desk in range(6)]
    assert np.mean([one.savings[0].removed for one in reports]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("law", ["normal", "t3"])
def test_desks_whose_arms_are_equal_call_nothing(law):
    pool = synthetic_pool(law, 500, 6)
    for desk in range(10):
        record = run_desk([pool], EQUAL, Design(days=10), desk)
        assert first_call(record) is None
        assert not analyse_experiment(record).savings[0].is_decided


def test_regression_is_judged_where_it_was_not_fitted():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2000, 3))
    assert held_out_r2(x, x @ [1.0, 0.0, 0.0] + rng.normal(size=2000)) == pytest.approx(
        0.5, abs=0.04
    )
    assert held_out_r2(x, rng.normal(size=2000)) == 0.0
