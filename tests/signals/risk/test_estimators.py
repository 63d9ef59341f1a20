"""Estimators of scikit-learn and skfolio as risk models: their own matrix comes out; what is no covariance is refused."""

from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel

from studies.risk.synthetic import factor_covariance, factor_returns
from tercel.core.errors import ConfigError, DataError
from tercel.signals.risk.forecast import find_estimator, forecast
from tercel.signals.risk.portfolio import Portfolio

NAMES, DAYS = 5, 400
SCIKIT_LEARN = ("EmpiricalCovariance", "LedoitWolf", "OAS", "ShrunkCovariance", "MinCovDet")
SKFOLIO = {
    "skfolio.moments": (
        *("DenoiseCovariance", "DetoneCovariance", "EWCovariance", "EmpiricalCovariance"),
        *("GeodesicShrinkageCovariance", "GerberCovariance", "GraphicalLassoCV", "LedoitWolf"),
        *("OAS", "RegimeAdjustedEWCovariance", "ShrunkCovariance"),
    ),
    "skfolio.prior": ("EmpiricalPrior", "EntropyPooling"),
}
NEEDED = pytest.mark.skipif(find_spec("skfolio") is None, reason="pip install skfolio")
ESTIMATORS = [
    *(f"sklearn.covariance:{name}" for name in SCIKIT_LEARN),
    *(
        pytest.param(f"{module}:{name}", marks=NEEDED)
        for module, names in SKFOLIO.items()
        for name in names
    ),
]


@pytest.fixture(scope="module")
def book() -> Portfolio:
    returns = factor_returns(factor_covariance(NAMES, 3), DAYS, 4)
    days = tuple(date(2024, 1, 1) + timedelta(days=day) for day in range(DAYS + 1))
    weights = np.full(NAMES, 1 / NAMES)
    return Portfolio(tuple("ABCDE"), weights, days, returns, {})


@pytest.mark.parametrize("name", ESTIMATORS)
def test_its_own_matrix_comes_out_by_name_and_as_an_object(name: str, book: Portfolio) -> None:
    pytest.importorskip("sklearn")
    estimator: Any = find_estimator(name)
    if hasattr(estimator, "random_state"):
        estimator.random_state = 1
    found = forecast(book, covariance=estimator, window=200)
    assert not [key for key in vars(estimator) if key.endswith("_")], "a copy was fitted"
    assert found.models["covariance"] == type(estimator).__name__
    estimator.fit(book.returns[-200:])
    prior = getattr(estimator, "return_distribution_", None)
    expected = estimator.covariance_ if prior is None else prior.covariance
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-12)
    np.testing.assert_allclose(found.sd**2, np.diag(expected), rtol=1e-12)


class Answers:
    """An estimator that sets what it was made with."""

    def __init__(self, covariance: Any = None) -> None:
        self.answer = covariance

    def fit(self, x: Any, y: Any = None) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            self.covariance_ = self.answer


GOOD = np.eye(NAMES) * 1e-4
HOLE = np.where(np.arange(NAMES**2).reshape(NAMES, NAMES) == 7, np.nan, GOOD)


@pytest.mark.parametrize(
    ("estimator", "error", "said"),
    [
        (Answers(HOLE), DataError, r"Answers; received no finite number in row, column \[1 2\]"),
        (Answers(GOOD[:3, :3]), DataError, r"shape \(5, 5\) from Answers; received shape \(3, 3\)"),
        (Answers(np.diag(GOOD)), DataError, r"received shape \(5,\)"),
        (Answers(GOOD + np.tri(NAMES) * 1e-4), DataError, "not symmetric"),
        (Answers(-GOOD), DataError, "variances of 0 or less"),
        (Answers(ValueError("too\nshort")), DataError, r"200 days of 5 names \(too short\)"),
        (Answers(np.linalg.LinAlgError("singular")), DataError, "singular"),
        (Answers(), DataError, "covariance_ of shape .* from Answers; received shape"),
        (NAMES, ConfigError, "with `fit`; received 5"),
        ("sklearn.covariance:ledoit_wolf", ConfigError, "with `fit`"),
        ("sklearn.covariance:Moon", ConfigError, "no Moon in it"),
        ("zipfile:ZipFile", ConfigError, "needs no arguments"),
    ],
)
def test_what_is_no_covariance_is_refused(
    estimator: Any, error: type[Exception], said: str, book: Portfolio
) -> None:
    with pytest.raises(error, match=said):
        forecast(book, covariance=estimator, window=200)


def test_the_command_takes_one_by_name(tmp_path: Path, book: Portfolio) -> None:
    pytest.importorskip("sklearn")
    closes = 100 * np.exp(np.cumsum(np.vstack([np.zeros(NAMES), book.returns]), axis=0))
    rows = [
        ",".join([str(day), *map(repr, line)])
        for day, line in zip(book.days, closes.tolist(), strict=True)
    ]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(["date,A,B,C,D,E", *rows]) + "\n")
    told = done("risk", "covariance", file, "--covariance", "sklearn.covariance:OAS")
    assert told["models"]["covariance"] == "OAS"
    words = ("risk", "covariance", file, "--covariance", "sklearn.covariance:oas")
    refused(tercel(*words), "a covariance estimator with `fit`")
