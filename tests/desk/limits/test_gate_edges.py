"""Both sides of every limit with positions and open orders of both sides beside it; what denials say, to the figure."""

from dataclasses import replace
from typing import Any

import pytest
from tests.desk.limits.test_gate import (
    NOON,
    code,
    fill,
    gate,
    limits,
    order,
    told,
    with_fill,
    with_order,
    word,
)
from tests.parts import parts, whole

from tercel.core.errors import LimitsError, OrderError, VenueError
from tercel.core.fixed_point import PAID_ONE
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    Listing,
    OrdStatus,
    ReplaceOrder,
    StatusRequest,
)
from tercel.desk.limits import LimitGate
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MONEY, MS


def text(one: LimitGate, command: Any, now: int = NOON) -> str:
    denial = one.check(command, now)
    assert denial is not None
    return f"{denial.code} {denial.text}"


def busy(**words: Any) -> LimitGate:
    """Agent x holds 3 of A, buys 4 more at 980 and sells 2 at 1020; y is 1 short and sells 5."""
    one = gate(**words)
    for name, agent, side, lots, price in (
        *(("h", "x", 1, 3, 1000), ("b", "x", 1, 4, 980), ("s", "x", -1, 2, 1020)),
        *(("k", "y", -1, 1, 1000), ("t", "y", -1, 5, 1030)),
    ):
        each = order(name, side=side, lots=lots, price=price, agent=agent)
        one.count_sent(each)
        if name in "hk":
            one.report(fill(each, f"e{name}", lots, lots))
    return one


# -- lots: 3 held, 4 bought, 2 sold of x; with y 2 held, 4 bought, 7 sold -------------------------------------------


@pytest.mark.parametrize(
    ("room", "limit", "fits", "command", "told"),
    [
        ("agents", "long_lots", 8, {"lots": 1}, "POSITION instrument=A agent=x long=9 limit=8"),
        ("instruments", "long_lots", 7, {"lots": 1}, "POSITION instrument=A long=8 limit=7"),
        (
            "agents",
            "short_lots",
            0,
            {"side": -1, "lots": 1, "price": 1010},
            "POSITION instrument=A agent=x short=1 limit=0",
        ),
        (
            "instruments",
            "short_lots",
            6,
            {"side": -1, "lots": 1, "price": 1010},
            "POSITION instrument=A short=7 limit=6",
        ),
    ],
)
def test_the_worst_case_of_both_sides(
    room: str, limit: str, fits: int, command: dict[str, Any], told: str
) -> None:
    assert code(busy(of=limits(room, **{limit: fits})), order("n", **command)) == ""
    one = busy(of=limits(room, **{limit: fits}))
    one.count_sent(order("n", **command))
    assert text(one, order("m", **command)) == told


@pytest.mark.parametrize(
    ("room", "value", "told"),
    [
        ("agents", 8, "GROSS scope=x gross=9000.00 limit=8000.00"),
        ("instruments", 14, "GROSS scope=A gross=15000.00 limit=14000.00"),
        ("desk", 14, "GROSS scope=desk gross=15000.00 limit=14000.00"),
    ],
)
def test_gross_is_the_worse_of_both_sides(room: str, value: int, told: str) -> None:
    """x: 7 (3 held, 4 more); y: 6 short."""
    one = busy(of=limits(room, gross_value=value * 1000 * MONEY))
    assert [code(one, order("n", lots=lots)) for lots in (1, 2)] == ["", "GROSS"]
    assert text(one, order("n", lots=2)) == told
    # x can sell until it is as short as it may be long: 2 open, 3 held, 7 is its worst case
    for lots, passes in ((8, True), (9, True), (10, room == "x")):
        assert (code(one, order("n", side=-1, lots=lots, price=1010)) == "") == passes, lots


def test_gross_says_which_scope() -> None:
    one = busy(of=limits("agents", gross_value=7000 * MONEY))
    one.enforce(replace(one.limits, desk=replace(one.limits.desk, gross_value=13_000 * MONEY)))
    assert text(one, order("n", lots=1)) == "GROSS scope=x gross=8000.00 limit=7000.00"
    two = busy(of=limits("instruments", gross_value=13_000 * MONEY))
    two.enforce(
        replace(two.limits, agents={"*": replace(two.limits.agents["*"], gross_value=8000 * MONEY)})
    )
    assert text(two, order("n", lots=1)) == "GROSS scope=A gross=14000.00 limit=13000.00"


def test_what_adds_nothing_to_the_worst_case_passes_a_gross_that_is_used_up() -> None:
    one = busy(of=limits("desk", gross_value=0))
    assert code(one, order("n", side=-1, lots=8, price=1010)) == ""
    assert code(one, order("n", side=-1, lots=9, price=1010)) == "GROSS"


# -- prices ---------------------------------------------------------------------------------------------------------


def test_an_own_order_is_named_by_its_price() -> None:
    for side, own, price, said in ((1, 995, 990, "own_buy"), (-1, 1005, 1006, "own_sell")):
        one, _ = with_order(side=side, price=own)
        refused = f"OWN_CROSS instrument=A agent=x price={price} {said}={own}"
        assert text(one, order("2", side=-side, price=price)) == refused


def test_a_market_order_is_worth_the_edge_of_the_collar_rounded_up() -> None:
    for side in (1, -1):
        for bid, ask, worst in (
            (20_000, 20_002, 22_002),
            (19_999, 20_001, 22_000),
            (1000, 1002, 1102),
        ):
            one = gate(limits("agents", order_value=worst * MONEY))
            one.mark("A", BestQuotes(bid, ask), NOON)
            assert code(one, order(side=side, lots=1, price=None)) == ""
            tight = gate(limits("agents", order_value=worst * MONEY - 1))
            tight.mark("A", BestQuotes(bid, ask), NOON)
            assert code(tight, order(side=side, lots=1, price=None)) == "ORDER_VALUE"


def test_denials_have_the_figures() -> None:
    one = gate(limits("agents", order_lots=5, order_value=4000 * MONEY, messages=1))
    assert (
        text(one, order(price=1101, lots=1))
        == "COLLAR instrument=A price=1101 mid=1000 limit_bps=1000"
    )
    assert text(one, order(lots=6)) == "ORDER_LOTS instrument=A agent=x lots=6 limit=5"
    assert (
        text(one, order(lots=5)) == "ORDER_VALUE instrument=A agent=x value=5000.00 limit=4000.00"
    )
    stale = f"STALE_REFERENCE instrument=A age_ns={1000 * MS + 7} limit={1000 * MS}"
    assert text(one, order(), NOON + 1000 * MS + 7) == stale
    ahead = f"{stale.replace('age_ns=', 'age_ns=-')}: the market is dated ahead of the clock"
    assert text(one, order(), NOON - 1000 * MS - 7) == ahead
    one.count_sent(order(lots=1))
    assert text(one, order("2", lots=1)) == f"MESSAGES scope=x limit=1 window_ns={1000 * MS}"
    one.mark("A", BestQuotes(999, None), NOON)
    assert text(one, order("2", lots=1)) == "BAD_REFERENCE instrument=A bid=999 ask=0"
    one.mark("A", BestQuotes(None, 1001), NOON)
    assert text(one, order("2", lots=1)) == "BAD_REFERENCE instrument=A bid=0 ask=1001"
    one.mark("A", BestQuotes(1, 2), NOON)
    assert code(one, order("2", lots=1)) == "COLLAR"
    two = gate()
    two.register_parent("P", "A", "x", 1, 10)
    two.count_sent(order("1", lots=6, parent="P"))
    assert text(two, order("2", lots=5, parent="P")) == "CHILDREN parent=P used=6 lots=5 limit=10"


# -- losses ---------------------------------------------------------------------------------------------------------


def test_a_short_position_may_be_bought_back_after_a_loss_and_no_lot_more() -> None:
    one, _ = with_fill(
        (5, 5, 1000), limits("agents", daily_loss=10 * MONEY), side=-1, lots=5, price=1000
    )
    one.mark("A", BestQuotes(1009, 1011), NOON)
    assert [code(one, order("2", lots=lots)) for lots in (5, 6)] == ["", "DAILY_LOSS"]
    one.count_sent(order("3", lots=2))
    assert [code(one, order("2", lots=lots)) for lots in (3, 4)] == ["", "DAILY_LOSS"]
    assert code(one, order("2", side=-1, lots=1, price=1010)) == "DAILY_LOSS"
    assert text(one, order("2", lots=4)) == "DAILY_LOSS scope=x loss=50.00 limit=10.00"


def test_a_long_position_may_be_sold_after_a_loss_beside_what_is_being_sold() -> None:
    one, _ = with_fill((5, 5, 1000), limits("agents", daily_loss=10 * MONEY), lots=5, price=1000)
    one.count_sent(order("3", side=-1, lots=2, price=1005))
    one.mark("A", BestQuotes(989, 991), NOON)
    assert [code(one, order("2", side=-1, lots=lots, price=1005)) for lots in (3, 4)] == [
        "",
        "DAILY_LOSS",
    ]


def test_the_scope_that_lost_is_named_not_one_at_its_limit() -> None:
    one = gate(limits("agents", daily_loss=10 * MONEY))
    one.enforce(replace(one.limits, desk=replace(one.limits.desk, daily_loss=9 * MONEY)))
    bought = order("1", lots=10)
    one.count_sent(bought)
    one.report(fill(bought, "e1", 10, 10, 1000))
    one.mark("A", BestQuotes(998, 1000), NOON)  # lost 10
    assert text(one, order("2")) == "DAILY_LOSS scope=desk loss=10.00 limit=9.00"
    one.enforce(
        replace(
            one.limits, desk=replace(one.limits.desk, daily_loss=10 * MONEY, drawdown=9 * MONEY)
        )
    )
    assert text(one, order("2")) == "DRAWDOWN scope=desk drawdown=10.00 limit=9.00"


def test_a_loss_ends_with_its_day_to_the_ns() -> None:
    one, _ = with_fill((10, 10, 1000), limits("agents", daily_loss=10 * MONEY), lots=10)
    last = DAY_NS - 1
    for name in "AB":
        one.mark(name, BestQuotes(989, 991), last)
    assert [code(one, order("2"), now) for now in (last, DAY_NS)] == ["DAILY_LOSS", ""]
    one.mark("B", BestQuotes(989, 991), last)
    assert one.day_ends_ns == DAY_NS
    one.mark("B", BestQuotes(989, 991), DAY_NS)
    assert one.day_ends_ns == 2 * DAY_NS
    assert one.agents["x"].lost == 0


@pytest.mark.parametrize("what", ["sent", "report"])
def test_whatever_comes_first_on_a_day_begins_it(what: str) -> None:
    one, first = with_order()
    if what == "sent":
        one.count_sent(order("2"), DAY_NS - 1)
        assert one.day_ends_ns == DAY_NS
        one.count_sent(order("3"), DAY_NS)
    else:
        one.report(word(first, ExecType.NEW, OrdStatus.NEW, ns=5 * DAY_NS), DAY_NS - 1)
        assert one.day_ends_ns == DAY_NS
        one.report(word(first, ExecType.NEW, OrdStatus.NEW), DAY_NS)
    assert one.day_ends_ns == 2 * DAY_NS


def test_a_mark_from_the_future_is_as_old_as_one_from_the_past() -> None:
    one = gate()
    bought = order("1", lots=1)
    one.count_sent(bought, NOON - 3000 * MS)
    one.report(replace(fill(bought, "e1", 1, 1), ns=NOON - 3000 * MS))
    one.mark("B", BestQuotes(999, 1001), NOON)
    one.mark("A", BestQuotes(999, 1001), NOON)
    age = 1000 * MS
    assert [code(one, order("2", of="B"), NOON - early) for early in (age, age + 1)] == [
        "",
        "STALE_REFERENCE",
    ]
    one.instruments["B"].limits = replace(one.instruments["B"].limits, reference_age_ns=5000 * MS)
    one.instruments["B"].update_validity()
    assert [code(one, order("2", of="B"), NOON - early) for early in (age, age + 1)] == [
        "",
        "STALE_MARK",
    ]


# -- clocks that go back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["desk", "instruments", "agents"])
def test_a_clock_that_goes_back_opens_no_window_again(room: str) -> None:
    one = gate(limits(room, messages=2, window_ns=10))
    one.count_sent(order("1"), NOON + 100)
    one.count_sent(order("2"), NOON)
    one.count_sent(CancelOrder("c", "1", "A", 1, "x", NOON), NOON + 50)
    assert [code(one, order("3"), NOON + at) for at in (0, 50, 60, 61, 109)] == ["MESSAGES"] * 5
    assert code(one, order("3"), NOON + 110) == ""
    assert list(one.desk.times) == [NOON + 100] * len(one.desk.times)


def test_a_clock_that_goes_back_repeats_nothing_and_turns_no_day_back() -> None:
    one = gate(limits("desk", duplicate_ns=10))
    one.count_sent(order("1"), DAY_NS + 5)
    assert code(one, order("2"), DAY_NS + 14) == "DUPLICATE"
    one.count_sent(order("3", price=991), NOON)
    one.mark("A", BestQuotes(999, 1001), DAY_NS + 5)
    assert [code(one, order("4", price=991), at) for at in (NOON, NOON + 11, DAY_NS + 14)] == [
        "DUPLICATE"
    ] * 3
    assert code(one, order("4", price=991), DAY_NS + 15) == ""
    assert one.day_ends_ns == 2 * DAY_NS


def test_hours_are_those_of_the_latest_time() -> None:
    one = gate(limits("instruments", hours=(0, NOON + 10)))  # type: ignore[arg-type]
    assert code(one, order(), NOON + 9) == ""
    one.count_sent(CancelOrder("c", "1", "A", 1, "x", NOON), NOON + 10)
    assert code(one, order(), NOON + 9) == "HOURS"


@pytest.mark.parametrize("now", [float(NOON), True, None, "noon"])
def test_a_time_that_is_none(now: Any) -> None:
    one = gate()
    one.count_sent(order("1"))
    assert code(one, order("2"), now) == "BAD_TIME"


# -- replaces -------------------------------------------------------------------------------------------------------


def to(name: str, lots: int, orig: str = "1", price: int = 990, ns: int = NOON) -> ReplaceOrder:
    return ReplaceOrder(name, orig, "A", 1, lots, price, "x", "xA+", ns)


def test_a_replace_counts_what_it_adds() -> None:
    one, first = with_order(limits("agents", long_lots=10), lots=8)
    one.amend("xA+", 8)
    assert [code(one, to("2", lots)) for lots in (1, 7, 8, 9)] == ["", "", "", "CHILDREN"]
    one.amend("xA+", 100)
    assert [code(one, to("2", lots)) for lots in (10, 11)] == ["", "POSITION"]
    one.report(fill(first, "e1", 8, 8))
    assert code(one, to("2", 9)) == "UNKNOWN_ORDER"


def test_a_replace_of_anothers_order() -> None:
    one = gate()
    one.register_parent("P", "A", "x", 1, 10)
    one.count_sent(order("1"))
    assert code(one, replace(to("2", 1), parent="P")) == "NOT_THE_PARENTS"
    assert code(one, replace(to("2", 1), price=None)) == "BAD_PRICE"  # type: ignore[arg-type]
    assert code(one, to("2", True)) == "BAD_QUANTITY"


def test_the_later_of_two_replaces_stands_and_older_words_change_nothing() -> None:
    one, first = with_order(lots=5)
    one.count_sent(to("2", 7))
    one.count_sent(to("3", 9, "2"))
    one.report(
        word(first, ExecType.REPLACED, OrdStatus.NEW, cl_ord_id="2", orig="1", lots=7, ns=NOON + 5)
    )
    assert whole(one.holdings["x", "A"].buys) == 9
    one.report(
        word(first, ExecType.REPLACED, OrdStatus.NEW, cl_ord_id="3", orig="2", lots=9, ns=NOON + 4)
    )
    assert (
        whole(one.holdings["x", "A"].buys) == 9
    )  # it was asked for later: the venue's clock was put back
    one.report(word(first, ExecType.RESTATED, OrdStatus.NEW, lots=4, ns=NOON + 4))
    assert (
        whole(one.holdings["x", "A"].buys) == 9
    )  # what the venue said before does not change what it said after
    one.report(word(first, ExecType.RESTATED, OrdStatus.NEW, lots=4, ns=NOON + 5))
    assert whole(one.holdings["x", "A"].buys) == 4


def test_a_restated_price_is_quoted_and_none_keeps_the_old_one() -> None:
    one, first = with_order(side=-1, lots=5, price=1005)
    one.report(replace(word(first, ExecType.RESTATED, OrdStatus.NEW), price=None))
    assert code(one, order("2", price=1005)) == "OWN_CROSS"
    one.report(replace(word(first, ExecType.RESTATED, OrdStatus.NEW), price=1010))
    assert [code(one, order("2", price=price)) for price in (1009, 1010)] == ["", "OWN_CROSS"]


def test_a_refused_replace_frees_what_it_asked_for_and_nothing_else() -> None:
    one = gate()
    one.count_sent(order("1", lots=5))
    one.count_sent(to("2", 8))
    one.cancel_reject(CancelReject("1", "", "x", OrdStatus.NEW, NOON))
    one.cancel_reject(CancelReject("nobody", "", "x", OrdStatus.NEW, NOON))
    assert (whole(one.holdings["x", "A"].buys), one.fault) == (8, "")
    one.cancel_reject(CancelReject("2", "", "x", OrdStatus.NEW, NOON))
    assert whole(one.holdings["x", "A"].buys) == 5
    one.count_sent(to("3", 9))
    one.release_unsent(to("3", 9))
    assert whole(one.holdings["x", "A"].buys) == 5
    one.release_unsent(StatusRequest("1", "x", NOON))
    assert whole(one.holdings["x", "A"].buys) == 5


def test_what_was_sent_is_forgotten_once_it_may_be_sent_again() -> None:
    one = gate(limits("desk", duplicate_ns=10))
    for at in (0, 1, 10):
        one.count_sent(order(f"n{at}", price=990 + at), NOON + at)
    assert len(one.recent) == 2
    one.count_sent(order("again", price=991), NOON + 11)
    assert list(one.recent.values()) == [NOON + 10, NOON + 11]


# -- parents --------------------------------------------------------------------------------------------------------


def test_parents_of_one_lot_and_of_none() -> None:
    one = gate()
    one.register_parent("one", "A", "x", -1, 1)
    one.amend("one", 0)
    assert code(one, order("1", side=-1, lots=1, price=1005, parent="one")) == "CHILDREN"
    one.register_parent("two", "A", "x", 1, 10)
    one.register_parent("two", "A", "x", 1, 10)
    for other in (
        *(("P", "A", "x", 1, True), ("P", "A", "x", 1, 2.0), ("P", "A", "x", 2, 5)),
        *(("P", "Z", "x", 1, 5), ("P", "A", "zoe", 1, 5), ("P", "A", "x", 0, 5)),
        *(("P", "A", "x", 1, 0), ("two", "A", "x", 1, 11), ("one", "A", "x", -1, 2)),
        *(("one", "A", "x", 1, 1), ("one", "B", "x", -1, 1), ("one", "A", "y", -1, 1)),
    ):
        with pytest.raises(OrderError):
            one.register_parent(*other)  # type: ignore[arg-type]
    for name, lots in (("one", -1), ("one", True), ("one", 1.5), ("nobody's", 11)):
        with pytest.raises(OrderError):
            one.amend(name, lots)  # type: ignore[arg-type]


# -- reports --------------------------------------------------------------------------------------------------------


def test_a_count_beyond_the_order_stops_and_keeps_lots() -> None:
    one, first = with_order(lots=5)
    assert one.report(word(first, ExecType.STATUS, OrdStatus.NEW, cum=5)) is None
    alarm = one.report(word(first, ExecType.STATUS, OrdStatus.NEW, cum=6))
    assert alarm is not None
    assert (alarm.code, alarm.text) == ("OVERFILL", "agent=x order=1 cum=6 lots=5")
    assert whole(one.holdings["x", "A"].buys) == 6


def test_a_fill_without_a_name_stops() -> None:
    one, first = with_order(lots=5)
    assert (told(one, fill(first, "", 2, 2))[0], whole(one.holdings["x", "A"].position)) == (
        "NO_EXEC_ID",
        2,
    )


def test_a_correction_to_the_same_lots_reopens_nothing() -> None:
    one, first = with_fill((5, 5, 1005), side=-1, lots=5, price=1005)
    words = {"last_lots": 5, "last_price": 1004, "cum": 5, "leaves": 1}
    one.report(
        word(first, ExecType.CORRECTED, OrdStatus.PARTIALLY_FILLED, exec_id="c", ref="e1", **words)
    )
    assert code(one, order("2", price=1005)) == ""


def test_what_a_bust_reopens_and_what_it_does_not() -> None:
    one, first = with_fill((5, 5), lots=5)
    bust = word(
        first, ExecType.BUSTED, OrdStatus.PARTIALLY_FILLED, exec_id="b", ref="e1", ns=NOON + 5
    )
    one.report(bust)  # no lots of it are open again, says the venue
    assert whole(one.holdings["x", "A"].buys) == 0
    two = gate()
    two.count_sent(first)
    two.report(fill(first, "e1", 5, 5))
    two.report(replace(bust, **parts(leaves=1)))
    assert whole(two.holdings["x", "A"].buys) == 5
    two.report(
        word(first, ExecType.STATUS, OrdStatus.FILLED, cum=5, ns=NOON + 4)
    )  # from before the bust
    assert (whole(two.holdings["x", "A"].buys), whole(two.holdings["x", "A"].position)) == (5, 0)
    two.report(word(first, ExecType.STATUS, OrdStatus.FILLED, cum=5, ns=NOON + 5))
    assert whole(two.holdings["x", "A"].buys) == 5  # its fill has not come
    assert code(two, to("r", 4)) == "UNKNOWN_ORDER"
    three = gate()
    three.count_sent(first)
    three.report(fill(first, "e1", 2, 2))
    three.report(word(first, ExecType.CANCELED, OrdStatus.CANCELED, cum=2))
    three.report(replace(bust, **parts(leaves=1), status=OrdStatus.NEW))
    assert whole(three.holdings["x", "A"].buys) == 0


def test_a_strange_fill_is_booked_once_and_by_its_side() -> None:
    one = gate()
    ghost = fill(order("ghost", side=-1, lots=5), "e1", 2, 2)
    for _ in range(2):
        one.report(ghost)
    held = one.holdings["x", "A"]
    assert (
        whole(held.position),
        whole(held.buys),
        whole(held.sells),
        whole(held.exposure),
        held.agent.gross,
    ) == (
        -2,
        0,
        0,
        2,
        2000 * PAID_ONE * MONEY,
    )
    assert told(one, word(order("ghost"), ExecType.NEW, OrdStatus.NEW)) == ("UNKNOWN_ORDER", "")


def test_a_unit_of_money() -> None:
    for nothing in (0.0, -0.01):
        with pytest.raises(VenueError):
            Listing("A", nothing, 100)
    with pytest.raises(LimitsError):
        LimitGate(limits(), [Listing("A", 1e-12, 1)], ["x"])
    for tick, lot, unit in (
        (0.01, 100, MONEY // 2),
        (0.5, 2, MONEY // 2),
        (0.0005, 1000, MONEY // 4),
        (1e-9, 1, 1),
    ):
        assert LimitGate(limits(), [Listing("A", tick, lot)], ["x"]).instruments["A"].unit == unit


def test_cancels_count_where_they_belong() -> None:
    one = gate()
    for command in (
        CancelOrder("c1", "?", "A", 1, "x", NOON),
        CancelOrder("c2", "?", "Z", 1, "x", NOON),
        CancelOrder("c3", "?", "B", 1, "zoe", NOON),
        StatusRequest("s", "y", NOON),
    ):
        one.count_sent(command)
    counts = [
        len(each.times) for each in (one.desk, *one.agents.values(), *one.instruments.values())
    ]
    assert (counts, one.fault) == ([4, 2, 1, 1, 1], "")


def test_what_was_filled_before_the_first_mark_is_worth_what_it_cost_until_there_is_one() -> None:
    """A journal may hold a fill and no market yet: its fold is no loss, and the first mark counts from the price."""
    one = LimitGate(limits(), [Listing("A", 0.01, 100)], ["x"])
    strange = order("1", lots=5)
    one.report(fill(strange, "e1", 5, 5, 1000))
    assert one.usage()["instruments"]["A"]["gross_value"][0] == 5 * 1000
    assert one.instruments["A"].equity == 0
    one.mark("A", BestQuotes(998, 1000), NOON)
    assert one.usage()["instruments"]["A"]["gross_value"][0] == 5 * 999
    assert one.instruments["A"].equity == -5 * PAID_ONE * MONEY


def test_of_two_replacements_at_the_same_time_the_later_counts() -> None:
    one, first = with_order(lots=5, price=990)
    one.report(word(first, ExecType.NEW, OrdStatus.NEW, leaves=5))
    for name, orig, price in (("2", "1", 980), ("3", "2", 970)):
        other = ReplaceOrder(name, orig, "A", 1, 5, price, "x", "xA+", NOON)
        one.count_sent(other)
        one.report(
            word(first, ExecType.REPLACED, OrdStatus.NEW, cl_ord_id=name, orig=orig, leaves=5)
        )
        assert one.orders["1"].price == price


def test_of_two_busts_at_the_same_time_the_later_says_what_is_filled() -> None:
    one, first = with_fill((5, 5), lots=10)
    one.report(fill(first, "e2", 5, 10))
    for name, ref, cum in (("b1", "e1", 5), ("b2", "e2", 0)):
        one.report(
            word(
                first,
                ExecType.BUSTED,
                OrdStatus.CANCELED,
                exec_id=name,
                ref=ref,
                cum=cum,
                ns=NOON + 5,
            )
        )
    held = one.holdings["x", "A"]
    assert (whole(held.position), whole(held.buys)) == (0, 0), (
        "what the venue says is filled has no lots to come"
    )
