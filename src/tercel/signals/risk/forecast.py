"""Tomorrow's risk of a book: volatility by name, the covariance matrix, Value at Risk and Expected Shortfall.

A model forecasts the day after a series, with the code that `studies/risk` judges it with: one more row is added, of
which no model sees anything.

Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999) takes the worst of the last *standardised*
residuals of a volatility model and scales them with today's volatility, so that it does not wait for a crisis to fill
the window. Tests of a VaR ask whether it is exceeded as often as it says (Kupiec 1995), and not in clusters
(Christoffersen 1998).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, check_known, refuse_if
from tercel.signals.risk.portfolio import LEAST_DAYS, Portfolio
from tercel.signals.risk.volatility import (
    LEAST_DAYS as GARCH_DAYS,
    CovarianceEstimator,
    DailySeries,
    Ewma,
    FastVolatility,
    Garch,
    Har,
    LinearShrinkage,
    NonlinearShrinkage,
    SampleCovariance,
    TailModel,
    VolatilityModel,
    ewma,
    expanding,
)

# -- coverage -------------------------------------------------------------------------------------
# Whether a Value at Risk is exceeded as often as it says, not in clusters: Kupiec (1995), Christoffersen (1998).


@dataclass(frozen=True)
class Coverage:
    """Outcome of the three likelihood-ratio tests.

    Parameters
    ----------
    days, hits : int
    rate : float
        Hits a day.
    kupiec, independence, joint : float
        p-values: right rate; a hit no likelier after a hit; both.
    """

    days: int
    hits: int
    rate: float
    kupiec: float
    independence: float
    joint: float


def _log_likelihood(hits: float, misses: float, rate: float) -> float:
    """Bernoulli log likelihood, 0 log 0 being 0."""
    part = hits * math.log(rate) if hits else 0.0
    return part + (misses * math.log1p(-rate) if misses else 0.0)


def chi2_p(x: float, freedom: int) -> float:
    """Probability that a chi-square of 1 or 2 degrees of freedom exceeds x.

    >>> round(chi2_p(3.841459, 1), 4), round(chi2_p(5.991465, 2), 4)
    (0.05, 0.05)
    """
    x = max(x, 0.0)
    return math.erfc(math.sqrt(x / 2.0)) if freedom == 1 else math.exp(-x / 2.0)


def coverage(hits: ArrayLike, expected: float) -> Coverage:
    """Test a series of hits (bool (n,), in time order) against the expected rate.

    Raises
    ------
    DataError
        Fewer than two days, or an expected rate that is none.

    >>> coverage([False] * 99 + [True], 0.01).kupiec
    1.0
    """
    x = np.asarray(hits).astype(bool)
    refuse_if(
        x.ndim != 1 or len(x) < 2 or not 0.0 < expected < 1.0,
        "at least two days and a rate between 0 and 1",
        f"{x.shape} days at a rate of {expected}",
        "use a longer test",
        DataError,
    )
    n, count = len(x), int(x.sum())
    rate = count / n
    uncovered = 2.0 * (
        _log_likelihood(count, n - count, rate) - _log_likelihood(count, n - count, expected)
    )
    after_hit, after_miss = x[1:][x[:-1]], x[1:][~x[:-1]]
    n11, n01 = int(after_hit.sum()), int(after_miss.sum())
    n10, n00 = len(after_hit) - n11, len(after_miss) - n01
    pooled = (n11 + n01) / (n - 1)
    apart = _log_likelihood(n11, n10, n11 / max(n11 + n10, 1)) + _log_likelihood(
        n01, n00, n01 / max(n01 + n00, 1)
    )
    clustered = 2.0 * (apart - _log_likelihood(n11 + n01, n10 + n00, pooled))
    return Coverage(
        n,
        count,
        rate,
        chi2_p(uncovered, 1),
        chi2_p(clustered, 1),
        chi2_p(max(uncovered, 0.0) + max(clustered, 0.0), 2),
    )


# -- tail -----------------------------------------------------------------------------------------


def check_tail_past(returns: Floats, first: int, least: int, level: float) -> None:
    """Refuse a level or returns that no tail can be forecast from at day `first`, `least` days before it."""
    refuse_if(not 0.5 < level < 1.0, "a level between 0.5 and 1", f"{level}", "use 0.99", DataError)
    if first < least or first >= len(returns):
        raise DataError(
            f"at least {least} days before the test and one in it",
            f"{first} before the test, {max(len(returns) - first, 0)} in it",
            "use a longer series",
        )
    bad = np.flatnonzero(~np.isfinite(returns))
    if len(bad):
        raise DataError(
            "finite returns", f"{returns[bad[0]]} in row {bad[0]}", "leave the day out, or mend it"
        )
    refuse_if(
        returns.std() < 1e-12, "returns that move", "a constant", "check the prices", DataError
    )


def worst(sample: Floats, level: float) -> tuple[float, float]:
    """The quantile at 1 - level, and the mean of what lies at or below it: both as they are, below zero for losses.

    >>> worst(np.arange(-50.0, 50.0), 0.99)
    (-49.01, -50.0)
    """
    cut = float(np.quantile(sample, 1.0 - level))
    below = sample[sample <= cut]
    return cut, float(below.mean()) if len(below) else cut


@dataclass(frozen=True)
class EwmaNormal:
    """``VaR = z sd``, with sd exponentially weighted and z the normal quantile of the level (RiskMetrics).

    Parameters
    ----------
    decay : float
        As in :class:`~tercel.signals.risk.volatility.Ewma`. Returns have fatter tails than a normal: a VaR of 99 % is
        exceeded on about twice as many days as it says.
    """

    decay: float = 0.94

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g} normal"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses."""
        check_tail_past(returns, first, 50, level)
        variance = ewma(returns**2, self.decay, float(np.mean(returns[:25] ** 2)))
        sd, z = np.sqrt(variance[first:-1]), NormalDist().inv_cdf(level)
        return sd * z, sd * (NormalDist().pdf(z) / (1 - level))


@dataclass(frozen=True)
class FilteredHistoricalSimulation:
    """Filtered historical simulation on GARCH or GJR.

    Parameters
    ----------
    asymmetric : bool
        GJR instead of GARCH.
    window : int
        Standardised residuals whose quantile is taken: at 99 %, 1,000 days put 10 beyond it. A shorter window makes the
        quantile noisy, a longer one needs that many days before the first forecast.
    refit : int
        Days between fits of the volatility model on all the past; it is filtered every day.
    """

    asymmetric: bool = True
    window: int = 1000
    refit: int = 63

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"filtered {'GJR' if self.asymmetric else 'GARCH'} {self.window} d"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses."""
        check_tail_past(returns, first, self.window, level)
        var, es = np.empty(len(returns)), np.empty(len(returns))
        for start, stop, mu, residuals, h in expanding(returns, first, self.asymmetric, self.refit):
            z = residuals / np.sqrt(h[:-1])
            for t in range(start, stop):
                cut, mean = worst(z[t - self.window : t], level)
                sd = math.sqrt(h[t])
                var[t], es[t] = -(mu + sd * cut), -(mu + sd * mean)
        return var[first:], es[first:]


@dataclass(frozen=True)
class TailVerdict:
    """A tail model on trial.

    Parameters
    ----------
    name : str
    tests : Coverage
    pinball : float
        Mean quantile loss of the VaR.
    es_ratio : float
        Mean loss on the days of hits over the mean ES forecast for them: above 1, losses beyond VaR are larger than
        forecast.
    most_in_year : int
        Most hits within 250 days.
    var, es : float64[n]
    """

    name: str
    tests: Coverage
    pinball: float
    es_ratio: float
    most_in_year: int
    var: Floats
    es: Floats

    @property
    def passes(self) -> bool:
        """Whether both tests, of the rate and of clusters, have p above .05."""
        return min(self.tests.kupiec, self.tests.independence) > 0.05


def judge(
    models: Sequence[TailModel], returns: Floats, first: int, level: float = 0.99
) -> list[TailVerdict]:
    """Forecast with each model and test its hits."""
    truth = returns[first:]
    out = []
    for model in models:
        var, es = model.forecast(returns, first, level)
        hits = truth < -var
        alpha = 1.0 - level
        pinball = float(np.mean((alpha - hits) * (truth + var)))
        ratio = float(-truth[hits].mean() / es[hits].mean()) if hits.any() else math.nan
        window = np.convolve(hits, np.ones(min(250, len(hits))), "valid")
        out.append(
            TailVerdict(
                model.name, coverage(hits, alpha), pinball, ratio, int(window.max()), var, es
            )
        )
    return out


LEVEL: Final = 0.99
WINDOW: Final = 504
"""Days that a covariance is estimated from."""
ALIKE: Final = 1e-6
"""Tolerance for the correlation of two copies below 1: closes are rounded."""
FEW: Final = 20
"""Names up to which each has a GARCH fit of its own."""
FEW_HITS: Final = 250
"""Days of a backtest below which it says little of a 99 % level."""
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
TAIL: Final[Mapping[str, TailModel]] = MappingProxyType(
    {
        "fhs-gjr": FilteredHistoricalSimulation(),
        "fhs-garch": FilteredHistoricalSimulation(asymmetric=False),
        "ewma-normal": EwmaNormal(),
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

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; `var_99` and `es_99` are of the level 0.99."""
        called = f"{100 * self.level:g}".replace(".", "_")
        weights = self.book.weights
        return {
            "at": self.book.days[-1],
            "horizon_days": 1,
            "returns": "log",
            "names": self.book.names,
            "sd": self.sd,
            "covariance": self.covariance,
            f"var_{called}": self.var,
            f"es_{called}": self.es,
            f"var_{called}_by_name": self.var_by_name,
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
    covariance: str = "",
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
    covariance : str
        One of :data:`COVARIANCE`, by default "ewma-nonlinear": EWMA 0.99 volatilities, nonlinearly shrunk correlation.
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
    check_known(covariance or "ewma-nonlinear", COVARIANCE, error=ConfigError)
    estimator = COVARIANCE[covariance or "ewma-nonlinear"]
    days, count = book.returns.shape
    chosen, notes = _volatility(book, volatility, covariance)
    matrix, doubts = _covariance(estimator, book, window)
    sd = np.sqrt(np.diag(matrix))
    if chosen is not None:
        forecasts = [_tomorrow(chosen, book, column) for column in range(count)]
        sd, before = np.sqrt(np.array(forecasts)), sd
        matrix = matrix * np.outer(sd / before, sd / before)
    tail, why = tail_model(book)
    var, es = _tail_tomorrow(tail, book.earned(), level)
    if count <= FEW:
        alone = np.array([_tail_tomorrow(tail, column, level)[0] for column in book.returns.T])
    else:
        alone = sd * NormalDist().inv_cdf(level)
    models = {
        "volatility": "of the covariance" if chosen is None else chosen.name,
        "covariance": estimator.name,
    }
    said = (*book.notes, *notes, *doubts, *why)
    return RiskForecast(
        book,
        sd,
        matrix,
        alone,
        var,
        es,
        level,
        models | {"tail": tail.name},
        min(window, days),
        said,
    )


def _covariance(
    estimator: CovarianceEstimator, book: Portfolio, window: int
) -> tuple[Floats, list[str]]:
    """The matrix, and notes: names that are copies, a rank that is not full."""
    returns, names = book.returns[-window:], book.names
    alike = np.abs(np.atleast_2d(np.corrcoef(returns, rowvar=False))) > 1 - ALIKE
    copies = ", ".join(f"{names[a]} and {names[b]}" for a, b in np.argwhere(np.triu(alike, 1))[:3])
    try:
        matrix = estimator.estimate(returns)
    except DataError as error:
        raise (
            DataError(error.expected, f"{copies}, which move as one", error.remedy)
            if copies
            else error
        ) from error
    notes = [f"Copies: {copies} move as one."] * bool(copies)
    if (rank := int(np.linalg.matrix_rank(matrix, hermitian=True))) < len(names):
        notes.append(
            f"The {estimator.name} covariance has rank {rank}, not {len(names)}, by {len(returns)} days of {len(names)}"
            " names: some books have no risk by it, so choose no weights by it; shrunk ones have full rank."
        )
    return matrix, notes


def _volatility(
    book: Portfolio, asked: str, covariance: str
) -> tuple[VolatilityModel | None, list[str]]:
    """The requested volatility model, or the best available, with notes; None for the covariance's own diagonal."""
    if asked == "har" and "rv" not in book.columns:
        raise DataError(
            "realised variance of one name, a column rv, for log-HAR",
            f"{len(book.names)} names"
            if len(book.names) > 1
            else f"no column rv of {book.names[0]}",
            "name another model",
        )
    if asked or covariance:
        return VOLATILITY[asked](book.columns) if asked else None, []
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


def tail_model(book: Portfolio, asked: str = "") -> tuple[TailModel, tuple[str, ...]]:
    """The requested tail model, one of :data:`TAIL`, or the best available; and notes on why it is not the best one."""
    best = FilteredHistoricalSimulation()
    if asked:
        check_known(asked, TAIL, error=ConfigError)
        return TAIL[asked], ()
    if find_spec("arch") is None:
        return EwmaNormal(), ("VaR by EWMA and a normal: the better model needs the extra [risk].",)
    if len(book.returns) < best.window:
        said = f"VaR by EWMA and a normal, which has too many hits: filtered simulation needs {best.window:,} days."
        return EwmaNormal(), (said,)
    return best, ()


def _tomorrow(model: VolatilityModel, book: Portfolio, name: int) -> float:
    """Variance of the day after the last one."""
    returns = np.concatenate([[0.0], book.returns[:, name], [0.0]])
    days = (*book.days, book.days[-1] + timedelta(days=1))
    more = {key: np.append(values, values[-1]) for key, values in book.columns.items()}
    found = float(
        model.forecast(DailySeries(book.names[name], days, returns, more), len(book.days))[0]
    )
    if isinstance(model, Har):  # of the trading hours: scaled to a whole day
        found *= float(np.mean(returns[1:-1] ** 2) / np.mean(book.columns["rv"][1:]))
    return found


def _tail_tomorrow(model: TailModel, returns: Floats, level: float) -> tuple[float, float]:
    var, es = model.forecast(np.append(returns, 0.0), len(returns), level)
    return float(var[0]), float(es[0])


@dataclass(frozen=True)
class ValueAtRisk:
    """Value at Risk and Expected Shortfall of a book's next day, with the model's backtest out of sample.

    Parameters
    ----------
    book : Portfolio
    var, es : float
        Positive losses, fractions of log return.
    level : float
    verdict : TailVerdict or None
        The backtest; None if there are too few days.
    first : int
        Index of its first day among the book's returns.
    earned : float64[n]
        Log returns of the book.
    notes : tuple of str
    """

    book: Portfolio
    var: float
    es: float
    level: float
    model: str
    verdict: TailVerdict | None
    first: int
    earned: Floats
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "at": self.book.days[-1],
            "horizon_days": 1,
            "returns": "log",
            "level": self.level,
            "model": self.model,
            "var": self.var,
            "es": self.es,
            "names": self.book.names,
            "weights": self.book.weights,
            "backtest": self._backtest(),
            "left_out": self.book.left_out,
            "notes": self.notes,
        }

    def _backtest(self) -> dict[str, Any] | None:
        if self.verdict is None:
            return None
        tests = self.verdict.tests
        return {
            "first": self.book.days[self.first + 1],
            "last": self.book.days[-1],
            "days": tests.days,
            "hits": tests.hits,
            "expected": (1 - self.level) * tests.days,
            "rate": tests.rate,
            "kupiec_p": tests.kupiec,
            "christoffersen_p": tests.independence,
            "joint_p": tests.joint,
            "pinball": self.verdict.pinball,
            "es_ratio": self.verdict.es_ratio,
            "most_in_250_days": self.verdict.most_in_year,
            "passes": self.verdict.passes,
        }


def value_at_risk(
    book: Portfolio, level: float = LEVEL, model: str = "", since: int = 0
) -> ValueAtRisk:
    """Value at Risk of the day after the book's last, and the model's backtest over all days that it can be tested on.

    Parameters
    ----------
    book : Portfolio
    level : float
    model : str
        One of :data:`TAIL`; by default filtered simulation on GJR from 1,000 days on, else EWMA and a normal.
    since : int
        Index of the first return that is tested, where the model can begin so early.
    """
    chosen, notes = tail_model(book, model)
    earned = book.earned()
    var, es = _tail_tomorrow(chosen, earned, level)
    first = max(
        since, chosen.window if isinstance(chosen, FilteredHistoricalSimulation) else LEAST_DAYS
    )
    tested = len(earned) - first
    verdict = judge([chosen], earned, first, level)[0] if tested > 1 else None
    if tested < FEW_HITS:
        notes = (
            *notes,
            f"The backtest has {max(tested, 0)} days: fewer than {FEW_HITS} say little of such a level.",
        )
    return ValueAtRisk(
        book, var, es, level, chosen.name, verdict, first, earned, (*book.notes, *notes)
    )
