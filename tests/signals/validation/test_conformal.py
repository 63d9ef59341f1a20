"""Intervals that adapt: the right width where nothing changes, coverage where the scale does, nothing from later."""

import math

import numpy as np
import pytest

from tercel.core.stats.inference import normal_quantile
from tercel.signals.models.predict import FEWEST, AdaptiveWidth, widths

NAMES, DATES = 40, 400


def panel(scale: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|normal errors| of 40 names a date, of a scale by date; labels end two dates later."""
    time = np.repeat(np.arange(len(scale)), NAMES)
    error = np.random.default_rng(seed).standard_normal(len(time)) * np.repeat(scale, NAMES)
    return np.abs(error), time, time + 2


def test_errors_of_one_law_get_its_quantile() -> None:
    scores, time, end = panel(np.ones(DATES))
    found, now = widths(scores, time, end, DATES + 2, AdaptiveWidth())
    known = np.isfinite(found)
    assert not known[time < 2].any()
    assert known[time >= 2].all()
    assert np.mean(scores[known] <= found[known]) == pytest.approx(0.9, abs=0.005)
    assert found[known].mean() == pytest.approx(normal_quantile(0.95), abs=0.05)
    assert now == pytest.approx(normal_quantile(0.95), abs=0.2)


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
