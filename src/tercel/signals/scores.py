"""Scores of forecasts: information coefficient by date. NumPy only.

ic = rank_ic(forecast, outcome, dates, rng)        ic.mean, ic.t, ic.ci_low, ic.ci_high, ic.by_date
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.stats import clustered_se, mean_interval
from tercel.core.stats.ranks import spearman

FEWEST = 5
"""Instruments below which a cross-section has no rank correlation."""


@dataclass(frozen=True)
class Skill:
    """Information coefficient of a forecast: Spearman's correlation with what came, averaged over dates.

    Parameters
    ----------
    mean, t : float
        Mean over dates; that divided by its standard error, clustered by blocks of neighbouring dates.
    ci_low, ci_high : float
        95 % block-bootstrap interval of the mean.
    dates : int
    by_date : float64 (dates,)
    """

    mean: float
    t: float
    ci_low: float
    ci_high: float
    dates: int
    by_date: Floats = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {"mean": self.mean, "t": self.t, "ci_low": self.ci_low, "ci_high": self.ci_high, "dates": self.dates}


def rank_ic_by_date(forecast: ArrayLike, outcome: ArrayLike, dates: ArrayLike) -> Floats:
    """Spearman's correlation in each cross-section, in order of `dates`; NaN where it is too small or flat."""
    f, o = np.asarray(forecast, np.float64), np.asarray(outcome, np.float64)
    known, at = np.unique(np.asarray(dates), return_inverse=True)
    if len(known) == 0:
        return np.zeros(0)
    order = np.argsort(at, kind="stable")
    counts = np.bincount(at)
    place = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = np.full((2, len(known), int(counts.max())), np.nan)
    wide[:, at[order], place] = f[order], o[order]
    return rank_ic_of_rows(wide[0], wide[1])


def rank_ic_of_rows(forecast: Floats, outcome: Floats) -> Floats:
    """Spearman's correlation of each row of two matrices, float64 (T, N), over the columns that both have.

    NaN for a row with fewer than 5 of them or one that does not vary.
    """
    count = (np.isfinite(forecast) & np.isfinite(outcome)).sum(axis=1)
    return np.where(count >= FEWEST, spearman(forecast, outcome), np.nan)


def rank_ic(
    forecast: ArrayLike, outcome: ArrayLike, dates: ArrayLike, rng: np.random.Generator, *, block: int = 4
) -> Skill:
    """Information coefficient with t and interval, both over blocks of `block` neighbouring dates.

    Raises
    ------
    DataError
        When fewer than two blocks of dates have a cross-section of at least 5 instruments.
    """
    by_date = rank_ic_by_date(forecast, outcome, dates)
    return skill(by_date, rng, block=block)


def skill(by_date: Floats, rng: np.random.Generator, *, block: int = 4) -> Skill:
    """:class:`Skill` of correlations already computed by date (NaN are left out)."""
    kept = by_date[np.isfinite(by_date)]
    labels = np.arange(len(kept)) // block
    if len(kept) == 0 or labels[-1] < 1:
        raise DataError(
            f"at least {block + 1} dates with {FEWEST} instruments that vary", f"{len(kept)}",
            "use a longer panel, more instruments, or a forecast that is not constant",
        )  # fmt: skip
    found = mean_interval(kept, labels, rng)
    error = clustered_se(kept, labels)
    low, high = found.ci_low, found.ci_high
    mean = float(kept.mean())
    t = mean / error if error > 0 else float("nan")
    return Skill(
        mean, t, float("nan") if low is None else low, float("nan") if high is None else high, len(kept), by_date
    )


def single_class(which: object, rows: int) -> DataError:
    """Error of a set that holds one class alone."""
    return DataError(
        "at least two classes", f"class {which} alone in {rows} rows", "use a longer span or another label"
    )
