"""What reports claim beyond what was asked for: each is counted, and stops its agent or does not, to the step."""

from dataclasses import replace

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
from tests.parts import whole

from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, OrdStatus, ReplaceOrder
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MS


def test_an_execution_is_told_by_account_order_and_name() -> None:
    one = gate()
    first, second, other = order("1"), order("2"), order("3", agent="y")
    for each in (first, second, other):
        one.count_sent(each)
        assert one.report(fill(each, "e", 2, 2)) is None
        assert one.report(fill(each, "e", 2, 2)) is None, "said again"
    assert [whole(one.holdings[agent, "A"].position) for agent in "xy"] == [4, 2]
    one.report(word(second, ExecType.BUSTED, OrdStatus.NEW, exec_id="b", ref="e"))
    assert [whole(one.holdings[agent, "A"].position) for agent in "xy"] == [2, 2]
    assert [whole(one.orders[name].cum_qty) for name in "123"] == [2, 0, 2]


def test_a_bust_of_nobodys_order_is_of_the_latest_execution_of_its_name() -> None:
    one = gate()
    for name in "12":
        one.count_sent(order(name))
        one.report(fill(order(name), "e", int(name), int(name)))
    one.report(word(order("z"), ExecType.BUSTED, OrdStatus.NEW, exec_id="b", ref="e"))
    assert whole(one.holdings["x", "A"].position) == 1


def test_a_mark_of_tomorrow_begins_no_day() -> None:
    one = gate()
    one.mark("A", BestQuotes(999, 1001), 3 * DAY_NS, NOON)
    assert one.day_ends_ns == DAY_NS
    one.mark("B", BestQuotes(999, 1001), NOON, DAY_NS)
    assert one.day_ends_ns == 2 * DAY_NS


def test_no_report_is_later_than_the_clock() -> None:
    """Executions dated far apart are one after the other here, and a restatement of tomorrow holds up none of today."""
    one, first = with_order(limits("agents", executions=2, executions_ns=10), lots=9)
    alarms = [
        one.report(replace(fill(first, f"e{n}", 1, n + 1), ns=NOON + n * MS), NOON)
        for n in range(3)
    ]
    assert [alarm and alarm.code for alarm in alarms] == [None, None, "EXECUTIONS"]
    one.report(word(first, ExecType.RESTATED, OrdStatus.NEW, lots=8, cum=3, ns=NOON + DAY_NS), NOON)
    one.report(word(first, ExecType.RESTATED, OrdStatus.NEW, lots=7, cum=3, ns=NOON), NOON)
    assert one.orders["1"].lots == 7


@pytest.mark.parametrize("kind", [ExecType.RESTATED, ExecType.REPLACED])
@pytest.mark.parametrize(("lots", "stops"), [(4, False), (5, False), (6, True)])
def test_what_nobody_made_larger_counts_and_stops(kind: ExecType, lots: int, stops: bool) -> None:
    one, first = with_order(lots=5)
    said = word(first, kind, OrdStatus.NEW, lots=lots, ns=NOON)
    assert told(one, said) == (("ENLARGED", "x") if stops else ("", ""))
    assert whole(one.holdings["x", "A"].buys) == lots
    assert code(one, order("2")) == ("STOPPED" if stops else "")


def test_an_order_that_is_restated_below_what_is_filled_may_come_to_what_is_filled() -> None:
    one, first = with_fill((8, 8), exec_id="e", lots=10)
    assert (
        one.report(word(first, ExecType.RESTATED, OrdStatus.PARTIALLY_FILLED, lots=5, cum=8))
        is None
    )
    assert one.orders["1"].lots == 8
    one.report(word(first, ExecType.CORRECTED, OrdStatus.PARTIALLY_FILLED, ref="e", exec_id="c",
                    last_lots=5, last_price=1000, cum=5, leaves=3))  # fmt: skip
    assert whole(one.holdings["x", "A"].buys) == 3


@pytest.mark.parametrize(
    ("lots", "cum", "counts", "stops"), [(6, 7, 7, True), (8, 0, 8, True), (6, 0, 6, False)]
)
def test_a_replace_that_gives_more_than_was_asked_counts_and_stops(
    lots: int, cum: int, counts: int, stops: bool
) -> None:
    one, first = with_order(lots=5)
    one.count_sent(ReplaceOrder("r", "1", "A", 1, 6, 1000, "x", "xA+", NOON))
    said = word(
        first, ExecType.REPLACED, OrdStatus.NEW, cl_ord_id="r", orig="1", lots=lots, cum=cum
    )
    assert (told(one, said)[0] == "ENLARGED") == stops
    assert one.orders["1"].lots == counts
    one.resume("x")
    assert one.report(replace(said, lots=20)) is None, "of a replace that was answered"
    assert one.orders["1"].lots == counts


@pytest.mark.parametrize(
    ("side", "price", "at", "stops"),
    [
        *(
            (1, 1000, 1000, False),
            (1, 1000, 1001, True),
            (1, 1000, 990, False),
            (1, None, 1500, False),
        ),
        *(
            (-1, 1000, 1000, False),
            (-1, 1000, 999, True),
            (-1, 1000, 1010, False),
            (-1, None, 1, False),
        ),
    ],
)
def test_a_fill_beyond_every_price_that_was_asked_for_stops(
    side: int, price: int | None, at: int, stops: bool
) -> None:
    one, first = with_order(side=side, price=price)
    assert (told(one, fill(first, "e", 1, 1, at))[0] == "FILL_PRICE") == stops
    assert whole(one.holdings["x", "A"].position) == side


@pytest.mark.parametrize("side", [1, -1])
def test_the_worst_price_is_of_all_that_were_asked_for(side: int) -> None:
    one, first = with_order(side=side, price=1000)
    parent = "xA+" if side > 0 else "xA-"
    for name, price in (("r", 1000 + 2 * side), ("s", 1000 - 2 * side)):
        one.count_sent(ReplaceOrder(name, "1", "A", side, 5, price, "x", parent, NOON))
    assert one.report(fill(first, "e", 1, 1, 1000 + 2 * side)) is None
    assert one.report(fill(first, "f", 1, 2, 1000 + 3 * side)) is not None


def test_a_fill_of_the_other_side_is_booked_as_ordered_and_stops() -> None:
    one, first = with_order()
    assert (
        told(one, replace(fill(first, "e", 1, 1), side=-1))[0],
        whole(one.holdings["x", "A"].position),
    ) == ("FILL_SIDE", 1)


def test_the_smallest_part_of_a_lot_is_a_fill_and_reopens_an_order() -> None:
    one, first = with_order(lots=5)
    assert (
        one.report(
            replace(
                fill(first, "e", 1, 5), last_qty=1, cum_qty=1, status=OrdStatus.PARTIALLY_FILLED
            )
        )
        is None
    )
    assert one.holdings["x", "A"].position == 1
    assert one.report(replace(fill(first, "f", 1, 5), last_qty=5 * ONE - 1)) is None
    assert not one.orders["1"].live
    busted = word(first, ExecType.BUSTED, OrdStatus.PARTIALLY_FILLED, exec_id="b", ref="e", cum=5)
    one.report(replace(busted, cum_qty=5 * ONE - 1, leaves_qty=1))
    assert (one.orders["1"].live, one.holdings["x", "A"].buys) == (True, 1)


def test_a_fill_of_an_order_that_is_called_rejected_is_booked_and_frees_nothing() -> None:
    one, first = with_order(lots=5)
    one.report(word(first, ExecType.NEW, OrdStatus.NEW, leaves=5))
    one.count_sent(ReplaceOrder("r", "1", "A", 1, 9, 1000, "x", "xA+", NOON))
    assert (
        told(
            one, replace(fill(first, "e", 2, 2), status=OrdStatus.REJECTED, cl_ord_id="r", orig="1")
        )[0]
        == "CONTRADICTION"
    )
    held = one.holdings["x", "A"]
    assert (whole(held.position), whole(held.buys)) == (2, 7)
    other = order("2", lots=5)
    one.count_sent(other)
    one.report(word(other, ExecType.RESTATED, OrdStatus.REJECTED, lots=3))
    assert whole(held.buys) == 12


@pytest.mark.parametrize("kind", [ExecType.TRADE, ExecType.NEW, ExecType.PENDING_CANCEL])
def test_an_end_by_status_alone_frees_nothing_until_it_is_reported(kind: ExecType) -> None:
    one, first = with_order(lots=5)
    last = {"exec_id": "e", "last_lots": 2, "last_price": 1000} if kind is ExecType.TRADE else {}
    cum = 2 if kind is ExecType.TRADE else 0
    one.report(word(first, kind, OrdStatus.CANCELED, cum=cum, **last))
    assert whole(one.holdings["x", "A"].buys) == 5 - cum
    one.report(word(first, ExecType.CANCELED, OrdStatus.CANCELED, cum=cum))
    assert whole(one.holdings["x", "A"].buys) == 0


def test_a_replace_that_comes_after_the_last_fill_opens_the_order_again() -> None:
    one, first = with_order(lots=5)
    one.count_sent(ReplaceOrder("r", "1", "A", 1, 9, 1000, "x", "xA+", NOON))
    one.report(fill(first, "e", 5, 5))
    assert not one.orders["1"].live
    raised = word(first, ExecType.REPLACED, OrdStatus.PARTIALLY_FILLED, cl_ord_id="r", orig="1",
                  lots=9, cum=5, leaves=4)  # fmt: skip
    one.report(raised)
    assert (one.orders["1"].live, whole(one.holdings["x", "A"].buys)) == (True, 4)


def test_a_replace_of_nobody_opens_a_filled_order_whose_fills_are_missing() -> None:
    one, first = with_fill((2, 5), exec_id="e", lots=5)
    assert not one.orders["1"].live
    one.report(word(first, ExecType.REPLACED, OrdStatus.NEW, leaves=3))
    assert (one.orders["1"].live, whole(one.holdings["x", "A"].buys)) == (True, 3)


def test_what_did_not_leave_frees_nothing_of_an_order_that_was_filled() -> None:
    one, first = with_fill((5, 5), exec_id="e", lots=5)
    one.release_unsent(first)
    busted = word(first, ExecType.BUSTED, OrdStatus.NEW, exec_id="b", ref="e", leaves=5)
    one.report(busted)
    assert whole(one.holdings["x", "A"].buys) == 5


def test_a_correction_to_more_than_was_ordered_stops() -> None:
    one, first = with_fill((5, 5), exec_id="e", lots=5)
    more = word(first, ExecType.CORRECTED, OrdStatus.FILLED, ref="e", exec_id="c",
                last_lots=7, last_price=1000, cum=7)  # fmt: skip
    assert told(one, more) == ("OVERFILL", "x")
