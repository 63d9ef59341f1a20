"""Forecast of a book's risk tomorrow: volatility by name, the covariance matrix, Value at Risk and Expected Shortfall.

A model forecasts the day after a series, with the code that `studies/risk` judges it with: one more row is added, of
which no model sees anything.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, check_known, refuse_if
from tercel.core.frames import Frame
from tercel.execution.user_strategy import import_object
from tercel.signals.risk.covariance import (
    FastVolatility,
    LinearShrinkage,
    NonlinearShrinkage,
    SampleCovariance,
    estimator_name,
    fit_covariance,
)
from tercel.signals.risk.garch import LEAST_DAYS as GARCH_DAYS
from tercel.signals.risk.portfolio import Portfolio
from tercel.signals.risk.ports import CovarianceEstimator, DailySeries, VolatilityModel
from tercel.signals.risk.value_at_risk import FEW, LEVEL, tail_model, tail_tomorrow
from tercel.signals.risk.volatility import YEAR, Ewma, Garch, Har

WINDOW: Final = 504
"""Days that a covariance is estimated from."""
COPY_TOLERANCE: Final = 1e-6
"""Tolerance for the correlation of two copies below 1: closes are rounded."""
VOLATILITY: Final[Mapping[str, Callable[[Mapping[str, Floats]], VolatilityModel]]] = (
    MappingProxyType(
        {
            "ewma": lambda _: Ewma(),
            "garch": lambda _: Garch(),
            "gjr": lambda _: Garch(asymmetric=True),
            "har": lambda columns: Har(logs=True, vix="vix" in columns),
        }
    )
)
COVARIANCE: Final[Mapping[str, CovarianceEstimator]] = MappingProxyType(
    {
        "ewma-nonlinear": FastVolatility(),
        "ledoit-wolf": LinearShrinkage(),
        "nonlinear": NonlinearShrinkage(),
        "sample": SampleCovariance(),
    }
)


@dataclass(frozen=True)
class RiskForecast:
    """Risk of the trading day after a book's last one; daily, fractions of log return.

    Parameters
    ----------
    book : Portfolio
    sd : float64[p]
        Volatility of each name.
    covariance : float64[p, p]
    var_by_name : float64[p]
        Value at Risk of each name held alone, a positive loss.
    var, es : float
        Value at Risk and Expected Shortfall of the book, positive losses.
    level : float
        Of both.
    models : mapping of str to str
        Models of `volatility`, `covariance` and `tail`.
    window : int
        Days that the covariance was estimated from.
    notes : tuple of str
    """

    book: Portfolio
    sd: Floats
    covariance: Floats
    var_by_name: Floats
    var: float
    es: float
    level: float
    models: Mapping[str, str]
    window: int
    notes: tuple[str, ...]

    @property
    def book_sd(self) -> float:
        """Volatility of the book, by the covariance matrix."""
        return math.sqrt(float(self.book.weights @ self.covariance @ self.book.weights))

    def __repr__(self) -> str:
        """Its table."""
        return repr(self.table())

    def table(self) -> Frame:
        """Rows of names and, last, of "the book": `name`, `weight`, `sd` a day, `sd_year`, `var`, `es` (null of names)."""
        figures = (self.book.names, self.book.weights, self.sd, self.var_by_name)
        rows = [
            *zip(*figures, [None] * len(self.sd), strict=True),
            ("the book", self.book.weights.sum(), self.book_sd, self.var, self.es),
        ]
        frame = pl.DataFrame(rows, ["name", "weight", "sd", "var", "es"], orient="row")
        return Frame(frame.insert_column(3, (frame["sd"] * math.sqrt(YEAR)).alias("sd_year")))

    def covariance_table(self) -> Frame:
        """The covariance matrix: `name`, and a column for each name."""
        return Frame(
            {"name": self.book.names, **dict(zip(self.book.names, self.covariance, strict=True))}
        )

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values for JSON; `var_99` and `es_99` are of the level 0.99."""
        level_text = f"{100 * self.level:g}".replace(".", "_")
        weights = self.book.weights
        return {
            "at": self.book.days[-1],
            "horizon_days": 1,
            "returns": "log",
            "names": self.book.names,
            "sd": self.sd,
            "covariance": self.covariance,
            f"var_{level_text}": self.var,
            f"es_{level_text}": self.es,
            f"var_{level_text}_by_name": self.var_by_name,
            "weights": weights,
            "gross": np.abs(weights).sum(),
            "net": weights.sum(),
            "book_sd": self.book_sd,
            "models": self.models,
            "days": len(self.book.returns),
            "window": self.window,
            "left_out": self.book.left_out,
            "notes": self.notes,
        }


def forecast(
    book: Portfolio,
    volatility: str = "",
    covariance: str | CovarianceEstimator = "",
    *,
    window: int = WINDOW,
    level: float = LEVEL,
) -> RiskForecast:
    """Risk of the day after the book's last.

    Parameters
    ----------
    book : Portfolio
    volatility : str
        One of :data:`VOLATILITY`. By default log-HAR with realised variance, GJR for up to twenty names, else the
        covariance's diagonal; the diagonal too if only a covariance is named.
    covariance : str or CovarianceEstimator
        One of :data:`COVARIANCE`, by default "ewma-nonlinear": EWMA 0.99 volatilities, nonlinearly shrunk correlation; or
        an estimator with `fit`, of scikit-learn, skfolio or your own, also as ``module:name``.
    window, level
        See :class:`RiskForecast`.

    Raises
    ------
    ConfigError
        An unknown model, or one whose extra is not installed.
    DataError
        If a model cannot be fitted, such as for names that are copies.
    """
    check_known(volatility or "gjr", VOLATILITY, error=ConfigError)
    estimator = find_estimator(covariance)
    days, count = book.returns.shape
    model, notes = _volatility(book, volatility, is_covariance_named=covariance != "")
    matrix, matrix_notes = _covariance(estimator, book, window)
    sd = np.sqrt(np.diag(matrix))
    if model is not None:
        forecasts = [_tomorrow(model, book, column) for column in range(count)]
        sd, covariance_sd = np.sqrt(np.array(forecasts)), sd
        matrix = matrix * np.outer(sd / covariance_sd, sd / covariance_sd)
    tail, tail_notes = tail_model(book)
    var, es = tail_tomorrow(tail, book.book_returns(), level)
    if count <= FEW:
        var_by_name = np.array([tail_tomorrow(tail, column, level)[0] for column in book.returns.T])
    else:
        var_by_name = sd * NormalDist().inv_cdf(level)
    models = {
        "volatility": "of the covariance" if model is None else model.name,
        "covariance": estimator_name(estimator),
    }
    all_notes = (*book.notes, *notes, *matrix_notes, *tail_notes)
    return RiskForecast(
        book,
        sd,
        matrix,
        var_by_name,
        var,
        es,
        level,
        models | {"tail": tail.name},
        min(window, days),
        all_notes,
    )


def find_estimator(covariance: str | CovarianceEstimator) -> CovarianceEstimator:
    """The estimator of a name of :data:`COVARIANCE` ("" is the default), of ``module:name``, or the one given.

    Raises
    ------
    ConfigError
        No such name, or something without `fit`.

    >>> find_estimator("sample").name
    'sample'
    """
    if isinstance(covariance, str) and ":" not in covariance:
        check_known(covariance or "ewma-nonlinear", COVARIANCE, error=ConfigError)
        return COVARIANCE[covariance or "ewma-nonlinear"]
    try:
        found = (
            import_object(covariance, "estimator") if isinstance(covariance, str) else covariance
        )
        found = found() if isinstance(found, type) else found
    except TypeError as error:
        raise ConfigError(
            "an estimator, or a class that needs no arguments",
            f"{covariance} ({error})",
            "name an estimator in a module of your own",
        ) from error
    refuse_if(
        not hasattr(found, "fit"),
        "a covariance estimator with `fit`",
        f"{covariance!r}",
        "such as sklearn.covariance:LedoitWolf",
    )
    return cast(CovarianceEstimator, found)


def _covariance(
    estimator: CovarianceEstimator, book: Portfolio, window: int
) -> tuple[Floats, list[str]]:
    """Covariance matrix of the book's names, and notes on copies and on a rank that is not full."""
    returns = book.returns[-window:]
    names = book.names
    alike = np.abs(np.atleast_2d(np.corrcoef(returns, rowvar=False))) > 1 - COPY_TOLERANCE
    copies = ", ".join(f"{names[a]} and {names[b]}" for a, b in np.argwhere(np.triu(alike, 1))[:3])
    try:
        matrix = fit_covariance(estimator, returns)
    except DataError as error:
        raise (
            DataError(error.expected, f"{copies}, which move as one", error.remedy)
            if copies
            else error
        ) from error
    notes = [f"Copies: {copies} move as one."] * bool(copies)
    if (rank := int(np.linalg.matrix_rank(matrix, hermitian=True))) < len(names):
        notes.append(
            f"The {estimator_name(estimator)} covariance has rank {rank}, not {len(names)}, by {len(returns)} days of "
            f"{len(names)} names: some books have no risk by it, so choose no weights by it; shrunk ones have full rank."
        )
    return matrix, notes


def _volatility(
    book: Portfolio, requested: str, *, is_covariance_named: bool
) -> tuple[VolatilityModel | None, list[str]]:
    """The requested volatility model, or the best available, with notes; None for the covariance's own diagonal."""
    if requested == "har" and "rv" not in book.columns:
        raise DataError(
            "realised variance of one name, a column rv, for log-HAR",
            f"{len(book.names)} names"
            if len(book.names) > 1
            else f"no column rv of {book.names[0]}",
            "name another model",
        )
    if requested or is_covariance_named:
        return VOLATILITY[requested](book.columns) if requested else None, []
    if "rv" in book.columns:
        return VOLATILITY["har"](book.columns), []
    if len(book.names) > FEW:
        return None, []
    if find_spec("arch") is None:
        return None, ["EWMA volatility: GJR needs the extra [risk], pip install 'tercel[risk]'."]
    if len(book.returns) < GARCH_DAYS:
        return None, [
            f"EWMA volatility: GJR needs {GARCH_DAYS} days, here are {len(book.returns)}."
        ]
    return VOLATILITY["gjr"](book.columns), []


def _tomorrow(model: VolatilityModel, book: Portfolio, name: int) -> float:
    """Variance forecast of the day after the book's last, for one name."""
    returns = np.concatenate([[0.0], book.returns[:, name], [0.0]])
    days = (*book.days, book.days[-1] + timedelta(days=1))
    columns = {key: np.append(values, values[-1]) for key, values in book.columns.items()}
    variance = float(
        model.forecast(DailySeries(book.names[name], days, returns, columns), len(book.days))[0]
    )
    if isinstance(model, Har):  # of the trading hours: scaled to a whole day
        variance *= float(np.mean(returns[1:-1] ** 2) / np.mean(book.columns["rv"][1:]))
    return variance
