"""Prediction intervals of a model by adaptive conformal inference, from its own forecasts out of sample.

Intervals are adaptive conformal (Gibbs and Candès 2021): a half-width is a quantile of past scores, |outcome - forecast|
in standard deviations, and which quantile moves: up after a date that was missed too often, down after one missed too
seldom, so that in the long run the share promised is inside. No date sees a score that had not ended by then.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.signals.models.signal_model import SignalModel

MISS_SHARE: Final = 0.1
"""Share of outcomes outside: intervals of 90 %."""
RATE: Final = 0.1
"""By how much of a date's surprise the quantile moves."""
WINDOW: Final = 52
"""Dates whose scores are remembered."""
FEWEST: Final = 30
"""Scores below which there is no interval."""


@dataclass
class AdaptiveWidth:
    """Half-width of a prediction interval that adapts date by date.

    Parameters
    ----------
    missed, rate : float
    window : int
        Dates.
    share : float
        Outside now: the quantile is that of 1 - `share`; below 0 it lies beyond all scores, in proportion.
    """

    missed: float = MISS_SHARE
    rate: float = RATE
    window: int = WINDOW
    share: float = MISS_SHARE
    past: deque[Floats] = field(default_factory=deque)

    def width(self) -> float:
        """Half-width in standard deviations; NaN below `FEWEST` scores.

        >>> one = AdaptiveWidth(missed=0.5, share=0.5)
        >>> one.learn(np.arange(39.0), np.nan)
        >>> one.width()
        19.0
        """
        pool = np.concatenate(self.past) if self.past else np.zeros(0)
        n = len(pool)
        if n < FEWEST:
            return float("nan")
        level = (1.0 - self.share) * (n + 1) / n
        if level > 1.0:
            return float(pool.max()) * (1.0 + (level - 1.0) / self.missed)
        return float(np.partition(pool, index := max(int(np.ceil(level * n)) - 1, 0))[index])

    def learn(self, scores: Floats, width: float) -> None:
        """Update by the scores of a date, (n,), and the half-width `width` forecast for it; NaN: no forecast."""
        if np.isfinite(width):
            self.share += self.rate * (self.missed - float((scores > width).mean()))
        self.past.append(scores)
        if len(self.past) > self.window:
            self.past.popleft()


def widths(
    scores: Floats, time_ns: Ints, end_ns: Ints, until_ns: int, adaptive_width: AdaptiveWidth
) -> tuple[Floats, float]:
    """Half-width of each row as its date could know it, (n,), and the half-width at `until_ns`; `adaptive_width` learns in place.

    Parameters
    ----------
    scores : float64 (n,)
        Finite, in order of time.
    time_ns, end_ns : int64 (n,)
        When a row was forecast and when its outcome was known; rows of one date end together or are learned from when
        the last has.
    adaptive_width : AdaptiveWidth
        Learns.
    """
    times, first = np.unique(time_ns, return_index=True)
    parts = np.split(np.arange(len(scores)), first[1:]) if len(scores) else []
    ends = [int(end_ns[part].max()) for part in parts]
    row_widths = np.full(len(scores), np.nan)
    learned_count = 0
    forecast_widths: list[float] = []
    for now_ns in (*times.tolist(), until_ns):
        while learned_count < len(forecast_widths) and ends[learned_count] <= now_ns:
            adaptive_width.learn(scores[parts[learned_count]], forecast_widths[learned_count])
            learned_count += 1
        forecast_widths.append(adaptive_width.width())
        if len(forecast_widths) <= len(parts):
            row_widths[parts[len(forecast_widths) - 1]] = forecast_widths[-1]
    return row_widths, forecast_widths[-1]


@dataclass(frozen=True)
class WidthCoverage:
    """Share of outcomes inside the interval, and its mean half-width in standard deviations."""

    coverage: float
    width_sd: float


@dataclass(frozen=True)
class WalkInterval:
    """Prediction interval of a model's forecasts, learned from its own forecasts out of sample.

    Parameters
    ----------
    width : float
        Half of it now, in `sd_bps` of a forecast.
    rows : DataFrame
        `time`, `end`, `score`, `width` of every forecast whose half-width was known.
    """

    width: float
    rows: pl.DataFrame

    def by_year(self) -> dict[str, WidthCoverage]:
        """Share inside and mean half-width by year, and over `all`."""
        inside = [
            (pl.col("score") <= pl.col("width")).mean().alias("coverage"),
            pl.col("width").mean(),
        ]
        years = (
            self.rows.group_by(pl.col("time").dt.year().cast(pl.String)).agg(inside).sort("time")
        )
        coverage_by_year = {
            str(year): WidthCoverage(*figures) for year, *figures in years.iter_rows()
        }
        return coverage_by_year | {"all": WidthCoverage(*self.rows.select(inside).row(0))}


def interval_of(model: SignalModel, until_ns: int | None = None) -> WalkInterval | None:
    """Prediction interval of a model by labels that ended before `until_ns` (None: by the walk's end); None if there
    are too few, or if every forecast of the model is 0.
    """
    if model.inputs != "panel" or model.facts.walk is None or model.silent:
        return None
    walk = model.walk()
    error_bps = 1e4 * (pl.col("outcome") - pl.col("outcome").mean().over("time")) - pl.col(
        "expected_bps"
    )
    deviation = pl.col("sd") * (model.scale.sd_bps / model.scale.full_sd)
    scored_walk = walk.select("time", "end", score=error_bps.abs() / deviation).filter(
        pl.col("score").is_finite()
    )
    time_ns, end_ns = (scored_walk[name].dt.epoch("ns").to_numpy() for name in ("time", "end"))
    until = int(end_ns.max(initial=0)) if until_ns is None else until_ns
    past = time_ns < until
    scores = scored_walk["score"].to_numpy()[past]
    row_widths, current_width = widths(scores, time_ns[past], end_ns[past], until, AdaptiveWidth())
    rows = (
        scored_walk.filter(pl.Series(past))
        .with_columns(width=pl.Series(row_widths))
        .filter(pl.col("width").is_finite())
    )
    return WalkInterval(current_width, rows) if rows.height and np.isfinite(current_width) else None
