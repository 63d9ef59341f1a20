"""Every shipped model against the kit of its port."""

import pytest

from studies.risk import covariance as c, tail as t, volatility as v
from studies.risk.conformance import (
    AnomalyConformance,
    CovarianceConformance,
    TailConformance,
    VolatilityConformance,
)
from tercel.signals.risk.anomaly import StreamingAnomaly
from tercel.signals.risk.covariance import (
    FastVolatility,
    LinearShrinkage,
    NonlinearShrinkage,
    SampleCovariance,
)
from tercel.signals.risk.ports import CovarianceEstimator, TailModel, VolatilityModel

VOLATILITY = [*v.realised_models(), *v.daily_models(), *v.daily_models("rv")]
SINGULAR = (SampleCovariance(), c.EwmaCovariance(), c.PseudoInverse(SampleCovariance()))
SHRUNK = (LinearShrinkage(), NonlinearShrinkage(), FastVolatility())


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("arch")


class TestVolatility(VolatilityConformance):
    @pytest.fixture(autouse=True, params=range(len(VOLATILITY)), ids=lambda i: VOLATILITY[i].name)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.index = request.param

    def model(self) -> VolatilityModel:
        return VOLATILITY[self.index]


class TestShrunk(CovarianceConformance):
    @pytest.fixture(autouse=True, params=SHRUNK, ids=lambda one: one.name)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.made = request.param

    def model(self) -> CovarianceEstimator:
        return self.made


class TestSingular(CovarianceConformance):
    INVERTIBLE = False

    @pytest.fixture(autouse=True, params=SINGULAR, ids=lambda one: one.name)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.made = request.param

    def model(self) -> CovarianceEstimator:
        return self.made


class TestTail(TailConformance):
    @pytest.fixture(autouse=True, params=t.tail_models(), ids=lambda one: one.name)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.made = request.param

    def model(self) -> TailModel:
        return self.made


class TestStreamingAnomaly(AnomalyConformance):
    def model(self) -> StreamingAnomaly:
        return StreamingAnomaly(warm_s=self.WARM)
