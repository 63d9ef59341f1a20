"""Labelled rows of a panel by time, as the arrays that models are fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import ConfigError, DataError, check_known, refuse_if
from tercel.core.grouping import group_values


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows of a panel, by time.

    Parameters
    ----------
    x : float64 (n, p)
        Features as known at `time_ns`; NaN where a source had nothing to say.
    y : float64 (n,)
        Labels for the models (a rank, a class, a return).
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
        Caveats of every number (bias, lags).
    warnings : tuple of str
        Dropped rows and missing sources.
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
            len(column)
            for column in (
                self.x,
                self.outcome,
                self.time_ns,
                self.start_ns,
                self.end_ns,
                self.instrument,
            )
        }
        refuse_if(
            lengths != {n} or self.x.ndim != 2 or self.x.shape[1] != len(self.names),
            "a label, times and a value of every feature for each row",
            f"lengths {sorted(lengths | {n})}",
            "build the set from one panel",
            DataError,
        )
        looks_back = np.any(self.start_ns < self.time_ns) or np.any(self.end_ns <= self.start_ns)
        refuse_if(
            looks_back or np.any(np.diff(self.time_ns) < 0),
            "rows by time, each with a label that begins at or after it",
            "rows out of order or a label that looks back",
            "sort by time; begin labels after the decision",
            DataError,
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
        """Indices of the columns of each source, by the source's name: a column's name up to its first dot."""
        columns = group_values((name.split(".", 1)[0], n) for n, name in enumerate(self.names))
        return {name: tuple(indices) for name, indices in columns.items()}

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """Sources that rank the names of a date: all but those equal for all instruments."""
        starts = np.flatnonzero(np.diff(self.time_ns, prepend=self.time_ns[:1] - 1))
        if not len(starts):
            return ()
        high = np.fmax.reduceat(self.x, starts, axis=0)
        low = np.fmin.reduceat(self.x, starts, axis=0)
        with np.errstate(invalid="ignore"):
            shared = set(
                np.flatnonzero((high == low).any(axis=0) & ~(high > low).any(axis=0)).tolist()
            )
        return tuple(
            name for name, columns in self.sources.items() if not shared.issuperset(columns)
        )

    def of_sources(self, names: Sequence[str]) -> "Dataset":
        """The set with the columns of some sources alone; of all for none.

        Raises
        ------
        ConfigError
            For a source that it does not have.
        """
        for name in names:
            check_known(name, self.sources, "sources among", error=ConfigError)
        kept = [
            at for at, name in enumerate(self.names) if not names or name.split(".", 1)[0] in names
        ]
        return replace(self, x=self.x[:, kept], names=tuple(self.names[at] for at in kept))

    def rows(self, index: Indices | Bools) -> "Dataset":
        """The set of the rows at `index` (indices or a mask) alone, as a copy."""
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


def from_frame(
    rows: pl.DataFrame, columns: tuple[str, ...], note: str = "", warnings: tuple[str, ...] = ()
) -> Dataset:
    """A :class:`Dataset` from a frame with `instrument`, `time`, `start`, `end`, `y`, `outcome` and the columns."""
    rows = rows.sort("time", "instrument")
    ns = {
        name: rows[name].dt.epoch("ns").to_numpy().astype(np.int64)
        for name in ("time", "start", "end")
    }
    x = rows.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in columns).to_numpy()
    return Dataset(
        np.ascontiguousarray(x, np.float64),
        rows["y"].cast(pl.Float64).to_numpy().copy(),
        rows["outcome"].cast(pl.Float64).to_numpy().copy(),
        columns,
        ns["time"],
        ns["start"],
        ns["end"],
        rows["instrument"].cast(pl.String).to_numpy().astype(np.str_),
        note,
        warnings,
    )
