"""A gate that begins while the venue has not ended an order of the one before: its account may reduce, others trade."""

from contextlib import contextmanager

import pytest
from tests.parts import whole

from certify.fix.case import Bench
from certify.fix.scripted import BY_HAND
from certify.fix.wall import XYZ, Wall
from exchange.fix import acceptor
from tercel.core.child_order import open_order
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder, ReplaceOrder, Tif
from tercel.core.ports import Entry
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Fill, Positions
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.reconciliation import recovery
from tercel.desk.trading.risk.refusals import reduces
from tercel.desk.trading.risk.trading_state import StateReason, TradingState
from tercel.fix import tags as t
from tercel.fix.profiles import load

REDUCING, ACTIVE = TradingState.REDUCING, TradingState.ACTIVE


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Questions that are not answered are asked again within a tenth of a second, as long as before in all."""
    monkeypatch.setattr(recovery, "LONGEST_WAIT_NS", recovery.LONGEST_WAIT_NS // 10)
    monkeypatch.setattr(recovery, "PATIENCE", recovery.PATIENCE * 8)


@contextmanager
def began(tmp_path, held, refuses=None):
    """A gate that was begun anew, at a venue that has swallowed ann's order, or refuses every cancel; the order."""
    with Wall(Bench(load("generic-44"), tmp_path), accounts=("ann", "bob")) as wall:
        if held:
            filled = wall.live(held)
            wall.say(filled, "F", "2", last=held, px=10)
        name = wall.live() if refuses else wall.order()
        if refuses:
            wall.venue._cancel = lambda message: wall.venue.refuse(message, refuses)
            refuse_all(wall.venue)
        else:
            del wall.venue.orders[name]
        wall.restart()
        yield wall, name


def refuse_all(venue):
    """A mass cancel is refused as each cancel is."""
    answer = venue.answer

    def refused(message):
        if message.kind != t.MASS_CANCEL:
            return answer(message)
        scope = [
            (t.MASS_CANCEL_TYPE, "7"),
            (t.MASS_CANCEL_RESPONSE, "0"),
            (t.MASS_CANCEL_REASON, "99"),
        ]
        names = [(t.CL_ORD_ID, message.get(t.CL_ORD_ID)), (t.ORDER_ID, t.NO_NAME)]
        return venue.say(t.MASS_CANCEL_REPORT, [*names, *scope])

    venue.answer = refused


def orders(wall):
    """What ann waits for."""
    return list(wall.gateway.states.causes(StateReason.ORDERS_OPEN, "ann"))


def states(wall):
    return [
        (entry.agent, entry.body["state"])
        for _, entry in wall.gateway.journal.read(0, (kinds.STATE,))
    ]


def denials(wall, command):
    return [denied.code for _, denied in wall.submit(command).denied]


def test_an_order_that_never_arrived_leaves_its_account_reducing_and_the_others_trade(tmp_path):
    with began(tmp_path, held=8) as (wall, name):
        standing = wall.gateway.states.standing("ann")
        assert (standing.state, orders(wall)) == (REDUCING, [name])
        assert name in standing.reason
        assert wall.gateway.states.standing("bob").state is ACTIVE
        assert states(wall) == [("ann", "reducing")]
        assert whole(wall.holding().buys) == 10, "counted as live"
        assert denials(wall, wall.new(1)) == ["REDUCING"]
        assert denials(wall, wall.new(9, side=SELL)) == ["REDUCING"], "more than is held"
        sell = wall.new(5, 1001, side=SELL)
        wall.send(sell)
        wall.say(sell.cl_ord_id, "0", "0")
        assert denials(wall, wall.new(4, 1002, side=SELL)) == ["REDUCING"], (
            "5 of 8 are on their way"
        )
        wall.send(wall.new(1, account="bob"))
        assert [code for code in codes(wall) if code.startswith("STATE")] == ["STATE_REDUCING"]


def test_a_replace_that_is_still_pending_after_an_outage_counts(tmp_path):
    """The venue answers with the lots that the order had before, and takes the replace later."""
    with began(tmp_path, held=8, refuses=acceptor.TOO_LATE) as (wall, _):
        sell = wall.live(5, 1001, side=SELL)
        request = wall.replace(sell, 8, 1001)
        wall.venue.by_hand |= {t.STATUS}
        wall.venue.cut()
        wall.until(lambda: wall.state(sell).status == "unknown", "the broken link")
        wall.until(lambda: wall.fix.up and wall.venue.status_requests(sell), "a question about it")
        wall.venue.report(sell, "I", "E", qty=5)
        wall.settle()
        assert whole(wall.holding().sells) == 8
        assert denials(wall, wall.new(1, 1002, side=SELL)) == ["REDUCING"]
        wall.say(request.get(t.CL_ORD_ID), "5", "0", orig=sell, qty=8)
        assert (wall.state(sell).status, wall.state(sell).lots) == ("new", 8)


def codes(wall):
    return [str(entry.body["code"]) for _, entry in wall.gateway.journal.read(0, (kinds.ALERT,))]


def test_it_is_active_again_as_soon_as_the_venue_speaks_of_the_order(tmp_path):
    with began(tmp_path, held=0) as (wall, name):
        wall.until(lambda: wall.venue.status_requests(name), "a question about it")
        wall.venue.report(name, "4", "4", qty=10, _1="ann", _54="1", _44="10.00")
        wall.until(
            lambda: wall.gateway.states.standing("ann").state is ACTIVE, "an account that is active"
        )
        assert states(wall) == [("ann", "reducing"), ("ann", "active")]
        assert wall.holding().buys == 0
        wall.send(wall.new(1))
        assert codes(wall)[-1] == "STATE_ACTIVE"


def test_an_order_whose_cancel_is_refused_is_cancelled_again_until_it_is_over(tmp_path):
    with began(tmp_path, held=0, refuses=acceptor.TOO_LATE) as (wall, name):
        assert orders(wall) == [name]
        assert wall.state(name).status == "new"
        wall.venue.by_hand = set(BY_HAND) - {t.CANCEL}
        del wall.venue._cancel  # from here on it takes them
        wall.until(
            lambda: wall.gateway.states.standing("ann").state is ACTIVE, "an account that is active"
        )
        assert wall.state(name).status == "canceled"


def test_a_person_says_that_it_is_over_while_the_gate_runs(tmp_path):
    with began(tmp_path, held=0) as (wall, name):
        asked = {"command": "settle", "id": 7, "by": "eve", "reason": "the venue's desk says so"}
        carry_out(
            wall.gate.gateway,
            Entry(kinds.OPERATOR, wall.fix.now_ns, body={**asked, "body": {"orders": ["nobody"]}}),
            wall.gate._apply_command,
        )
        assert codes(wall)[-1] == "operator_refused"
        carry_out(
            wall.gate.gateway,
            Entry(kinds.OPERATOR, wall.fix.now_ns, body={**asked, "body": {"orders": [name]}}),
            wall.gate._apply_command,
        )
        wall.until(
            lambda: wall.gateway.states.standing("ann").state is ACTIVE, "an account that is active"
        )
        assert wall.state(name).done
        assert wall.holding().buys == 0
        settled = [entry.body for _, entry in wall.gateway.journal.read(0, (kinds.SETTLED,))]
        assert [
            (one["by"], one["orders"], one["qty_gaps"], one["operator"]) for one in settled
        ] == [("eve", [name], [], 7)]


# -- what reduces, whatever fills -------------------------------------------------------------------------------------
def order(name, side, lots):
    return NewOrder(name, XYZ, side, lots, 1000, Tif.DAY, "ann", "p", 0)


@pytest.mark.parametrize("held", [0, 6, -6])
@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("lots", range(1, 9))
@pytest.mark.parametrize(("open_lots", "with_it"), [(0, 0), (2, 0), (2, 3)])
def test_a_command_reduces_when_no_fill_of_its_side_turns_the_position(
    held, side, lots, open_lots, with_it
):
    """The twin fills everything on the side, in any part: the position never grows nor changes its sign."""
    orders, positions = Orders(), Positions()
    if held:
        positions.book(
            Fill(
                "E",
                "o",
                "p",
                "ann",
                XYZ,
                1 if held > 0 else -1,
                abs(held) * ONE,
                1000 * ONE,
                0,
                False,
            )
        )
    if open_lots:
        orders._add(open_order(order("open", side, open_lots)))
    before = [order("with", side, with_it)] if with_it else []
    ends = [held + side * filled for filled in range(open_lots + with_it + lots + 1)]
    shrinks = all(abs(end) <= abs(held) and end * held >= 0 for end in ends)
    assert reduces(order("o", side, lots), orders, positions, before) == shrinks


def test_a_replacement_counts_what_it_adds():
    orders, positions = Orders(), Positions()
    positions.book(Fill("E", "o", "p", "ann", XYZ, 1, 6 * ONE, 1000 * ONE, 0, False))
    orders._add(open_order(order("open", SELL, 4)))
    replaced = [
        ReplaceOrder("r", "open", XYZ, SELL, lots, 1000, "ann", "p", 0) for lots in (3, 6, 7)
    ]
    assert [reduces(one, orders, positions, []) for one in replaced] == [True, True, False]
