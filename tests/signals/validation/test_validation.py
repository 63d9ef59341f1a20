"""Splits: no training label reaches the test block, whatever the panel; short panels are refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.models.walk_forward import walk_forward

PANEL = st.tuples(st.integers(12, 60), st.integers(1, 4), st.integers(1, 9), st.integers(0, 6))


def times(drawn: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray, int]:
    days, names, horizon, embargo = drawn
    time = np.repeat(np.arange(days, dtype=np.int64) * 10, names)
    return time, time + horizon, embargo


@given(PANEL, st.integers(1, 4))
def test_walk_forward_trains_on_the_past_alone(
    drawn: tuple[int, int, int, int], splits: int
) -> None:
    time, end, embargo = times(drawn)
    seen = []
    for train, test in walk_forward(time, end, splits=splits, embargo_ns=embargo):
        assert len(train)
        assert np.all(end[train][:, None] + embargo <= time[test][None, :])
        kept = set(train.tolist())
        assert all(i in kept for i in np.flatnonzero(end + embargo <= time[test].min()))
        seen += test.tolist()
    assert sorted(seen) == seen
    assert seen == np.flatnonzero(time >= time[seen[0]]).tolist()


def test_cuts_are_obeyed() -> None:
    time = np.arange(10, dtype=np.int64)
    found = [
        (train.tolist(), test.tolist())
        for train, test in walk_forward(time, time + 2, cuts=[5, 7, 10], embargo_ns=1)
    ]
    assert found == [([0, 1, 2], [5, 6]), ([0, 1, 2, 3, 4], [7, 8, 9])]


def test_a_panel_shorter_than_the_embargo_is_refused() -> None:
    time = np.arange(8, dtype=np.int64)
    with pytest.raises(DataError, match="a panel longer than the embargo"):
        list(walk_forward(time, time + 1, embargo_ns=7))
    with pytest.raises(DataError, match="0 rows over"):
        list(walk_forward(time[:0], time[:0]))


def test_labels_that_leave_nothing_to_train_on_are_refused() -> None:
    time = np.arange(8, dtype=np.int64)
    with pytest.raises(DataError, match="8 rows over"):
        list(walk_forward(time, time + 50, splits=2))
    with pytest.raises(DataError, match="embargo of 0"):
        list(walk_forward(time, time + 1, embargo_ns=-1))
