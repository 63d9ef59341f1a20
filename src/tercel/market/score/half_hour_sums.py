"""Additive statistics by half-hour, and figures computed from their sums over days with bootstrap intervals.

A figure is a function of a few sums (a share is hits over cases), so days and half-hours are added up once and a
bootstrap draws clusters of sums (`tercel.core.stats.bootstrap`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools
from tercel.core.estimate import Estimate
from tercel.core.jit import Floats, Longs
from tercel.core.stats.bootstrap import intervals
from tercel.core.stats.clusters import cluster_sums
from tercel.core.stats.moments import Moments
from tercel.core.vocabulary import NS_PER_SECOND

Sums = dict[str, Floats]
"""Name to float64[HALVES]."""
RESAMPLES = 1000
HALF_HOUR_S = 1800.0
HALVES = 48
"""Half-hours of the longest session."""


class Adder:
    """Accumulates sums by half-hour since an opening, ns."""

    def __init__(self, open_ns: int) -> None:
        self.open_ns = open_ns
        self.sums: Sums = {}

    def half_hour(self, ns: Longs) -> Longs:
        """Index, from the opening on, of the half-hour of each time, ns; 0 before it, HALVES - 1 of all that is later.

        >>> Adder(0).half_hour(np.array([0, 1800, 3599]) * NS_PER_SECOND).tolist()
        [0, 1, 1]
        """
        return np.clip((ns - self.open_ns) // round(HALF_HOUR_S * NS_PER_SECOND), 0, HALVES - 1)

    def add(self, name: str, ns: Longs, values: NDArray[np.generic] | None = None) -> None:
        """Add values (or ones) to the half-hours of their moments, arrays of one shape."""
        flat = np.ones(ns.size) if values is None else values.ravel()
        index = self.half_hour(ns.ravel()).astype(np.intp)
        self.sums[name] = self.sums.get(name, 0.0) + cluster_sums(flat, index, HALVES)

    def add_mean(
        self, name: str, ns: Longs, hits: NDArray[np.generic], cases: Bools | None = None
    ) -> None:
        """Add the chosen values to `name` and their number to `name#`, by half-hour: their quotient is a share, or a mean."""
        selection = slice(None) if cases is None else cases
        self.add(name, ns[selection], hits[selection])
        self.add(f"{name}#", ns[selection])


@dataclass(frozen=True)
class SumFigure:
    """A figure computed from sums.

    Parameters
    ----------
    name : str
    columns : tuple of str
        The sums that it reads.
    of : callable
        Those columns, float64[B] each, to float64[B].
    """

    name: str
    columns: tuple[str, ...]
    of: Callable[..., Floats]


def safe_ratio(top: Floats, bottom: Floats) -> Floats:
    """A quotient, nan for denominator 0.

    >>> safe_ratio(np.array([1.0, 1.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0.0)


def share_figures(names: Sequence[str]) -> list[SumFigure]:
    """Figures of sums added with :meth:`Adder.add_mean`."""
    return [SumFigure(name, (name, f"{name}#"), safe_ratio) for name in names]


def sums_table(days: Sequence[Sums], columns: Sequence[str]) -> Floats:
    """Sums by day and half-hour, float64[D, HALVES, F]."""
    return np.stack(
        [np.column_stack([day.get(c, np.zeros(HALVES)) for c in columns]) for day in days]
    )


def sums_by_cluster(sums: Floats) -> tuple[Floats, str]:
    """Sums by cluster, float64[C, F], and what they are: days, or of one day its half-hours."""
    if len(sums) > 1:
        return sums.sum(axis=1), "days"
    return sums[0][sums[0].any(axis=1)], "half hours"


def figure_estimates(
    figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str], seed: int
) -> dict[str, Estimate]:
    """Every figure with its interval over clusters."""
    by_cluster, _ = sums_by_cluster(sums)
    moments = Moments(
        by_cluster,
        np.ones(len(by_cluster)),
        lambda means: _evaluate_figures(figures, means, columns),
    )
    spans = intervals(moments, np.random.default_rng(seed), resamples=RESAMPLES)
    return {figure.name: span for figure, span in zip(figures, spans, strict=True)}


def figure_values(
    figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str]
) -> dict[str, float]:
    """Every figure of sums float64[..., F], all added up."""
    total = sums.reshape(1, -1, sums.shape[-1]).sum(axis=1)
    return {
        figure.name: float(x)
        for figure, x in zip(figures, _evaluate_figures(figures, total, columns)[0], strict=True)
    }


def interleaved_differences(
    figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str]
) -> dict[str, float]:
    """Absolute difference of odd and even half-hours; parity changes daily, so that no hour is always on one side."""
    number = np.arange(sums.shape[0])[:, None] + np.arange(sums.shape[1])[None, :]
    odd, even = (figure_values(figures, sums[number % 2 == half], columns) for half in (1, 0))
    return {name: abs(odd[name] - even[name]) for name in odd}


def alternate_half_hours(days: Sequence[Sums], odd: bool) -> list[Sums]:
    """Sums of every other half-hour of days, odd or even ones (`odd`), the rest 0; parity changes daily.

    >>> [day["n"][:4].tolist() for day in alternate_half_hours([{"n": np.ones(HALVES)}] * 2, odd=True)]
    [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]
    """
    number = np.arange(HALVES)
    return [
        {name: np.where((place + number) % 2 == odd, sums, 0.0) for name, sums in day.items()}
        for place, day in enumerate(days)
    ]


def figure_by_day(figure: SumFigure, sums: Floats, columns: Sequence[str]) -> Floats:
    """A figure of each day, float64[D]."""
    return _evaluate_figures([figure], sums.sum(axis=1), columns)[:, 0]


def _evaluate_figures(
    figures: Sequence[SumFigure], means: Floats, columns: Sequence[str]
) -> Floats:
    """Values of figures from rows of sums, float64 (rows, figures)."""
    column_of = {name: means[:, i] for i, name in enumerate(columns)}
    return np.column_stack(
        [figure.of(*(column_of[c] for c in figure.columns)) for figure in figures]
    )
