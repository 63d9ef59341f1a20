"""Walk-forward test blocks of a panel, purged and embargoed, and families walked over them."""

import time

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.progress import progress
from tercel.signals.fusion_walk import Fold, base_names, out_of_fold
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection
from tercel.signals.validation import DAY, walk_forward

EMBARGO_DAYS = 10
LEAST_YEARS = 4
"""Calendar years of a panel from which on it is refitted by years."""


def folds_of(data: Dataset, train: TrainSection) -> list[Fold]:
    """Test blocks as configured, purged and embargoed."""
    embargo = int(train.embargo_days * DAY)
    if train.update != "refit":
        return _by_dates(data, train.online.warm)
    first, last = (_year(int(ns)) for ns in data.time_ns[[0, -1]])
    if train.refit == "blocks" or (train.refit == "auto" and last - first + 1 < LEAST_YEARS):
        return list(
            walk_forward(data.time_ns, data.end_ns, splits=train.splits, embargo_ns=embargo)
        )
    return yearly(data, int(train.test_from[:4] or first + 2), embargo)


def yearly(data: Dataset, first_year: int, embargo_ns: int = 0) -> list[Fold]:
    """(train, test) of each calendar year from `first_year` on, at least `EMBARGO_DAYS` after the last label."""
    last = _year(int(data.time_ns[-1]))
    if last < first_year:
        raise DataError(
            f"dates from {first_year} on",
            f"a panel that ends in {last}",
            "test from an earlier year",
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


def _by_dates(data: Dataset, dates: int) -> list[Fold]:
    """Blocks of so many dates after the first as many, of models that learn by date: later dates move none of them."""
    times = np.unique(data.time_ns)
    if len(times) <= 2 * dates:
        raise DataError(
            f"more than {2 * dates} dates, to learn online",
            f"{len(times)}",
            "lower train.online.warm",
        )
    return list(
        walk_forward(
            data.time_ns, data.end_ns, cuts=[*times[dates::dates].tolist(), int(times[-1]) + 1]
        )
    )


def _year(ns: int) -> int:
    return int(np.datetime64(ns, "ns").astype("datetime64[Y]").astype(int)) + 1970


def walked(
    data: Dataset, names: tuple[str, ...], train: TrainSection, seed: int, label: str
) -> tuple[Floats, float]:
    """Out-of-fold forecasts of some families, and the processor seconds that all their fits and forecasts took."""
    folds = folds_of(data, train)
    start = time.process_time()
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task(label, total=len(folds) * len(base_names(data, names)), now="")

        def tick(now: str) -> None:
            bar.update(task, advance=1, now=now)

        forecasts = out_of_fold(
            data,
            names,
            folds,
            seed=seed,
            most_rows=train.most_rows,
            settings=train.settings,
            tick=tick,
        )
    return forecasts, time.process_time() - start
