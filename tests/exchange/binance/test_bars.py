"""Bars of another time zone against those that trades themselves make, moved by as much."""

import pytest
from hypothesis import given, strategies as st
from tests.exchange.binance.conftest import SECOND

from exchange.binance.bars import Bars

HOUR = 3600
BEGAN = 1_700_000_000 * SECOND // (24 * HOUR * SECOND) * (24 * HOUR * SECOND)
TRADES = st.lists(
    st.tuples(st.integers(0, 40 * HOUR), st.integers(95, 105), st.integers(1, 9), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(
    TRADES,
    st.sampled_from(["15m", "1h", "4h", "12h", "1d"]),
    st.sampled_from([-12.0, -1, 5.75, 8, 14]),
)
def test_bars_of_a_zone_are_those_of_trades_moved_there(trades, interval, hours) -> None:
    shift, now = round(hours * HOUR), BEGAN + 41 * HOUR * SECOND
    here, there = Bars(BEGAN, 100), Bars(BEGAN + shift * SECOND, 100)
    for number, (at, ticks, lots, bought) in enumerate(sorted(trades), 1):
        here.take(number, BEGAN + at * SECOND, ticks, lots, bought)
        there.take(number, BEGAN + (at + shift) * SECOND, ticks, lots, bought)
    found = here.zone_bars(interval, now, shift)
    wanted = there.of(interval, now + shift * SECOND)
    assert [one.open_ns + shift * SECOND for one in found] == [one.open_ns for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.close_ns + shift * SECOND == other.close_ns
        names = (
            "opened",
            "high",
            "low",
            "closed",
            "lots",
            "value",
            "taken_lots",
            "taken_value",
            "count",
        )
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]


@pytest.mark.parametrize(
    ("zone", "hour"), [("8", 16), ("-1:00", 1), ("05:45", 18.25), ("+14", 10), ("0", 0)]
)
def test_a_day_begins_at_midnight_of_its_zone(bench, zone, hour) -> None:
    from exchange.binance.limits import RateLimits, RateUsage
    from exchange.binance.market_requests import MarketRequests
    from exchange.binance.params import Params

    requests = MarketRequests(bench.engine, RateUsage(RateLimits(), lambda: 0))
    asked = Params({"symbol": bench.symbol, "interval": "1d", "timeZone": zone})
    assert requests.klines(asked)[-1][0] % 86_400_000 == hour * 3_600_000
    day = requests.trading_day(Params({"symbol": bench.symbol, "timeZone": zone}))
    assert day["openTime"] == requests.klines(asked)[-1][0]
