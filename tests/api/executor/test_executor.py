"""`tercel.Executor` in the hands of callers that err, restart, lose updates, and of venues that do as they like."""

import contextlib
import random
import zlib
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tercel as tc
from tercel.api.executor.units import Units
from tercel.core.errors import ConfigError, OrderError, PolicyError, TapeError, TercelError

S = 10**9
INSTRUMENT = tc.Instrument("XYZ", "0.01", 100, levels=3)
BIDS, ASKS = [(9.99, 500), (9.98, 700), (9.97, 900)], [(10.01, 800), (10.02, 400), (10.03, 900)]


RESTS = tc.strategy(lambda view: tc.Intent(rest=[[0, int(view.left[0]), 0, 0, 0]]), name="rests")


def working(strategy: Any = RESTS, quantity: Any = 6000, **terms: Any) -> tc.Executor:
    """An executor that has seen a minute of a still market, ready to begin."""
    executor = tc.Executor(
        strategy, INSTRUMENT, tc.Parent("buy", quantity, "1min", decisions=6), **terms
    )
    for second in (0, 30, 60):
        executor.on_book(second * S, BIDS, ASKS)
    return executor


def state(executor: tc.Executor) -> tuple[Any, ...]:
    return executor.filled, executor.open_orders, executor.next_decision_ns, executor._digest()


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (lambda e: e.on_book(61 * S, [(10.01, 5)], [(10.01, 5)]), TapeError),
        (lambda e: e.on_book(61 * S, [(10.03, 100)], [], whole=False), TapeError),
        (lambda e: e.on_book(61 * S, [(9.995, 5)], ASKS), OrderError),
        (lambda e: e.on_book(61 * S, [(9.98, -5)], ASKS), OrderError),
        (lambda e: e.on_book(61 * S, [(9.98, float("nan"))], ASKS), OrderError),
        (lambda e: e.on_book(61 * S, [(float("inf"), 5)], ASKS), OrderError),
        (lambda e: e.on_book(59 * S, BIDS, ASKS), TapeError),
        (lambda e: e.on_book(61 * S, BIDS, ASKS, symbol="ABC"), TapeError),
        (lambda e: e.on_orders(61 * S, [("add", 1, "buy", 9.99, 100)]), TapeError),
        (lambda e: e.on_trade(61 * S, 10.01, 100, "seller"), OrderError),
        (lambda e: e.on_trade(61 * S, 10.015, 100, "buy"), OrderError),
        (lambda e: e.on_order("parent-99", "accepted", 61 * S), OrderError),
        (lambda e: e.on_order("parent-1", "done", 61 * S), ConfigError),
        (lambda e: e.on_order("parent-1", "filled", 61 * S, price=9.99, size=100), OrderError),
        (lambda e: e.on_order("parent-1", "amended", 61 * S), OrderError),
        (lambda e: e.on_order("parent-1", "accepted", 59 * S), TapeError),
        (lambda e: e.commands(59 * S), TapeError),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(what: Any, error: type[Exception]) -> None:
    executor = working()
    assert executor.commands(60 * S)
    before, saved = state(executor), executor.save()
    with pytest.raises(error) as caught:
        what(executor)
    assert isinstance(caught.value, TercelError)
    assert (state(executor), executor.save()) == (before, saved)


def test_changes_before_a_whole_book_and_orders_that_never_came_are_refused() -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("sell", 100, "1min"))
    with pytest.raises(TapeError, match="whole book"):
        executor.on_book(0, BIDS, [], whole=False)
    with pytest.raises(TapeError, match="all orders"):
        executor.on_orders(0, [("add", 1, "buy", 9.99, 100)])
    executor.on_orders(
        0, [("add", 1, "buy", 9.99, 100), ("add", 2, "sell", 10.01, 100)], whole=True
    )
    with pytest.raises(TapeError, match="were added"):
        executor.on_orders(1, [("execute", 3, None, None, 100)])
    with pytest.raises(TapeError, match="new orders of some lots"):
        executor.on_orders(1, [("add", 2, "sell", 10.02, 100)])
    with pytest.raises(TapeError, match="either level totals or depth"):
        executor.on_book(1, BIDS, ASKS)


@pytest.mark.parametrize(
    ("parent", "word"),
    [
        (tc.Parent("buy", 150, "1min"), "whole lots of 100"),
        (tc.Parent("buy", 0, "1min"), "at least one"),
        (tc.Parent("buy", "many", "1min"), "a quantity"),
        (tc.Parent("both", 100, "1min"), "buy or sell"),
        (tc.Parent("buy", 100, "a while"), "."),
        (tc.Parent("buy", 100, "1min", limit_price=-1), "limit price"),
    ],
)
def test_a_parent_that_cannot_be_worked_is_refused(parent: tc.Parent, word: str) -> None:
    with pytest.raises(TercelError, match=word):
        tc.Executor("twap_take", INSTRUMENT, parent)


def test_it_says_what_it_waits_for() -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("buy", 600, "1min", decisions=6))
    assert (executor.waits_for, executor.next_decision_ns) == ("a whole book", None)
    executor.on_book(0, BIDS, [])
    assert executor.waits_for == "prices on both sides"
    executor.on_book(S, BIDS, ASKS)
    assert executor.waits_for == "9 s more of market data"
    assert executor.commands(2 * S) == []
    executor.on_book(10 * S, BIDS[:2], ASKS)
    assert executor.ready
    assert executor.next_decision_ns == 10 * S
    assert len(executor.commands(10 * S)) == 1
    assert executor.commands(10 * S) == [], "a second call asks for nothing again"


@pytest.mark.parametrize("first", ["book", "time"])
def test_a_late_call_decides_at_once_and_once(first: str) -> None:
    executor = working("twap_take")
    assert len(executor.commands(60 * S)) == 1
    executor.on_order("parent-1", "filled", 60 * S, price=10.01, size=1000, execution="T1")
    if first == "book":
        executor.on_book(95 * S, BIDS, [(10.02, 100), (10.03, 900)])
        assert executor.next_decision_ns == 95 * S
    (late,) = executor.commands(95 * S)
    assert late == tc.Place("parent-2", "buy", None, Decimal(3000), immediate=True)
    assert executor.next_decision_ns == 100 * S


def test_what_waits_to_be_sent_is_due_now_and_never_leaves_after_a_gap() -> None:
    executor = working()
    executor.on_trade(61 * S, 10.01, 100, "buy")
    assert executor.commands(61 * S)
    executor.on_order("parent-1", "rejected", 62 * S)
    executor.on_book(75 * S, BIDS, ASKS[1:])
    executor.on_trade(76 * S, 10.02, 100, "buy")
    if executor._outbox:
        assert executor.next_decision_ns == 76 * S
    executor.on_gap(77 * S)
    assert executor.commands(77 * S) == []
    assert executor.open_orders == []


def test_a_fill_that_is_told_twice_counts_once_and_one_that_comes_late_counts() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    assert isinstance(order, tc.Place)
    executor.on_order(order.name, "accepted", 61 * S)
    for _ in range(2):
        executor.on_order(order.name, "filled", 62 * S, price=9.99, size=100, execution="T1")
        executor.on_order(order.name, "accepted", 62 * S)
    assert executor.filled == 100
    executor.on_order(order.name, "cancelled", 63 * S, text="by the venue")
    executor.on_order(order.name, "cancelled", 63 * S)
    executor.on_order(order.name, "filled", 64 * S, price=9.99, size=200, execution="T2")
    assert (executor.filled, executor.left) == (300, 5700)
    executor.on_book(69 * S, BIDS, ASKS)
    placed = executor.commands(70 * S)
    assert sum(place.size for place in placed if isinstance(place, tc.Place)) <= 5700
    assert {place.name for place in placed}.isdisjoint({order.name})


def test_fills_that_an_end_counts_and_that_come_behind_it_are_waited_for() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 61 * S)
    executor.on_order(order.name, "cancelled", 62 * S, filled=400)
    executor.on_book(63 * S, BIDS, ASKS[1:])
    executor.on_book(69 * S, BIDS, ASKS)
    assert executor.commands(70 * S) == [], "its lots may all be filled"
    executor.on_order(order.name, "filled", 71 * S, price=9.99, size=400, execution="T1")
    (rest,) = executor.commands(80 * S)
    assert (executor.filled, rest.size) == (400, 5600)  # type: ignore[union-attr]
    with pytest.raises(OrderError, match="at most 5600 filled"):
        executor.on_order(rest.name, "expired", 81 * S, filled=5700)
    assert executor.stopped


def test_a_fill_of_more_than_is_open_stops_it_and_cancels() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 61 * S)
    with pytest.raises(OrderError, match="a fill of at most"):
        executor.on_order(
            order.name, "filled", 62 * S, price=9.99, size=order.size + 100, execution="T1"
        )  # type: ignore[union-attr]
    assert executor.commands(62 * S) == [tc.Cancel(order.name)]
    assert executor.stopped
    assert executor.next_decision_ns == 72 * S, "an answer to the cancel is overdue then"
    executor.on_order(order.name, "cancelled", 63 * S)
    executor.on_book(90 * S, BIDS, ASKS)
    assert executor.commands(120 * S) == []
    assert executor.done


def test_after_a_gap_its_orders_are_cancelled_and_work_goes_on_with_a_whole_book() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 60 * S)
    executor.on_gap(62 * S)
    assert executor.waits_for == "a whole book"
    assert executor.commands(63 * S) == [tc.Cancel(order.name)]
    executor.on_order(order.name, "filled", 63 * S, price=9.99, size=500, execution="T1")
    executor.on_order(order.name, "cancelled", 63 * S)
    assert executor.commands(80 * S) == []
    executor.on_book(81 * S, BIDS, ASKS)
    (again,) = executor.commands(81 * S)
    assert isinstance(again, tc.Place)
    assert again.name not in (order.name, "parent-1")
    assert again.size <= 5500


def test_a_cancel_that_was_lost_is_asked_for_again() -> None:
    """A process that dies between save and send, and is told by the venue that the order lives."""
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 60 * S)
    executor.on_gap(62 * S)
    assert executor.commands(62 * S) == [tc.Cancel(order.name)]
    executor = tc.Executor.restore(executor.save(), RESTS)
    executor.on_order(order.name, "accepted", 65 * S)
    executor.on_book(66 * S, BIDS, ASKS)
    assert executor.commands(66 * S) == []
    assert executor.next_decision_ns == 72 * S
    assert executor.commands(72 * S) == [tc.Cancel(order.name)]
    executor.on_order(order.name, "cancelled", 75 * S)
    executor.on_book(76 * S, BIDS, ASKS)
    assert sum(place.size for place in executor.commands(80 * S)) == 6000  # type: ignore[union-attr]


def test_a_parent_that_is_called_off_is_cancelled_and_over() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 60 * S)
    executor.stop(61 * S)
    assert executor.commands(61 * S) == [tc.Cancel(order.name)]
    executor.on_order(order.name, "cancelled", 62 * S)
    executor.on_book(90 * S, BIDS, ASKS)
    assert (executor.commands(130 * S), executor.done, executor.stopped) == ([], True, "called off")
    assert tc.Executor.restore(executor.save(), RESTS).stopped == "called off"


def test_a_venue_that_refuses_to_cancel_is_asked_again() -> None:
    executor = working()
    (order,) = executor.commands(60 * S)
    executor.on_order(order.name, "accepted", 60 * S)
    executor.on_gap(62 * S)
    assert executor.commands(62 * S) == [tc.Cancel(order.name)]
    executor.on_order(order.name, "cancel_rejected", 62 * S, text="busy")
    assert executor.commands(62 * S) == []
    executor.on_book(64 * S, BIDS, ASKS)
    assert executor.commands(64 * S) == [tc.Cancel(order.name)]


def test_totals_with_own_lots_in_them_are_those_of_others() -> None:
    """An own order that a venue shows is no depth of others; one that a recorded day does not show takes nothing away."""
    sizes = []
    for shown, total in ((True, 6500), (False, 500)):
        executor = working(own_orders_shown=shown)
        (order,) = executor.commands(60 * S)
        assert order == tc.Place("parent-1", "buy", Decimal("9.99"), Decimal(6000), immediate=False)
        executor.on_order(order.name, "accepted", 60 * S)
        executor.on_book(61 * S, [(9.99, total), *BIDS[1:]], ASKS)
        follower = executor._follower
        sizes.append(follower.depth(1)[0])
        assert executor._executor.driver.view.x is not None
    assert sizes == [(999, 65), (999, 65)]


def test_sizes_of_a_fraction_and_a_limit_price() -> None:
    instrument = tc.Instrument("BTC/USDT", "0.01", "0.00001")
    parent = tc.Parent("sell", "0.5", "1min", limit_price="60000.50", decisions=6)
    executor = tc.Executor("immediate", instrument, parent, fees=tc.Fees(1.0, 5.0, "bps"))
    for ns in (0, 10 * S):
        executor.on_book(ns, [("60000.12", "0.7")], [("60000.99", "0.2")])
    (order,) = executor.commands(10 * S)
    assert isinstance(order, tc.Place)
    assert (order.size, order.price) == (Decimal("0.50000"), Decimal("60000.50"))
    executor.on_order(order.name, "filled", 11 * S, price="60000.5", size="0.125", execution="1")
    assert executor.left == Decimal("0.375")


def test_without_amendments_what_should_shrink_is_cancelled() -> None:
    strategy = tc.strategy(
        lambda view: tc.Intent(
            rest=[[0, int(view.left[0]) // (2 if view.decision[0] else 1), 0, 0, 0]]
        ),
        name="halves",
    )
    for amends in (True, False):
        executor = working(strategy, amends=amends)
        (order,) = executor.commands(60 * S)
        executor.on_order(order.name, "accepted", 60 * S)
        (change,) = executor.commands(70 * S)
        if amends:
            assert change == tc.Amend(order.name, Decimal(3000), Decimal("9.99"))
            executor.on_order(order.name, "amended", 70 * S)
            assert executor.open_orders[0].size == 3000
        else:
            assert change == tc.Cancel(order.name)
            executor.on_order(order.name, "cancelled", 70 * S)
            assert executor.open_orders == []
            assert executor.commands(80 * S)[0].size == 3000  # type: ignore[union-attr]


class Venue:
    """A venue that answers late, fills as it likes, refuses, and repeats itself; it never fills more than was asked for."""

    def __init__(self, rng: random.Random, amends: bool) -> None:
        self.rng, self.amends, self.count = rng, amends, 0
        self.open: dict[str, list[Any]] = {}
        self.answers: list[tuple[str, str, dict[str, Any]]] = []
        self.filled = Decimal(0)

    def take(self, command: Any) -> None:
        if isinstance(command, tc.Place):
            if self.rng.random() < 0.1:
                self.answers.append((command.name, "rejected", {}))
                return
            self.open[command.name] = [command.size, Decimal(0), command.immediate, command.price]
            self.answers.append((command.name, "accepted", {}))
        elif command.name not in self.open or self.rng.random() < 0.1:
            self.answers.append((command.name, "cancel_rejected", {}))
        elif isinstance(command, tc.Cancel):
            del self.open[command.name]
            self.answers.append((command.name, "cancelled", {}))
        else:
            assert self.amends
            order = self.open[command.name]
            order[0] = max(command.size, order[1])
            self.answers.append((command.name, "amended", {}))
            if order[0] == order[1]:
                del self.open[command.name]

    def trade(self) -> None:
        for name, order in list(self.open.items()):
            if self.rng.random() < (0.9 if order[2] else 0.3):
                size = min(order[0] - order[1], Decimal(100) * self.rng.randint(1, 8))
                order[1] += size
                self.filled += size
                self.count += 1
                fill = {
                    "price": order[3] or Decimal("10.01"),
                    "size": size,
                    "execution": f"T{self.count}",
                }
                self.answers += [(name, "filled", fill)] * self.rng.choice((1, 1, 2))
                if order[0] == order[1]:
                    del self.open[name]
            if order[2] and name in self.open:
                del self.open[name]
                self.answers.append((name, "expired", {}))


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(["twap_repeg", "random", "default", "peg_behind+events"]),
    amends=st.booleans(),
)
def test_no_lot_is_lost_or_doubled_whatever_a_venue_does(
    seed: int, name: str, amends: bool
) -> None:
    """Late and repeated answers, refusals, gaps, restarts from bytes: filled plus open is never more than the parent."""
    rng = random.Random(seed)
    executor = working(name, amends=amends, seed=seed % 7)
    venue = Venue(rng, amends)
    for moment in range(60 * 10, 135 * 10):
        ns = moment * S // 10
        if rng.random() < 0.3:
            shift = rng.choice((0, 0, 0.01, -0.01))
            executor.on_book(
                ns,
                [(round(price + shift, 2), rng.randint(1, 9) * 100) for price, _ in BIDS],
                [(round(price + shift, 2), rng.randint(1, 9) * 100) for price, _ in ASKS],
            )
        if rng.random() < 0.01:
            executor.on_gap(ns)
        venue.trade()
        while venue.answers and rng.random() < 0.8:
            order, what, more = venue.answers.pop(0)
            executor.on_order(order, what, ns, **more)
        if rng.random() < 0.02:
            data = executor.save()
            executor = tc.Executor.restore(data, name)
            assert executor.save() == data
        for command in executor.commands(ns):
            venue.take(command)
        assert executor.filled + sum(order.size for order in executor.open_orders) <= 6000
        assert venue.filled <= 6000
    for order, what, more in venue.answers:
        executor.on_order(order, what, 140 * S, **more)
    assert executor.filled == venue.filled


def test_bytes_that_are_none_and_another_strategy_are_refused() -> None:
    executor = working()
    executor.commands(60 * S)
    data = executor.save()
    assert state(tc.Executor.restore(data, RESTS)) == state(executor)
    for wrong, strategy in ((data[:-3], RESTS), (b"", RESTS), (data, "twap_take")):
        with pytest.raises(PolicyError):
            tc.Executor.restore(wrong, strategy)


HALVES = tc.strategy(
    lambda view: tc.Intent(
        rest=[[0, int(view.left[0]) // (2 if view.decision[0] else 1), 0, 0, 0]]
    ),
    name="halves",
)


def halving() -> tc.Executor:
    """An executor of which an amendment is on its way."""
    executor = working(HALVES)
    executor.commands(60 * S)
    executor.on_order("parent-1", "accepted", 60 * S)
    assert executor.commands(70 * S) == [tc.Amend("parent-1", Decimal(3000), Decimal("9.99"))]
    return executor


def test_an_id_that_a_venue_gives_to_all_that_is_no_fill_hides_no_end() -> None:
    executor = working()
    executor.commands(60 * S)
    executor.on_order("parent-1", "accepted", 60 * S, execution="-1")
    executor.on_order("parent-1", "cancelled", 61 * S, execution="-1")
    assert executor.open_orders == []
    with pytest.raises(OrderError, match="price, size and execution"):
        executor.on_order("parent-1", "filled", 61 * S, price=9.99, size="0", execution="T1")


def test_after_a_gap_an_order_is_cancelled_behind_an_amendment_without_answer() -> None:
    executor = halving()
    executor.on_gap(71 * S)
    assert executor.commands(71 * S) == [tc.Cancel("parent-1")]
    executor.on_order("parent-1", "cancelled", 72 * S)
    assert executor.open_orders == []
    executor.on_book(73 * S, BIDS, ASKS)
    assert executor.commands(73 * S) == []
    assert executor.next_decision_ns == 80 * S, "an answer to the amendment is overdue then"
    (again,) = executor.commands(80 * S)
    assert again.size == 6000  # type: ignore[union-attr]


def test_an_amendment_that_is_answered_behind_the_end_of_its_order_is_answered() -> None:
    executor = halving()
    executor.on_gap(71 * S)
    executor.commands(71 * S)
    executor.on_order("parent-1", "cancelled", 72 * S)
    executor.on_order("parent-1", "amended", 72 * S)
    executor.on_book(73 * S, BIDS, ASKS)
    assert [type(command) for command in executor.commands(73 * S)] == [tc.Place]


def test_an_amendment_to_more_than_there_was_stops_it() -> None:
    executor = halving()
    with pytest.raises(OrderError, match="at most 6000"):
        executor.on_order("parent-1", "amended", 71 * S, size=60_000)
    assert executor.commands(71 * S) == [tc.Cancel("parent-1")]


def test_an_amendment_of_an_order_that_was_never_sent_does_not_leave() -> None:
    executor = working(HALVES)
    executor._call(6, 60 * S)
    executor.on_book(70 * S + 1, BIDS[1:], ASKS)
    executor.on_book(70 * S + 2, BIDS, ASKS)
    assert [type(command) for command in executor._outbox] == [tc.Place, tc.Amend]
    executor.on_gap(71 * S)
    assert executor.commands(71 * S) == []
    executor.on_book(72 * S, BIDS, ASKS)
    (place,) = executor.commands(81 * S)
    assert place.size == 6000  # type: ignore[union-attr]


@pytest.mark.parametrize("first", ["status", "book"])
def test_a_halt_outlasts_a_gap_and_comes_before_the_first_book(first: str) -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("buy", 600, "1min", decisions=6))
    if first == "book":
        executor.on_book(0, BIDS, ASKS)
    executor.on_status(0, False)
    executor.on_gap(S)
    executor.on_book(S, BIDS, ASKS)
    executor.on_book(30 * S, BIDS[:2], ASKS)
    assert executor.commands(30 * S) == []
    executor = tc.Executor.restore(executor.save(), "twap_take")
    executor.on_status(40 * S, True)
    assert len(executor.commands(40 * S)) == 1


def test_all_orders_again_are_refused_until_a_gap_is_told() -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("buy", 600, "1min", decisions=6))
    orders = [("add", 1, "buy", 9.99, 100), ("add", 2, "sell", 10.01, 100)]
    executor.on_orders(0, orders, whole=True)
    with pytest.raises(TapeError, match="call on_gap before"):
        executor.on_orders(S, orders, whole=True)
    executor.on_gap(S)
    executor.on_orders(S, orders, whole=True)


def test_a_strategy_that_raises_stops_it_and_cancels_and_its_bytes_are_read() -> None:
    def decide(view: Any) -> tc.Intent:
        if view.decision[0]:
            raise ValueError("a slip")
        return tc.Intent(rest=[[0, int(view.left[0]), 0, 0, 0]])

    strategy = tc.strategy(decide, name="slips")
    executor = working(strategy)
    executor.commands(60 * S)
    executor.on_order("parent-1", "accepted", 60 * S)
    with pytest.raises(ConfigError, match="a slip"):
        executor.commands(70 * S)
    executor = tc.Executor.restore(executor.save(), strategy)
    assert "a slip" in executor.stopped
    assert executor.commands(71 * S) == [tc.Cancel("parent-1")]
    executor.on_order("parent-1", "cancelled", 71 * S)
    assert executor.done


def test_more_orders_than_there_is_room_for_are_a_gap() -> None:
    instrument = tc.Instrument("XYZ", "0.01", 100, orders=8)
    executor = tc.Executor("twap_take", instrument, tc.Parent("buy", 600, "1min", decisions=6))
    executor.on_book(1, BIDS, ASKS)
    with pytest.raises(TercelError, match="at most 8"):
        executor.on_book(S, [(f"9.8{i}", 100) for i in range(9)], [], whole=False)
    executor = tc.Executor.restore(executor.save(), "twap_take")
    assert executor.waits_for == "a whole book"
    executor.on_book(11 * S, BIDS, ASKS)
    assert len(executor.commands(11 * S)) == 1


def test_levels_beyond_the_window_are_not_known_after_a_gap() -> None:
    executor = working("twap_take")
    executor.on_gap(61 * S)
    executor.on_book(62 * S, [(10.04, 100), (10.03, 100), (10.02, 100)], [(10.06, 100)])
    executor.on_book(63 * S, [(9.99, 500), (9.96, 700), (9.95, 900)], ASKS)
    depth = executor._follower.depth(1)
    assert [price for price, _ in depth if price in (999, 998, 997, 996, 995)] == [999, 996, 995]


def test_less_than_a_lot_left_is_nothing_to_do() -> None:
    executor = working()
    executor.commands(60 * S)
    executor.on_order("parent-1", "cancelled", 61 * S)
    executor.on_order("parent-1", "filled", 61 * S, price=9.99, size=5950, execution="T1")
    assert executor.left == 50
    assert executor.done


def test_times_and_names_of_tables_are_taken_and_times_of_floats_are_not() -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("buy", 600, "1min", decisions=6))
    names = [np.int64(1), Decimal(2), (3, "a")]
    orders = [("add", names[0], "buy", 9.99, 100), ("add", names[1], "sell", 10.01, 100)]
    executor.on_orders(np.int64(0), [*orders, ("add", names[2], "buy", 9.98, 100)], whole=True)
    executor = tc.Executor.restore(executor.save(), "twap_take")
    executor.on_orders(1, [("delete", name, None, None, 0) for name in names])
    for ns in (2.0, 2**62, 2**64, "3"):
        with pytest.raises(TapeError, match="a time in whole ns"):
            executor.commands(ns)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["many", None, []])
def test_a_size_that_is_no_number_is_refused(size: Any) -> None:
    with pytest.raises(OrderError, match="a size from 0"):
        working().on_book(61 * S, [(9.99, size)], ASKS)


def test_what_was_returned_does_not_change() -> None:
    executor = working("twap_take")
    first = executor.commands(60 * S), executor.commands(60 * S)
    executor.on_order("parent-1", "filled", 60 * S, price=10.01, size=1000, execution="T1")
    executor.commands(60 * S).append(tc.Cancel("parent-9"))
    assert len(executor.commands(70 * S)) == 1
    assert (len(first[0]), first[1]) == (1, [])


@given(st.integers(0, 2**30 - 1), st.sampled_from(["100", "0.01", "0.1", "0.00001"]))
def test_lots_of_floats(lots: int, lot: str) -> None:
    assert Units(tc.Instrument("XYZ", "0.01", lot)).lots(float(lots * Decimal(lot))) == lots


def test_changes_of_one_call_are_checked_in_their_order() -> None:
    executor = tc.Executor("twap_take", INSTRUMENT, tc.Parent("buy", 600, "1min", decisions=6))
    orders = [("add", 1, "buy", 9.99, 100), ("add", 2, "sell", 10.01, 100)]
    executor.on_orders(1, orders, whole=True)
    saved = executor.save()
    for changes in (
        [("delete", 1, None, None, 0), ("reduce", 1, None, None, 100)],
        [("execute", 1, None, None, 100), ("delete", 1, None, None, 0)],
        [("add", 3, "buy", 9.98, 0)],
    ):
        with pytest.raises(TapeError, match="of some lots"):
            executor.on_orders(2, changes)
    with pytest.raises(OrderError, match="a price"):
        executor.on_orders(2, [("add", 3, "buy", None, 100)])
    assert executor.save() == saved
    executor.on_orders(2, [("delete", 1, None, None, 0), ("add", 1, "buy", 9.98, 200)])
    assert executor._follower.depth(1) == [(998, 2)]


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([1, 2, 5]))
def test_levels_that_leave_a_window_and_come_back_are_those_of_the_venue(
    seed: int, levels: int
) -> None:
    """Whole books, changes alone and gaps: what is known inside the window is what the venue shows."""
    rng, mid, before = random.Random(seed), 1000, None
    executor = tc.Executor(
        "twap_take", tc.Instrument("XYZ", "0.01", 1, levels=levels), tc.Parent("buy", 10, "10min")
    )
    all_levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for moment in range(1, 60):
        mid += rng.randint(-5, 5) if rng.random() < 0.3 else 0
        shown = []
        for side, of in all_levels.items():
            best = mid + (side < 0)
            for price in [price for price in of if (price - best) * side > 0 or rng.random() < 0.1]:
                del of[price]
            of |= {best - side * i: rng.randint(1, 50) for i in range(12) if rng.random() < 0.5}
            of.setdefault(best, 5)
            shown.append(
                dict(sorted(of.items(), key=lambda level, side=side: -level[0] * side)[:levels])
            )
        if before is None or rng.random() < 0.1:
            executor.on_gap(moment * S)
        if not executor._book.ready or rng.random() < 0.3:
            executor.on_book(moment * S, *([(p / 100, q) for p, q in of.items()] for of in shown))
        else:
            pairs = list(zip(shown, before or [], strict=True))
            changes = [
                [(p / 100, now.get(p, 0)) for p in now | then if now.get(p) != then.get(p)]
                for now, then in pairs
            ]
            executor.on_book(moment * S, *changes, whole=False)
        before = shown
        for side, of in zip((1, -1), shown, strict=True):
            last = min(price * side for price in of)
            known = executor._follower.depth(side)
            assert {p: q for p, q in known if p * side >= last} == of


FORGED = st.sampled_from([-1, 0, 7, 2**31, 2**62, 2**64 - 1, 1.5, None, "x", [], {}])


@settings(max_examples=60)
@given(st.data())
def test_bytes_of_somebody_else_end_with_an_error_of_tercel(data: st.DataObject) -> None:
    executor = working()
    executor.on_trade(60 * S, 10.01, 100, "buy")
    executor.commands(60 * S)
    executor.on_order("parent-1", "filled", 61 * S, price=9.99, size=100, execution="T1")
    saved = msgspec.msgpack.decode(zlib.decompress(executor.save()))
    number = data.draw(st.integers(0, len(saved["calls"]) - 1))
    call: Any = msgspec.msgpack.decode(saved["calls"][number])
    place, index = call, data.draw(st.integers(0, len(call) - 1))
    while isinstance(place[index], list) and place[index] and data.draw(st.booleans()):
        place, index = place[index], data.draw(st.integers(0, len(place[index]) - 1))
    place[index] = data.draw(FORGED)
    saved["calls"][number] = msgspec.msgpack.encode(call)
    if data.draw(st.booleans()):
        saved[data.draw(st.sampled_from(["instrument", "digest", "settings"]))] = data.draw(FORGED)
    with contextlib.suppress(TercelError):
        tc.Executor.restore(zlib.compress(msgspec.msgpack.encode(saved)), RESTS)
