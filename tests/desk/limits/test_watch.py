"""What the gate notices by itself: warnings with their hysteresis, breaches, whom they stop, what is told again."""

from dataclasses import replace
from typing import Any

import pytest
from tests.desk.limits.test_gate import (
    NOON,
    WIDE,
    code,
    fill,
    gate,
    limits,
    order,
    told,
    with_order,
    word,
)

from tercel.core.fixed_point import PAID_ONE
from tercel.core.orders import ExecType, Listing, NewOrder, OrdStatus
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MONEY, MS


def events(
    one: LimitGate, now: int = NOON, warnings: bool = True
) -> list[tuple[str, str, str, str]]:
    return [(each.event, each.room, each.name, each.limit) for each in one.watch(now, warnings)]


def breaches(
    one: LimitGate, now: int = NOON, warnings: bool = True
) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (each.name, each.limit, each.agents)
        for each in one.watch(now, warnings)
        if each.event == "breach"
    ]


def held(
    one: LimitGate,
    lots: int = 10,
    price: int = 1000,
    side: int = 1,
    agent: str = "x",
    name: str = "1",
) -> NewOrder:
    """An agent holds so many lots of A."""
    first = order(name, side=side, lots=lots, price=price, agent=agent)
    one.count_sent(first)
    assert one.report(fill(first, f"e{name}", lots, lots, price)) is None
    return first


# -- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["instruments", "agents"])
@pytest.mark.parametrize(("limit", "side"), [("long_lots", 1), ("short_lots", -1)])
def test_a_position_warns_at_its_level_and_clears_under_nine_tenths_of_it(
    room: str, limit: str, side: int
) -> None:
    one = gate(limits(room, **{limit: 100, "warn": 5000}))
    name = "x" if room == "agents" else "A"
    first = order("1", side=side, lots=49, price=1000 - 5 * side)
    one.count_sent(first)
    assert events(one) == []
    second = order("2", side=side, lots=1, price=1000 - 5 * side)
    one.count_sent(second)
    assert events(one) == [("warning", room, name, limit)]
    assert events(one) == []
    one.report(word(second, ExecType.CANCELED, OrdStatus.CANCELED))
    third = order("3", side=side, lots=4, price=1000 - 5 * side)
    one.report(word(first, ExecType.REPLACED, OrdStatus.NEW))
    one.report(word(first, ExecType.RESTATED, OrdStatus.NEW, lots=41))
    one.count_sent(third)
    assert events(one) == []  # 45 of 45: not under them
    one.report(word(third, ExecType.RESTATED, OrdStatus.NEW, lots=3))
    assert events(one) == [("cleared", room, name, limit)]
    one.report(word(third, ExecType.RESTATED, OrdStatus.NEW, lots=9))
    assert events(one) == [("warning", room, name, limit)]


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_a_gross_value_warns(room: str) -> None:
    one = gate(limits(room, gross_value=100_000 * MONEY))
    one.count_sent(order("1", lots=79, price=990))
    assert events(one) == []
    one.count_sent(order("2", lots=1, price=990))
    (warning,) = one.watch(NOON)
    assert (warning.event, warning.room, warning.limit) == ("warning", room, "gross_value")
    assert (warning.used, warning.of, warning.agents) == (80_000.0, 100_000.0, ())
    name = {"desk": "the desk", "instruments": "instrument A", "agents": "agent x"}[room]
    assert warning.text == f"gross_value of {name}: 80000.00 of 100000.00"


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_messages_warn_within_their_window(room: str) -> None:
    one = gate(limits(room, messages=5, window_ns=10))
    for turn in range(4):
        one.count_sent(order(str(turn), ns=NOON + turn))
        assert [each[3] for each in events(one, NOON + turn)] == (["messages"] if turn == 3 else [])
    assert events(one, NOON + 9) == []
    assert [each[0] for each in events(one, NOON + 10)] == [
        "cleared"
    ]  # three: nine tenths of four are four, rounded up


def test_executions_warn_and_one_too_many_stops_the_agent() -> None:
    one, first = with_order(limits("agents", executions=5, executions_ns=10), lots=100)
    for number in range(4):
        at = {"ns": NOON + number}
        assert one.report(replace(fill(first, f"e{number}", 1, number + 1), **at)) is None
        assert [each[3] for each in events(one, NOON + number)] == (
            ["executions"] if number == 3 else []
        )
    assert one.report(replace(fill(first, "e4", 1, 5), ns=NOON + 4)) is None
    assert code(one, order("2")) == ""
    alarm = one.report(replace(fill(first, "e5", 1, 6), ns=NOON + 5))
    assert alarm is not None
    assert (alarm.code, alarm.stopped) == ("EXECUTIONS", "x")
    assert alarm.text == "agent=x order=1 instrument=A side=+1 executions=6 limit=5"
    assert (code(one, order("2")), code(one, order("3", agent="y"))) == ("STOPPED", "")
    assert breaches(one, NOON + 5) == [("x", "executions", ("x",))]
    assert breaches(one, NOON + 6) == []
    assert one.report(replace(fill(first, "e6", 1, 7), ns=NOON + 6)) is None  # told once
    one.resume("x")
    assert code(one, order("2")) == ""
    assert one.report(replace(fill(first, "e7", 1, 8), ns=NOON + 7)) is None
    assert breaches(one, NOON + 7) == []


def test_nothing_is_used_at_the_beginning() -> None:
    one = gate(limits("agents", executions=2, executions_ns=10, long_lots=0, short_lots=0))
    assert events(one) == []
    for room in one.usage().values():
        for scope in room.values():
            assert {limit: used for limit, (used, _, _) in scope.items() if used} == {}


def test_executions_count_by_side_instrument_and_window() -> None:
    one = gate(limits("agents", executions=2, executions_ns=10))
    for turn in range(6):
        a, b, sell = (
            order(f"{n}{turn}", lots=1, **w)
            for n, w in (("a", {}), ("b", {"of": "B"}), ("s", {"side": -1, "price": 1001}))
        )
        for each in (a, b, sell):
            one.count_sent(each)
            filled = fill(each, f"e{each.cl_ord_id}", 1, 1, 1001 if each is sell else 1000)
            assert one.report(replace(filled, ns=NOON + 5 * turn)) is None, turn
    late = order("late", lots=1)
    one.count_sent(late)
    # its report is late: it counts as the last
    assert told(one, replace(fill(late, "late", 1, 1), ns=NOON)) == ("EXECUTIONS", "x")
    assert breaches(one, NOON + 25, warnings=False) == [("x", "executions", ("x",))]


def test_as_many_executions_as_come_where_there_is_no_limit() -> None:
    one, first = with_order(lots=100)
    for number in range(50):
        assert one.report(fill(first, f"e{number}", 1, number + 1)) is None
    assert not any(one.holdings["x", "A"].times.values())
    assert "executions" not in one.usage()["agents"]["x"]


# -- breaches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warnings", [True, False])
@pytest.mark.parametrize(
    ("room", "name", "agents"),
    [("desk", "desk", ("*",)), ("instruments", "A", ("x",)), ("agents", "x", ("x",))],
)
def test_a_loss_stops_whom_it_concerns(
    room: str, name: str, agents: tuple[str, ...], warnings: bool
) -> None:
    one = gate(limits(room, daily_loss=10 * MONEY))
    held(one)
    one.mark("A", BestQuotes(998, 1000), NOON)
    assert breaches(one, warnings=warnings) == []
    assert events(one, warnings=False) == []
    one.mark("A", BestQuotes(998, 999), NOON)
    assert breaches(one, warnings=warnings) == [(name, "daily_loss", agents)]
    assert breaches(one, warnings=warnings) == []
    assert code(one, order("2")) == "STOPPED"
    assert code(one, order("2", agent="y")) == (
        "STOPPED" if room == "desk" else "DAILY_LOSS" if room == "instruments" else ""
    )
    assert (
        code(one, order("3", side=-1, lots=10, price=1005)) == "STOPPED"
    )  # not even nearer to nothing
    one.resume("x")
    one.resume("y")
    assert code(one, order("3", side=-1, lots=10, price=1005)) == ""
    assert code(one, order("2")) == "DAILY_LOSS"


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_a_drawdown_counts_from_the_highest_mark_of_the_day(room: str) -> None:
    one = gate(limits(room, drawdown=10 * MONEY))
    held(one)
    one.mark("A", BestQuotes(1004, 1006), NOON)  # gains 50
    one.mark("A", BestQuotes(1003, 1005), NOON)
    assert code(one, order("2")) == ""
    assert breaches(one) == []
    one.mark("A", BestQuotes(1003, 1004), NOON)
    assert code(one, order("2")) == "DRAWDOWN"
    denial = one.check(order("2"), NOON)
    assert denial is not None
    assert "drawdown=15.00 limit=10.00" in denial.text
    assert [limit for _, limit, _ in breaches(one)] == ["drawdown"]
    one.mark("A", BestQuotes(1003, 1004), NOON + DAY_NS)
    one.mark("B", BestQuotes(1003, 1004), NOON + DAY_NS)
    one.resume("x")
    one.resume("y")
    assert code(one, order("2"), NOON + DAY_NS) == ""
    assert one.desk.high == one.desk.opening == one.desk.equity


def test_a_fill_draws_down_from_the_mark_before_it() -> None:
    one = gate(limits("agents", drawdown=10 * MONEY))
    held(one)
    one.mark("A", BestQuotes(1004, 1006), NOON)  # the highest: gains 50
    held(one, price=1006, name="2")  # ten lots, a tick over the mid
    assert breaches(one, warnings=False) == []
    held(one, lots=1, price=1006, name="3")
    assert breaches(one, warnings=False) == [("x", "drawdown", ("x",))]


def test_a_fill_makes_no_high_and_a_bust_none_either() -> None:
    one = gate(limits("agents", drawdown=10 * MONEY))
    first = held(one, price=990)  # gains 100 at once
    assert one.agents["x"].high == 0
    one.mark("A", BestQuotes(999, 1001), NOON)
    assert one.agents["x"].high == 100 * PAID_ONE * MONEY
    words = {"last_lots": 10, "last_price": 991, "cum": 10, "leaves": 0}
    one.report(word(first, ExecType.CORRECTED, OrdStatus.FILLED, exec_id="c", ref="e1", **words))
    assert (one.agents["x"].high, one.agents["x"].drawn) == (
        100 * PAID_ONE * MONEY,
        10 * PAID_ONE * MONEY,
    )
    assert breaches(one) == []


def test_a_breach_comes_again_after_it_was_cleared() -> None:
    one = gate(limits("agents", daily_loss=10 * MONEY))
    held(one)
    one.mark("A", BestQuotes(996, 998), NOON)
    assert len(breaches(one)) == 1
    for bid, many in ((998, 0), (996, 0), (999, 0), (996, 1)):  # 10, 30, 0: cleared, 30
        one.mark("A", BestQuotes(bid, bid + 2), NOON)
        assert len(breaches(one)) == many, bid


def test_a_loss_of_an_instrument_nobody_holds_stops_nobody() -> None:
    one = gate(limits("instruments", daily_loss=10 * MONEY))
    held(one, price=1010)
    held(one, price=1000, side=-1, name="2")
    assert breaches(one) == [("A", "daily_loss", ())]
    assert code(one, order("3")) == "DAILY_LOSS"
    assert one.agents["x"].stopped == ""


@pytest.mark.parametrize("warnings", [True, False])
def test_an_old_mark_stops_who_holds_a_position(warnings: bool) -> None:
    one = gate()
    held(one)
    one.count_sent(order("2", agent="y"))
    one.watch(NOON)
    age = 1000 * MS
    one.mark("B", BestQuotes(999, 1001), NOON + age)
    assert breaches(one, NOON + age, warnings) == events(one, NOON + age, False) == []
    assert breaches(one, NOON + age + 1, warnings) == [("A", "reference_age_ms", ("x",))]
    assert code(one, order("3", agent="y", of="B"), NOON + age + 1) == "STALE_MARK"
    assert (one.agents["x"].stopped != "", one.agents["y"].stopped) == (True, "")
    one.mark("A", BestQuotes(999, 1001), NOON + age + 2)
    assert ("cleared", "instruments", "A", "reference_age_ms") in events(one, NOON + age + 2)
    assert len(breaches(one, NOON + 2 * age + 3)) == 1


def test_no_mark_is_old_without_a_position_before_the_first_look_and_outside_the_hours() -> None:
    one = gate(limits("instruments", hours=(NOON, NOON + 5000 * MS)))  # type: ignore[arg-type]
    assert breaches(one, NOON + 5000 * MS - 1) == []
    one = gate(limits("instruments", hours=(NOON, NOON + 5000 * MS)))  # type: ignore[arg-type]
    held(one)
    first_look = NOON + 3000 * MS
    assert breaches(one, first_look) == []
    assert breaches(one, first_look + 1000 * MS) == []
    assert breaches(one, NOON + 5000 * MS) == []  # closed
    assert breaches(one, NOON + DAY_NS - 1) == []
    assert breaches(one, NOON + DAY_NS + 1000 * MS) == []  # open for a second
    assert len(breaches(one, NOON + DAY_NS + 1000 * MS + 1)) == 1


def test_a_breach_keeps_what_an_agent_was_stopped_for_before() -> None:
    one = gate(limits("agents", daily_loss=10 * MONEY))
    held(one)
    one.stop("x", "a person said so")
    one.mark("A", BestQuotes(990, 992), NOON)
    assert breaches(one) != []
    first, second = one.agents["x"].stops.values()
    assert first == "a person said so"
    assert second.startswith("daily_loss of agent x")
    assert one.agents["x"].stopped == f"{first}; {second}"
    assert one.agents["y"].stopped == ""


def test_a_clock_that_goes_back_makes_no_mark_young() -> None:
    one = gate()
    held(one)
    one.watch(NOON)
    one.count_sent(order("2", ns=NOON + 1001 * MS))
    assert len(breaches(one, NOON)) == 1


# -- the day over a restart ------------------------------------------------------------------------------------------


def test_a_day_is_taken_on_and_an_older_one_is_not() -> None:
    one, two = (
        gate(limits("agents", drawdown=10 * MONEY)),
        gate(limits("agents", drawdown=10 * MONEY)),
    )
    for each in (one, two):
        held(each)
    one.mark("A", BestQuotes(1009, 1011), NOON)
    told = one.day()
    two.mark("A", BestQuotes(999, 1001), NOON)
    two.restore_day(**told)
    assert two.agents["x"].high == 100 * PAID_ONE * MONEY
    assert code(two, order("2")) == "DRAWDOWN"
    three = gate(limits("agents", drawdown=10 * MONEY))
    held(three)
    three.mark("A", BestQuotes(999, 1001), NOON + DAY_NS)
    three.restore_day(**told)
    assert three.agents["x"].high == 0
    assert three.day_ends_ns == 2 * DAY_NS
    four = LimitGate(limits(), [Listing("A", 0.01, 100)], ["x"])
    four.restore_day(3 * DAY_NS, [("agents", "gone", 1, 2), ("desk", "desk", 3, 4)])
    assert (four.day_ends_ns, four.desk.opening, four.desk.high) == (3 * DAY_NS, 3, 4)


# -- other limits while it runs --------------------------------------------------------------------------------------


def test_other_limits_hold_at_once_and_counts_stay() -> None:
    one = gate()
    held(one, lots=5)
    one.enforce(limits("agents", long_lots=7, order_lots=9))
    assert [code(one, order("2", lots=lots)) for lots in (2, 3, 10)] == [
        "",
        "POSITION",
        "ORDER_LOTS",
    ]
    one.enforce(limits("instruments", long_lots=6, order_lots=8))
    assert [code(one, order("2", lots=lots)) for lots in (1, 2, 9)] == [
        "",
        "POSITION",
        "ORDER_LOTS",
    ]
    one.enforce(limits("desk", order_lots=4, duplicate_ns=10, gross_value=6000 * MONEY))
    assert [code(one, order("2", lots=lots)) for lots in (1, 2, 5)] == ["", "GROSS", "ORDER_LOTS"]
    assert one.limits.desk.duplicate_ns == 10
    one.enforce(limits("instruments", short_lots=0, reference_age_ns=5))
    assert code(one, order("2", side=-1, lots=6, price=1005)) == "POSITION"
    assert [code(one, order("2"), NOON + after) for after in (5, 6)] == ["", "STALE_REFERENCE"]
    one.enforce(limits("agents", short_lots=0))
    assert code(one, order("2", side=-1, lots=6, price=1005)) == "POSITION"
    assert code(one, order("2"), NOON + 1000 * MS) == ""


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_fewer_messages_count_those_that_left_and_more_never_forget(room: str) -> None:
    one = gate(limits(room, messages=6, window_ns=100))
    for turn in range(4):
        one.count_sent(order(str(turn), ns=NOON + turn))
    assert code(one, order("9"), NOON + 4) == ""
    one.enforce(limits(room, messages=4, window_ns=100))
    assert code(one, order("9"), NOON + 4) == "MESSAGES"
    one.enforce(limits(room, messages=3, window_ns=100))
    assert [code(one, order("9"), NOON + at) for at in (100, 101)] == ["MESSAGES", ""]
    one.enforce(limits(room, messages=5, window_ns=100))  # the oldest that it knows of left at 1
    assert [code(one, order("9"), NOON + at) for at in (100, 101)] == ["MESSAGES", ""]
    one.enforce(limits(room, messages=0, window_ns=100))
    assert code(one, order("9"), NOON + 1000) == "MESSAGES"
    one.enforce(limits(room, messages=2, window_ns=100))
    assert [code(one, order("9"), NOON + at) for at in (102, 103)] == ["MESSAGES", ""]


def test_more_messages_where_not_all_were_used() -> None:
    one = gate(limits("agents", messages=6, window_ns=100))
    one.count_sent(order("1"))
    one.enforce(limits("agents", messages=8, window_ns=100))
    for turn in range(6):
        one.count_sent(order(f"n{turn}"))
        assert code(one, order("9")) == ""
    one.count_sent(order("last"))
    assert code(one, order("9")) == "MESSAGES"


def test_limits_that_lack_somebody_are_refused_whole() -> None:
    one = gate()
    before = one.hash
    only = parse(WIDE.replace('[agents."*"]', "[agents.x]"))
    with pytest.raises(Exception, match="none for y"):
        one.enforce(only)
    other = parse(WIDE.replace('[instruments."*"]', "[instruments.A]"))
    with pytest.raises(Exception, match="none for B"):
        one.enforce(other)
    assert one.hash == before


def test_usage_has_every_limit_that_is_used_up() -> None:
    one = gate(limits("agents", executions=7, executions_ns=100))
    held(one, lots=4)
    one.count_sent(order("2", lots=3))
    one.count_sent(order("3", side=-1, lots=9, price=1010, agent="y"))
    one.watch(NOON)
    one.mark("A", BestQuotes(998, 1000), NOON)
    money = (100_000_000.0, 80_000_000.0)

    def used(gross: float, lost: float, messages: int, **more: Any) -> dict[str, Any]:
        sums = {"gross_value": (gross, *money), "daily_loss": (lost, *money)}
        return sums | {"drawdown": (lost, *money), "messages": (messages, 1000, 800)} | more

    def lots(long: int, short: int) -> dict[str, Any]:
        return {"long_lots": (long, 10_000, 8000), "short_lots": (short, 10_000, 8000)}

    usage = one.usage()
    assert usage["desk"]["desk"] == used(15_984.0, 4.0, 3)
    assert usage["agents"]["x"] == used(6993.0, 4.0, 2, executions=(1, 7, 6), **lots(7, 0))
    assert usage["agents"]["y"] == used(8991.0, 0.0, 1, executions=(0, 7, 6), **lots(0, 9))
    age = {"reference_age_ms": (0.0, 1000.0, 800.0)}
    assert usage["instruments"]["A"] == used(15_984.0, 4.0, 3, **age, **lots(7, 5))


def test_a_limit_of_one_warns_at_one_and_says_so_in_whole_numbers() -> None:
    one = gate(limits("agents", long_lots=1))
    one.count_sent(order("1", lots=1))
    assert [each.text for each in one.watch(NOON)] == ["long_lots of agent x: 1 of 1"]


def test_usage_counts_messages_of_the_window_alone() -> None:
    one = gate(limits("desk", window_ns=10))
    one.count_sent(order("1"), NOON)
    one.count_sent(order("2"), NOON + 1)
    one.count_sent(order("3"), NOON + 10)
    assert one.usage()["desk"]["desk"]["messages"] == (2, 1000, 800)


# -- a market without a reference -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "age_s"),
    [
        (1001, 1000, 0.0),
        (1000, 1000, 0.0),
        (None, None, 0.0),
        (1000, None, 0.0),
        (999, 1001, 600.0),
    ],
)
def test_a_market_that_comes_in_no_state_to_trade_is_told_once_in_two_seconds_and_once_when_it_is_back(
    bid: int | None, ask: int | None, age_s: float
) -> None:
    """Crossed, lost, one-sided, or old when it comes; also where nobody holds a position."""
    one = gate(limits("instruments", reference_age_ns=60 * 10**9))
    now = NOON + 700 * 10**9
    one.mark("A", BestQuotes(999, 1001), now, now)
    assert events(one, now, warnings=False) == []
    blind = ("instruments", "A", "seconds_without_reference")
    for tenth in range(1, 60):
        at = now + (61 * 10**9 if age_s else 0) + tenth * 10**8
        one.mark("A", BestQuotes(bid, ask), at if not age_s else now + tenth, at)
        denial = one.check(order(f"o{tenth}"), at)
        assert denial is not None
        assert denial.code in ("BAD_REFERENCE", "STALE_REFERENCE")
        assert events(one, at, warnings=False) == ([("warning", *blind)] if tenth == 21 else [])
    at += 10**8
    one.mark("A", BestQuotes(999, 1001), at, at)
    assert events(one, at, warnings=False) == [("cleared", *blind)]
    assert events(one, at + 10**9, warnings=False) == []


def test_a_crossed_moment_is_told_to_nobody() -> None:
    one = gate(limits("instruments", reference_age_ns=60 * 10**9))
    for tenth in range(60):
        at = NOON + tenth * 10**8
        one.mark("A", BestQuotes(999, 1001 - 5 * (tenth % 20 > 3)), at, at)
        assert events(one, at, warnings=False) == []
