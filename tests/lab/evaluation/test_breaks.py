"""Recorded days with a lunch break: windows, orders and episodes run in trading time, as on the same day without the break."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tercel.api.tca.market_day import read_day
from tercel.cli.order import TypedOrder
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import BREAK
from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.execution.orders import Order, assign_days, horizon_until
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.market_estimates import pilot
from tercel.lab.evaluation.pipeline.judged_tables import title_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tape_split import Split, curve_lots, cut_of
from tercel.lab.evaluation.windows import clock_hours, orders_plan, tape_plan
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import simulated_session
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Events, Instrument, Lake, schema
from tercel.market.tape.compiled import CompiledDay, compile_day
from tercel.market.tape.day_breaks import with_breaks
from tercel.market.tape.local_times import local_ns
from tercel.market.tape.recorded_rules import recorded_hours, recorded_rules

S = 10**9
MINUTE = 60 * S
DATE = "2030-01-02"
ZONE = "Asia/Shanghai"
OPEN = local_ns(DATE, ZONE, 9 * 3600 + 1800)
NOON = OPEN + 120 * MINUTE
PAUSE = 90 * MINUTE
CLOSE = OPEN + 237 * MINUTE
TASK = Task(horizon="30min", decisions=60, warmup_s=900, quantity=400, side="buy")


def instrument(venue: str, close: int) -> Instrument:
    return Instrument(
        venue, "TOY", DATE, 0.01, timezone=ZONE, session_open_ns=OPEN, session_close_ns=close
    )


@pytest.fixture(scope="module")
def joined() -> Events:
    """A morning and an afternoon without the break between them."""
    return simulated_session(load("csco-santa-fe"), 5, 237 * 60.0, OPEN)


@pytest.fixture(scope="module")
def apart(joined: Events) -> Events:
    """The same, the afternoon 90 minutes later."""
    ns = joined.exch_ns + PAUSE * (joined.exch_ns >= NOON)
    return replace(joined, exch_ns=ns, recv_ns=ns)


@pytest.fixture(scope="module")
def days(joined: Events, apart: Events) -> tuple[CompiledDay, CompiledDay]:
    return (
        compile_day(instrument("ELSEWHERE", CLOSE), joined),
        compile_day(instrument("SSE", CLOSE + PAUSE), apart),
    )


def later(ns: np.ndarray) -> np.ndarray:
    """Times of the day without the break, as those of the day with it."""
    return ns + PAUSE * (ns >= NOON)


def test_windows_are_laid_in_trading_time_and_warm_up_before_the_break(
    days: tuple[CompiledDay, CompiledDay],
) -> None:
    plans = []
    for day in days:
        _, [tape_day] = source_of([day])
        plans.append(tape_plan([tape_day], TASK, [3000.0] * 13, every_ns=5 * MINUTE).rows)
    plain, broken = plans
    assert len(plain) == len(broken) == 39
    np.testing.assert_array_equal(
        later(plain[:, kernels.E_START_NS]), broken[:, kernels.E_START_NS]
    )
    begins = [rows[:, kernels.E_START_NS] - rows[:, kernels.E_WARMUP_NS] for rows in plans]
    same = begins[0] != NOON  # a warm-up of the whole afternoon may begin before or after the break
    np.testing.assert_array_equal(later(begins[0])[same], begins[1][same])


def test_volume_is_learned_and_expected_in_trading_time(
    joined: Events, apart: Events, days: tuple[CompiledDay, CompiledDay]
) -> None:
    whole, parted = (
        (day.instrument, events) for day, events in zip(days, (joined, apart), strict=True)
    )
    curve = curve_lots(*whole)
    np.testing.assert_array_equal(curve, curve_lots(*parted))
    assert cut_of(*parted)[2] == later(np.array(cut_of(*whole)[2]))
    for lots in (whole, parted):
        hours = {DATE: [(OPEN + 100 * MINUTE, OPEN + 110 * MINUTE)]}
        found = Split([DATE], [DATE], 0, [lots], hours).curve
        assert found[5:7] == [pytest.approx(np.mean(np.delete(curve, [5, 6])))] * 2
    quantities, curves = [], []
    for day in days:
        source, [tape_day] = source_of([day])
        plan = tape_plan(
            [tape_day], replace(TASK, quantity=None, share=0.1), curve, every_ns=5 * MINUTE
        )
        quantities.append(plan.rows[:, kernels.E_QUANTITY])
        curves.append(pilot(source, replace(TASK, side=0), plan).curve)
    np.testing.assert_array_equal(*quantities)
    np.testing.assert_array_equal(*curves)


@pytest.mark.parametrize("name", ["twap_take", "twap_passive", "peg_behind", "imbalance_peg"])
@pytest.mark.parametrize("clock", ["time", "events"])
def test_an_episode_over_the_break_trades_as_on_the_day_without_it(
    days: tuple[CompiledDay, CompiledDay], name: str, clock: str
) -> None:
    task = replace(TASK, clock=clock, clock_step=40 if clock == "events" else 0, side=0)
    outcomes = []
    for day in days:
        source, [tape_day] = source_of([day])
        plan = tape_plan([tape_day], task, [3000.0] * 13, every_ns=10 * MINUTE)
        episodes = Episodes(source, task, len(plan), log_rows=4096)
        episodes.start(plan)
        strategy = build(name)
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        costs = episodes.costs()
        costs.check()
        outcomes.append((episodes.states[:, [sim.TAKEN, sim.DECISION, sim.EVENTS]], costs))
    (plain_words, plain), (broken_words, broken) = outcomes
    plain = replace(plain, cluster=broken.cluster)  # half hours of the wall's clock
    np.testing.assert_array_equal(plain_words, broken_words)
    for field in fields(plain):
        np.testing.assert_array_equal(getattr(plain, field.name), getattr(broken, field.name))


def test_an_order_whose_horizon_meets_the_break_ends_as_much_later(
    days: tuple[CompiledDay, CompiledDay],
) -> None:
    order = Order("2030-01-02 11:00", "TOY", "buy", 50, "1h")
    begin, end = order.hours(days[1].instrument)
    assert (begin, end) == (OPEN + 90 * MINUTE, OPEN + 90 * MINUTE + 60 * MINUTE + PAUSE)
    assert Order("2030-01-02 14:00", "TOY", "buy", 50, "57min").fits(days[1].instrument)
    assert order.hours(days[0].instrument)[1] - begin == 60 * MINUTE
    _, [tape_day] = source_of([days[1]])
    row = orders_plan([tape_day], TASK, [order]).rows[0]
    assert row[kernels.E_HORIZON_NS] == 60 * MINUTE


def test_a_start_in_the_break_is_refused_with_starts_that_do(
    days: tuple[CompiledDay, CompiledDay],
) -> None:
    _, tape_days = source_of([days[1]])
    hours = r"none fits into 09:30 to 11:30 or 13:00 to 14:57 of 2030-01-02"
    starts = (
        "choose a start from 09:30 to 11:29 or 13:00 to 14:26; or"  # the tape ends before the close
    )
    for start in ("12:00", "12:45", "11:30", "14:28"):
        with pytest.raises(ConfigError, match=hours) as refused:
            tape_plan(tape_days, replace(TASK, start=start), [3000.0] * 13)
        assert starts in str(refused.value)
    for start in ("09:30", "11:29", "13:00", "14:26"):
        assert len(tape_plan(tape_days, replace(TASK, start=start), [3000.0] * 13))


def test_an_order_by_the_clock_is_told_with_the_hours_it_is_worked_in(
    days: tuple[CompiledDay, CompiledDay], tmp_path: Path, apart: Events
) -> None:
    task = replace(TASK, start="11:00", horizon_s=3600.0)
    plain, broken = (source_of([day])[1][0] for day in days)
    assert clock_hours(broken, task) == "11:00 to 13:30"
    assert clock_hours(plain, task) == clock_hours(broken, TASK) == ""
    told = title_of("TOY replay", {**task.to_dict(), "hours": clock_hours(broken, task)})
    assert told == "TOY replay: buy 400 lots, 11:00 to 13:30"
    lake = Lake(tmp_path)
    lake.write(instrument("SSE", CLOSE + PAUSE), apart)
    market = Market("", str(tmp_path), "TOY")
    typed = TypedOrder(start="11:00", end="13:30").task(TASK, market)
    assert (typed.start, typed.horizon_s) == ("11:00", 3600.0)
    assert horizon_until(lake, "TOY", "13:30", "11:00") is None


def test_orders_of_a_list_that_arrive_in_the_break_are_counted(
    tmp_path: Path, apart: Events
) -> None:
    lake = Lake(tmp_path)
    lake.write(instrument("SSE", CLOSE + PAUSE), apart)
    orders = tuple(
        Order(f"2030-01-02 {clock}", "TOY", "buy", 50, "10min") for clock in ("11:00", "12:00")
    )
    built = build_market(Scenario(Market("", str(tmp_path), "TOY"), TASK, orders), quick=True)
    [note] = [note for note in built.notes if note.startswith("The orders")]
    assert "2 of a list" in note
    assert note.endswith("; 1 arrives in a break and is worked after it.")


def test_a_world_of_the_break_is_halted_and_begins_after_its_first_row(
    days: tuple[CompiledDay, CompiledDay],
) -> None:
    plain, broken = days[1], with_breaks(days[1])
    status = broken.rows[broken.rows[:, 1] == schema.STATUS]
    assert status[:, [0, 4, 5]].tolist() == [[NOON, BREAK, PAUSE], [NOON + PAUSE, 1, 0]]
    assert (np.diff(broken.rows[:, 0]) >= 0).all()
    for before, after in zip(plain.checkpoints, broken.checkpoints, strict=True):
        assert after.halted == (NOON <= before.ns < NOON + PAUSE)
        assert after.row == np.searchsorted(broken.rows[:, 0], before.ns, side="right")
    assert with_breaks(days[0]) is days[0]


def test_hours_are_clipped_to_the_session_and_none_without_a_break() -> None:
    morning = Instrument(
        "SSE", "TOY", DATE, 0.01, timezone=ZONE, session_open_ns=OPEN, session_close_ns=NOON
    )
    assert recorded_hours(morning).windows == ()
    named = replace(instrument("X", CLOSE + PAUSE), extra={"rules": "XSHG"})
    assert recorded_hours(named) == recorded_hours(instrument("SSE", CLOSE + PAUSE))
    assert [w.start_ns for w in recorded_hours(named).windows] == [OPEN, NOON + PAUSE]


def test_cost_analysis_has_no_quote_in_the_break(tmp_path, apart: Events) -> None:
    lake = Lake(tmp_path)
    lake.write(instrument("SSE", CLOSE + PAUSE), apart)
    day = read_day(lake, lake.instrument("TOY", DATE))
    assert day.halts.tolist() == [[NOON, NOON + PAUSE]]
    assert day.quote_before(NOON - MINUTE)[0] > 0
    assert day.quote_before(NOON + 10 * MINUTE) == (0, 0)
    assert day.quote_before(NOON + PAUSE + MINUTE)[0] > 0
    assert not day.is_stale(NOON + 30 * MINUTE), "a break is no age of the quote before it"
    early = day.ns < NOON - 10 * MINUTE
    quiet = replace(day, ns=day.ns[early], book_ns=day.book_ns[early], age_ns=5 * MINUTE)
    assert [quiet.is_stale(NOON + n * MINUTE) for n in (-6, 30)] == [False, True]


@pytest.mark.parametrize(
    ("venue", "symbol", "share", "legal"),
    [
        ("SSE", "600519", 0.1, [0, 100, 200]),
        ("SSE", "688981", 0.2, [0, 0, 201]),
        ("SSE", "689009", 0.2, [0, 0, 201]),
        ("SZSE", "000001", 0.1, [0, 100, 200]),
        ("SZSE", "300750", 0.2, [0, 100, 200]),
        ("SZSE", "301236", 0.2, [0, 100, 200]),
    ],
)
def test_rules_of_a_stock_are_those_of_its_board(
    venue: str, symbol: str, share: float, legal: list[int]
) -> None:
    """STAR: 200 shares or any number above; ChiNext: lots of 100; both 20 % a day."""
    rules = recorded_rules(replace(instrument(venue, CLOSE + PAUSE), symbol=symbol), "", 100.0)
    assert (rules.low, rules.high) == (10_000 * (1 - share), 10_000 * (1 + share))
    assert [rules.legal_lots(1, lots, 1000) for lots in (99, 199, 201)] == legal


@pytest.mark.parametrize(
    ("symbol", "minutes"),
    [("rb2510", 120), ("au2508", 330), ("cu2507", 240), ("JD509", 0), ("IF2506", 0)],
)
def test_nights_of_futures_are_those_of_their_product(symbol: str, minutes: int) -> None:
    evening = local_ns(DATE, ZONE, 0) - 3 * 3600 * S
    day = replace(
        instrument("SHFE", evening + 18 * 3600 * S), symbol=symbol, session_open_ns=evening
    )
    windows = recorded_hours(day).windows
    night = [round((w.end_ns - w.start_ns) / MINUTE) for w in windows if w.start_ns == evening]
    assert night == [minutes] * bool(minutes)


def test_the_night_of_a_friday_is_of_the_monday_after(tmp_path: Path, apart: Events) -> None:
    """Orders of Friday's evening, with a date and on each day, are those of Monday's session, though Friday is there too."""
    lake = Lake(tmp_path)
    for date, evening in (("2025-06-06", "2025-06-05"), ("2025-06-09", "2025-06-06")):
        opening = local_ns(evening, ZONE, 21 * 3600)
        close = local_ns(date, ZONE, 15 * 3600)
        day = Instrument(
            "SHFE",
            "rb2510",
            date,
            1.0,
            timezone=ZONE,
            session_open_ns=opening,
            session_close_ns=close,
        )
        ns = apart.exch_ns - OPEN + opening
        lake.write(day, replace(apart, exch_ns=ns, recv_ns=ns))
    instruments = {date: lake.instrument("rb2510", date) for date in lake.days("rb2510")}
    asked = [Order(time, "rb2510", "buy", 1, "20min") for time in ("22:30", "2025-06-06 22:35")]
    orders = assign_days(asked, lake)
    assert [order.time for order in orders] == [
        "2025-06-05 22:30",
        "2025-06-06 22:30",
        "2025-06-06 22:35",
    ]
    assert [[day.date for day in order.days(instruments)] for order in orders] == [
        ["2025-06-06"],
        ["2025-06-09"],
        ["2025-06-09"],
    ]
