"""The pace of a venue: its arithmetic by a clock moved by hand, and an exchange that is the same at any pace."""

import pytest
from hypothesis import example, given, strategies as st

from tercel.core.errors import ConfigError
from tercel.core.pace import LONGEST_NS, Pace
from tercel.market.flow.registry import load
from tercel.market.simulator.source import reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange

S = 10**9


class SleepingClock:
    """Time passes while somebody sleeps."""

    def __init__(self) -> None:
        self.ns, self.longest = 5, 0

    def now_ns(self) -> int:
        return self.ns

    def sleep_ns(self, ns: int) -> None:
        self.ns, self.longest = self.ns + ns, max(self.longest, ns)


@pytest.mark.parametrize("speed", [0.0, -1.0, 1.1e6, float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match="speed above 0"):
        Pace(SleepingClock(), speed)


@given(st.floats(0.01, 1000.0), st.integers(0, 10 * S), st.integers(0, 10 * S))
@example(0.010000000000000002, 2, 1)
def test_a_wait_ends_at_its_time_or_after_a_tenth_of_a_second(
    speed: float, passed: int, ahead: int
) -> None:
    clock = SleepingClock()
    pace = Pace(clock, speed)
    pace.begin(7 * S)
    clock.ns += passed
    began, until = clock.ns, 7 * S + ahead
    reached = pace.wait(until)
    left = (until - 7 * S) / speed - passed
    assert clock.longest <= LONGEST_NS
    told = 2 + 1 / speed  # the venue's time is told in whole nanoseconds
    assert clock.ns - began == pytest.approx(min(max(left, 0.0), LONGEST_NS), abs=told)
    if left <= LONGEST_NS - told:
        assert reached == until
    elif left > LONGEST_NS + told:
        assert reached == pytest.approx(7 * S + (passed + LONGEST_NS) * speed, rel=1e-9, abs=2)


def test_an_exchange_is_the_same_at_any_pace() -> None:
    source = reactive(load("csco-santa-fe"), settle_s=60.0)

    def seen(pace: Pace | None) -> list[bytes]:
        exchange = SimulatedExchange({"A": MarketSpec(source, 1)}, pace=pace)
        exchange.subscribe("A")
        until, rows = exchange.now_ns + 20 * S, []
        while exchange.now_ns < until:
            rows += [event.rows[:, 1:] for event in exchange.step(until) if len(event.rows)]
        return [row.tobytes() for part in rows[1:] for row in part]

    clock = SleepingClock()
    assert seen(Pace(clock, 4.0)) == seen(None)
    assert clock.ns == pytest.approx(5 * S, abs=LONGEST_NS)
