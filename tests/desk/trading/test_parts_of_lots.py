"""Executions between ticks and of parts of a lot: sums are those of fractions to the last digit, wherever they are."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.desk.trading.desk_of_two import WIDE, S, asked, exchange_of, session_of

from tercel.core.capabilities import Capabilities
from tercel.core.fixed_point import (
    ONE,
    PAID_ONE,
    ceil_units,
    floor_units,
    format_decimal,
    to_number,
)
from tercel.core.orders import ExecType, Listing, NewOrder, OrdStatus, Report, Tif
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import MONEY
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.reconciliation.refold import count_entry
from tercel.desk.trading.tca.measure import ParentFacts, fill_rows, measure
from tercel.desk.trading.tca.recorder import TcaRecorder

LOTS, MID2 = 50, 2001
qty = st.integers(1, 20).map(ONE.__mul__) | st.integers(1, 20 * ONE)
px = st.integers(990, 1010).map(ONE.__mul__) | st.integers(990 * ONE, 1010 * ONE)
acts = st.lists(
    st.tuples(
        st.sampled_from(["trade", "trade", "trade", "bust", "correct"]), st.integers(0, 9), qty, px
    )
)


class Book:
    """A parent with one order, its journal as JSON, its ledger and limits; and the same in fractions."""

    def __init__(self, side: int) -> None:
        self.side, self.ns, self.stands = side, 10, dict[str, tuple[Fraction, Fraction]]()
        self.ledger = Ledger()
        self.limits = LimitGate(parse(WIDE), [Listing("X", 0.01, 1)], ["a"])
        self.limits.mark("X", BestQuotes(MID2 // 2, MID2 // 2 + 1), 1)
        order = NewOrder("p.1", "X", side, LOTS, 1000, Tif.DAY, "a", "p", 2)
        self.put(acceptance_entry(ParentRequest("p", "X", side, LOTS, 10**12, 1, "t", "a"), 1))
        self.put(entry_out(order, "p"))

    def put(self, entry: Any) -> None:
        assert json.loads(json.dumps(entry.body)) == entry.body, "whole numbers pass through JSON"
        self.ledger.apply(entry)
        count_entry(entry, self.limits, self.ledger)

    @property
    def cum(self) -> Fraction:
        return sum((lots for lots, _ in self.stands.values()), Fraction(0))

    def told(self, kind: ExecType, exec_id: str, last: int, price: int, ref: str = "") -> None:
        self.ns += 1
        cum = int(self.cum * ONE)
        report = Report(
            exec_id, kind, OrdStatus.PARTIALLY_FILLED, "p.1", "", "V", "a", "X", self.side, LOTS, 1000, last, price,
            cum, LOTS * ONE - cum, self.ns, ref=ref,
        )  # fmt: skip
        self.put(entry_in(report, "p"))

    def do(self, number: int, what: str, which: int, last: int, price: int) -> None:
        name = f"e{number}"
        if what == "trade":
            last = min(last, LOTS * ONE - int(self.cum * ONE))
            if last:
                self.stands[name] = Fraction(last, ONE), Fraction(price, ONE)
                self.told(ExecType.TRADE, name, last, price)
            return
        if not self.stands:
            return
        ref = sorted(self.stands)[which % len(self.stands)]
        before, _ = self.stands.pop(ref)
        if what == "bust":
            self.told(ExecType.BUSTED, name, 0, 0, ref)
        else:
            last = min(last, int(before * ONE))
            self.stands[ref] = Fraction(last, ONE), Fraction(price, ONE)
            self.told(ExecType.CORRECTED, name, last, price, ref)


@settings(deadline=None)
@given(acts, st.sampled_from([1, -1]))
def test_ledger_positions_limits_and_costs_are_those_of_fractions(
    found: list[Any], side: int
) -> None:
    book = Book(side)
    for number, act in enumerate(found):
        book.do(number, *act)
    cum = book.cum
    paid = sum((lots * price for lots, price in book.stands.values()), Fraction(0))
    order, parent = book.ledger.orders.get("p.1"), book.ledger.parents.require("p")
    held, limits = book.ledger.positions.of("a", "X"), book.limits
    assert order is not None
    assert book.ledger.faults() == []
    assert limits.fault == ""
    assert (Fraction(order.cum_qty, ONE), Fraction(order.paid, PAID_ONE)) == (cum, paid)
    assert Fraction(order.open_qty, ONE) == LOTS - cum
    assert (Fraction(held.qty, ONE), Fraction(held.cash2, PAID_ONE)) == (
        side * cum,
        -2 * side * paid,
    )
    assert Fraction(held.worth2(MID2), PAID_ONE) == side * (cum * MID2 - 2 * paid)
    assert (Fraction(parent.filled_qty, ONE), parent.left) == (cum, math.floor(LOTS - cum))
    counted = limits.holdings["a", "X"]
    still = counted.buys if side > 0 else counted.sells
    assert [Fraction(one, ONE) for one in (counted.position, still)] == [side * cum, LOTS - cum]
    half_tick = MONEY * Fraction("0.01") / 2
    assert Fraction(limits.desk.equity, PAID_ONE) == side * (cum * MID2 - 2 * paid) * half_tick
    assert Fraction(limits.desk.gross, PAID_ONE) == LOTS * MID2 * half_tick

    rows = fill_rows(book.ledger.orders.fills_of["p"])
    none = np.zeros(0, np.int64)
    mids = np.array([1, 10**6]), np.array([MID2, MID2 + 6])
    facts = ParentFacts(
        "p", "X", "a", side, LOTS, 1, 10**6, MID2, rows, *mids, none, none, scale=ONE
    )
    cost = measure(replace(facts, refused=parent.left // 3))
    sums = {name: Fraction(value, PAID_ONE) for name, value in cost.sums.items()}
    assert sums["fills"] == side * (2 * paid - MID2 * cum)
    assert sums["refusal"] == side * 6 * (parent.left // 3)
    assert sums["opportunity"] == side * 6 * (LOTS - cum - parent.left // 3)
    assert sums["whole"] == sums["fills"] + sums["opportunity"] + sums["refusal"]
    assert sums["fills"] == sum(
        sums[part] for part in ("spread", "walk", "timing", "forced", "fees")
    )
    assert (cost.filled, cost.unfilled) == (
        to_number(int(cum * ONE)),
        float(LOTS - cum - parent.left // 3),
    )


def test_the_order_that_has_half_a_lot_left_is_live_and_keeps_it_reserved() -> None:
    book = Book(1)
    book.do(1, "trade", 0, LOTS * ONE - ONE // 2, 1000 * ONE)
    (order,) = book.ledger.orders.live()
    assert (order.open_qty, book.limits.holdings["a", "X"].buys) == (ONE // 2, ONE // 2)
    parent = book.ledger.parents.require("p")
    assert (parent.left, parent.row["left"], parent.row["filled"]) == (0, 0.5, 49.5)


class Halves:
    """An exchange that executes half of a lot less, of every third execution, and all of them half a tick off.

    Its other half never comes: an order that was to be filled ends with it open, and is cancelled.
    """

    def __init__(self, venue: Any) -> None:
        self._venue, self._less, self.seen = venue, dict[str, int](), 0

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._venue.capabilities, positions=None, executions=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def step(self, until_ns: int) -> list[Any]:
        return [one for event in self._venue.step(until_ns) for one in self._changed(event)]

    def _changed(self, event: Any) -> list[Any]:
        if not isinstance(event, Report) or event.exec_type is ExecType.STATUS:
            return [event]
        words = {name: getattr(event, name) for name in event.__slots__}
        if event.exec_type is ExecType.TRADE:
            self.seen += 1
            words["last_px"] += event.side * -(ONE // 2)
            if self.seen % 3 == 0:
                words["last_qty"] -= ONE // 2
                self._less[event.order_id] = self._less.get(event.order_id, 0) + ONE // 2
        less = self._less.get(event.order_id, 0)
        words["cum_qty"] -= less
        if less and event.status is OrdStatus.FILLED:
            words |= {"status": OrdStatus.PARTIALLY_FILLED, "leaves_qty": less}
            gone = words | {
                "exec_id": f"{event.exec_id}-end",
                "exec_type": ExecType.CANCELED,
                "leaves_qty": 0,
            }
            gone |= {
                "status": OrdStatus.CANCELED,
                "last_qty": 0,
                "last_px": 0,
                "text": "the rest is not dealt in",
            }
            return [Report(**words), Report(**gone)]
        return [Report(**words)]


@pytest.mark.parametrize("strategy", ["twap_take", "twap_passive", "immediate"])
def test_a_parent_is_never_filled_beyond_its_lots_and_what_is_left_is_told(strategy: str) -> None:
    session = session_of(Halves(exchange_of(seed=5)), seed=9)
    recorder = TcaRecorder(session)
    session.manager.accept(asked(strategy=strategy, lots=60, decisions=12, horizon_s=120))
    session.run(session.now_ns + 200 * S)
    recorder.close()
    parent, ledger = session.ledger.parents.require("p1"), session.ledger
    assert session.venue.seen > 2
    assert (str(parent.status), ledger.faults(), ledger.orders.live()) == ("done", [], [])
    assert parent.filled_qty <= 60 * ONE
    assert parent.filled_qty == sum(fill.qty for fill in ledger.orders.fills_of["p1"])
    assert parent.filled_qty % ONE in (0, ONE // 2)
    assert (
        ledger.positions.of("ann", "X").qty
        == session.limits.holdings["ann", "X"].position
        == parent.filled_qty
    )
    assert session.limits.holdings["ann", "X"].buys == 0
    sent = [entry.body for _, entry in session.journal.read(kinds=(kinds.ORDER_OUT,))]
    assert all(type(body["lots"]) is int for body in sent if "lots" in body)
    (analysis,) = (entry.body for _, entry in session.journal.read(kinds=(kinds.TCA,)))
    assert analysis["filled"] == parent.filled
    assert analysis["unfilled"] + analysis["refused"] == to_number(parent.unfilled_qty)
    if parent.unfilled_qty:
        assert f"{to_number(parent.unfilled_qty):,} of 60 lots unfilled" in parent.reason
    if strategy == "twap_take":
        assert parent.unfilled_qty < ONE, "every whole lot that is left is sent again"


def test_numbers_for_people() -> None:
    assert [to_number(one) for one in (0, ONE, -ONE, ONE // 2, -ONE // 2)] == [0, 1, -1, 0.5, -0.5]
    assert [type(to_number(one)) for one in (7 * ONE, ONE // 4)] == [int, float]
    assert [format_decimal(one) for one in (0, 12 * ONE, ONE + 1, -ONE - ONE // 10)] == [
        "0",
        "12",
        "1.00000001",
        "-1.1",
    ]
    assert [floor_units(-1), ceil_units(-1), floor_units(ONE + 1), ceil_units(ONE + 1)] == [
        -1,
        0,
        1,
        2,
    ]
