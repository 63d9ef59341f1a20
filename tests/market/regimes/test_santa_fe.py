"""Regimes in the zero-intelligence flow: factors are what scaled rates are, and ones change no byte."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tercel.market.flow import santa_fe
from tercel.market.flow.registry import load
from tercel.market.regimes.named import Factors, impose
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded
from tercel.market.simulator.source import Source, reactive

SECONDS = 300


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


def rows_of(
    market: Source, factors: Factors | None, flow: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    b, k = market.worlds_b[0].copy(), market.worlds_k[0].copy()
    if factors is not None:
        impose(k, factors)
    return run_recorded(
        b, k, market.flow if flow is None else flow, int(k[sim.NOW]) + SECONDS * 10**9
    )


def test_factors_of_one_change_no_byte(market: Source) -> None:
    np.testing.assert_array_equal(rows_of(market, Factors()), rows_of(market, None))


def test_factors_are_scaled_rates(market: Source) -> None:
    """Also cancels, which are thinned: their bound scales with them."""
    flow = market.flow.copy()
    flow[santa_fe.LIMIT_TOTAL] *= 0.7
    flow[santa_fe.MARKET_RATE] *= 1.3
    flow[santa_fe.CANCEL_MAX] *= 2.5
    flow[santa_fe.BUY_SHARE] = 0.55
    scaled = rows_of(market, None, flow)
    assert len(scaled) > 500
    np.testing.assert_array_equal(rows_of(market, Factors(0.7, 1.3, 2.5, lean=0.1)), scaled)


def test_the_pace_is_the_same_market_in_another_time(market: Source) -> None:
    fast, slow = rows_of(market, Factors(pace=4.0)), rows_of(market, None)
    n = len(slow)
    assert len(fast) > 3 * n
    np.testing.assert_array_equal(
        fast[:n, 1:], slow[:, 1:]
    )  # the same events, nanoseconds apart from a quarter
    start = int(market.worlds_k[0, sim.NOW])
    np.testing.assert_allclose(4 * (fast[1:n, 0] - start), slow[1:, 0] - start, rtol=1e-3, atol=5e9)
