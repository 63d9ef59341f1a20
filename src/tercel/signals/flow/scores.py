"""Scores of a forecaster on recorded days: accuracy by horizon, worth of waiting, reliability, age of forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.stats.mean_intervals import weighted_interval
from tercel.execution.foresight.flow_features import NAMES
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import Forecaster
from tercel.market.score.classifier import auc
from tercel.signals.flow.days import STEP_NS, FlowDay

QUEUE: Final = NAMES.index("queue")
LATE_S: Final = 1
"""Seconds after its forecast that a choice is carried out."""
LATER_S: Final = 30
BINS: Final = 10
OLDEST_STEPS: Final = 12
"""Steps of a quarter of a second that forecasts are compared over."""
LEAST_CORRELATION: Final = 0.9
"""Correlation with the forecast of now below which an older one is none."""
BLOCK_NS: Final = 1800 * 10**9
MIN_T: Final = 2.0
"""A gain of fewer standard errors is none."""


@dataclass(frozen=True)
class Accuracy:
    """R² about zero, mirrored AUC of the signs of moves, and slope through the origin of moves on forecasts."""

    samples: int
    r2: float
    auc: float | None
    slope: float | None


@dataclass(frozen=True)
class ScoredHorizon(Accuracy):
    """Accuracy at one horizon: intervals by day, AUC of the queue alone, share of outcomes in each interval."""

    r2_ci: list[float] | None
    auc_ci: list[float] | None
    queue_auc: float | None
    coverage: dict[str, float]


@dataclass(frozen=True)
class Bin:
    """Mean forecast and mean outcome of one bin of forecasts."""

    forecast: float
    outcome: float


@dataclass(frozen=True)
class ScoredSymbol:
    """Scores of a forecaster on the days of a symbol; `left_out` counts days that the forecaster was trained on.

    `choice_bps` and `choice_t` are the worth of a free choice (:func:`worth`); `worth_bps` is the same, None where it is
    not above 0.
    """

    left_out: int
    days: int
    samples: int
    horizons: dict[str, ScoredHorizon]
    worth_bps: float | None
    choice_bps: float
    choice_t: float | None
    reliability: list[Bin]


@dataclass(frozen=True)
class Ages:
    """Correlation of forecasts with later ones by their age, ms, and the age at which it falls below `LEAST_CORRELATION`."""

    limit_ms: int
    correlation: dict[str, float]


def accuracy(forecasts: Floats, y: Floats) -> Accuracy:
    """R² about zero, mirrored AUC of the signs of moves, and slope through the origin of moves on forecasts.

    Both are oriented by the heavier queue, so that a constant is what the queue says: signs are counted both ways.

    >>> found = accuracy(np.array([1.0, -1.0, 0.5, 0.2]), np.array([2.0, -1.0, 1.0, 0.0]))
    >>> round(found.r2, 4), found.auc
    (0.785, 1.0)
    """
    moved = y != 0
    square = float((forecasts * forecasts).sum())
    return Accuracy(
        samples=len(y),
        r2=float(1.0 - ((y - forecasts) ** 2).sum() / max((y * y).sum(), 1e-12)),
        auc=mirrored_auc(forecasts[moved], y[moved]),
        slope=float((forecasts * y).sum() / square) if square > 0 else None,
    )


def deciles(forecasts: Floats, y: Floats) -> list[Bin]:
    """Mean forecast and mean outcome in ten bins of the forecast with equally many samples.

    >>> deciles(np.arange(20.0), np.arange(20.0) + 1)[0]
    Bin(forecast=0.5, outcome=1.5)
    """
    order = np.array_split(np.argsort(forecasts, kind="stable"), BINS)
    return [
        Bin(float(forecasts[part].mean()), float(y[part].mean())) for part in order if len(part)
    ]


def mirrored_auc(forecasts: Floats, y: Floats) -> float | None:
    """AUC of the sign of `y` by `forecasts`, each sample counted with its mirror image; None without moves."""
    rises = np.concatenate([forecasts[y > 0], -forecasts[y < 0]])
    return auc(rises, -rises) if len(rises) else None


def score_symbol(forecaster: Forecaster, days: Sequence[FlowDay], left_out: int) -> ScoredSymbol:
    """Scores of a forecaster on a symbol's days: accuracy by horizon with intervals by day, worth, reliability."""
    gain, t = worth(forecaster, days)
    return ScoredSymbol(
        left_out=left_out,
        days=len(days),
        samples=sum(len(day.x) for day in days),
        horizons={str(h): _score_horizon(forecaster, days, n, h) for n, h in enumerate(HORIZONS)},
        worth_bps=gain if t is not None and t > MIN_T else None,
        choice_bps=gain,
        choice_t=t,
        reliability=reliability(forecaster, days),
    )


def _score_horizon(
    forecaster: Forecaster, days: Sequence[FlowDay], index: int, horizon_s: int
) -> ScoredHorizon:
    """Accuracy of a forecaster at its `index`-th horizon over some days pooled, with intervals over days, the queue's AUC,
    and the share of outcomes inside each interval.
    """
    parts = []
    for day in days:
        y = day.scaled_moves(horizon_s)
        finite = np.isfinite(y)
        parts.append(
            (forecaster.predict(day.x[finite], horizon_s), y[finite], day.x[finite, QUEUE])
        )
    forecasts, y, queue = (np.concatenate([part[j] for part in parts]) for j in range(3))
    by_day = [accuracy(part[0], part[1]) for part in parts]
    error = np.abs(y - forecasts)
    sd = forecaster.scale[index, 1]
    moved = y != 0
    widths = zip(forecaster.facts.levels, forecaster.facts.widths[index], strict=True)
    return ScoredHorizon(
        **vars(accuracy(forecasts, y)),
        r2_ci=_interval([day_accuracy.r2 for day_accuracy in by_day]),
        auc_ci=_interval(
            [day_accuracy.auc for day_accuracy in by_day if day_accuracy.auc is not None]
        ),
        queue_auc=mirrored_auc(queue[moved], y[moved]),
        coverage={f"{level:g}": float((error <= width * sd).mean()) for level, width in widths},
    )


def _interval(values: Sequence[float]) -> list[float] | None:
    """95 % interval of a mean over days, by Student's t; None below three days."""
    mean, half = weighted_interval(values, [1.0] * len(values))
    return None if mean is None or half is None else [mean - half, mean + half]


def worth(forecaster: Forecaster, days: Sequence[FlowDay]) -> tuple[float, float | None]:
    """Mean gain of a choice between now and 30 s later for an order of either side, executed a second late, bps; and
    its t statistic over days (over half hours below three days).
    """
    gains = []
    labels = []
    for number, day in enumerate(days):
        forecast = day.sign * forecaster.predict(day.x, LATER_S)
        gain = (
            0.5
            * np.sign(forecast)
            * (day.mid2_after(LATER_S) - day.mid2_after(LATE_S))
            / np.abs(day.mid2[day.quote_index])
            * 1e4
        )
        finite = np.isfinite(gain)
        block = (
            day.quote_index * STEP_NS // BLOCK_NS
            if len(days) < 3
            else np.zeros(len(gain), np.int64)
        )
        gains.append(gain[finite])
        labels.append(1000 * number + block[finite])
    return mean_over_clusters(np.concatenate(gains), np.concatenate(labels))


def mean_over_clusters(values: Floats, labels: Ints) -> tuple[float, float | None]:
    """Mean over clusters of each cluster's mean, and its t; t is None for one cluster, or if all have the same mean."""
    _, cluster = np.unique(labels, return_inverse=True)
    means = np.bincount(cluster, values) / np.bincount(cluster)
    if len(means) < 2 or np.std(means) == 0:
        return float(means.mean()), None
    return float(means.mean()), float(means.mean() / (np.std(means, ddof=1) / np.sqrt(len(means))))


def reliability(forecaster: Forecaster, days: Sequence[FlowDay], horizon_s: int = 10) -> list[Bin]:
    """Mean forecast and mean outcome, in half spreads, in ten bins of the forecast with equally many samples."""
    forecasts = []
    outcomes = []
    for day in days:
        half = (day.ask - day.bid)[day.quote_index].astype(
            np.float64
        )  # half a spread in half-ticks is the spread in ticks
        move = day.moves(horizon_s)
        usable = np.isfinite(move) & (half > 0)
        units = day.sign * day.unit * np.sqrt(horizon_s)
        forecasts.append((units * forecaster.predict(day.x, horizon_s) / half)[usable])
        outcomes.append((move / half)[usable])
    return deciles(np.concatenate(forecasts), np.concatenate(outcomes))


def ages(forecaster: Forecaster, days: Sequence[FlowDay], horizon_s: int = 10) -> Ages:
    """Correlation of forecasts with later ones by age, and the age at which it falls below `LEAST_CORRELATION`, interpolated.

    Parameters
    ----------
    days : sequence of FlowDay
        Samples of every STEP_NS.
    """
    forecasts_by_day = []
    for day in days:
        forecasts = np.full(len(day.bid), np.nan)
        forecasts[day.quote_index] = day.sign * forecaster.predict(day.x, horizon_s)
        forecasts_by_day.append(forecasts)
    correlations = [1.0]
    step = STEP_NS // 1_000_000
    for lag in range(1, OLDEST_STEPS + 1):
        pairs = np.concatenate(
            [np.stack([forecasts[:-lag], forecasts[lag:]]) for forecasts in forecasts_by_day],
            axis=1,
        )
        correlations.append(float(np.corrcoef(pairs[:, np.isfinite(pairs).all(axis=0)])[0, 1]))
    limit_lag = next(
        (lag for lag, value in enumerate(correlations) if value < LEAST_CORRELATION), OLDEST_STEPS
    )
    share = min(
        (correlations[limit_lag - 1] - LEAST_CORRELATION)
        / (correlations[limit_lag - 1] - correlations[limit_lag]),
        1.0,
    )
    return Ages(
        round(step * (limit_lag - 1 + share)),
        {str(step * n): value for n, value in enumerate(correlations)},
    )
