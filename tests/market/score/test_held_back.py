"""Time that calibrates a market and time that judges it: spans by counting seconds, halts, alternate stretches, chosen days."""

from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND, STATUS
from tercel.market.flow.queue_reactive.calibrate import calibrate
from tercel.market.score.calibrated import choose_days
from tercel.market.score.held_back import (
    alternate_stretches,
    limits_of,
    trading_spans,
    whole_day,
    without_gaps,
)
from tercel.market.score.scored_days import Day, read_days
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.local_times import local_ns
from tercel.market.tape.recorded_rules import recorded_hours

OPEN_NS = local_ns("2023-07-11", "Asia/Shanghai", 9 * 3600 + 1800)
HOUR_S = 3600.0
SHANGHAI = Instrument(
    "SSE", "600961", "2023-07-11", 0.01, timezone="Asia/Shanghai",
    session_open_ns=OPEN_NS, session_close_ns=OPEN_NS + round(5.5 * HOUR_S) * NS_PER_SECOND,
)  # fmt: skip


def day_of_status(instrument: Instrument, *status: tuple[float, int]) -> Day:
    """A day whose tape has nothing but changes of its trading status: seconds after the opening, 1 trades."""
    rows = np.zeros((len(status), 9), np.int64)
    for row, (seconds, value) in zip(rows, status, strict=True):
        ns = instrument.session_open_ns + round(seconds * NS_PER_SECOND)
        row[[0, 1, 3, 6]] = ns, ns, STATUS, value
    columns = ("i8", "i8", "i8", "u1", "i8", "i1", "i4", "i4", "u1")
    return Day(instrument, Events(*(rows[:, n].astype(dtype) for n, dtype in enumerate(columns))))


@pytest.mark.parametrize("seed", range(6))
def test_spans_are_the_seconds_that_trade(seed: int) -> None:
    """Twin: of every second of the session, whether it lies in the lunch break or in a halt of a minute or more."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(np.arange(60, 19_740), 6, replace=False))
    values = rng.choice([-1, 0, 1], 6)
    day = day_of_status(SHANGHAI, *zip(times.tolist(), values.tolist(), strict=True))
    second = np.arange(19_800)
    trades = (second < 7200) | (second >= 12_600) & (second < 19_620)
    halted = np.zeros(len(second), np.bool_)
    for n, (first, value) in enumerate(zip(times, values, strict=True)):
        halted[first : times[n + 1] if n < 5 else None] = value != 1
    edges = np.flatnonzero(np.diff(np.r_[0, halted.astype(int), 0]))
    for first, last in edges.reshape(-1, 2):
        halted[first:last] = last - first >= 60
    if (trades & halted).sum() > 0.5 * trades.sum():
        with pytest.raises(ConfigError, match="600961 2023-07-11, halted"):
            trading_spans(day)
        return
    in_use = trades & ~halted & (second >= 900)
    ends = np.flatnonzero(np.diff(np.r_[0, in_use.astype(int), 0])).reshape(-1, 2)
    long = [(float(a), float(b)) for a, b in ends if b - a >= 300]
    np.testing.assert_allclose(trading_spans(day), long)
    windows = recorded_hours(without_gaps(day).instrument).windows
    if halted.any():
        in_use_ns = [(w.start_ns - OPEN_NS, w.end_ns - OPEN_NS) for w in windows]
        np.testing.assert_allclose(np.array(in_use_ns) / NS_PER_SECOND, long)


def test_a_day_mostly_halted_is_refused_by_name() -> None:
    day = day_of_status(SHANGHAI, (3000.0, -1))
    with pytest.raises(ConfigError) as error:
        trading_spans(day)
    for said in ("2023-07-11, halted 3.1 of 4.0 h", "leave 2023-07-11 out"):
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("seconds", "part", "pieces"),
    [(23_400.0, "odd half hours", 13), (3600.0, "odd quarter hours", 4), (1800.0, "", 0)],
)
def test_every_other_stretch_of_one_day_judges(seconds: float, part: str, pieces: int) -> None:
    session_close_ns = OPEN_NS + round(seconds) * NS_PER_SECOND
    day = day_of_status(
        Instrument("X", "A", "2023-07-11", 0.01, session_open_ns=OPEN_NS, session_close_ns=session_close_ns),
        (0.0, 1),
    )  # fmt: skip
    chosen = alternate_stretches(day)
    assert chosen.part == part
    if not pieces:
        assert (chosen.train, chosen.test) == ([day], [])
        return
    spans = [span for days in (chosen.train, chosen.test) for span in trading_spans(days[0])]
    assert len(spans) == pieces
    assert sum(stop - start for start, stop in spans) == day.stretch_s[1] - day.stretch_s[0]
    for (_, stop), (start, _) in zip(sorted(spans), sorted(spans)[1:], strict=False):
        assert stop == start
    [odd], [even] = chosen.train, chosen.test
    assert [odd.label, even.label] == [
        f"2023-07-11 [{which}{part[3:]}]" for which in ("odd", "even")
    ]
    assert whole_day(odd.instrument) == day.instrument
    assert bool(limits_of(chosen.train)) == (seconds < 14_400)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three simulated days of half an hour."""
    return simulated_lake(tmp_path_factory.mktemp("held") / "lake", 0.5)


def test_days_that_judge_are_the_next_ones_else_the_last_one(lake: Lake) -> None:
    def chosen(*dates: str, start: str = "", end: str = "") -> tuple[list[str], list[str]]:
        days = read_days(Path(lake.root), "SIM", dates, start, end)
        found = choose_days(Path(lake.root), days, bool(start or end))
        return [day.label for day in found.train], [day.label for day in found.test]

    assert chosen(DAYS[0]) == ([DAYS[0]], [DAYS[1]])
    assert chosen(DAYS[1]) == ([DAYS[1]], [DAYS[2]])
    assert chosen(DAYS[0], DAYS[1]) == ([DAYS[0], DAYS[1]], [DAYS[2]])
    assert chosen(DAYS[1], DAYS[2]) == ([DAYS[1], DAYS[2]], [DAYS[0]])
    assert chosen(*DAYS) == ([DAYS[0], DAYS[1]], [DAYS[2]])
    instrument, _ = lake.read("SIM", DAYS[0])
    opens = (instrument.session_open_ns - instrument.clock_ns("00:00")) // NS_PER_SECOND
    noon = f"{(opens + 900) // 3600:02}:{(opens + 900) % 3600 // 60:02}"
    assert chosen(DAYS[0], end=noon)[1] == [f"{DAYS[0]} [900 to 1800 s]"]
    assert chosen(DAYS[0], start=noon)[1] == [f"{DAYS[0]} [0 to 900 s]"]


def test_halted_time_is_no_time_of_a_calibration(lake: Lake) -> None:
    instrument, events = lake.read("SIM", DAYS[0])
    halted = day_of_status(instrument, (600.0, -1), (1200.0, 1)).events
    both = Events(
        *(np.concatenate(pair) for pair in zip(events.columns(), halted.columns(), strict=True))
    )
    order = np.argsort(both.exch_ns, kind="stable")
    day = Day(instrument, Events(*(column[order] for column in both.columns())))
    assert "30 minutes" not in " ".join(limits_of([day]))
    cut = without_gaps(day)
    preset, whole = (
        calibrate([(one.instrument, one.events)], name="x", date=DAYS[0], skip_s=0.0, tuned=False)
        for one in (cut, day)
    )
    assert (preset.card["seconds"], whole.card["seconds"]) == (1200.0, 1800.0)
    assert len(preset.minutes) == 20
    plain = Day(instrument, events)
    assert without_gaps(plain) is plain
