"""One step inside each limit and one step past it; words that make no sense; the gate's own failures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.parts import parts, whole

from tercel.core.orders import (
    CancelOrder,
    ExecType,
    Listing,
    MassCancel,
    NewOrder,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
)
from tercel.core.venue_rules import TradingWindow, VenueRules
from tercel.desk.limits import Alarm, Denial, LimitGate, LimitQuery, Limits, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MONEY, MS
from tercel.desk.limits.watch import crossings

NOON = DAY_NS // 2
WIDE = """
[desk]
order_lots = 10_000
order_value = 100_000_000
gross_value = 100_000_000
messages = 1000
window_ms = 1000
daily_loss = 100_000_000
duplicate_ms = 0
[instruments."*"]
order_lots = 10_000
order_value = 100_000_000
gross_value = 100_000_000
long_lots = 10_000
short_lots = 10_000
messages = 1000
window_ms = 1000
daily_loss = 100_000_000
collar_bps = 1000
reference_age_ms = 1000
hours = "always"
[agents."*"]
order_lots = 10_000
order_value = 100_000_000
gross_value = 100_000_000
long_lots = 10_000
short_lots = 10_000
messages = 1000
window_ms = 1000
daily_loss = 100_000_000
"""


def limits(room: str = "", **values: int) -> Limits:
    """Wide limits, some of one room (desk, instruments, agents) tightened."""
    made = parse(WIDE)
    if not room:
        return made
    if room == "desk":
        return replace(made, desk=replace(made.desk, **values))
    return replace(made, **{room: {"*": replace(getattr(made, room)["*"], **values)}})  # type: ignore[arg-type]


def gate(of: Limits | None = None, **words: Any) -> LimitGate:
    made = LimitGate(
        of or limits(), [Listing("A", 0.01, 100), Listing("B", 0.01, 100)], ["x", "y"], **words
    )
    for agent in "xy":
        for name in "AB":
            made.register_parent(f"{agent}{name}+", name, agent, 1, 10_000)
            made.register_parent(f"{agent}{name}-", name, agent, -1, 10_000)
    for name in "AB":
        made.mark(name, BestQuotes(999, 1001), NOON)
    return made


def order(
    name: str = "1",
    side: int = 1,
    lots: Any = 5,
    price: Any = 1000,
    agent: str = "x",
    of: str = "A",
    **words: Any,
) -> NewOrder:
    parent = words.pop("parent", f"{agent}{of}{'+' if side > 0 else '-'}")
    return NewOrder(
        name, of, side, lots, price, words.pop("tif", Tif.DAY), agent, parent, words.pop("ns", NOON)
    )


def word(of: NewOrder, kind: ExecType, status: OrdStatus, **words: Any) -> Report:
    said = {
        "exec_id": "",
        "orig": "",
        "last_lots": 0,
        "last_price": 0,
        "cum": 0,
        "leaves": 0,
        "ns": NOON,
        **words,
    }
    name = said.pop("cl_ord_id", of.cl_ord_id)
    lots, price = said.pop("lots", of.lots), of.price
    return Report(
        exec_type=kind, status=status, cl_ord_id=name, order_id="", account=of.account, instrument=of.instrument,
        side=of.side, lots=lots, price=price, **parts(**said),
    )  # fmt: skip


def fill(of: NewOrder, exec_id: str, lots: int, cum: int, price: int = 1000) -> Report:
    status = OrdStatus.FILLED if cum >= of.lots else OrdStatus.PARTIALLY_FILLED
    return word(
        of, ExecType.TRADE, status, exec_id=exec_id, last_lots=lots, last_price=price, cum=cum
    )


def code(of: LimitGate, command: Any, now: int = NOON) -> str:
    denial = of.check(command, now)
    return "" if denial is None else denial.code


def told(of: LimitGate, report: Report, *now: int) -> tuple[str, str]:
    """Code of the alarm that a report raises, and whom it stops."""
    alarm = of.report(report, *now)
    return ("", "") if alarm is None else (alarm.code, alarm.stopped)


def with_order(of: Limits | None = None, **words: Any) -> tuple[LimitGate, NewOrder]:
    """A gate, and an order that has left it."""
    one, first = gate(of), order(**words)
    one.count_sent(first)
    return one, first


def with_fill(
    filled: tuple[int, ...], of: Limits | None = None, exec_id: str = "e1", **words: Any
) -> tuple[LimitGate, NewOrder]:
    """The same once an execution was reported: lots, lots in all, and its price."""
    one, first = with_order(of, **words)
    one.report(fill(first, exec_id, *filled))
    return one, first


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
@pytest.mark.parametrize(
    ("limit", "value", "fits", "past", "told"),
    [
        ("order_lots", 7, {"lots": 7}, {"lots": 8}, "ORDER_LOTS"),
        (
            "order_value",
            5 * 990 * MONEY,
            {"lots": 5, "price": 990},
            {"lots": 5, "price": 991},
            "ORDER_VALUE",
        ),
        # a market order is worth the collar's edge, 1100
        ("order_value", 5500 * MONEY, {"price": None}, {"price": None, "lots": 6}, "ORDER_VALUE"),
        # a sell below the bid may fill at the bid
        (
            "order_value",
            5 * 999 * MONEY,
            {"side": -1, "price": 950},
            {"side": -1, "price": 1000},
            "ORDER_VALUE",
        ),
        (
            "order_value",
            5 * 999 * MONEY - 1,
            {"side": -1, "price": 950, "lots": 4},
            {"side": -1, "price": 950},
            "ORDER_VALUE",
        ),
        ("gross_value", 5 * 1000 * MONEY, {"lots": 5}, {"lots": 6}, "GROSS"),
        (
            "gross_value",
            5 * 1000 * MONEY,
            {"lots": 5, "side": -1, "price": 1005},
            {"lots": 6, "side": -1},
            "GROSS",
        ),
        ("long_lots", 5, {"lots": 5}, {"lots": 6}, "POSITION"),
        ("short_lots", 5, {"lots": 5, "side": -1}, {"lots": 6, "side": -1}, "POSITION"),
        ("messages", 1, {}, None, "MESSAGES"),
        ("messages", 0, None, {}, "MESSAGES"),
    ],
)
def test_a_limit_lets_itself_through_and_no_step_more(
    room: str,
    limit: str,
    value: int,
    fits: dict[str, Any] | None,
    past: dict[str, Any] | None,
    told: str,
) -> None:
    if room == "desk" and limit in ("long_lots", "short_lots"):
        pytest.skip("the desk has no position of its own")
    tight = gate(limits(room, **{limit: value}))
    if past is not None:
        assert code(tight, order(**past)) == told
    if fits is not None:
        assert code(tight, order(**fits)) == ""
    if past is None:
        tight.count_sent(order())
        assert code(tight, order("2")) == told


@pytest.mark.parametrize(
    ("price", "side", "told"),
    [
        (1100, 1, ""),
        (1101, 1, "COLLAR"),
        (900, 1, ""),
        (899, 1, "COLLAR"),
        (900, -1, ""),
        (899, -1, "COLLAR"),
        (1101, -1, "COLLAR"),
    ],
)
def test_the_collar_to_the_tick(price: int, side: int, told: str) -> None:
    assert code(gate(), order(side=side, price=price)) == told


@pytest.mark.parametrize(
    ("bid", "ask", "told"),
    [
        (None, 1001, "BAD_REFERENCE"),
        (999, None, "BAD_REFERENCE"),
        (1000, 1000, "BAD_REFERENCE"),
        (1001, 1000, "BAD_REFERENCE"),
        (0, 5, "BAD_REFERENCE"),
        (-5, 5, "BAD_REFERENCE"),
        (float("nan"), 5, "BAD_REFERENCE"),
        (True, 5, "BAD_REFERENCE"),
    ],
)
@pytest.mark.parametrize("price", [990, None])
def test_no_reference_no_order(bid: Any, ask: Any, told: str, price: int | None) -> None:
    one = gate()
    one.mark("A", BestQuotes(bid, ask), NOON)
    assert code(one, order(price=price)) == told
    one.mark("A", BestQuotes(999, 1001), NOON)
    assert code(one, order(price=price)) == ""


def test_a_reference_grows_old_to_the_ns() -> None:
    one = gate()
    age = 1000 * MS
    assert [code(one, order(), NOON + after) for after in (age, age + 1)] == ["", "STALE_REFERENCE"]
    assert [code(one, order(), NOON - before) for before in (age, age + 1)] == [
        "",
        "STALE_REFERENCE",
    ]
    one.mark("A", BestQuotes(5, 4), NOON - 1)
    assert code(one, order()) == "", "an older mark changes nothing"
    never = LimitGate(limits(), [Listing("A", 0.01, 100)], ["x"])
    never.register_parent("xA+", "A", "x", 1, 10)
    assert code(never, order()) == "NO_REFERENCE"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        *(({"lots": lots}, "BAD_QUANTITY") for lots in (0, -1, True, 2.0, float("nan"), None, "5")),
        *(({"price": price}, "BAD_PRICE") for price in (0, -1, True, 990.0, float("nan"), "990")),
        ({"side": 0}, "BAD_SIDE"),
        ({"side": True}, "BAD_SIDE"),
        ({"cl_ord_id": ""}, "BAD_ID"),
        ({"cl_ord_id": 7}, "BAD_ID"),
        ({"instrument": "Z"}, "UNKNOWN_INSTRUMENT"),
        ({"account": "zoe"}, "UNKNOWN_AGENT"),
        ({"parent": "zz"}, "UNKNOWN_PARENT"),
        ({"parent": "xA-"}, "NOT_THE_PARENTS"),
        ({"parent": "yA+"}, "NOT_THE_PARENTS"),
        ({"parent": "xB+"}, "NOT_THE_PARENTS"),
        ({"parent": []}, "CHECK_FAILED"),
    ],
)
def test_orders_of_nobody(change: dict[str, Any], told: str) -> None:
    assert code(gate(), replace(order(), **change)) == told


def test_a_rejected_word_on_an_accepted_order_frees_nothing() -> None:
    one, first = with_order(lots=5)
    one.report(word(first, ExecType.NEW, OrdStatus.NEW))
    assert told(one, word(first, ExecType.REJECTED, OrdStatus.REJECTED))[0] == "CONTRADICTION"
    assert whole(one.holdings["x", "A"].buys) == 5


def test_more_than_ordered_is_booked_told_and_stops_the_agent() -> None:
    one, first = with_order(lots=5)
    assert told(one, fill(first, "e1", 6, 6)) == ("OVERFILL", "x")
    held = one.holdings["x", "A"]
    assert (whole(held.position), whole(held.buys), whole(one.parents["xA+"].used)) == (6, 0, 6)
    assert (code(one, order("2")), code(one, order("3", agent="y"))) == ("STOPPED", "")
    assert code(one, CancelOrder("4", "1", "A", 1, "x", NOON)) == ""
    one.resume("x")
    assert code(one, order("2")) == ""


@pytest.mark.parametrize(
    ("side", "own", "new", "told"),
    [
        *((-1, 1000, 1000, "OWN_CROSS"), (-1, 1000, 999, ""), (-1, 1000, None, "OWN_CROSS")),
        *((-1, None, 950, "OWN_CROSS"), (1, 1000, 1000, "OWN_CROSS"), (1, 1000, 1001, "")),
        *((1, 1000, None, "OWN_CROSS"), (1, None, 1050, "OWN_CROSS"), (1, 990, 989, "OWN_CROSS")),
    ],
)
@pytest.mark.parametrize("agent", ["x", "y"])
def test_own_orders_do_not_meet(
    side: int, own: int | None, new: int | None, told: str, agent: str
) -> None:
    one, resting = with_order(side=side, price=own)
    words: dict[str, Any] = {"side": -side, "price": new, "agent": agent}
    assert code(one, order("2", **words)) == told
    assert code(one, order("2", of="B", **words)) == ""
    one.report(word(resting, ExecType.CANCELED, OrdStatus.CANCELED))
    assert code(one, order("2", **words)) == ""


def test_an_agent_that_was_stopped_for_two_reasons_goes_on_when_both_are_over() -> None:
    one = gate()
    one.report(fill(order("ghost", lots=5), "e1", 2, 2))
    first = order("1", lots=5)
    one.count_sent(first)
    one.report(fill(first, "e2", 6, 6))
    assert list(one.agents["x"].stops) == ["STRANGE_FILL", "OVERFILL"]
    one.resume("x", ["STRANGE_FILL"])
    denial = one.check(order("2"), NOON)
    assert denial == Denial("STOPPED", "agent=x reason=OVERFILL 1")
    one.resume("x", ["OVERFILL", "EXECUTIONS"])
    assert code(one, order("2")) == ""


def test_a_bust_gives_back_position_money_and_lots() -> None:
    one, first = with_fill((5, 5, 1000), lots=5, price=1000)
    held, parent = one.holdings["x", "A"], one.parents["xA+"]
    one.mark("A", BestQuotes(899, 901), NOON)
    assert (whole(held.position), whole(held.buys), whole(parent.used), held.agent.lost > 0) == (
        5,
        0,
        5,
        True,
    )
    busted = word(
        first, ExecType.BUSTED, OrdStatus.PARTIALLY_FILLED, exec_id="b", ref="e1", cum=0, leaves=5
    )
    for _ in range(2):
        assert one.report(busted) is None
        assert (whole(held.position), whole(held.buys), whole(parent.used), held.agent.lost) == (
            0,
            5,
            5,
            0,
        )
    one.report(word(first, ExecType.CANCELED, OrdStatus.CANCELED))
    assert (whole(held.position), whole(held.buys), whole(parent.used)) == (0, 0, 0)


def test_an_order_that_never_arrived_frees_its_lots() -> None:
    one, first = with_order(lots=5)
    assert (whole(one.holdings["x", "A"].buys), whole(one.parents["xA+"].used)) == (5, 5)
    unknown = replace(
        word(first, ExecType.STATUS, OrdStatus.REJECTED, lots=0), instrument="", side=1, price=None
    )
    assert one.report(replace(unknown, account="y")) == Alarm(
        "FOREIGN", "account=y instrument= order=1"
    )
    assert one.report(unknown) is None
    assert (whole(one.holdings["x", "A"].buys), whole(one.parents["xA+"].used)) == (0, 0)


def test_children_never_come_to_more_than_their_parent() -> None:
    one = gate()
    one.register_parent("P", "A", "x", 1, 10)
    first = order("1", lots=6, parent="P")
    one.count_sent(first)
    assert [code(one, order("2", lots=lots, parent="P")) for lots in (4, 5)] == ["", "CHILDREN"]
    one.report(fill(first, "e1", 6, 6))
    assert [code(one, order("2", lots=lots, parent="P")) for lots in (4, 5)] == ["", "CHILDREN"]
    one.amend("P", 11)
    assert [code(one, order("2", lots=lots, parent="P")) for lots in (5, 6)] == ["", "CHILDREN"]
    one.amend("P", 3)
    assert code(one, order("2", lots=1, parent="P")) == "CHILDREN"


def test_names_and_contents_leave_once() -> None:
    one = gate(limits("desk", duplicate_ns=10))
    one.count_sent(order("1"))
    assert code(one, order("1", price=995)) == "DUPLICATE_ID"
    assert [code(one, order("2"), NOON + after) for after in (0, 9, 10)] == [
        "DUPLICATE",
        "DUPLICATE",
        "",
    ]
    one.count_sent(CancelOrder("c", "1", "A", 1, "x", NOON))
    assert code(one, order("c", price=995)) == "DUPLICATE_ID"


def test_the_window_slides_to_the_ns_and_cancels_always_pass() -> None:
    one = gate(limits("agents", messages=2, window_ns=10))
    for turn in range(20):
        one.count_sent(CancelOrder(f"c{turn}", "?", "A", 1, "x", NOON + turn))
        assert one.check(CancelOrder("c", "?", "A", 1, "x", NOON), NOON + turn) is None
    assert [code(one, order(), NOON + at) for at in (18, 27, 28)] == ["MESSAGES", "MESSAGES", ""]
    for command in (StatusRequest("s", "x", 0), MassCancel("m", "", "", 0)):
        assert one.check(command, NOON) is None


def test_the_window_begins_when_the_bytes_were_written() -> None:
    one = gate(limits("desk", messages=2, window_ns=1000 * MS))
    batch = [order("1"), order("2", lots=4)]
    for command in batch:
        one.count_sent(command, NOON)
    one.date_messages(batch, NOON + 40 * MS)
    one.mark("A", BestQuotes(999, 1001), NOON + 1040 * MS)
    assert code(one, order("3", lots=3), NOON + 1040 * MS - 1) == "MESSAGES"
    assert code(one, order("3", lots=3), NOON + 1040 * MS) == ""
    one.wire_ns = NOON + 1040 * MS  # the venue's clock is behind
    assert code(one, order("3", lots=3), NOON + 50 * MS) == ""
    assert one.usage()["desk"]["desk"]["messages"][0] == 2


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [((100, 200), (100, 199), (99, 200)), ((200, 100), (200, 99, 0), (100, 199))],
)
def test_hours(hours: tuple[int, int], inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    one = gate(limits("instruments", hours=hours))  # type: ignore[arg-type]
    for day in (0, 3):
        for at in (*inside, *outside):
            one.mark("A", BestQuotes(999, 1001), day * DAY_NS + at)
        assert {code(one, order(), day * DAY_NS + at) for at in outside} == {"HOURS"}
        assert "HOURS" not in {code(one, order(), day * DAY_NS + at) for at in inside}


def test_rules_of_the_venue() -> None:
    windows = (
        TradingWindow(NOON - 10, NOON + 10, False),
        TradingWindow(NOON + 50, NOON + 90, True),
    )
    rules = VenueRules(windows, round_lots=5, tick_table=((0, 2),), low=990, high=1010)
    listings = [Listing("A", 0.01, 100, rules=rules), Listing("B", 0.01, 100)]
    one = LimitGate(limits(), listings, ["x"])
    for name in "AB":
        one.register_parent(f"x{name}+", name, "x", 1, 10_000)
        one.mark(name, BestQuotes(999, 1001), NOON)
    assert [code(one, order(lots=lots, price=price)) for lots, price in ((5, 1000), (6, 1000), (5, 1001), (5, 1012))] == [
        "", "VENUE_RULES", "VENUE_RULES", "VENUE_RULES",
    ]  # fmt: skip
    assert [code(one, order(), NOON + ns) for ns in (9, 10, 49, 50)] == [
        "",
        "VENUE_RULES",
        "VENUE_RULES",
        "",
    ]
    assert code(one, order(lots=6, price=1001, of="B")) == ""


def test_the_age_of_a_mark_counts_no_break() -> None:
    """A position over lunch: its mark is as old as the market has been open since."""
    hour = 3600 * 10**9
    rules = VenueRules(
        (TradingWindow(NOON - hour, NOON, False), TradingWindow(NOON + hour, NOON + 2 * hour, True))
    )
    for told in (True, False):
        one, _ = with_fill((10, 10, 1000), lots=10)
        if told:
            one.rules["A"] = rules
        crossings(one, NOON - 1, True)
        one.mark("A", BestQuotes(999, 1001), NOON - 1)
        old = [crossing.limit for crossing in crossings(one, NOON + hour // 2, True)]
        assert ("reference_age_ms" in old) != told


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_a_loss_to_the_last_half_tick(room: str) -> None:
    one, _ = with_fill((10, 10, 1000), limits(room, daily_loss=10 * MONEY), lots=10)
    one.mark("A", BestQuotes(998, 1000), NOON)
    assert code(one, order("2")) == ""
    one.mark("A", BestQuotes(998, 999), NOON)
    assert code(one, order("2")) == "DAILY_LOSS"
    assert code(one, order("2", side=-1, lots=10, price=1005)) == ""  # nearer to nothing
    assert code(one, order("2", side=-1, lots=11, price=1005)) == "DAILY_LOSS"
    one.mark("A", BestQuotes(998, 999), NOON + DAY_NS)
    one.mark("B", BestQuotes(998, 999), NOON + DAY_NS)
    assert code(one, order("2"), NOON + DAY_NS) == ""


def test_a_position_without_a_fresh_mark_refuses_new_risk_everywhere() -> None:
    one, _ = with_fill((10, 10), lots=10)
    later = NOON + 1000 * MS + 1
    one.mark("B", BestQuotes(999, 1001), later)
    assert code(one, order("2", of="B", agent="y"), later) == "STALE_MARK"
    denial = one.check(order("2", of="B", agent="y"), later)
    assert denial is not None
    assert "age_ns=1000000001" in denial.text
    one.mark("A", BestQuotes(1001, 999), later)
    denial = one.check(order("2", of="B", agent="y"), later)
    assert denial is not None
    assert denial.text == "instrument=A bid=1001 ask=999: crossed, or a side is empty"
    one.mark("A", BestQuotes(999, 1001), later)
    assert code(one, order("2", of="B", agent="y"), later) == ""


def test_killed_first_and_cancels_pass() -> None:
    one = gate(killed=lambda agent: "drill" if agent == "x" else None)
    assert (code(one, order(lots=0)), code(one, order(agent="y"))) == ("KILLED", "")
    assert one.check(CancelOrder("c", "1", "A", 1, "x", NOON), NOON) is None


def _broken(_: Any) -> None:
    raise RuntimeError("oops")


@pytest.mark.parametrize("words", [{"killed": _broken}, {"extra_checks": [_broken]}])
def test_a_check_that_fails_refuses(words: dict[str, Any]) -> None:
    denial = gate(**words).check(order(), NOON)
    assert denial == Denial("CHECK_FAILED", "RuntimeError: oops")


def test_a_check_of_ones_own_is_asked_last() -> None:
    def no_thirteen(asked: LimitQuery) -> Denial | None:
        return Denial("THIRTEEN", f"lots={asked.lots}") if asked.lots == 13 else None

    one = gate(extra_checks=[no_thirteen])
    assert (
        code(one, order(lots=13)),
        code(one, order(lots=12)),
        code(one, order(lots=13, price=1)),
    ) == (
        "THIRTEEN",
        "",
        "COLLAR",
    )


@pytest.mark.parametrize(
    "harm",
    [
        lambda one: one.report(fill(order("1"), "e1", 0, 0)),
        lambda one: one.report(replace(fill(order("1"), "e1", 1, 1), last_px=None)),
        lambda one: one.count_sent(order("1")),
        lambda one: one.count_sent(order("7", agent="zoe")),
        lambda one: one.report(None),
    ],
)
def test_counts_that_broke_let_nothing_new_leave(harm: Callable[[LimitGate], Any]) -> None:
    one = gate()
    one.count_sent(order("1"))
    harm(one)
    assert one.fault
    assert code(one, order("2")) == "CHECK_FAILED"
    assert one.check(CancelOrder("c", "1", "A", 1, "x", NOON), NOON) is None


def test_agents_and_instruments_without_limits_are_unknown() -> None:
    only = parse(
        WIDE.replace('[agents."*"]', "[agents.x]").replace('[instruments."*"]', "[instruments.A]")
    )
    one = LimitGate(only, [Listing("A", 0.01, 100), Listing("B", 0.01, 100)], ["x", "y"])
    assert (set(one.instruments), set(one.agents)) == ({"A"}, {"x"})


def test_what_did_not_leave_frees_its_lots() -> None:
    one = gate()
    one.count_sent(order("1"))
    one.release_unsent(order("1"))
    assert whole(one.holdings["x", "A"].buys) == 0
    assert code(one, order("1")) == "DUPLICATE_ID"
