"""Every word of a venue, case by case: busts and corrections, pending and held states, and what cannot be read."""

import pytest
from tests.desk.trading.test_orders import codes, fill, told
from tests.parts import whole

from tercel.core.child_order import Code
from tercel.core.fixed_point import PAID_ONE
from tercel.core.orders import CancelOrder, ExecType, NewOrder, OrdStatus, Tif, Unread
from tercel.desk.trading.journal.codec import entry_in, entry_out, message_of, to_json
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders import parent as p, parent_request
from tercel.desk.trading.report_booking import SEVERITY

S, X = OrdStatus, ExecType


def bust(ref, cum, exec_id="b", **words):
    base = {
        "exec_type": X.BUSTED,
        "status": S.PARTIALLY_FILLED,
        "cum": cum,
        "leaves": 10 - cum,
        "ref": ref,
        "ns": 8,
    }
    return told(exec_id=exec_id, **{**base, **words})


def correct(ref, lots, price, cum, exec_id="c", **words):
    return bust(
        ref,
        cum,
        exec_id,
        **{"exec_type": X.CORRECTED, "last_lots": lots, "last_price": price, **words},
    )


class Desk:
    """A ledger with one order of 10 lots of parent p1, and its journal."""

    def __init__(self):
        self.ledger, self.journal = Ledger(), MemoryJournal(chained=False)
        self.hear(
            p.acceptance_entry(
                parent_request.ParentRequest("p1", "X", 1, 100, 10**9, 10, "twap", "a"), 5
            )
        )
        self.hear(
            entry_out(NewOrder("1-1", "X", 1, 10, 100, Tif.DAY, "a", "p1", 1)), told(exec_id="n")
        )

    def hear(self, *entries):
        """The codes of the notices; the fold of the journal is the same at every moment."""
        notices = []
        for entry in entries:
            self.journal.append([entry])
            notices += self.ledger.apply(entry)
        again = Ledger.of(self.journal)
        assert list(again.orders) == list(self.ledger.orders)
        assert again.positions.all() == self.ledger.positions.all()
        assert again.orders.quarantined == self.ledger.orders.quarantined
        assert self.ledger.faults() == []
        return codes(notices)

    @property
    def order(self):
        return self.ledger.orders.get("1-1")

    def stands(self):
        """Position, cash, filled of the parent, lots open: of the desk, of the order."""
        held = self.ledger.positions.of("a", "X")
        assert (held.qty, held.cash2) == (self.order.cum_qty, -2 * self.order.paid)
        return (
            held.lots,
            held.cash2 // PAID_ONE,
            self.ledger.parents.require("p1").filled,
            whole(self.order.open_qty),
        )


@pytest.fixture
def desk():
    return Desk()


@pytest.mark.parametrize(
    ("entries", "stands", "status"),
    [
        ([fill("t1", 4, 4), bust("t1", 0, status=S.NEW)], (0, 0, 0, 10), S.NEW),
        ([fill("t1", 4, 4), bust("t1", 0, cl_ord_id="", order_id="")], (0, 0, 0, 10), S.NEW),
        (
            [
                fill("t1", 4, 4),
                told(exec_id="x", exec_type=X.CANCELED, status=S.CANCELED, cum=4, leaves=0),
                bust("t1", 0, status=S.CANCELED, leaves=0),
            ],
            (0, 0, 0, 0),
            S.CANCELED,
        ),
        (
            [fill("t1", 4, 4, ns=5), bust("t1", 0, ns=8), fill("t2", 2, 6, ns=6)],
            (2, -400, 2, 8),
            S.PARTIALLY_FILLED,
        ),
    ],
    ids=["of all", "by its name alone", "of a cancelled order", "counts from before"],
)
def test_after_a_bust_lots_are_open_where_the_order_is(desk, entries, stands, status):
    assert Code.BUSTED in desk.hear(*entries)
    assert (desk.stands(), desk.order.status) == (stands, status)
    assert desk.ledger.orders.live() == ([] if status == S.CANCELED else [desk.order])
    assert desk.ledger.orders.unknown() == []
    assert (desk.ledger.positions.all() == {}) == (stands[0] == 0)


def test_a_correction_changes_lots_and_price_by_either_name(desk):
    desk.hear(fill("t1", 4, 4))
    assert desk.hear(correct("t1", 3, 99, 3, "c1")) == [Code.CORRECTED]
    assert desk.stands() == (3, -594, 3, 7)
    desk.hear(correct("c1", 5, 98, 5, "c2", ns=9))
    assert desk.stands() == (5, -980, 5, 5)
    desk.hear(correct("t1", 4, 97, 4, "c3", ns=10))
    assert desk.stands() == (4, -776, 4, 6)
    assert desk.hear(correct("c1", 5, 98, 5, "c2", ns=9)) == [Code.DUPLICATE]
    assert desk.hear(bust("c2", 0, ns=11, status=S.NEW)) == [Code.BUSTED]
    assert desk.stands() == (0, 0, 0, 10)


def test_the_same_bust_again_is_a_duplicate_under_any_name(desk):
    desk.hear(fill("t1", 4, 4), fill("t2", 3, 7), bust("t1", 3))
    assert desk.hear(bust("t1", 3)) == [Code.DUPLICATE]
    assert desk.hear(bust("t1", 3, "b2")) == [Code.DUPLICATE]
    assert desk.hear(bust("t2", 0)) == [Code.EXEC_CHANGED]
    assert desk.stands() == (3, -600, 3, 7)


def test_a_correction_of_what_was_busted_is_set_aside(desk):
    desk.hear(fill("t1", 4, 4), bust("t1", 0))
    assert desk.hear(correct("t1", 2, 100, 0, ns=9)) == [Code.CONFLICT]
    assert desk.stands()[0] == 0
    assert len(desk.ledger.orders.quarantined) == 1


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ([bust("t1", 0, ns=8)], (0, 0, 0, 10)),
        ([correct("t1", 3, 99, 3)], (3, -594, 3, 7)),
        (
            [correct("c1", 2, 98, 2, "c2", ns=9), correct("t1", 3, 99, 3, "c1", ns=8)],
            (2, -392, 2, 8),
        ),
        ([correct("t1", 3, 99, 3, "c1"), bust("c1", 0, ns=9)], (0, 0, 0, 10)),
    ],
)
def test_what_comes_before_its_trade_is_set_aside_and_the_trade_is_booked_as_it_left_it(
    desk, changes, stands
):
    for entry in changes:
        assert Code.UNKNOWN_EXECUTION in desk.hear(entry)
    assert desk.stands()[0] == 0
    assert len(desk.ledger.orders.quarantined) == len(changes)
    desk.hear(fill("t1", 4, 4))
    assert desk.stands() == stands
    assert desk.ledger.orders.quarantined == []
    assert desk.ledger.orders.unknown() == []


def test_a_bust_that_names_no_execution_or_another_orders_changes_nothing(desk):
    desk.hear(entry_out(NewOrder("1-2", "X", 1, 5, 100, Tif.DAY, "a", "p1", 1)))
    desk.hear(fill("t1", 4, 4))
    assert Code.UNKNOWN_EXECUTION in desk.hear(bust("", 4))
    assert Code.UNKNOWN_EXECUTION in desk.hear(bust("t1", 0, "b2", cl_ord_id="1-2", order_id="8"))
    assert desk.stands()[0] == 4
    assert len(desk.ledger.orders.quarantined) == 2


def test_missing_executions_stay_reserved_through_a_bust(desk):
    assert Code.GAP in desk.hear(fill("t2", 3, 7))
    assert Code.GAP in desk.hear(bust("t2", 4))
    desk.hear(told(exec_id="x", exec_type=X.CANCELED, status=S.CANCELED, cum=4, leaves=0, ns=9))
    assert (desk.order.settled, whole(desk.order.open_qty)) == (False, 4)


@pytest.mark.parametrize("kind", [X.PENDING_NEW, X.PENDING_CANCEL, X.PENDING_REPLACE])
def test_pending_states_hold(desk, kind):
    desk.hear(fill("t1", 4, 4))
    assert desk.hear(told(exec_id="p", exec_type=kind, status=S(kind), cum=4, leaves=6)) == []
    assert (desk.order.status, whole(desk.order.open_qty)) == (S.PARTIALLY_FILLED, 6)
    desk.hear(entry_out(CancelOrder("1-2", "1-1", "X", 1, "a", 2)))
    desk.hear(
        told(
            exec_id="p2",
            exec_type=kind,
            status=S(kind),
            cl_ord_id="1-2",
            orig="1-1",
            cum=4,
            leaves=6,
        )
    )
    assert desk.order.status == S.PENDING_CANCEL


def test_an_order_may_be_rejected_after_it_was_pending():
    ledger = Ledger()
    ledger.apply(entry_out(NewOrder("1-1", "X", 1, 10, 100, Tif.DAY, "a", "p", 1)))
    ledger.apply(told(exec_id="p", exec_type=X.PENDING_NEW, status=S.PENDING_NEW))
    assert codes(ledger.apply(told(exec_id="r", exec_type=X.REJECTED, status=S.REJECTED))) == [
        Code.REJECTED
    ]
    assert ledger.orders.get("1-1").status == S.REJECTED


@pytest.mark.parametrize("kind", [X.SUSPENDED, X.STOPPED, X.DONE_FOR_DAY, X.CALCULATED])
def test_what_is_held_says_so_keeps_its_lots_and_may_go_on(desk, kind):
    assert desk.hear(told(exec_id="h", exec_type=kind, status=S(kind), text="news", ns=6)) == [
        Code.HELD
    ]
    assert (desk.order.status, whole(desk.order.open_qty), SEVERITY[Code.HELD]) == (
        S(kind),
        10,
        "warning",
    )
    desk.hear(fill("t1", 4, 4, status=S(kind), ns=7))
    assert (desk.order.status, whole(desk.order.open_qty)) == (S(kind), 6)
    desk.hear(fill("t2", 1, 5, ns=8))
    assert desk.order.status == S.PARTIALLY_FILLED


def test_a_restatement_changes_size_and_price(desk):
    assert desk.hear(told(exec_id="d", exec_type=X.RESTATED, lots=7, price=98, ns=6)) == [
        Code.RESTATED
    ]
    assert (desk.order.lots, desk.order.price, whole(desk.order.open_qty), desk.order.name) == (
        7,
        98,
        7,
        "1-1",
    )
    desk.hear(told(exec_id="d0", exec_type=X.RESTATED, lots=9, price=97, ns=5))
    assert (desk.order.lots, desk.order.price) == (7, 98)


def test_what_cannot_be_read_is_set_aside_and_its_order_is_unknown(desk):
    unread = Unread("8=FIX.4.4|150=Z|", "150=Z", 6, "1-1", "a", "X")
    assert message_of(to_json(unread)) == unread
    assert desk.hear(entry_in(unread)) == [Code.UNREADABLE]
    assert desk.ledger.orders.quarantined == [unread]
    assert (desk.order.status, whole(desk.order.open_qty)) == (S.UNKNOWN, 10)
