"""Skill of forecasts out of sample: rank IC by date, decay with the horizon, and basis points per unit of forecast.

ic = skill(rank_ic_by_date(forecast, outcome, dates), rng)        ic.mean, ic.t, ic.ci_low, ic.ci_high, ic.dates

What a forecast says is realised over time. The slopes of the moves over several horizons on the score are fitted with
``B (1 - 2^(-h / half-life))``, the curve along which execution spends an alpha; a half-life far above the horizons is a
steady drift.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import format_interval, format_number
from tercel.core.stats import cluster_index, cluster_sums, clustered_se, mean_interval
from tercel.core.stats.ranks import spearman
from tercel.core.vocabulary import DAY_NS

if TYPE_CHECKING:
    from tercel.signals.panel.dataset import Dataset

BLOCK = 4
"""Dates of a block that intervals are drawn over."""
FEWEST = 5
"""Instruments below which a cross-section has no rank correlation."""


IC_OVER = "The rank IC is that of all test blocks but the first, before which nothing was fused."
"""Which dates `signals train`, `evaluate`, `predict`, `backtest` and `explain` measure a fusion by."""
PERIODS: Final = (1, 2, 3, 4)
"""Dates in a row over which a panel's half-life is measured."""


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
        With a forecast that differs between names.
    silent : int
        Dates with names enough and no such forecast, which the mean leaves out.
    """

    ci_low: float
    ci_high: float
    t: float
    dates: int
    silent: int = field(default=0, kw_only=True)

    def __bool__(self) -> bool:
        """Whether it was measured: not of a score that is the same of all names, or on too few dates."""
        return bool(self.dates)

    def to_json(self) -> dict[str, Any]:
        """Numbers by name for JSON; empty without a measured skill."""
        return asdict(self) if self else {}


def rank_ic_by_date(forecast: ArrayLike, outcome: ArrayLike, dates: ArrayLike) -> Floats:
    """Spearman's correlation in each cross-section, in order of `dates`; NaN where it is too small or flat."""
    f = np.asarray(forecast, np.float64)
    o = np.asarray(outcome, np.float64)
    unique_dates, date_index = np.unique(np.asarray(dates), return_inverse=True)
    if len(unique_dates) == 0:
        return np.zeros(0)
    order = np.argsort(date_index, kind="stable")
    counts = np.bincount(date_index)
    place = np.arange(len(date_index)) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = np.full((2, len(unique_dates), int(counts.max())), np.nan)
    wide[:, date_index[order], place] = f[order], o[order]
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
    finite = by_date[np.isfinite(by_date)]
    labels = np.arange(len(finite)) // block
    refuse_if(
        len(finite) == 0 or labels[-1] < 1,
        f"at least {block + 1} dates with {FEWEST} instruments that vary",
        f"{len(finite)}",
        "use a longer panel, more instruments, or a forecast that is not constant",
        DataError,
    )
    interval = mean_interval(finite, labels, rng)
    error = clustered_se(finite, labels)
    low, high = (
        float("nan") if end is None else end for end in (interval.ci_low, interval.ci_high)
    )
    mean = float(finite.mean())
    return Skill(mean, low, high, mean / error if error > 0 else float("nan"), len(finite))


def stride(start_ns: Ints, end_ns: Ints) -> int:
    """Least k for which labels of every k-th date do not overlap: they begin, in the median, at or after the end of
    those before.
    """
    apart = (k for k in range(1, len(start_ns)) if np.median(start_ns[k:] - end_ns[:-k]) >= 0)
    return next(apart, len(start_ns))


NO_SKILL: Final = Skill(math.nan, math.nan, math.nan, math.nan, 0)
"""Of a score that is the same of all names on every date."""


def skill_sentence(ic: Skill | None) -> str:
    """Sentence on a fusion's skill, as every command prints.

    >>> skill_sentence(Skill(0.02, 0.01, 0.03, 4.0, 90))
    "The fused forecast's rank IC out of sample is 0.0200 [0.0100, 0.0300], t 4.0, over 90 dates."
    """
    if not ic:
        silent = (
            "no source was statistically significant before any test block, so every forecast was 0"
        )
        reason = "too few dates with a forecast, or too few names" if ic is None else silent
        return f"The fused forecast's rank IC out of sample is not known: {reason}."
    open_ = "" if (ic.ci_low or 0.0) > 0 else ": not significantly above zero"
    dates = f"{ic.dates} of {ic.dates + ic.silent}" if ic.silent else f"{ic.dates}"
    text = f"{format_interval(ic, digits=4)}, t {format_number(ic.t, 1)}, over {dates} dates{open_}"
    return f"The fused forecast's rank IC out of sample is {text}."


@dataclass(frozen=True, eq=False)
class Decay:
    """Decay of a score's value with the horizon.

    Parameters
    ----------
    horizons_ns : int64 (H,)
    ic : float64 (H,)
        Rank correlation of the score with the move over each horizon.
    slope : float64 (H,)
        Move per unit of score over each horizon.
    half_life_ns : int
        Of the exponential; from 1/4 of the shortest to 16 times the longest horizon, which means a steady drift.
    """

    horizons_ns: Ints
    ic: Floats
    slope: Floats
    half_life_ns: int


def decay(score: ArrayLike, moves: ArrayLike, horizons_ns: Sequence[int]) -> Decay:
    """Slope of moves (n, H) on a score and their rank correlation by horizon, and the half-life that fits the slopes best.

    Parameters
    ----------
    score : float (n,)
        Out-of-fold forecasts.
    moves : float (n, H)
        Moves from the forecast over each horizon; NaN where the future ends.
    horizons_ns : sequence of int, length H
        Ascending.

    Raises
    ------
    DataError
        For shapes that do not fit, fewer than two horizons, or a score that does not vary.
    """
    f = np.asarray(score, np.float64)
    m = np.asarray(moves, np.float64)
    horizons = np.asarray(horizons_ns, np.int64)
    refuse_if(
        m.shape != (len(f), len(horizons))
        or len(horizons) < 2
        or (np.diff(horizons) <= 0).any()
        or horizons[0] <= 0,
        "a move per score and horizon, at least two horizons, ascending",
        f"moves of shape {m.shape}, {len(f)} scores, horizons {list(horizons_ns)}",
        "line them up",
        DataError,
    )
    ic = np.zeros(len(horizons))
    slope = np.zeros(len(horizons))
    precision = np.zeros(len(horizons))
    for h in range(len(horizons)):
        seen = np.isfinite(m[:, h]) & np.isfinite(f)
        x, y = f[seen], m[seen, h]
        if seen.sum() < 10 or not x.std() > 0:
            raise DataError(
                "at least 10 scores that vary, with a move each",
                f"{int(seen.sum())}",
                "take more history",
            )
        x = x - x.mean()
        slope[h] = float(x @ (y - y.mean())) / float(x @ x)
        precision[h] = float(x @ x) / max(float(y.var()), 1e-300)
        ic[h] = float(spearman(x, y)) if y.std() > 0 else 0.0
    return Decay(horizons, ic, slope, _half_life(horizons, slope, precision))


def _half_life(horizons: Ints, slope: Floats, precision: Floats) -> int:
    """The half-life whose curve fits the slopes best, weighted by precision."""
    grid = np.geomspace(horizons[0] / 4, horizons[-1] * 16, 321)
    lowest_loss = math.inf
    best_half_life = float(grid[-1])
    for candidate in grid:
        curve = 1.0 - 0.5 ** (horizons / candidate)
        level = float((precision * curve) @ slope) / float((precision * curve) @ curve)
        loss = float(precision @ (slope - level * curve) ** 2)
        if loss < lowest_loss:
            lowest_loss = loss
            best_half_life = float(candidate)
    return round(best_half_life)


@dataclass(frozen=True)
class AlphaScale:
    """Value of one unit of a fused forecast, in bps, out of fold.

    Parameters
    ----------
    unit_bps : float
        Slope of the forward return, less its cross-section's mean, on the forecast; 0 where it came out negative: a
        forecast that was wrong is not turned round, it says nothing.
    sd_bps : float
        Standard deviation of what that leaves, where every source is there.
    full_sd : float
        The fusion's own standard deviation in that case, in its units: wider ones widen `sd_bps` in proportion.
    horizon_ns, half_life_ns : int
        The half-life is at most the longest horizon over which it was measured.
    """

    unit_bps: float
    sd_bps: float
    full_sd: float
    horizon_ns: int
    half_life_ns: int

    @property
    def half_life(self) -> str:
        """The half-life in hours as text; words where none was measured, a dash for a forecast that is always 0.

        >>> AlphaScale(1.0, 1.0, 1.0, 86_400 * 10**9, 4 * 86_400 * 10**9).half_life
        'longer than measured (4.0 days)'
        """
        return (
            NOTHING
            if self.unit_bps == 0.0
            else f"{self.half_life_ns / 3.6e12:,.1f}"
            if self.half_life_ns < PERIODS[-1] * self.horizon_ns
            else f"longer than measured ({self.half_life_ns / DAY_NS:.1f} days)"
        )


def scale_of(data: "Dataset", value: ArrayLike, full_sd: float) -> AlphaScale:
    """Measure a :class:`AlphaScale` on a panel's out-of-fold forecasts, float (n,), NaN in rows that were not tested.

    The half-life comes from the returns over `PERIODS` dates in a row, chained from the panel's own, and is no longer
    than those; of a forecast that is the same for all names of every date it is the horizon.

    Raises
    ------
    DataError
        When fewer than 30 rows have a forecast.
    """
    f = np.asarray(value, np.float64)
    seen = np.isfinite(f)
    if seen.sum() < 30:
        raise DataError(
            "at least 30 rows with a forecast", str(int(seen.sum())), "take a longer panel"
        )
    moves = chain_outcomes(data, PERIODS)
    x, y = demean_by_date(data, f, data.outcome, seen)
    slope = slope_of(x, y)
    horizon = int(np.median(data.end_ns - data.start_ns))
    horizons = [horizon * period for period in PERIODS]
    half_life_ns = decay(x, moves[seen], horizons).half_life_ns if x @ x > 0 else horizon
    return AlphaScale(
        1e4 * slope,
        1e4 * float((y - slope * x).std()),
        full_sd,
        horizon,
        min(half_life_ns, horizons[-1]),
    )


def demean_by_date(
    data: "Dataset", value: Floats, outcomes: Floats, rows: Bools
) -> tuple[Floats, Floats]:
    """Forecasts and outcomes of some rows, less the means of their dates."""
    index, count = cluster_index(data.dates[rows])
    size = cluster_sums(np.ones(index.size), index, count)
    x, y = (
        values[rows] - (cluster_sums(values[rows], index, count) / size)[index]
        for values in (value, outcomes)
    )
    return x, y


def slope_of(x: Floats, y: Floats) -> float:
    """Slope through the origin of outcomes `y` on forecasts `x`; 0 where it comes out negative or x is all 0."""
    return max(float(x @ y / (x @ x)), 0.0) if x @ x > 0 else 0.0


def chain_outcomes(data: "Dataset", periods: Sequence[int]) -> Floats:
    """Sums of an instrument's outcomes over h dates from the row's own on, float64 (n, H); NaN where one is missing."""
    instruments = np.unique(data.instrument, return_inverse=True)[1]
    dates = data.dates
    table = np.full(
        (dates.max(initial=0) + max(periods) + 1, instruments.max(initial=0) + 1), np.nan
    )
    table[dates, instruments] = data.outcome
    return np.stack(
        [np.sum([table[dates + k, instruments] for k in range(h)], axis=0) for h in periods], axis=1
    )
