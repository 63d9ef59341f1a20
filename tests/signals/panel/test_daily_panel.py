"""The weekly sets of the daily panel: decided after the close, held from the lag on, ranked within the date."""

from pathlib import Path

import numpy as np
import pytest
from tests.signals.sources.test_sources import daily_file

from tercel.signals.sources.daily import DailyFactors, daily_panel

HOUR = 3_600_000_000_000


@pytest.mark.parametrize("lag", [0, 1])
def test_labels_begin_after_the_decision_and_rows_are_ranked(tmp_path: Path, lag: int) -> None:
    path = daily_file(tmp_path)
    data = daily_panel(path, lag=lag, source=DailyFactors(path, history=60))
    assert data.x.shape == (data.n, 22)
    assert np.abs(data.x).max() <= 0.5
    gap = (data.start_ns - data.time_ns) / HOUR
    # a day of lag: the next close, three days later over a weekend
    assert set(np.round(gap, 1)) == ({0.0} if lag == 0 else {23.5}) or (
        lag == 1 and set(gap.round()) <= {23, 24, 71, 72}
    )
    for date in np.unique(data.dates):
        rows = data.dates == date
        order = np.argsort(data.outcome[rows])
        assert np.all(np.diff(data.y[rows][order]) > 0)
    assert ("no lag" in data.note) == (lag == 0)


def test_the_future_does_not_change_past_rows(tmp_path: Path) -> None:
    import polars as pl

    path = daily_file(tmp_path)
    whole = daily_panel(path, source=DailyFactors(path, history=60))
    frame = pl.read_parquet(path)
    cut = sorted(frame["date"].unique().to_list())[200]
    frame.filter(pl.col("date") <= cut).write_parquet(path)
    part = daily_panel(path, source=DailyFactors(path, history=60))
    assert part.n > 50
    assert np.array_equal(part.x, whole.x[: part.n])
    assert np.array_equal(part.y, whole.y[: part.n])
    assert np.array_equal(part.time_ns, whole.time_ns[: part.n])
