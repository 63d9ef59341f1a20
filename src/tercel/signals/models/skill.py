"""Scores of forecasts: information coefficient by date. NumPy only.

ic = skill(rank_ic_by_date(forecast, outcome, dates), rng)        ic.mean, ic.t, ic.ci_low, ic.ci_high, ic.dates
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError
from tercel.core.estimate import Estimate
from tercel.core.report.tables import fixed, spelt_cell
from tercel.core.stats import clustered_se, mean_interval
from tercel.core.stats.inference import spearman

BLOCK = 4
"""Dates of a block that intervals are drawn over."""
FEWEST = 5
"""Instruments below which a cross-section has no rank correlation."""


@dataclass(frozen=True)
class Skill(Estimate):
    """Information coefficient of a forecast: Spearman's correlation with what came, averaged over dates.

    Parameters
    ----------
    mean : float
        Over dates.
    ci_low, ci_high : float
        95 % block-bootstrap interval of the mean.
    t : float
        The mean divided by its standard error, clustered by blocks of neighbouring dates.
    dates : int
    """

    ci_low: float
    ci_high: float
    t: float
    dates: int


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


def skill(by_date: Floats, rng: np.random.Generator, *, block: int = BLOCK) -> Skill:
    """:class:`Skill` of correlations by date, with t and interval over blocks of `block` neighbouring dates; NaN are
    left out.

    Raises
    ------
    DataError
        When fewer than two blocks of dates have a cross-section of at least 5 instruments.
    """
    kept = by_date[np.isfinite(by_date)]
    labels = np.arange(len(kept)) // block
    if len(kept) == 0 or labels[-1] < 1:
        raise DataError(
            f"at least {block + 1} dates with {FEWEST} instruments that vary",
            f"{len(kept)}",
            "use a longer panel, more instruments, or a forecast that is not constant",
        )
    found = mean_interval(kept, labels, rng)
    error = clustered_se(kept, labels)
    low, high = (float("nan") if end is None else end for end in (found.ci_low, found.ci_high))
    mean = float(kept.mean())
    return Skill(mean, low, high, mean / error if error > 0 else float("nan"), len(kept))


IC_OVER = "The rank IC is that of all test blocks but the first, before which nothing was fused."
"""Which dates `signals train`, `evaluate`, `predict`, `backtest` and `explain` measure a fusion by."""


def stride(start_ns: Ints, end_ns: Ints) -> int:
    """Least k for which labels of every k-th date do not overlap: they begin, in the median, at or after the end of
    those before.
    """
    apart = (k for k in range(1, len(start_ns)) if np.median(start_ns[k:] - end_ns[:-k]) >= 0)
    return next(apart, len(start_ns))


def told(ic: Mapping[str, Any] | None) -> str:
    """The sentence in which every command says a fusion's skill.

    >>> told({"mean": 0.02, "ci_low": 0.01, "ci_high": 0.03, "t": 4.0, "dates": 90})
    "The fused forecast's rank IC out of sample is 0.0200 [0.0100, 0.0300], t 4.0, over 90 dates."
    """
    if not ic:
        silent = (
            "no source was statistically significant before any test block, so every forecast was 0"
        )
        why = "too few dates or names" if ic is None else silent
        return f"The fused forecast's rank IC out of sample is not known: {why}."
    open_ = "" if (ic["ci_low"] or 0.0) > 0 else ": no skill that can be told from none"
    text = f"{spelt_cell(ic, digits=4)}, t {fixed(ic['t'], 1)}, over {ic['dates']} dates{open_}"
    return f"The fused forecast's rank IC out of sample is {text}."
