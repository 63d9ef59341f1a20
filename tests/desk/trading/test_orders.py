"""The life of orders: against a brute-force venue over a channel that repeats and reorders, then case by case."""

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.desk.trading.venue_model import ModelVenue
from tests.parts import parts, whole

from tercel.core.child_order import Code
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)
from tercel.core.ports import Entry
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Position
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.journal.codec import entry_in, entry_out, message_of
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders import parent as p, parent_request

S, X = OrdStatus, ExecType
UNASKED = [
    X.RESTATED,
    X.PENDING_CANCEL,
    X.PENDING_REPLACE,
    X.SUSPENDED,
    X.STOPPED,
    X.DONE_FOR_DAY,
    X.CALCULATED,
]
SMALL = st.integers(1, 6)


def standing(heard):
    """Brute force: of all reports heard, the trades that no bust names, as the latest of their corrections has them."""
    told, fills = {}, []
    for word in heard:
        if isinstance(word, Report) and word.exec_type != X.STATUS:
            told.setdefault(word.exec_id, word)
    for trade in [word for word in told.values() if word.exec_type == X.TRADE]:
        names, about = {trade.exec_id}, []
        while more := [w for w in told.values() if w.ref in names and w not in about]:
            about += more
            names |= {word.exec_id for word in more}
        last = max([trade, *about], key=lambda word: word.ns)
        if all(word.exec_type != X.BUSTED for word in about):
            fills.append(
                (
                    trade.exec_id,
                    whole(last.last_qty),
                    whole(last.last_px),
                    trade.side,
                    trade.account,
                )
            )
    return fills


class Channel(RuleBasedStateMachine):
    """Orders over a channel: commands arrive in order, words come late, twice and in any order; sessions die."""

    def __init__(self):
        super().__init__()
        self.venue, self.ledger, self.journal = ModelVenue(), Ledger(), MemoryJournal(chained=False)
        self.to_venue, self.to_us, self.old = [], [], []
        self.n, self.lost_words, self.alarms = 0, False, []
        self.rebooked, self.heard = set(), []

    def write(self, entry):
        self.journal.append([entry])
        if entry.kind == kinds.REPORT_IN:
            self.heard.append(message_of(entry.body))
        self.alarms += [notice for notice in self.ledger.apply(entry) if notice.code in ALARMS]

    def name(self):
        self.n += 1
        return f"{self.ledger.orders.session}-{self.n}"

    def send(self, command, leaves=True):
        self.write(entry_out(command))
        if leaves:
            self.to_venue.append(command)

    def pick(self, data):
        orders = list(self.ledger.orders)
        return orders[data.draw(st.integers(0, len(orders) - 1))]

    @initialize()
    def start(self):
        self.write(Entry(kinds.SESSION, 0, body={"session": 1}))

    @rule(
        side=st.sampled_from([1, -1]),
        lots=SMALL,
        account=st.sampled_from("ab"),
        leaves=st.integers(0, 9),
    )
    def new(self, side, lots, account, leaves):
        """One in ten is journaled and never sent."""
        self.send(NewOrder(self.name(), "X", side, lots, 100, Tif.DAY, account, "p", 0), leaves > 0)
        if not leaves:
            self.write(
                Entry(
                    kinds.ALERT,
                    0,
                    body={
                        "code": kinds.SEND_FAILED,
                        "orders": [f"{self.ledger.orders.session}-{self.n}"],
                    },
                )
            )

    @precondition(lambda self: len(self.ledger.orders))
    @rule(data=st.data())
    def cancel(self, data):
        order = self.pick(data)
        self.send(CancelOrder(self.name(), order.name, "X", order.side, order.account, 0))

    @precondition(lambda self: len(self.ledger.orders))
    @rule(data=st.data(), lots=SMALL)
    def replace(self, data, lots):
        order = self.pick(data)
        self.send(
            ReplaceOrder(self.name(), order.name, "X", order.side, lots, 101, order.account, "p", 0)
        )

    @rule(account=st.sampled_from(["", "a"]))
    def mass_cancel(self, account):
        self.send(MassCancel(self.name(), account, "", 0))

    @precondition(lambda self: self.to_venue)
    @rule(refuse=st.booleans())
    def process(self, refuse):
        self.to_us += self.venue.process(self.to_venue.pop(0), refuse)

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data(), price=st.integers(90, 110))
    def trade(self, data, price):
        live = self.venue.live()
        order = live[data.draw(st.integers(0, len(live) - 1))]
        self.to_us.append(self.venue.fill(order, data.draw(st.integers(1, order.leaves)), price))

    @precondition(lambda self: self.venue.live())
    @rule()
    def cancel_unasked(self):
        self.to_us.append(self.venue.cancel(self.venue.live()[0]))

    def pick_execution(self, data):
        """An order that traded, one of its trades that stand, and any name of it."""
        order = data.draw(
            st.sampled_from([order for order in self.venue.orders.values() if order.stands])
        )
        trade = data.draw(st.sampled_from(list(order.stands)))
        self.rebooked.add(order.order_id)
        return order, trade, data.draw(st.sampled_from(order.names[trade]))

    @precondition(lambda self: any(order.stands for order in self.venue.orders.values()))
    @rule(data=st.data())
    def bust(self, data):
        self.to_us.append(self.venue.bust(*self.pick_execution(data)))

    @precondition(lambda self: any(order.stands for order in self.venue.orders.values()))
    @rule(data=st.data(), price=st.integers(90, 110))
    def correct(self, data, price):
        order, trade, ref = self.pick_execution(data)
        most = order.lots - order.cum + order.stands[trade][0]
        self.to_us.append(
            self.venue.correct(order, trade, ref, data.draw(st.integers(1, max(most, 1))), price)
        )

    @precondition(lambda self: self.venue.live())
    @rule(data=st.data(), more=st.integers(1, 3), kind=st.sampled_from(UNASKED))
    def say_unasked(self, data, more, kind):
        """The venue holds an order, changes it, or says that it will do what it was asked to do."""
        order = data.draw(st.sampled_from(self.venue.live()))
        if kind == X.RESTATED:
            self.rebooked.add(order.order_id)
            self.to_us.append(self.venue.restate(order, order.cum + more, 99))
        else:
            self.to_us.append(self.venue.hold(order, kind))

    @precondition(lambda self: self.to_us)
    @rule(data=st.data())
    def hear(self, data):
        """Any word that is on its way, and perhaps it comes again later."""
        word = self.to_us.pop(data.draw(st.integers(0, min(3, len(self.to_us) - 1))))
        self.old.append(word)
        self.write(entry_in(word))

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def hear_again(self, data):
        word = self.old[data.draw(st.integers(0, len(self.old) - 1))]
        if isinstance(word, Report) and word.exec_type != X.STATUS:
            self.write(entry_in(word))

    @rule(keeps=st.booleans())
    def crash(self, keeps):
        """A new session; words on their way are lost, commands sent are not."""
        self.lost_words |= bool(self.to_us)
        self.to_us = []
        self.write(Entry(kinds.SESSION, 0, body={"session": self.ledger.orders.session + 1}))
        assert all(order.base == S.UNKNOWN for order in self.ledger.orders.live() if not order.done)

    @precondition(lambda self: not self.to_venue)
    @rule()
    def ask(self):
        """Reconcile: what the venue has said before comes again, then how each order stands."""
        for word in self.to_us:
            self.write(entry_in(word))
        self.to_us = []
        asked = self.ledger.orders.unknown()
        for order in (
            self.venue.orders.values() if self.lost_words else ()
        ):  # a session resends what was missed
            for word in order.executions:
                self.write(entry_in(word))
        self.lost_words = False
        for order in {
            order.root: order for order in [*asked, *self.ledger.orders.unknown()]
        }.values():
            for word in self.venue.process(StatusRequest(order.name, order.account, 0)):
                self.write(entry_in(word))
        # A status says nothing of a replace whose refusal was lost: the refusal of a later cancel does.
        for order in [order for order in self.ledger.orders.live() if order.done]:
            probe = CancelOrder(self.name(), order.name, "X", order.side, order.account, 0)
            self.write(entry_out(probe))
            for word in self.venue.process(probe):
                self.write(entry_in(word))
        assert not self.ledger.orders.unknown()
        self.agree()

    def agree(self):
        """Ours and the venue's are the same in all that both know."""
        for order in self.ledger.orders:
            held = self.venue.orders.get(self.venue.names.get(order.root, ""))
            if held is None:
                assert order.base == S.REJECTED
                continue
            assert (order.base, whole(order.cum_qty)) == (held.status, held.cum)
            assert whole(order.open_qty) == held.leaves
            if not order.done:
                assert (order.name, order.lots) == (held.name, held.lots)

    @invariant()
    def nothing_is_counted_twice_or_set_free(self):
        for order in self.ledger.orders:
            held = self.venue.orders.get(self.venue.names.get(order.root, ""))
            if held is None:
                assert not whole(order.cum_qty)
                assert not order.done or order.base == S.REJECTED
                continue
            if held.order_id not in self.rebooked:
                assert whole(order.cum_qty) <= held.cum
                assert whole(order.cum_qty) + whole(order.open_qty) >= held.cum + held.leaves
                assert not order.done or held.status == order.base
            assert whole(order.cum_qty) == sum(
                whole(f.qty) for f in self.ledger.orders.fills if f.order == order.root
            )
            assert order.paid == sum(
                f.px * f.qty for f in self.ledger.orders.fills if f.order == order.root
            )

    @invariant()
    def positions_are_those_of_the_executions_that_stand(self):
        fills = standing(self.heard)
        assert [(f.exec_id, whole(f.qty), whole(f.px)) for f in self.ledger.orders.fills] == [
            f[:3] for f in fills
        ]
        held = {}
        for _, lots, price, side, account in fills:
            held[account, "X"] = held.get((account, "X"), Position()).after(
                side, lots * ONE, price * ONE
            )
        assert self.ledger.positions.all() == held

    def teardown(self):
        """Everything is delivered, everything is asked: no difference is left, and no alarm was raised."""
        while self.to_venue:
            self.process(False)
        self.ask()
        for account in "ab":
            assert self.ledger.positions.of(account, "X").lots == self.venue.position(account, "X")
        assert not self.alarms
        assert not self.ledger.orders.quarantined
        again = Ledger.of(self.journal)
        assert list(again.orders) == list(self.ledger.orders)
        assert again.positions.all() == self.ledger.positions.all()


ALARMS = {Code.EXEC_CHANGED, Code.UNKNOWN_ORDER}
TestChannel = Channel.TestCase
TestChannel.settings = settings(stateful_step_count=40)


# -- case by case -----------------------------------------------------------------------------------------------------


def told(**words):
    values = {
        **{
            "exec_id": "e",
            "exec_type": X.NEW,
            "status": S.NEW,
            "cl_ord_id": "1-1",
            "orig": "",
            "order_id": "9",
        },
        **{
            "account": "a",
            "instrument": "X",
            "side": 1,
            "lots": 10,
            "price": 100,
            "last_lots": 0,
            "last_price": 0,
        },
        **{"cum": 0, "leaves": 10, "ns": 5},
    }
    return entry_in(Report(**parts(**{**values, **words})))


def fill(exec_id, lots, cum, **words):
    status = S.FILLED if cum == 10 else S.PARTIALLY_FILLED
    base = {
        "exec_type": X.TRADE,
        "status": status,
        "last_lots": lots,
        "last_price": 100,
        "cum": cum,
        "leaves": 10 - cum,
    }
    return told(exec_id=exec_id, **{**base, **words})


@pytest.fixture
def orders():
    found = Orders()
    found.apply(entry_out(NewOrder("1-1", "X", 1, 10, 100, Tif.DAY, "a", "p", 1)))
    return found


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize("account", ["", "a"])
def test_after_a_mass_cancel_that_is_refused_every_order_stands(orders, account):
    orders.apply(told(exec_id="n"))
    orders.apply(entry_out(MassCancel("1-2", account, "", 2)))
    assert orders.get("1-1").status == S.PENDING_CANCEL
    assert codes(orders.apply(entry_in(CancelReject("1-2", "", account, S.NEW, 9, "no")))) == [
        Code.CANCEL_REJECTED
    ]
    assert orders.get("1-1").status == S.NEW


def test_a_chain_of_replaces_keeps_the_larger_size_reserved(orders):
    orders.apply(told(exec_id="n"))
    orders.apply(entry_out(ReplaceOrder("1-2", "1-1", "X", 1, 15, 101, "a", "p", 2)))
    orders.apply(entry_out(ReplaceOrder("1-3", "1-2", "X", 1, 7, 101, "a", "p", 2)))
    assert (orders.get("1-1").status, whole(orders.get("1-1").open_qty)) == (S.PENDING_REPLACE, 15)
    orders.apply(
        told(
            exec_id="r", exec_type=X.REPLACED, cl_ord_id="1-2", orig="1-1", lots=15, price=101, ns=6
        )
    )
    orders.apply(
        told(
            exec_id="r2", exec_type=X.REPLACED, cl_ord_id="1-3", orig="1-2", lots=7, price=101, ns=7
        )
    )
    order = orders.get("1-3")
    assert (order.root, order.name, order.status, whole(order.open_qty), order.price) == (
        "1-1",
        "1-3",
        S.NEW,
        7,
        101,
    )
    orders.apply(
        told(
            exec_id="c", exec_type=X.CANCELED, status=S.CANCELED, cl_ord_id="1-3", lots=7, leaves=0
        )
    )
    assert orders.live() == []


def test_an_execution_that_comes_again_with_other_content_is_an_alarm(orders):
    orders.apply(fill("t1", 4, 4))
    assert codes(orders.apply(fill("t1", 4, 4))) == [Code.DUPLICATE]
    assert codes(orders.apply(fill("t1", 5, 5))) == [Code.EXEC_CHANGED]
    assert whole(orders.get("1-1").cum_qty) == 4


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([fill("t1", 12, 12)], Code.OVERFILL),
        (
            [told(exec_type=X.CANCELED, status=S.CANCELED, leaves=0), fill("t1", 3, 3)],
            Code.LATE_FILL,
        ),
        (
            [told(exec_id="n"), told(exec_type=X.CANCELED, status=S.CANCELED, leaves=0)],
            Code.UNSOLICITED,
        ),
        (
            [told(exec_id="n"), told(exec_type=X.REJECTED, status=S.REJECTED, leaves=0)],
            Code.CONFLICT,
        ),
        (
            [fill("t1", 10, 10), told(exec_type=X.EXPIRED, status=S.EXPIRED, leaves=0)],
            Code.CONFLICT,
        ),
        ([told(cl_ord_id="other", order_id="77")], Code.UNKNOWN_ORDER),
        ([told(exec_id="n"), told(exec_type=X.STATUS, status=S.REJECTED, leaves=0)], Code.CONFLICT),
    ],
)
def test_what_should_not_happen_is_said(orders, entries, code):
    said = [notice for entry in entries for notice in orders.apply(entry)]
    assert code in codes(said)


def test_an_execution_of_an_unknown_order_is_booked_to_no_parent(orders):
    notices = orders.apply(fill("t9", 3, 3, cl_ord_id="9-9", order_id="77"))
    assert Code.UNALLOCATED in codes(notices)
    assert [(one.exec_id, whole(one.qty), one.parent, one.account) for one in orders.fills] == [
        ("t9", 3, "", "a")
    ]
    assert codes(orders.apply(fill("t9", 3, 3, cl_ord_id="9-9", order_id="77"))) == [Code.DUPLICATE]
    bust = {"exec_type": X.BUSTED, "status": S.CANCELED, "ref": "t9", "cum": 0, "leaves": 0}
    assert Code.BUSTED in codes(
        orders.apply(told(exec_id="b9", cl_ord_id="9-9", order_id="77", **bust))
    )
    assert orders.fills == []
    assert orders.live() == [orders.get("1-1")]


def test_an_ack_while_a_replacement_may_be_on_its_way_leaves_it_unknown(orders):
    orders.apply(entry_out(ReplaceOrder("1-2", "1-1", "X", 1, 15, 101, "a", "p", 2)))
    orders.apply(Entry(kinds.SESSION, 0, body={"session": 2}))
    orders.apply(told(exec_id="n"))
    assert (orders.get("1-1").status, whole(orders.get("1-1").open_qty)) == (S.UNKNOWN, 15)
    orders.apply(told(exec_type=X.STATUS))
    assert (orders.get("1-1").status, whole(orders.get("1-1").open_qty)) == (S.NEW, 10)


# -- positions --------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from([1, -1]), st.integers(1, 50), st.integers(1, 200)), max_size=30
    )
)
def test_positions_add_up_in_whole_numbers(trades):
    held = Position()
    for trade in trades:
        held = held.after(*trade)
        assert (held.qty == 0) <= (held.basis2 == 0)
        assert held.realised2 == held.cash2 + held.basis2
        assert held.qty * held.basis2 >= 0
    assert held.qty == sum(side * qty for side, qty, _ in trades) == held.bought - held.sold
    assert held.cash2 == -sum(2 * side * qty * px for side, qty, px in trades)
    assert held.worth2(7) == held.cash2 + 7 * held.qty * ONE


# -- parents ----------------------------------------------------------------------------------------------------------

ASKED = parent_request.ParentRequest("p1", "X", 1, 100, 10**9, 10, "twap", "a")


def ledger_of(*entries):
    ledger = Ledger()
    for entry in entries:
        ledger.apply(entry)
    return ledger


def test_a_parent_goes_through_its_states():
    ledger = ledger_of(p.acceptance_entry(ASKED, 5))
    assert (ledger.parents.require("p1").status, ledger.parents.require("p1").ends_ns) == (
        "working",
        10**9 + 5,
    )
    for event, status in (
        ("paused", "paused"),
        ("resumed", "working"),
        ("cancelling", "cancelling"),
        ("cancelled", "cancelled"),
    ):
        ledger.apply(p.entry_of("p1", ParentEntry(event, reason="ann"), 6))
        assert ledger.parents.require("p1").status == status
    assert ledger.parents.require("p1").over
    with pytest.raises(OrderError, match="cancelled"):
        ledger.parents.require_for_event("p1", "resumed")


def test_a_parent_that_is_done_gives_no_reason_of_before():
    done = ParentEntry("done", filled=100, left=0, refused=0)
    told = (ParentEntry("paused", reason="ann: news"), ParentEntry("resumed", reason="calm"), done)
    ledger = ledger_of(p.acceptance_entry(ASKED, 5), *(p.entry_of("p1", one, 6) for one in told))
    assert (ledger.parents.require("p1").status, ledger.parents.require("p1").reason) == (
        "done",
        "",
    )


@pytest.mark.parametrize(
    "wrong",
    [{"side": 0}, {"lots": 0}, {"horizon_ns": 0}, {"decisions": 0}, {"id": ""}, {"agent": ""}],
)
def test_a_senseless_parent_is_refused(wrong):
    fields = {name: getattr(ASKED, name) for name in parent_request.ParentRequest.__slots__}
    with pytest.raises(OrderError):
        parent_request.ParentRequest(**{**fields, **wrong})


def test_names_of_sessions_leap_after_lost_entries():
    ledger = ledger_of(Entry(kinds.SESSION, 0, body={"session": 3}))
    assert ledger.next_session == 4
    ledger.apply(Entry(kinds.OPERATOR, 0, body={"command": "acknowledge"}))
    assert ledger.next_session > 1000
