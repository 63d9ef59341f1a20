"""How good a forecaster is on days that it was not trained on, symbol by symbol, and what it is worth."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.stats.student import weighted_interval
from tercel.execution.foresight.features import NAMES
from tercel.execution.foresight.forecaster import HORIZONS, Forecaster
from tercel.market.score.classifier import auc
from tercel.signals.flow.days import STEP_NS, FlowDay

QUEUE: Final = NAMES.index("queue")
LATE_S: Final = 1
"""Seconds after its forecast that a choice is carried out."""
LATER_S: Final = 30
BINS: Final = 10
BLOCK_NS: Final = 1800 * 10**9
SURE: Final = 2.0
"""A gain of fewer standard errors is none."""


def accuracy(said: Floats, y: Floats) -> dict[str, Any]:
    """R² of scaled moves, AUC of their signs among moves, and the slope of moves on forecasts.

    Both are oriented by the heavier queue, so that a constant is what the queue says: signs are counted both ways.

    >>> found = accuracy(np.array([1.0, -1.0, 0.5, 0.2]), np.array([2.0, -1.0, 1.0, 0.0]))
    >>> round(found["r2"], 4), found["auc"]
    (0.785, 1.0)
    """
    moved, square = y != 0, float((said * said).sum())
    return {
        "samples": len(y),
        "r2": float(1.0 - ((y - said) ** 2).sum() / max((y * y).sum(), 1e-12)),
        "auc": mirrored_auc(said[moved], y[moved]),
        "slope": float((said * y).sum() / square) if square > 0 else None,
    }


def mirrored_auc(said: Floats, y: Floats) -> float | None:
    """AUC of the sign of `y` by `said`, each sample counted with its mirror image; None without moves."""
    rises = np.concatenate([said[y > 0], -said[y < 0]])
    return auc(rises, -rises) if len(rises) else None


def scored(forecaster: Forecaster, days: Sequence[FlowDay]) -> dict[str, Any]:
    """The card of a symbol: accuracy by horizon with intervals by day, worth, reliability."""
    horizons = {str(h): _at(forecaster, days, n, h) for n, h in enumerate(HORIZONS)}
    return {
        "days": len(days),
        "samples": sum(len(day.x) for day in days),
        "horizons": horizons,
        **worth(forecaster, days),
        "reliability": reliability(forecaster, days),
    }


def _at(forecaster: Forecaster, days: Sequence[FlowDay], n: int, horizon_s: int) -> dict[str, Any]:
    parts = []
    for day in days:
        y = day.scaled(horizon_s)
        known = np.isfinite(y)
        parts.append((forecaster.predict(day.x[known], horizon_s), y[known], day.x[known, QUEUE]))
    said, y, queue = (np.concatenate([part[j] for part in parts]) for j in range(3))
    by_day = [accuracy(part[0], part[1]) for part in parts]
    error, sd, moved = np.abs(y - said), forecaster.scale[n, 1], y != 0
    widths = zip(forecaster.card["levels"], forecaster.card["widths"][n], strict=True)
    return accuracy(said, y) | {
        "r2_ci": _interval([one["r2"] for one in by_day]),
        "auc_ci": _interval([one["auc"] for one in by_day if one["auc"] is not None]),
        "queue_auc": mirrored_auc(queue[moved], y[moved]),
        "coverage": {f"{level:g}": float((error <= width * sd).mean()) for level, width in widths},
    }


def _interval(values: Sequence[float]) -> list[float] | None:
    """95 % interval of a mean over days, by Student's t; None below three days."""
    mean, half = weighted_interval(values, [1.0] * len(values))
    return None if mean is None or half is None else [mean - half, mean + half]


def worth(forecaster: Forecaster, days: Sequence[FlowDay]) -> dict[str, Any]:
    """What one free choice is worth to an order of either side: now, or 30 s later, carried out a second late.

    Returns
    -------
    dict
        `worth_bps`, None where it is not above 0 by two standard errors of days (of half hours below three days);
        `choice_bps` and `choice_t` whatever they are.
    """
    gains, labels = [], []
    for number, day in enumerate(days):
        said = day.sign * forecaster.predict(day.x, LATER_S)
        gain = (
            0.5
            * np.sign(said)
            * (day.later(LATER_S) - day.later(LATE_S))
            / np.abs(day.mid2[day.at])
            * 1e4
        )
        known = np.isfinite(gain)
        block = day.at * STEP_NS // BLOCK_NS if len(days) < 3 else np.zeros(len(gain), np.int64)
        gains.append(gain[known])
        labels.append(1000 * number + block[known])
    mean, t = by_cluster(np.concatenate(gains), np.concatenate(labels))
    return {
        "worth_bps": mean if t is not None and t > SURE else None,
        "choice_bps": mean,
        "choice_t": t,
    }


def by_cluster(values: Floats, labels: Ints) -> tuple[float, float | None]:
    """Mean over clusters of their means, and its t; None of one cluster."""
    _, at = np.unique(labels, return_inverse=True)
    means = np.bincount(at, values) / np.bincount(at)
    if len(means) < 2 or np.std(means) == 0:
        return float(means.mean()), None
    return float(means.mean()), float(means.mean() / (np.std(means, ddof=1) / np.sqrt(len(means))))


def reliability(
    forecaster: Forecaster, days: Sequence[FlowDay], horizon_s: int = 10
) -> list[Mapping[str, float]]:
    """Forecast and outcome, in half spreads, in ten bins of the forecast as large as each other."""
    said, came = [], []
    for day in days:
        half = (day.ask - day.bid)[day.at].astype(
            np.float64
        )  # half a spread in half-ticks is the spread in ticks
        move = day.moves(horizon_s)
        known = np.isfinite(move) & (half > 0)
        units = day.sign * day.unit * np.sqrt(horizon_s)
        said.append((units * forecaster.predict(day.x, horizon_s) / half)[known])
        came.append((move / half)[known])
    z, y = np.concatenate(said), np.concatenate(came)
    order = np.array_split(np.argsort(z, kind="stable"), BINS)
    return [
        {"forecast": float(z[part].mean()), "outcome": float(y[part].mean())}
        for part in order
        if len(part)
    ]
