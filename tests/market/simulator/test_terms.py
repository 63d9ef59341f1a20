"""Fees to the last fraction, latencies by their laws."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, DataError
from tercel.core.fixed_point import FEE_UNIT
from tercel.core.seeds import seed_stream
from tercel.market.simulator import layout as sim
from tercel.market.simulator.terms import Fees, charge, entry_delay, feed_delay, receive_delays
from tercel.market.tape import Events

MS = 1_000_000


def state(fees: Fees = Fees(), tick: float = 0.01) -> NDArray[np.int64]:  # noqa: B008 - frozen
    k = np.zeros(sim.GRID, np.int64)
    k[sim.MAKER_FEE : sim.TAKER_RATE + 1] = fees.kernel_values(tick)
    seed_stream(k, sim.ENTRY_RNG, 1, 1, 2)
    seed_stream(k, sim.FEED_RNG, 1, 1, 5)
    k[sim.FEED_AT_NS] = -1
    return k


fills = st.lists(
    st.tuples(st.integers(1, 2**24), st.integers(1, 10**5), st.booleans()), min_size=1, max_size=30
)


@given(fills, st.floats(-50, 50), st.floats(-50, 50), st.sampled_from(["share", "bps"]))
def test_what_is_charged_is_the_exact_sum_rounded_once(
    trades: list[tuple[int, int, bool]], maker: float, taker: float, unit: str
) -> None:
    fees = Fees(maker, taker, unit)
    k = state(fees)
    words, said, exact = fees.kernel_values(0.01), 0, Fraction(0)
    for price2, lots, passive in trades:
        said += charge(k, price2, lots, passive)
        each = Fraction(words[0 if passive else 1] + words[2 if passive else 3] * price2, FEE_UNIT)
        exact += each * lots
    assert k[sim.FEES] == said
    assert Fraction(int(k[sim.FEES])) + Fraction(int(k[sim.FEES_REST]), FEE_UNIT) == exact
    assert abs(said - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("fees", "passive", "charged"),
    [
        (Fees(taker=0.003), False, 600),
        (Fees(maker=-1.0, taker=5.0, unit="bps"), False, 2000),
        (Fees(maker=-1.0, taker=5.0, unit="bps"), True, -400),
        (Fees(), True, 0),
    ],
)
def test_units_of_fees(fees: Fees, passive: bool, charged: int) -> None:
    """30 cents a hundred shares at a tick of a cent are 0.6 half-ticks a lot; 5 bps of 20 dollars are a cent."""
    k = state(fees)
    words = k.tolist()
    words[sim.FEES] += charged
    assert charge(k, 4000, 1000, passive) == charged
    assert k.tolist() == words


@pytest.mark.parametrize(
    ("taker", "unit", "said"),
    [
        (np.nan, "share", "fees"),
        (0.0, "euro", "fees"),
        (1000.0, "share", "ticks"),
        (2000.0, "bps", "bps"),
    ],
)
def test_what_is_no_schedule_is_refused(taker: float, unit: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Fees(0.0, taker, unit).kernel_values(0.01)


def delays(k: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    out = []
    for now in range(n):
        k[sim.NOW] = now
        out.append(feed_delay(k))
        assert feed_delay(k) == out[-1]  # one draw a moment
    return np.array(out)


@pytest.mark.parametrize(
    ("kind", "a", "b", "n", "mean"),
    [
        (sim.CONSTANT, 0, 0, 3, 0.0),
        (sim.CONSTANT, 7 * MS, 0, 3, 7 * MS),
        (sim.UNIFORM, 7 * MS, 9 * MS, 2000, 8 * MS),
        (sim.EXPONENTIAL, 7 * MS, 2 * MS, 4000, 9 * MS),
    ],
)
def test_feed_latency_is_drawn_once_a_moment_by_its_law(
    kind: int, a: int, b: int, n: int, mean: float
) -> None:
    k = state()
    k[[sim.FEED_KIND, sim.FEED_A, sim.FEED_B]] = kind, a, b
    drawn = delays(k, n)
    assert drawn.min() >= a
    assert drawn.max() <= (np.inf if kind == sim.EXPONENTIAL else max(a, b))
    assert drawn.mean() == pytest.approx(mean, rel=0.02 if kind == sim.EXPONENTIAL else 0.01)


def test_an_empirical_latency_has_the_law_of_its_values() -> None:
    k = state()
    values = np.arange(sim.LATENCY_VALUES) ** 3 + 5
    k[sim.FEED_KIND] = k[sim.LATENCY_KIND] = sim.EMPIRICAL
    k[sim.FEED_TABLE : sim.FEED_TABLE + sim.LATENCY_VALUES] = values
    k[sim.ENTRY_TABLE : sim.ENTRY_TABLE + sim.LATENCY_VALUES] = 2 * values
    counts = np.bincount(np.searchsorted(values, delays(k, 6400)), minlength=sim.LATENCY_VALUES)
    assert counts.sum() == 6400
    assert ((counts - 200) ** 2 / 200).sum() < 60  # chi-squared, 31 degrees: 0.1 % at 61
    assert set(np.unique([entry_delay(k) for _ in range(2000)]).tolist()) == set(
        (2 * values).tolist()
    )


def received(delay_ns: NDArray[np.int64]) -> Events:
    n = len(delay_ns)
    ns = np.arange(n) * 1000
    zeros = np.zeros(n, np.int64)
    names = ("kind", "order_id", "side", "price_ticks", "qty_lots", "flags")
    return Events.from_columns(
        {"exch_ns": ns, "recv_ns": ns + delay_ns, "seq": ns, **dict.fromkeys(names, zeros)}
    )


def test_a_tape_says_how_late_it_was() -> None:
    delay = np.random.default_rng(1).exponential(3e6, 5000).astype(np.int64)
    values = receive_delays(received(delay))
    assert len(values) == sim.LATENCY_VALUES
    assert sorted(values) == list(values)
    assert np.mean(values) == pytest.approx(delay.mean(), rel=0.005)
    with pytest.raises(DataError, match="receipt"):
        receive_delays(received(np.zeros(100, np.int64)))
    with pytest.raises(DataError, match="before"):
        receive_delays(received(np.full(100, -5)))
