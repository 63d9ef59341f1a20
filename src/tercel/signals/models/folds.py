"""Walk-forward folds of a panel: training rows of the past, then a test block, purged and embargoed.

    for train, test in walk_forward(data.time_ns, data.end_ns, splits=5, embargo_ns=10 * DAY): ...

*Purge*: a row whose label interval reaches into the test block does not train. *Embargo*: nor does one whose label ends
less than `embargo_ns` before the block (Lopez de Prado 2018, "Advances in Financial Machine Learning", chapter 7). All
times are ns; rows may be in any order.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tercel.core.arrays import Indices, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection

Fold = tuple[Indices, Indices]
"""Rows to train on, rows to test."""
Settings = Mapping[str, Mapping[str, Any]]
"""Parameters by family."""
DAY = 86_400 * 1_000_000_000


EMBARGO_DAYS = 10
LEAST_YEARS = 4
"""Calendar years of a panel from which on it is refitted by years."""


def walk_forward(
    time_ns: Ints,
    end_ns: Ints,
    *,
    splits: int = 5,
    embargo_ns: int = 0,
    cuts: Sequence[int] | None = None,
    first: float = 0.5,
) -> Iterator[tuple[Indices, Indices]]:
    """(train, test) row numbers: always the past to train on, the block that follows to test.

    Parameters
    ----------
    time_ns, end_ns : int64 (n,)
        When a row is decided; when its label is known.
    splits : int
        Test blocks of about equally many different times, over the last `1 - first` of them.
    embargo_ns : int
        Between the last training label and the first test time.
    cuts : sequence of int, optional
        Bounds of the test blocks instead (m + 1 times for m blocks): [cuts[i], cuts[i + 1]).
    first : float
        Share of the times that only ever trains.

    Raises
    ------
    DataError
        When the panel is too short for one training row before a block.
    """
    time_ns = np.asarray(time_ns, np.int64)
    end_ns = np.asarray(end_ns, np.int64)
    _refuse_short(time_ns, embargo_ns)
    bounds = _block_bounds(time_ns, splits, first) if cuts is None else [int(cut) for cut in cuts]
    for low, high in pairwise(bounds):
        test = np.flatnonzero((time_ns >= low) & (time_ns < high))
        train = np.flatnonzero((end_ns + embargo_ns <= low) & (time_ns < low))
        if len(test) == 0:
            continue
        if len(train) == 0:
            raise _short(
                "rows whose labels end an embargo before the first test block", time_ns, embargo_ns
            )
        yield train, test


def _block_bounds(time_ns: Ints, splits: int, first: float) -> list[int]:
    """Times (ns) at which `splits` test blocks begin after the first share `first` of a panel's times, and the last end."""
    times = np.unique(time_ns)
    begin = int(len(times) * first)
    refuse_if(
        splits < 1 or not 0.0 < first < 1.0 or begin < 1 or len(times) - begin < splits,
        f"enough different times for {splits} test blocks after the first {first:.0%}",
        f"{len(times)} times",
        "use fewer splits or a longer panel",
        DataError,
    )
    edges = np.linspace(begin, len(times), splits + 1).round().astype(int)
    return [*times[edges[:-1]].tolist(), int(times[-1]) + 1]


def _refuse_short(time_ns: Ints, embargo_ns: int) -> None:
    """Raise DataError for a negative embargo or a panel no longer than the embargo."""
    refuse_if(
        embargo_ns < 0,
        "an embargo of 0 ns or more",
        f"{embargo_ns}",
        "say how long labels and features overlap",
        DataError,
    )
    if len(time_ns) == 0 or int(time_ns.max()) - int(time_ns.min()) <= embargo_ns:
        raise _short("a panel longer than the embargo", time_ns, embargo_ns)


def _short(expected: str, time_ns: Ints, embargo_ns: int) -> DataError:
    """The error of a panel that is too short for its embargo, with its rows and span."""
    span = (int(time_ns.max()) - int(time_ns.min())) / DAY if len(time_ns) else 0.0
    return DataError(
        expected,
        f"{len(time_ns)} rows over {span:.2f} days and an embargo of {embargo_ns / DAY:.2f} days",
        "use a longer panel or a shorter embargo and horizon",
    )


def folds_of(data: Dataset, train: TrainSection) -> list[Fold]:
    """Folds of a panel as configured: by dates for online learning, else by blocks or calendar years, purged and embargoed."""
    embargo = int(train.embargo_days * DAY)
    if train.update != "refit":
        return _folds_by_dates(data, train.online.warm)
    first, last = (_year(int(ns)) for ns in data.time_ns[[0, -1]])
    if train.refit == "blocks" or (train.refit == "auto" and last - first + 1 < LEAST_YEARS):
        return list(
            walk_forward(data.time_ns, data.end_ns, splits=train.splits, embargo_ns=embargo)
        )
    return yearly(data, int(train.test_from[:4] or first + 2), embargo)


def yearly(data: Dataset, first_year: int, embargo_ns: int = 0) -> list[Fold]:
    """(train, test) of each calendar year from `first_year` on, at least `EMBARGO_DAYS` after the last label."""
    last = _year(int(data.time_ns[-1]))
    refuse_if(
        last < first_year,
        f"dates from {first_year} on",
        f"a panel that ends in {last}",
        "test from an earlier year",
        DataError,
    )
    cuts = [
        int(np.datetime64(f"{year}-01-01", "ns").astype(np.int64))
        for year in range(first_year, last + 2)
    ]
    return list(
        walk_forward(
            data.time_ns, data.end_ns, cuts=cuts, embargo_ns=max(embargo_ns, EMBARGO_DAYS * DAY)
        )
    )


def _folds_by_dates(data: Dataset, dates: int) -> list[Fold]:
    """Folds for models that learn date by date: each tests the next `dates` dates, after the first `dates`; no embargo."""
    times = np.unique(data.time_ns)
    refuse_if(
        len(times) <= 2 * dates,
        f"more than {2 * dates} dates, to learn online",
        f"{len(times)}",
        "lower train.online.warm",
        DataError,
    )
    return list(
        walk_forward(
            data.time_ns, data.end_ns, cuts=[*times[dates::dates].tolist(), int(times[-1]) + 1]
        )
    )


def _year(ns: int) -> int:
    """Calendar year of a time in ns since 1970."""
    return int(np.datetime64(ns, "ns").astype("datetime64[Y]").astype(int)) + 1970
