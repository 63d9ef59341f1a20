"""Recovery in one process: sessions are dropped in mid-trade, the exchange goes on, and the next one finds its way."""

import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from tests.desk.trading.desk_of_two import (
    WIDE,
    Flaky,
    S,
    asked,
    at_work,
    codes,
    exchange_of,
    session_of,
    truth,
)
from tests.parts import parts, whole

from tercel.core.errors import JournalError, OrderError, VenueError
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    ExecType,
    Holdings,
    MassCancel,
    NewOrder,
    OrdStatus,
    Report,
    StatusRequest,
    Tif,
    Unread,
)
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.tca.recorder import TcaRecorder


class Deaf(Flaky):
    """A venue that swallows what it is sent, or what it says, when told to."""

    def __init__(self, venue):
        super().__init__(venue)
        self.swallows, self.mute, self.refuses, self.refused = (), False, "", []

    def send(self, command):
        if not isinstance(command, self.swallows):
            super().send(command)
        elif self.refuses and isinstance(command, StatusRequest):
            self.refused.append(Unread(f"{command}", self.refuses, self.now_ns))

    def step(self, until_ns):
        events, self.refused = [*self._venue.step(until_ns), *self.refused], []
        return [] if self.mute else events


def started(journal, venue=None, seconds=60, strategy="peg_behind", **options):
    orders = asked(lots=400, strategy=strategy), asked("p2", agent="bob", strategy="twap_take")
    return at_work(*orders, venue=venue, journal=journal, seconds=seconds, **options)


def agrees(session):
    assert session.ledger.faults() == []
    assert session.ledger.orders.quarantined == []
    for account in ("ann", "bob"):
        assert session.ledger.positions.of(account, "X").lots == truth(session.venue, account)[0]
    exec_ids = [fill.exec_id for fill in session.ledger.orders.fills]
    assert len(set(exec_ids)) == len(exec_ids)


@pytest.mark.parametrize("seconds", [1, 17, 40, 61, 93])
def test_a_session_that_is_gone_leaves_no_order_and_no_doubt(seconds):
    journal = MemoryJournal()
    old = started(journal, seconds=seconds)
    standing = [order.root for order in old.ledger.orders.live()]
    again = session_of(old.venue, journal, warm_s=0)
    assert [line.order for line in again.recovered] == standing
    assert again.ledger.orders.live() == []
    assert [truth(again.venue, account)[1] for account in ("ann", "bob")] == [0, 0]
    assert all(parent.status == "paused" for parent in again.ledger.parents)
    assert [entry.order for _, entry in journal.read(kinds=[kinds.RECONCILED])] == standing
    for agent in ("ann", "bob"):
        held = again.ledger.positions.of(agent, "X").qty
        assert again.limits.holdings[agent, "X"].position == held
    assert again.limits.parents["p1"].lots == 400
    agrees(again)


def test_fills_that_nobody_heard_are_booked_once_with_evidence():
    journal, venue = MemoryJournal(), Deaf(exchange_of())
    old = started(journal, venue, seconds=40, strategy="twap_passive")
    before = {account: truth(venue, account)[0] for account in ("ann", "bob")}
    live = old.ledger.orders.live("ann")
    assert live
    venue.mute = True
    for _ in range(4000):
        venue.step(venue.now_ns + S // 10)
        if truth(venue, "ann")[0] != before["ann"]:
            break
    assert truth(venue, "ann")[0] != before["ann"]
    venue.mute = False
    again = session_of(venue, journal, warm_s=0)
    booked = [line for line in again.recovered if line.evidence]
    assert booked
    assert "booked" in booked[0].action
    agrees(again)
    last = session_of(venue, journal, warm_s=0)
    assert last.recovered == []
    agrees(last)


def test_an_order_that_was_journaled_and_never_sent_never_arrived():
    journal, venue = MemoryJournal(), Deaf(exchange_of())
    old = started(journal, venue, seconds=20)
    order = NewOrder("p1.77", "X", 1, 5, 100, Tif.DAY, "ann", "p1", old.now_ns)
    journal.append([entry_out(order)])
    again = session_of(venue, journal, warm_s=0)
    line = next(line for line in again.recovered if line.order == "p1.77")
    assert (line.ours, line.venue, line.action) == ("pending_new", "rejected", "never arrived")
    assert not any(
        getattr(command, "cl_ord_id", "") == "p1.77"
        for command in venue.sends
        if type(command) is NewOrder
    )
    assert again.ledger.next_child("p1") == 78
    assert again.gateway.limits.parents["p1"].used == again.ledger.parents.require("p1").filled
    assert list(journal.read(kinds=[kinds.ALERT])) == []


def test_a_venue_that_does_not_answer_keeps_the_session_from_beginning():
    journal, venue = MemoryJournal(), Deaf(exchange_of())
    old = started(journal, venue, seconds=30)
    standing = {order.root for order in old.ledger.orders.live()}
    venue.swallows = (MassCancel, StatusRequest)
    with pytest.raises(VenueError, match="state of every order"):
        session_of(venue, journal, warm_s=0)
    live = Ledger.of(journal).orders.live()
    assert live
    assert {order.root for order in live} <= standing
    assert all(order.status == OrdStatus.UNKNOWN and order.open_qty for order in live)
    venue.swallows = ()
    agrees(session_of(venue, journal, warm_s=0))


def test_why_a_venue_refuses_to_answer_is_said():
    old = started(MemoryJournal(), venue := Deaf(exchange_of()), seconds=30)
    venue.swallows = MassCancel, StatusRequest
    venue.refuses = "1=ann, which another login named first"
    with pytest.raises(VenueError, match=rf"state of every order.*{venue.refuses}"):
        session_of(venue, old.journal, warm_s=0)


def test_a_venue_that_began_anew_is_not_asked_about_what_it_cannot_know():
    journal = MemoryJournal()
    started(journal, exchange_of(), seconds=40)
    standing, last = Ledger.of(journal).orders.live(), journal.last
    with pytest.raises(VenueError, match=r"clock is past.*restarted"):
        session_of(exchange_of(), journal, warm_s=0)
    began, fact = (entry for _, entry in journal.read(last))
    assert (began.kind, fact.body["code"]) == (kinds.SESSION, "not_opened")
    assert [order.root for order in Ledger.of(journal).orders.live()] == [
        order.root for order in standing
    ]


def test_parents_go_on_at_once_with_resume_and_no_name_comes_twice():
    journal, venue = MemoryJournal(), Flaky(exchange_of())
    session = started(journal, venue, seconds=20, strategy="twap_passive")
    for _ in range(6):
        session = session_of(venue, journal, warm_s=0, resume=True)
        session.run_until(session.now_ns + 30 * S)
        agrees(session)
    session.run(session.now_ns + 400 * S)
    assert {parent.status for parent in session.ledger.parents} == {"done"}
    assert [parent.filled for parent in session.ledger.parents] == [400, 200]
    again = refold(journal, session_of(exchange_of(), warm_s=0).limits)
    assert list(again.orders) == list(session.ledger.orders)
    assert list(again.parents) == list(session.ledger.parents)
    assert again.positions.all() == session.ledger.positions.all()
    names = [command.cl_ord_id for command in venue.sends if not isinstance(command, StatusRequest)]
    assert len(set(names)) == len(names)
    assert session.number == 7


def test_a_parent_is_given_a_later_horizon_while_it_waits_for_a_person():
    journal = MemoryJournal()
    old = started(journal)
    again = session_of(old.venue, journal, warm_s=0)
    again.manager.amend("p1", "ann: later", horizon_ns=900 * S)
    again.run_until(again.now_ns + 400 * S)
    assert [again.ledger.parents.require(id_).status for id_ in ("p1", "p2")] == [
        "paused",
        "expired",
    ]
    again.manager.resume("p1", "ann: go on")
    again.run_until(again.now_ns + 30 * S)
    assert again.ledger.parents.require("p1").status in ("working", "done")
    agrees(again)


def test_an_agent_without_limits_any_more_is_named():
    journal = MemoryJournal()
    old = started(journal)
    without = WIDE.replace('[agents."*"]', "[agents.bob]")
    with pytest.raises(OrderError, match="parent p1"):
        session_of(old.venue, journal, warm_s=0, limits=without)


# -- damage that somebody has acknowledged ---------------------------------------------------------------------------


def damaged(folder, share):
    """Flip a bit of an entry, so far into the journal; the number of entries before it."""
    connection = sqlite3.connect(folder / "journal.db")
    last = connection.execute("SELECT max(seq) FROM journal").fetchone()[0]
    seq = max(1, round(share * last))
    connection.execute("UPDATE journal SET ns = ns + 1 WHERE seq = ?", (seq,))
    connection.commit()
    connection.close()
    return seq - 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_every_execution_is_booked_after_damage_was_acknowledged(tmp_path, share):
    journal = SqlJournal(tmp_path)
    old = started(journal, seconds=120)
    venue, held = old.venue, [truth(old.venue, account)[0] for account in ("ann", "bob")]
    assert all(held)
    journal.close()
    damaged(tmp_path, share)
    with pytest.raises(JournalError, match="are sound; then entry"):
        SqlJournal(tmp_path)
    journal = SqlJournal(tmp_path, acknowledge="a bit was flipped")
    again = session_of(venue, journal, warm_s=0)
    for account in ("ann", "bob"):
        assert again.ledger.positions.of(account, "X").lots == truth(venue, account)[0]
        assert truth(venue, account)[1] == 0
    for parent in again.ledger.parents:
        children = [order for order in again.ledger.orders if order.parent == parent.id]
        assert parent.filled == sum(whole(order.cum_qty) for order in children)
    assert again.ledger.orders.live() == []
    assert again.ledger.faults() == []
    assert again.gateway.states.standing("").code == ""
    again.close()


def test_nobody_trades_after_damage_while_positions_differ(tmp_path):
    """A venue that has lost an execution of ours: here are more lots than there, and nothing new leaves."""
    journal = SqlJournal(tmp_path)
    old = started(journal, seconds=120)
    venue = old.venue
    journal.close()
    damaged(tmp_path, 0.9)
    journal = SqlJournal(tmp_path, acknowledge="a bit was flipped")
    known = next(report for report in venue.executions("bob"))
    forgetful = Forgetful(venue, known.exec_id)
    again = session_of(forgetful, journal, warm_s=0)
    assert again.gateway.states.standing("").code.startswith("POSITIONS")
    assert "bob holds" in again.gateway.states.standing("").reason
    alerts = [entry.body["code"] for _, entry in journal.read(kinds=[kinds.ALERT])]
    assert "POSITIONS_DIFFER" in alerts
    again.manager.resume("p1", "go on")
    again.run_until(again.now_ns + 60 * S)
    assert not any(isinstance(command, NewOrder) for command in forgetful.sends)
    again.close()


class Forgetful(Flaky):
    """A venue that has lost one execution."""

    def __init__(self, venue, exec_id):
        super().__init__(venue)
        self._lost = exec_id

    @property
    def capabilities(self):
        return replace(self._venue.capabilities, executions=self, positions=self)

    def executions(self, account, after=""):
        return [
            report
            for report in self._venue.executions(account, after)
            if report.exec_id != self._lost
        ]

    def positions(self, account):
        lots = Counter()
        for report in self.executions(account):
            lots[report.instrument] += report.side * report.last_qty
        return lots


# -- positions that come in a message ---------------------------------------------------------------------------------


class Asked(Flaky):
    """An exchange that is asked for positions, and answers with what a test says."""

    def __init__(self, says=lambda account: {}):
        super().__init__(exchange_of())
        self.says, self.asked, self.deaf = says, [], False

    @property
    def capabilities(self):
        return replace(
            self._venue.capabilities, positions=None, executions=None, position_reports=self
        )

    def ask_positions(self, account):
        if self.deaf:
            raise VenueError("a link", "the line is cut", "wait")
        self.asked.append(account)

    def step(self, until_ns):
        told = [Holdings(account, self.says(account), self.now_ns) for account in self.asked]
        self.asked.clear()
        return [*told, *self._venue.step(until_ns)]


def fill(number, lots, account="ann"):
    side = 1 if lots > 0 else -1
    names = (
        f"E{number}",
        ExecType.TRADE,
        OrdStatus.FILLED,
        f"by-hand-{number}",
        "",
        f"V{number}",
        account,
        "X",
    )
    traded = abs(lots) * ONE
    return Report(*names, side, abs(lots), 100, traded, 100 * ONE, traded, 0, 5)


class Torn(MemoryJournal):
    """A journal that cannot be written while it is torn."""

    torn = False

    def append(self, entries, *, sync=True):
        if self.torn:
            raise JournalError("a disk", "none", "mend it")
        return super().append(entries, sync=sync)


fills = st.lists(st.integers(-9, 9).filter(bool), max_size=6)


@settings(deadline=None, max_examples=25)
@given(before=fills, after=fills, off=st.integers(-2, 2), torn=st.booleans())
def test_positions_are_compared_where_they_stand_among_reports(before, after, off, torn):
    """Whatever comes with them, and also where the journal could not be written when it came."""
    journal = Torn()
    session = session_of(Asked(), journal=journal, warm_s=0)
    session.positions.check()
    session.venue.asked.clear()
    events = [fill(n, lots) for n, lots in enumerate(before)]
    events += [Holdings("bob", {}, 5), Holdings("ann", {"X": (sum(before) + off) * ONE}, 5)]
    events += [fill(100 + n, lots) for n, lots in enumerate(after)]
    journal.torn = torn and bool(before)
    if journal.torn:
        with pytest.raises(JournalError):
            session.gateway.receive(events)
        journal.torn = False
        events = []
    session.gateway.receive(events)
    here = sum(before) + sum(after)
    assert session.ledger.positions.lots().get("ann", {}).get("X", 0) == here
    assert session.positions.differences() == (
        {("ann", "X"): (here * ONE, (here + off) * ONE)} if off else {}
    )
    assert session.positions.last_reported("ann").get("X", 0) == (here + off) * ONE


def test_a_way_that_is_down_as_it_is_asked_is_a_missing_answer():
    venue = Asked()
    venue.deaf = True
    session = session_of(venue, warm_s=0)
    assert session.gateway.states.standing("").code == "POSITIONS_UNKNOWN"
    assert "the line is cut" in session.gateway.states.standing("").reason
    venue.deaf = False
    session.positions.check()
    session.step(session.now_ns)
    assert session.gateway.states.standing("").code == ""


def test_nothing_new_leaves_between_a_way_that_came_back_and_the_first_answer():
    session = session_of(Asked(), warm_s=0)
    session.positions.begin()
    assert (
        session.gateway.states.standing("").reason == "the venue has not reported its positions yet"
    )
    session.step(session.now_ns)
    assert session.gateway.states.standing("").code == ""


def test_a_difference_that_goes_elsewhere_keeps_it_shut():
    venue = Asked(lambda account: {"X": 3} if account == "ann" else {})
    session = session_of(venue, warm_s=0)
    for says in ({"ann": {"X": 3}}, {"bob": {"X": 1}}, {"ann": {"X": 2}}):
        venue.says = lambda account, says=says: says.get(account, {})
        session.positions.check()
        session.step(session.now_ns)
        assert session.gateway.states.standing("").code == "POSITIONS_DIFFER", says


# -- venues that take back and correct what they reported -------------------------------------------------------------


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
    session.manager.accept(asked(strategy="twap_take"))
    while session.ledger.parents.require("p1").filled < 60:
        session.step(session.now_ns + S)
    first = session.manager.executors["p1"]
    order = session.ledger.orders.get(trades(session)[0].cl_ord_id)
    assert order.done
    before = check(session)
    session.venue.change(trades(session)[0], ExecType.BUSTED, "b1")
    session.step(session.now_ns)
    assert check(session) == before - whole(trades(session)[0].last_qty)
    assert "busted" in codes(session)
    assert first.detach_reason.startswith("busted")
    session.run(session.now_ns + 400 * S)
    parent = session.ledger.parents.require("p1")
    assert (parent.status, parent.filled, check(session)) == ("done", 200, 200)
    assert sum(whole(trade.last_qty) for trade in trades(session)) == 200 + whole(
        trades(session)[0].last_qty
    )


def test_a_parent_that_is_over_stays_over_and_its_costs_are_told_anew(session):
    recorder = TcaRecorder(session)
    session.manager.accept(asked(strategy="twap_take"))
    session.run(session.now_ns + 400 * S)
    session.run_until(session.now_ns + 90 * S)
    one, two = trades(session)[:2]
    session.venue.change(one, ExecType.BUSTED, "b1")
    session.venue.change(two, ExecType.CORRECTED, "c1", whole(two.last_qty), whole(two.last_px) + 5)
    session.step(session.now_ns)
    session.run_until(session.now_ns + 5 * S)
    recorder.close()
    parent = session.ledger.parents.require("p1")
    assert (parent.status, parent.filled, check(session)) == (
        "done",
        200 - whole(one.last_qty),
        200 - whole(one.last_qty),
    )
    old, new = (entry.body for _, entry in session.journal.read(kinds=(kinds.TCA,)))
    assert (old["filled"], new["filled"]) == (200, 200 - whole(one.last_qty))
    rows = session.ledger.orders.fills_of["p1"]
    assert new["average_price"] == pytest.approx(
        sum(f.qty * f.px for f in rows) / sum(f.qty for f in rows) / ONE
    )


def test_a_session_goes_on_through_words_that_it_cannot_use(session):
    session.manager.accept(asked(strategy="peg_behind"))
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
    assert (session.ledger.parents.require("p1").status, check(session)) == (
        "done",
        session.ledger.parents.require("p1").filled,
    )
    session.venue.more.append(nobodys)
    session.step(FOREVER_NS if session.now_ns == FOREVER_NS else session.now_ns)
    assert {"unallocated", "STRANGE_FILL"} <= set(codes(session))
    assert nobodys not in session.venue.disowned  # it is our account's, and it is booked
    before = session.ledger.parents.require("p1").filled
    assert check(session) == before + whole(nobodys.last_qty)


def test_an_order_that_a_bust_opened_again_is_asked_about_and_no_order_works_for_nobody(session):
    session.manager.accept(asked(strategy="twap_take", lots=20, decisions=1, horizon_s=30))
    session.run(session.now_ns + 60 * S)
    assert session.ledger.parents.require("p1").over
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
    session.manager.accept(asked(strategy="twap_take"))
    session.run_until(session.now_ns + 60 * S)
    session.manager.cancel("p1", "a restart")
    session.run_until(session.now_ns + 2 * S)
    assert session.ledger.parents.require("p1").over
    unseen = Follower(session.listings["X"])
    monkeypatch.setattr(session, "follow", lambda name: unseen)
    recorder.close()
    assert codes(session)[-1:] == ["NO_TCA"]
    assert not any(session.journal.read(kinds=(kinds.TCA,)))
