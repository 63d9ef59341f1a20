"""Proxy metaorders against a dictionary twin, and their impact where it is known."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.studies.made import observed

from studies.tape import metaorders as m
from tercel.core.errors import ConfigError
from tercel.market.observed import Observed, event_columns

pytestmark = pytest.mark.release

DAY_S = 7200.0


def day_of(sign: np.ndarray, mid: np.ndarray, lots: np.ndarray | int = 10) -> Observed:
    """Market orders evenly over two hours; `mid` just before each."""
    n = len(sign)
    at = np.linspace(1.0, DAY_S - 1.0, n)
    return observed(
        at, np.full(n, event_columns.MARKET), sign, np.broadcast_to(lots, n), mid=mid, seconds=DAY_S
    )


def trades(sign: np.ndarray, lots: np.ndarray, before: np.ndarray, after: np.ndarray) -> m.Trades:
    return m.Trades(sign, lots.astype(np.float64), before, after, 1.0, float(lots.sum()))


@given(seed=st.integers(0, 2**31), n=st.integers(1, 60), traders=st.integers(1, 5))
def test_runs_as_the_dictionary_twin(seed: int, n: int, traders: int) -> None:
    rng = np.random.default_rng(seed)
    sign, who, lots = rng.choice([1, -1], n), rng.integers(0, traders, n), rng.integers(1, 9, n)
    before = rng.normal(size=n)
    after = before + rng.normal(size=n)
    mine: dict[int, list[int]] = defaultdict(list)
    for i in range(n):
        mine[int(who[i])].append(i)
    wanted = []
    for rows in mine.values():
        run: list[int] = []
        for i in [*rows, -1]:
            if run and (i < 0 or sign[i] != sign[run[0]]):
                wanted.append(
                    (
                        int(lots[run].sum()),
                        sign[run[0]] * (after[run[-1]] - before[run[0]]),
                        len(run),
                    )
                )
                run = []
            run.append(i)
    found = zip(
        *(part.tolist() for part in m.runs(trades(sign, lots, before, after), who)), strict=True
    )
    assert sorted(found) == sorted((float(a), float(b), c) for a, b, c in wanted)


def test_the_fit_finds_what_was_planted() -> None:
    x = np.geomspace(1e-4, 1e-2, 12)[None, :]
    half, delta, y, at_share, _ = m.solve(x, 1.3 * x**0.6, np.ones((1, 12)))
    assert (delta[0], y[0], at_share[0]) == pytest.approx((0.6, 1.3, 1.3 * 0.01**0.6))
    half, delta, *_ = m.solve(x, 0.8 * x**0.5, np.ones((1, 12)))
    assert (half[0], delta[0]) == pytest.approx((0.8, 0.5))


def test_trades_that_know_nothing_of_each_other_and_move_the_mid_alike_are_linear() -> None:
    """Each order of 10 lots moves the mid by 2 ticks for good: n of them by 2 n, whoever sends the others."""
    rng = np.random.default_rng(1)
    days = {}
    for i in range(6):
        sign = rng.choice([1, -1], 6000)
        days[f"2030-01-{i + 1:02}"] = day_of(sign, 20_000 + 2 * (np.cumsum(sign) - sign))
    found = m.metaorders("MADE", days)
    for fit in found.fits:
        assert fit.delta.mean == pytest.approx(1.0, abs=0.12)
        wanted = 2.0 * m.SHARE * found.volume_lots / 10.0 / found.sigma_ticks
        assert fit.at_share.mean == pytest.approx(wanted, rel=0.25)


def test_refusals() -> None:
    day = day_of(np.ones(50, np.int64), np.full(50, 1000))
    with pytest.raises(ConfigError, match="5 days"):
        m.metaorders("MADE", {"a": day})
    with pytest.raises(ConfigError, match="trade and move"):
        m.metaorders("MADE", {str(i): day for i in range(5)})
    with pytest.raises(ConfigError, match="runs"):
        m.binned(np.ones(3), np.ones(3), np.zeros(3, np.int64), 1)
    with pytest.raises(ConfigError, match="several sizes"):
        m.binned(np.ones(100), np.ones(100), np.zeros(100, np.int64), 1)
