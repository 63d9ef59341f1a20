"""The study of estimates judges each day once, by the days before it alone."""

import numpy as np
import pytest

from studies.tape.estimate import LEAST, judge, shares_held
from tercel.lab.pretrade import LikeCosts, predict


def test_a_day_is_judged_by_the_days_before_it() -> None:
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(9), 4)
    side = np.tile([1, -1], 18)
    bps = rng.normal(5.0, 10.0, 36)
    bps[day == 7] += (
        1_000.0  # no estimate of days before it holds this, and later ones are wider by it
    )
    none = np.zeros(36)
    costs = LikeCosts(bps, none, none, none, bps, none > 0, day, side)
    found = judge(costs, 3, list(range(9)), 4.0)
    assert found.days[:, 1].tolist() == [d for d in range(LEAST, 9) for _ in (1, -1)]
    assert found.days[found.days[:, 1] == 7, 0].tolist() == [0.0, 0.0]
    assert found.days[found.days[:, 1] == 8, 0].tolist() == [1.0, 1.0]
    before = predict(bps[day < 6], day[day < 6], side[day < 6])
    rows = found.orders[found.orders[:, 1] == 6]
    assert sorted(rows[:, 3]) == sorted(bps[day == 6])
    assert set(rows[:, 2]) == {before.mean}
    assert rows[:, 0].tolist() == (rows[:, 3] <= before.worst).tolist()
    share = shares_held(found.orders)
    assert share.mean == pytest.approx(100 * found.orders[:, 0].mean())
