"""Training sets: rows of features with a label, its interval, and the source of each column."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows of a panel, by time.

    Parameters
    ----------
    x : float64 (n, p)
        Features as known at `time_ns`; NaN where a source had nothing to say.
    y : float64 (n,)
        What models are fitted to (a rank, a class, a return).
    outcome : float64 (n,)
        The forward return itself, a fraction.
    names : tuple of str, length p
        `source.column`.
    time_ns : int64 (n,)
        When the decision falls due, not decreasing; equal times are one cross-section.
    start_ns, end_ns : int64 (n,)
        The label is made of what happens in `(start_ns, end_ns]`; `start_ns >= time_ns`.
    instrument : str (n,)
    note : str
        What must be said beside every number (bias, lags).
    warnings : tuple of str
        What was dropped, which sources were missing.
    """

    x: Floats
    y: Floats
    outcome: Floats
    names: tuple[str, ...]
    time_ns: Ints
    start_ns: Ints
    end_ns: Ints
    instrument: NDArray[np.str_]
    note: str = ""
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse rows that do not fit together or look ahead."""
        n = len(self.y)
        lengths = {
            len(a)
            for a in (
                self.x,
                self.outcome,
                self.time_ns,
                self.start_ns,
                self.end_ns,
                self.instrument,
            )
        }
        if lengths != {n} or self.x.ndim != 2 or self.x.shape[1] != len(self.names):
            raise DataError(
                "a label, times and a value of every feature for each row",
                f"lengths {sorted(lengths | {n})}",
                "build the set from one panel",
            )
        back = np.any(self.start_ns < self.time_ns) or np.any(self.end_ns <= self.start_ns)
        if back or np.any(np.diff(self.time_ns) < 0):
            raise DataError(
                "rows by time, each with a label that begins at or after it",
                "rows out of order or a label that looks back",
                "sort by time; begin labels after the decision",
            )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def dates(self) -> Ints:
        """Index of each row's cross-section, from 0, int64 (n,)."""
        return np.unique(self.time_ns, return_inverse=True)[1].astype(np.int64)

    @property
    def sources(self) -> Mapping[str, tuple[int, ...]]:
        """Names of the columns of each source."""
        found: dict[str, list[int]] = {}
        for at, name in enumerate(self.names):
            found.setdefault(name.split(".", 1)[0], []).append(at)
        return {name: tuple(columns) for name, columns in found.items()}

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """Sources but those that say the same of all instruments of every date: they rank none."""
        starts = np.flatnonzero(np.diff(self.time_ns, prepend=self.time_ns[:1] - 1))
        if not len(starts):
            return ()
        high, low = (
            np.fmax.reduceat(self.x, starts, axis=0),
            np.fmin.reduceat(self.x, starts, axis=0),
        )
        with np.errstate(invalid="ignore"):
            shared = set(
                np.flatnonzero((high == low).any(axis=0) & ~(high > low).any(axis=0)).tolist()
            )
        return tuple(
            name for name, columns in self.sources.items() if not shared.issuperset(columns)
        )

    def rows(self, index: Indices | Bools) -> "Dataset":
        """Some rows, in order."""
        return replace(
            self,
            x=self.x[index],
            y=self.y[index],
            outcome=self.outcome[index],
            time_ns=self.time_ns[index],
            start_ns=self.start_ns[index],
            end_ns=self.end_ns[index],
            instrument=self.instrument[index],
        )
