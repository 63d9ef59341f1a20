"""Splits: no training label reaches the test block, whatever the panel; test blocks of a configuration that says nothing of
them; intervals that adapt.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.models.folds import DAY, folds_of, walk_forward
from tercel.signals.models.intervals import FEWEST, AdaptiveWidth, widths
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection

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


@pytest.mark.parametrize(
    ("rows", "ahead", "options", "said"),
    [
        (8, 1, {"embargo_ns": 7}, "a panel longer than the embargo"),
        (0, 0, {}, "0 rows over"),
        (8, 50, {"splits": 2}, "8 rows over"),
        (8, 1, {"embargo_ns": -1}, "embargo of 0"),
    ],
)
def test_a_panel_that_leaves_nothing_to_train_on_is_refused(
    rows: int, ahead: int, options: dict[str, int], said: str
) -> None:
    time = np.arange(rows, dtype=np.int64)
    with pytest.raises(DataError, match=said):
        list(walk_forward(time, time + ahead, **options))


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


NAMES, DATES = 40, 400


def panel(scale: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|normal errors| of 40 names a date, of a scale by date; labels end two dates later."""
    time = np.repeat(np.arange(len(scale)), NAMES)
    error = np.random.default_rng(seed).standard_normal(len(time)) * np.repeat(scale, NAMES)
    return np.abs(error), time, time + 2


def test_coverage_stays_when_the_scale_changes_and_that_of_a_fixed_interval_does_not() -> None:
    scale = np.ones(DATES)
    scale[150:250], scale[250:] = 3.0, 0.5
    scores, time, end = panel(scale)
    found, _ = widths(scores, time, end, DATES, AdaptiveWidth())
    fixed, _ = widths(scores, time, end, DATES, AdaptiveWidth(rate=0.0, window=DATES))
    for first, last, off in ((10, 150, 0.01), (150, 250, 0.02), (250, DATES, 0.02)):
        rows = (time >= first) & (time < last)
        assert np.mean(scores[rows] <= found[rows]) == pytest.approx(0.9, abs=off)
        if first > 10:
            assert abs(np.mean(scores[rows] <= fixed[rows]) - 0.9) > 0.08


def test_the_share_outside_is_what_the_quantile_moved_by() -> None:
    """Gibbs and Candès' identity: promised less missed, summed over dates and times the rate, is how far it went."""
    scores, time, end = panel(np.linspace(1.0, 4.0, DATES))
    one = AdaptiveWidth()
    found, _ = widths(scores, time, end, DATES + 2, one)
    missed = [np.mean(scores[time == at] > found[time == at]) for at in range(2, DATES)]
    assert one.share - 0.1 == pytest.approx(one.rate * sum(0.1 - share for share in missed))
    assert abs(np.mean(missed) - 0.1) <= (1.0 + one.rate) / (one.rate * len(missed))


def test_no_width_knows_a_label_that_has_not_ended() -> None:
    scores, time, end = panel(np.ones(60))
    whole, _ = widths(scores, time, end, 60, AdaptiveWidth())
    spoilt = np.where(end > 30, 50.0, scores)
    again, _ = widths(spoilt, time, end, 60, AdaptiveWidth())
    np.testing.assert_array_equal(whole[time <= 30], again[time <= 30])
    assert (whole[time == 31] != again[time == 31]).all()
    cut = time <= 30
    assert widths(scores[cut], time[cut], end[cut], 31, AdaptiveWidth())[1] == whole[time == 31][0]


def test_beyond_all_scores_the_width_grows_and_below_enough_there_is_none() -> None:
    one = AdaptiveWidth(share=-0.1)
    one.learn(np.arange(float(FEWEST - 1)), math.nan)
    assert math.isnan(one.width())
    one.learn(np.array([99.0]), math.nan)
    level = 1.1 * (FEWEST + 1) / FEWEST
    assert one.width() == pytest.approx(99.0 * (1 + (level - 1) / 0.1))
