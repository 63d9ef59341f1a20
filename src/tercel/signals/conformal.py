"""Intervals that adapt to how often they were missed: adaptive conformal inference (Gibbs & Candès, 2021).

A half-width is a quantile of the scores, |outcome - forecast| in standard deviations, of the dates behind. Which
quantile moves: up after a date that was missed too often, down after one that was missed too seldom, so that in the
long run the share promised is inside, whatever the scores do. No date sees a score that had not ended by then.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.signals.model_folder import SignalModel

MISSED: Final = 0.1
"""Share of outcomes outside: intervals of 90 %."""
RATE: Final = 0.1
"""By how much of a date's surprise the quantile moves."""
WINDOW: Final = 52
"""Dates whose scores are remembered."""
FEWEST: Final = 30
"""Scores below which there is no interval."""


@dataclass
class AdaptiveWidth:
    """A half-width that learns date by date.

    Parameters
    ----------
    missed, rate : float
    window : int
        Dates.
    share : float
        Outside now: the quantile is that of 1 - `share`; below 0 it lies beyond all scores, in proportion.
    """

    missed: float = MISSED
    rate: float = RATE
    window: int = WINDOW
    share: float = MISSED
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
        return float(np.partition(pool, at := max(int(np.ceil(level * n)) - 1, 0))[at])

    def learn(self, scores: Floats, width: float) -> None:
        """Take the scores of a date, (n,), whose half-width was said to be `width`; NaN: it was not said."""
        if np.isfinite(width):
            self.share += self.rate * (self.missed - float((scores > width).mean()))
        self.past.append(scores)
        if len(self.past) > self.window:
            self.past.popleft()


def widths(
    scores: Floats, time_ns: Ints, end_ns: Ints, until_ns: int, one: AdaptiveWidth
) -> tuple[Floats, float]:
    """Half-width of each row as its date could know it, (n,), and that of `until_ns`.

    Parameters
    ----------
    scores : float64 (n,)
        Finite, in order of time.
    time_ns, end_ns : int64 (n,)
        When a row was forecast and when its outcome was known; rows of one date end together or are learned from when
        the last has.
    one : AdaptiveWidth
        Learns.
    """
    times, first = np.unique(time_ns, return_index=True)
    parts = np.split(np.arange(len(scores)), first[1:]) if len(scores) else []
    ends = [int(end_ns[part].max()) for part in parts]
    out, learned = np.full(len(scores), np.nan), 0
    said: list[float] = []
    for at in (*times.tolist(), until_ns):
        while learned < len(said) and ends[learned] <= at:
            one.learn(scores[parts[learned]], said[learned])
            learned += 1
        said.append(one.width())
        if len(said) <= len(parts):
            out[parts[len(said) - 1]] = said[-1]
    return out, said[-1]


@dataclass(frozen=True)
class WalkInterval:
    """The interval of a model's forecasts, learned from its own forecasts out of sample.

    Parameters
    ----------
    width : float
        Half of it now, in `sd_bps` of a forecast.
    rows : DataFrame
        `time`, `end`, `score`, `width` of every forecast whose half-width was known.
    """

    width: float
    rows: pl.DataFrame

    def by_year(self) -> dict[str, dict[str, float]]:
        """Share inside and mean half-width by year, and over `all`."""
        inside = [
            (pl.col("score") <= pl.col("width")).mean().alias("coverage"),
            pl.col("width").mean(),
        ]
        years = (
            self.rows.group_by(pl.col("time").dt.year().cast(pl.String)).agg(inside).sort("time")
        )
        found = {
            str(year): {"coverage": share, "width_sd": width}
            for year, share, width in years.iter_rows()
        }
        share, width = self.rows.select(inside).row(0)
        return found | {"all": {"coverage": share, "width_sd": width}}


def interval_of(model: SignalModel, until_ns: int | None = None) -> WalkInterval | None:
    """What labels that had ended by then say of a model's errors (None: by the walk's end); None without enough, and of
    a model whose every forecast is 0.
    """
    if model.inputs != "panel" or model.card.get("walk") is None or model.silent:
        return None
    walk = model.walk()
    came = 1e4 * (pl.col("outcome") - pl.col("outcome").mean().over("time")) - pl.col(
        "expected_bps"
    )
    deviation = pl.col("sd") * (model.scale.sd_bps / model.scale.full_sd)
    known = walk.select("time", "end", score=came.abs() / deviation).filter(
        pl.col("score").is_finite()
    )
    time_ns, end_ns = (known[name].dt.epoch("ns").to_numpy() for name in ("time", "end"))
    until = int(end_ns.max(initial=0)) if until_ns is None else until_ns
    past = time_ns < until
    scores = known["score"].to_numpy()[past]
    found, now = widths(scores, time_ns[past], end_ns[past], until, AdaptiveWidth())
    rows = (
        known.filter(pl.Series(past))
        .with_columns(width=pl.Series(found))
        .filter(pl.col("width").is_finite())
    )
    return WalkInterval(now, rows) if rows.height and np.isfinite(now) else None


def bounds(interval: WalkInterval | None, expected_bps: float, sd_bps: float) -> dict[str, Any]:
    """`low_bps` and `high_bps` of a forecast; None where there is no interval."""
    if interval is None:
        return {"low_bps": None, "high_bps": None}
    half = interval.width * sd_bps
    return {"low_bps": expected_bps - half, "high_bps": expected_bps + half}
