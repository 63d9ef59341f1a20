"""Sessions at a venue that takes back and corrects what it reported, holds orders, and says what nobody can read."""

from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of
from tests.parts import parts, whole

from tercel.core.orders import ONE, ExecType, OrdStatus, Report, Unread
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.tca.recorder import TcaRecorder


class Changeable:
    """A venue that says more than the exchange behind it."""

    def __init__(self, venue):
        self._venue, self.more, self.disowned = venue, [], []

    def __getattr__(self, name):
        return getattr(self._venue, name)

    @property
    def capabilities(self):  # it tells no positions: what is busted here stands at the exchange
        return replace(self._venue.capabilities, positions=None, disowns=self)

    def step(self, until_ns):
        more, self.more = self.more, []
        return [*more, *self._venue.step(until_ns)]

    def disown(self, message):
        self.disowned.append(message)

    def change(self, trade, kind, exec_id, lots=0, price=0):
        """Take back a trade that ended long ago, or correct it."""
        words = {
            "exec_type": kind,
            "ref": trade.exec_id,
            "exec_id": exec_id,
            "ns": self._venue.now_ns,
        }
        cum = whole(trade.cum_qty) - whole(trade.last_qty) + lots
        words |= parts(last_lots=lots, last_price=price, cum=cum, leaves=0)
        self.more.append(replace(trade, status=OrdStatus.CANCELED, **words))


@pytest.fixture
def session():
    return session_of(Changeable(exchange_of(seed=5)), seed=9)


def codes(session):
    return [entry.body["code"] for _, entry in session.journal.read(kinds=(kinds.ALERT,))]


def trades(session):
    return [trade for trade in session.venue.executions("ann") if whole(trade.last_qty)]


def check(session):
    ledger = session.ledger
    assert ledger.faults() == []
    held = ledger.positions.of("ann", "X").lots
    assert held == whole(session.limits.holdings["ann", "X"].position)
    assert held == sum(fill.side * whole(fill.qty) for fill in ledger.orders.fills)
    assert Ledger.of(session.journal).positions.all() == ledger.positions.all()
    return held


def test_busted_lots_go_back_to_work(session):
    session.accept(asked(strategy="twap_take"))
    while session.ledger.parents.must("p1").filled < 60:
        session.step(session.now_ns + S)
    first = session.manager.executors["p1"]
    order = session.ledger.orders.get(trades(session)[0].cl_ord_id)
    assert order.done
    before = check(session)
    session.venue.change(trades(session)[0], ExecType.BUSTED, "b1")
    session.step(session.now_ns)
    assert check(session) == before - whole(trades(session)[0].last_qty)
    assert "busted" in codes(session)
    assert first.off.startswith("busted")
    session.run(session.now_ns + 400 * S)
    parent = session.ledger.parents.must("p1")
    assert (parent.status, parent.filled, check(session)) == ("done", 200, 200)
    assert sum(whole(trade.last_qty) for trade in trades(session)) == 200 + whole(
        trades(session)[0].last_qty
    )


def test_a_parent_that_is_over_stays_over_and_its_costs_are_told_anew(session):
    recorder = TcaRecorder(session)
    session.accept(asked(strategy="twap_take"))
    session.run(session.now_ns + 400 * S)
    session.run_until(session.now_ns + 90 * S)
    one, two = trades(session)[:2]
    session.venue.change(one, ExecType.BUSTED, "b1")
    session.venue.change(two, ExecType.CORRECTED, "c1", whole(two.last_qty), whole(two.last_px) + 5)
    session.step(session.now_ns)
    session.run_until(session.now_ns + 5 * S)
    recorder.close()
    parent = session.ledger.parents.must("p1")
    assert (parent.status, parent.filled, check(session)) == (
        "done",
        200 - whole(one.last_qty),
        200 - whole(one.last_qty),
    )
    old, new = (entry.body for _, entry in session.journal.read(kinds=(kinds.TCA,)))
    assert (old["filled"], new["filled"]) == (200, 200 - whole(one.last_qty))
    rows = session.ledger.fills_of["p1"]
    assert new["average_price"] == pytest.approx(
        sum(f.qty * f.px for f in rows) / sum(f.qty for f in rows) / ONE
    )


def test_a_session_goes_on_through_words_that_it_cannot_use(session):
    session.accept(asked(strategy="peg_behind"))
    session.run_until(session.now_ns + 60 * S)
    child = next(order for order in session.ledger.orders.live("ann") if not order.done)
    report = Report(
        "z1", ExecType.SUSPENDED, OrdStatus.SUSPENDED, child.name, "", child.order_id, "ann", "X", 1, child.lots,
        child.price, 0, 0, child.cum_qty, child.lots * ONE - child.cum_qty, session.now_ns, text="a halt",
    )  # fmt: skip
    nobodys = replace(
        report,
        exec_id="z2",
        exec_type=ExecType.TRADE,
        cl_ord_id="nobody",
        order_id="77",
        **parts(last_lots=3, last_price=9),
    )
    nothing = replace(report, exec_id="z3", exec_type=ExecType.TRADE)
    garbage = Unread("150=Z", "a word that nobody knows", session.now_ns)
    unseen = replace(report, exec_id="z4", exec_type=ExecType.BUSTED, ref="never")
    session.venue.more += [report, garbage, nothing, unseen]
    session.step(session.now_ns)
    assert {"held", "unreadable", "unknown_execution", "UNKNOWN_EXECUTION"} <= set(codes(session))
    assert [type(message) for message in session.venue.disowned] == [Unread, Unread, Report]
    assert len(session.ledger.orders.quarantined) == 3
    check(session)
    session.run(session.now_ns + 400 * S)
    assert (session.ledger.parents.must("p1").status, check(session)) == (
        "done",
        session.ledger.parents.must("p1").filled,
    )
    session.venue.more.append(nobodys)
    session.step(FOREVER_NS if session.now_ns == FOREVER_NS else session.now_ns)
    assert {"unallocated", "STRANGE_FILL"} <= set(codes(session))
    assert nobodys not in session.venue.disowned  # it is our account's, and it is booked
    before = session.ledger.parents.must("p1").filled
    assert check(session) == before + whole(nobodys.last_qty)


def test_an_order_that_a_bust_opened_again_is_asked_about_and_no_order_works_for_nobody(session):
    session.accept(asked(strategy="twap_take", lots=20, decisions=1, horizon_s=30))
    session.run(session.now_ns + 60 * S)
    assert session.ledger.parents.must("p1").over
    trade = trades(session)[-1]
    left = {"leaves_qty": trade.last_qty, "cum_qty": trade.cum_qty - trade.last_qty}
    open_again = {"status": OrdStatus.PARTIALLY_FILLED, **left}
    words = {
        "exec_type": ExecType.BUSTED,
        "ref": trade.exec_id,
        "exec_id": "b1",
        "ns": session.now_ns,
    }
    session.venue.more.append(replace(trade, **open_again, **words))
    session.step(session.now_ns)
    order = session.ledger.orders.get(trade.cl_ord_id)
    assert (order.status, whole(order.open_qty)) == ("unknown", whole(trade.last_qty))
    standing = replace(
        trade, exec_type=ExecType.STATUS, exec_id="s1", last_qty=0, last_px=0, **open_again
    )
    session.venue.more.append(replace(standing, ns=session.now_ns))
    session.run_until(session.now_ns + 2 * S)
    session.step(session.now_ns + S)
    cancels = [
        entry
        for _, entry in session.journal.read(kinds=(kinds.ORDER_OUT,))
        if entry.body["what"] == "cancel"
    ]
    assert [entry.body["orig"] for entry in cancels] == [order.name]
    check(session)


def test_a_session_that_ends_before_it_saw_a_market_says_so_of_what_it_cannot_analyse(
    session, monkeypatch
):
    recorder = TcaRecorder(session)
    session.accept(asked(strategy="twap_take"))
    session.run_until(session.now_ns + 60 * S)
    session.cancel("p1", "a restart")
    session.run_until(session.now_ns + 2 * S)
    assert session.ledger.parents.must("p1").over
    unseen = Follower(session.listings["X"])
    monkeypatch.setattr(session, "follow", lambda name: unseen)
    recorder.close()
    assert codes(session)[-1:] == ["NO_TCA"]
    assert not any(session.journal.read(kinds=(kinds.TCA,)))
