"""Test blocks of a configuration that says nothing of them."""

from itertools import pairwise

import numpy as np
import pytest

from tercel.signals.models.walk_forward import DAY, folds_of
from tercel.signals.panel.panel import Dataset
from tercel.signals.runs.config import TrainSection


def weekly(first: str, last: str) -> Dataset:
    """A row a week, whose label ends five days later."""
    time = np.arange(np.datetime64(first), np.datetime64(last), np.timedelta64(7, "D"))
    ns = time.astype("datetime64[ns]").astype(np.int64)
    nothing = np.zeros(len(ns))
    who = np.full(len(ns), "A")
    return Dataset(nothing[:, None], nothing, nothing, ("daily.x",), ns, ns, ns + 5 * DAY, who)


def years(data: Dataset, rows: np.ndarray) -> set[int]:
    return set(
        (
            data.time_ns[rows].astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
        ).tolist()
    )


def test_a_long_panel_is_refitted_by_years_from_its_third() -> None:
    data = weekly("2010-02-01", "2014-07-01")
    folds = folds_of(data, TrainSection())
    assert [years(data, test) for _, test in folds] == [{2012}, {2013}, {2014}]
    for past, test in folds:
        assert (data.end_ns[past] + 10 * DAY <= data.time_ns[test].min()).all()
    assert all(set(before[0]) < set(after[0]) for before, after in pairwise(folds))


@pytest.mark.parametrize("told", [TrainSection(), TrainSection(refit="blocks", splits=5)])
def test_a_short_panel_is_refitted_by_blocks(told: TrainSection) -> None:
    assert len(folds_of(weekly("2010-02-01", "2012-12-31"), told)) == 5


def test_a_person_says_the_first_year() -> None:
    data = weekly("2010-02-01", "2014-07-01")
    folds = folds_of(data, TrainSection(test_from="2013-01-01"))
    assert [years(data, test) for _, test in folds] == [{2013}, {2014}]
