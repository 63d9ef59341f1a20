"""Conformance kits of the risk ports: inherit one, say how to make a model, run pytest.

class TestMine(VolatilityConformance):
    def model(self):
        return Mine()
"""

import math
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from studies.risk.synthetic import factor_covariance, factor_returns, gjr_series
from tercel.core import DataError, Floats
from tercel.market.simulator.second_figures import COLUMNS
from tercel.signals.risk import (
    CovarianceEstimator,
    DailySeries,
    Second,
    TailModel,
    VolatilityModel,
    fit_covariance,
)


def refuses(call: Any, *words: str) -> None:
    """The call ends in a DataError that holds every word."""
    said = ""
    try:
        call()
    except DataError as error:
        said = str(error)
    assert said, "what no model can use was not refused"
    for word in words:
        assert word in said, f"'{word}' is not in: {said}"


class VolatilityConformance:
    """What every :class:`tercel.signals.risk.ports.VolatilityModel` has to do."""

    FIRST = 700
    DAYS = 800

    def model(self) -> VolatilityModel:
        """A new one."""
        raise NotImplementedError

    def series(self) -> DailySeries:
        """Days that the model can use: synthetic GJR, with a column for each that a shipped model wants."""
        known = gjr_series(self.DAYS, 3).series
        noise = np.random.default_rng(8).lognormal(0.0, 0.1, self.DAYS)
        vix = 1600 * np.sqrt(known.columns["rv"]) * noise
        return replace(known, columns={**known.columns, "vix": vix, "range": known.columns["rv"]})

    def test_it_forecasts_a_variance_for_every_day(self) -> None:
        """One finite number above zero a day."""
        forecast = self.model().forecast(self.series(), self.FIRST)
        assert forecast.shape == (self.DAYS - self.FIRST,)
        assert np.isfinite(forecast).all()
        assert np.all(forecast > 0)

    def test_a_forecast_does_not_change_when_later_days_are_added_or_changed(self) -> None:
        """Nothing of the day itself, nothing later."""
        whole, cut = self.series(), self.FIRST + 40
        wild = DailySeries(
            whole.name,
            whole.days,
            np.where(np.arange(self.DAYS) >= cut, 0.2, whole.returns),
            {k: np.where(np.arange(self.DAYS) >= cut, 9.0, v) for k, v in whole.columns.items()},
        )
        first = self.model().forecast(whole, self.FIRST)[: cut - self.FIRST + 1]
        second = self.model().forecast(wild, self.FIRST)[: cut - self.FIRST + 1]
        np.testing.assert_allclose(second, first, rtol=1e-9)

    def test_too_few_days_are_refused(self) -> None:
        """No forecast from nothing, none of nothing."""
        refuses(lambda: self.model().forecast(self.series(), 3), "days")
        refuses(lambda: self.model().forecast(self.series(), self.DAYS), "days")


class CovarianceConformance:
    """What every :class:`tercel.signals.risk.ports.CovarianceEstimator` has to do."""

    INVERTIBLE = True
    """Whether the estimate can be inverted with more names than days."""

    def model(self) -> CovarianceEstimator:
        """A new one."""
        raise NotImplementedError

    def test_it_is_symmetric_and_no_variance_is_negative(self) -> None:
        """Whatever the shape of the window."""
        for days, names in ((300, 20), (60, 20), (40, 60)):
            returns = factor_returns(factor_covariance(names, 1), days, 2)
            covariance = fit_covariance(self.model(), returns)
            assert covariance.shape == (names, names)
            np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
            low, high = np.linalg.eigvalsh(covariance)[[0, -1]]
            assert low > 1e-9 * high if self.INVERTIBLE else low > -1e-9 * high

    def test_order_of_names_does_not_matter(self) -> None:
        """Permuting the columns permutes the estimate."""
        returns = factor_returns(factor_covariance(15, 1), 80, 4)
        order = np.random.default_rng(5).permutation(15)
        plain, moved = (fit_covariance(self.model(), rows) for rows in (returns, returns[:, order]))
        np.testing.assert_allclose(moved, plain[np.ix_(order, order)], atol=1e-10)

    def test_what_cannot_be_used_is_named(self) -> None:
        """NaN by row and column, a constant by column, a single day."""
        returns = factor_returns(factor_covariance(5, 1), 50, 6)
        hole, still = returns.copy(), returns.copy()
        hole[7, 3] = np.nan
        still[:, 2] = 0.001
        refuses(lambda: self.model().fit(hole), "row 7", "column 3")
        refuses(lambda: self.model().fit(still), "column 2")
        refuses(lambda: self.model().fit(returns[:1]), "days")


class TailConformance:
    """What every :class:`tercel.signals.risk.ports.TailModel` has to do."""

    FIRST = 1100
    DAYS = 1250

    def model(self) -> TailModel:
        """A new one."""
        raise NotImplementedError

    def returns(self) -> Floats:
        """Days of a synthetic GJR market."""
        return gjr_series(self.DAYS, 7).series.returns

    def test_shortfall_is_at_least_value_at_risk(self) -> None:
        """Both finite; both larger at a higher level."""
        var, es = self.model().forecast(self.returns(), self.FIRST, 0.99)
        lower, _ = self.model().forecast(self.returns(), self.FIRST, 0.95)
        assert var.shape == es.shape == (self.DAYS - self.FIRST,)
        assert np.isfinite(es).all()
        assert np.all(es >= var)
        assert np.all(var >= lower)

    def test_a_forecast_does_not_change_when_later_days_are_changed(self) -> None:
        """Nothing of the day itself, nothing later."""
        returns, cut = self.returns(), self.FIRST + 50
        wild = np.where(np.arange(self.DAYS) >= cut, -0.3, returns)
        for a, b in zip(
            self.model().forecast(returns, self.FIRST, 0.99),
            self.model().forecast(wild, self.FIRST, 0.99),
            strict=True,
        ):
            np.testing.assert_allclose(
                b[: cut - self.FIRST + 1], a[: cut - self.FIRST + 1], rtol=1e-9
            )

    def test_what_cannot_be_used_is_refused(self) -> None:
        """NaN by row, a constant, too few days."""
        hole = self.returns().copy()
        hole[20] = np.nan
        refuses(lambda: self.model().forecast(hole, self.FIRST, 0.99), "row 20")
        refuses(lambda: self.model().forecast(np.zeros(self.DAYS), self.FIRST, 0.99), "constant")
        refuses(lambda: self.model().forecast(self.returns(), 3, 0.99), "days")


class AnomalyScore(Protocol):
    """Port: distance of a market's state from ordinary, second by second."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def update(self, second: Second) -> float:
        """Score after one more second, over its alarm threshold: 1 is the alarm. NaN while it cannot say.

        A second that holds NaN gives NaN and leaves the state as it was.
        """


class AnomalyConformance:
    """Contract of every :class:`AnomalyScore`."""

    WARM = 1200

    def model(self) -> AnomalyScore:
        """A new model, warm after at most `WARM` ordinary seconds."""
        raise NotImplementedError

    def ordinary(self, seconds: int, seed: int) -> Floats:
        """Seconds of a market in which nothing happens, float64[n, 8]."""
        rng = np.random.default_rng(seed)
        own, far = rng.poisson(200, seconds), rng.poisson(200, seconds)
        columns = (
            1 + rng.poisson(0.3, seconds),
            own,
            far,
            (own - far) / (own + far),
            rng.poisson(2, seconds),
        )
        rest = (
            rng.poisson(0.3, seconds),
            rng.poisson(2, seconds),
            rng.choice([-0.5, 0, 0, 0, 0.5], seconds),
        )
        out = np.column_stack([*columns, *rest]).astype(np.float64)
        assert out.shape == (seconds, COLUMNS)
        return out

    def feed(self, score: AnomalyScore, seconds: Floats) -> list[float]:
        """Scores after each of some seconds."""
        return [score.update(Second(*row.tolist())) for row in seconds]

    def test_calm_gives_no_alarm_and_a_withdrawal_one(self) -> None:
        """Below 1 in an ordinary hour; above it within a minute in which depth falls to a third and cancels triple."""
        score = self.model()
        self.feed(score, self.ordinary(self.WARM, 1))
        assert max(self.feed(score, self.ordinary(3600, 2))) < 1.0
        storm = self.ordinary(60, 3)
        storm[:, [0, 1, 2, 4, 6]] *= [3.0, 0.3, 0.3, 3.0, 0.3]
        assert max(self.feed(score, storm)) > 1.0

    def test_broken_seconds_say_nothing_and_leave_no_trace(self) -> None:
        """NaN in, NaN out; the next score is as if they had not been."""
        seconds = self.ordinary(self.WARM + 50, 4)
        whole, broken = self.model(), self.model()
        for t, row in enumerate(seconds):
            expected = whole.update(Second(*row.tolist()))
            if t % 10 == 0:
                assert math.isnan(
                    broken.update(Second(*row.tolist())._replace(move_ticks=math.nan))
                )
            found = broken.update(Second(*row.tolist()))
            assert found == expected or (math.isnan(found) and math.isnan(expected))
        assert math.isfinite(found)

    def test_the_same_seconds_give_the_same_scores(self) -> None:
        """No clock, no hidden draw."""
        seconds = self.ordinary(self.WARM + 20, 5)
        assert self.feed(self.model(), seconds)[-20:] == self.feed(self.model(), seconds)[-20:]
