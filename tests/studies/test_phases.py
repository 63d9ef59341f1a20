"""The phases of the week: each is the panel that begins on that day, and together they are every day."""

from pathlib import Path

import numpy as np
import pytest
from tests.signals.sources.test_sources import daily_file

from studies.signals.phases import WEEK, phase_study
from tercel.signals.models.skill import rank_ic_by_date, skill
from tercel.signals.sources.daily import DailyFactors, daily_panel

pytestmark = pytest.mark.release


def test_the_first_phase_is_the_panel_and_all_make_every_day(tmp_path: Path) -> None:
    path = daily_file(tmp_path, names=8, days=420)
    rows = phase_study(path, tested="2001-01-01")
    assert [(row.rule, row.lag, row.guarded) for row in rows[:2]] == [
        ("reversal", 1, True),
        ("reversal", 0, True),
    ]
    assert all(len(row.phases) == WEEK for row in rows)
    counts = np.array([one.dates for one in rows[0].phases])
    means = np.array([one.mean for one in rows[0].phases])
    assert counts.sum() == rows[0].daily.dates
    assert np.isclose(counts @ means / counts.sum(), rows[0].daily.mean)
    for lag, row in ((1, rows[0]), (0, rows[1])):
        data = daily_panel(path, source=DailyFactors(path), lag=lag)
        signal = -data.x[:, data.names.index("daily.ret_5")]
        whole = skill(rank_ic_by_date(signal, data.outcome, data.dates), np.random.default_rng(0))
        assert whole.dates == row.phases[0].dates
        assert abs(whole.mean - row.phases[0].mean) < 1e-9
