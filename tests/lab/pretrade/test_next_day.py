"""The estimate of the next day beside a twin in plain loops, and how often it holds on days drawn at random."""

import math
import statistics

import numpy as np
import pytest

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.lab.pretrade import predict

T_90 = {2: 2.919986, 7: 1.894579}
"""Student's t that 95 % stay below, by degrees of freedom (tables)."""


def drawn(rng: np.random.Generator, days: int, per_day: int) -> tuple[Floats, Ints, Ints]:
    """Costs of orders, bought and sold: a day's own part, its drift, which changes sign with the side, and noise."""
    day = np.repeat(np.arange(days), 2 * per_day)
    side = np.tile([1, -1], days * per_day)
    own, drift = rng.normal(6.0, 3.0, days), rng.normal(0.0, 20.0, days)
    return own[day] + side * drift[day] + rng.normal(0.0, 2.0, len(day)), day, side


@pytest.mark.parametrize("days", [3, 8])
def test_it_is_what_loops_add_up(days: int) -> None:
    bps, day, side = drawn(np.random.default_rng(days), days, 3)
    centres, drifts = [], []
    for d in range(days):
        buy = statistics.fmean(
            b for b, x, s in zip(bps, day, side, strict=True) if (x, s) == (d, 1)
        )
        sell = statistics.fmean(
            b for b, x, s in zip(bps, day, side, strict=True) if (x, s) == (d, -1)
        )
        centres.append((buy + sell) / 2)
        drifts.append((buy - sell) / 2)
    spread2 = statistics.variance(centres) * (1 + 1 / days) + statistics.fmean(
        drift**2 for drift in drifts
    )
    found = predict(bps, day, side)
    assert found.mean == pytest.approx(statistics.fmean(centres))
    half = T_90[days - 1] * math.sqrt(spread2)
    assert (found.low, found.high) == pytest.approx(
        (found.mean - half, found.mean + half), rel=1e-5
    )
    assert found.standard_error == pytest.approx(statistics.stdev(centres) / math.sqrt(days))
    assert found.sd == pytest.approx(statistics.pstdev(bps))


def test_nine_days_of_ten_fall_inside_and_one_order_of_twenty_beyond_the_worst() -> None:
    rng, inside, below = np.random.default_rng(3), [], []
    for _ in range(400):
        bps, day, side = drawn(rng, 13, 3)
        known, now = day < 12, (day == 12) & (side == 1)
        found = predict(bps[known], day[known], side[known])
        inside.append(found.low <= bps[now].mean() <= found.high)
        below.append((bps[now] <= found.worst).mean())
    assert 0.86 <= np.mean(inside) <= 0.94
    assert 0.91 <= np.mean(below) <= 0.98


def test_sides_may_be_called_by_each_others_names() -> None:
    bps, day, side = drawn(np.random.default_rng(5), 6, 2)
    one, other = predict(bps, day, side), predict(bps, day, -side)
    assert (one.low, one.mean, one.high, one.worst) == pytest.approx(
        (other.low, other.mean, other.high, other.worst)
    )


def test_one_day_says_nothing_of_the_next() -> None:
    with pytest.raises(ConfigError, match="two days or more"):
        predict(np.array([1.0, 2.0]), np.array([0, 0]), np.array([1, -1]))
