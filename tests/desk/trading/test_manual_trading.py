"""Parents in a person's hands: taken over, worked by hand, given back, ended; refusals, kills, restarts, horizons."""

from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import Flaky, S, asked, at_work, exchange_of, session_of, truth
from tests.desk.trading.word import Word

from tercel.core.errors import OrderError
from tercel.core.orders import CancelOrder, CancelReject, OrdStatus
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.tca.recorder import TcaRecorder


class Deafened(Flaky):
    """A venue that answers every cancel with no."""

    cancels = 0

    def send(self, command):
        if not isinstance(command, CancelOrder):
            super().send(command)
            return
        self.cancels += 1
        self.answers = [
            CancelReject(
                command.cl_ord_id, command.orig, command.account, OrdStatus.NEW, self._venue.now_ns
            )
        ]

    answers = ()

    def step(self, until_ns):
        said, self.answers = self.answers, []
        return [*said, *self._venue.step(until_ns)]


DORA, BOB = "dora (password)", "bob (password)"


def working(folder, seconds=30, latch=None, limit_price=None, **order):
    """A session whose parent p1 has orders open, and a person's word to it."""
    session = session_of(exchange_of(), SqlJournal(folder), latch=latch)
    session.manager.accept(replace(asked(**order), limit_price=limit_price))
    if seconds:
        session.run_until(session.now_ns + seconds * S)
        assert session.ledger.orders.live(parent="p1")
    return session, Word(session, folder)


def taken(folder, **words):
    """The same, and the person has taken the parent over."""
    session, say = working(folder, **words)
    say("take_over", parent="p1")
    run(session, 2)
    return session, say


def order_away(session, say, lots=10):
    """An order by hand that rests five ticks away; what answers."""
    return say("order", parent="p1", lots=lots, limit_price=round(bid(session) - 0.05, 2))


def parent(session):
    return session.ledger.parents.require("p1")


def run(session, seconds):
    session.run_until(session.now_ns + round(seconds * S))
    sound(session)


def sound(session):
    assert session.ledger.faults() == []
    assert not session.ledger.orders.quarantined
    assert session.ledger.positions.of("ann", "X").lots == truth(session.venue, "ann")[0]
    assert parent(session).filled <= parent(session).lots
    again = Ledger.of(session.journal)
    assert list(again.parents) == list(session.ledger.parents)


def bid(session):
    """Price of the best bid."""
    follower = session.follow("X")
    return follower.touch[0] * follower.listing.tick


def decisions(session):
    return sum(1 for _ in session.journal.read(kinds=(kinds.DECISION,)))


def test_orders_by_hand_fill_the_parent_and_are_told_apart(tmp_path):
    session, say = taken(tmp_path)
    by_strategy = parent(session).filled
    (told,) = say("order", parent="p1", lots=30, limit_price=None)
    assert told.body["by"] == DORA
    assert told.body["hand"] == {"lots": 30, "price": None}
    run(session, 2)
    assert parent(session).filled == by_strategy + 30
    (rests,) = say("order", parent="p1", lots=20, limit_price=round(bid(session) - 0.05, 2))
    run(session, 2)
    (order,) = session.ledger.orders.live(parent="p1")
    assert order.root == rests.body["order"]
    (gone,) = say("withdraw", parent="p1", order=order.root)
    assert gone.body["orders"] == [order.root]
    run(session, 2)
    assert session.ledger.orders.live(parent="p1") == []
    assert parent(session).by_hand == ((told.body["order"], DORA), (rests.body["order"], DORA))
    assert session.ledger.lots_by_hand(parent(session)) == 30


def test_given_back_the_strategy_goes_on_with_what_is_left_and_overfills_nothing(tmp_path):
    session, say = taken(tmp_path, lots=200)
    say("order", parent="p1", lots=50, limit_price=None)
    say("order", parent="p1", lots=20, limit_price=round(bid(session) - 0.03, 2))
    before, recorder = decisions(session), TcaRecorder(session)
    (told,) = say("give_back", by=BOB, parent="p1")
    assert told.body["event"] == "given_back"
    run(session, 40)
    assert parent(session).status == "working"
    assert decisions(session) > before
    given = {name for name, _ in parent(session).by_hand}
    assert not [one for one in session.ledger.orders.live(parent="p1") if one.root in given]
    run(session, 300)
    assert parent(session).status == "done"
    assert parent(session).filled == 200
    recorder.close()
    (analysis,) = [one.body for _, one in session.journal.read(kinds=(kinds.TCA,))]
    assert analysis["by_hand"] == session.ledger.lots_by_hand(parent(session)) >= 50


@pytest.mark.parametrize("limit", [None, "0bps"])
def test_taken_over_before_it_came_to_its_market_it_arrives_with_the_first_order(tmp_path, limit):
    session, say = working(tmp_path, 0, limit_price=limit)
    say("take_over", parent="p1")
    assert parent(session).arrival_ns == 0
    say("order", parent="p1", lots=5, limit_price=None)
    assert parent(session).arrival_mid2 > 0
    assert bool(parent(session).limit) == bool(limit)
    run(session, 3)
    assert parent(session).filled == (0 if limit else 5)  # at the mid nobody sells


def test_its_horizon_forces_nothing_through_and_tells_who_had_it(tmp_path):
    session, say = working(tmp_path, horizon_s=60)
    say("take_over", parent="p1")
    order_away(session, say)
    run(session, 60)
    assert parent(session).status == "expired"
    assert parent(session).reason.startswith(f"its horizon came while {DORA} had taken it over; ")
    assert session.ledger.orders.live(parent="p1") == []
    alerts = [one.body["code"] for _, one in session.journal.read(kinds=(kinds.ALERT,))]
    assert "expired" in alerts


def test_a_kill_cancels_what_is_open_by_hand_and_nothing_goes_on_before_it_is_rearmed(tmp_path):
    latch = KillLatch(tmp_path / "kill.json")
    session, say = taken(tmp_path, latch=latch)
    order_away(session, say)
    run(session, 2)
    assert truth(session.venue, "ann")[1] == 1
    latch.kill("runaway", "bob", 1, ["ann"])
    run(session, 3)
    assert truth(session.venue, "ann")[1] == 0
    assert "KILLED" in say.refused("order", parent="p1", lots=5)
    assert "ann is killed" in say.refused("give_back", parent="p1")
    assert parent(session).status == "by hand"
    latch.rearm("it was nothing", "bob", 2, ["ann"])
    run(session, 1)
    say("order", parent="p1", lots=5)
    say("give_back", parent="p1")
    run(session, 10)
    assert parent(session).status == "working"


def test_what_a_stranger_may_try_is_refused_with_what_would_do(tmp_path):
    session, say = working(tmp_path, lots=100)
    for command in ("order", "withdraw", "give_back"):
        assert "p1 is working" in say.refused(command, parent="p1", lots=1)
    say("take_over", parent="p1")
    assert "by hand (dora" in say.refused("take_over", parent="p1")
    assert "by hand (dora" in say.refused("take_over", by=BOB, parent="p1")
    assert "by hand" in say.refused("pause", parent="p1")
    assert "by hand" in say.refused("resume", parent="p1")
    assert BOB in say.refused("order", by=BOB, parent="p1", lots=1)
    run(session, 2)
    left = parent(session).left
    for lots in (left + 1, 0, -1, 1.5, True, "3", None, 10**30):
        assert f"1 to {left} lots" in say.refused("order", parent="p1", lots=lots)
    for price in (0, -1, "x", True, [1], 1e300, bid(session) + 0.00123):
        assert "price" in say.refused("order", parent="p1", lots=1, limit_price=price)
    assert "COLLAR" in say.refused(
        "order", parent="p1", lots=1, limit_price=round(bid(session) * 1.2, 2)
    )
    price = round(bid(session) - 0.05, 2)
    say("order", parent="p1", lots=left - 1, limit_price=price)
    run(session, 1)
    assert "1 to 1 lots" in say.refused("order", parent="p1", lots=2, limit_price=price)
    assert "open in manual orders" in say.refused(
        "amend", parent="p1", lots=parent(session).filled + 3
    )
    assert "none" in say.refused("withdraw", parent="p1", order="p1.1").replace("'p1.1'", "none")
    sends = [
        one
        for _, one in session.journal.read(kinds=(kinds.ORDER_OUT,))
        if one.body["what"] == "new"
    ]
    assert sum(one.order in dict(parent(session).by_hand) for one in sends) == 1
    assert truth(session.venue, "ann")[1] == 1
    say("cancel", by=BOB, parent="p1")
    run(session, 3)
    assert truth(session.venue, "ann")[1] == 0
    for command in ("take_over", "order", "give_back", "withdraw"):
        assert "p1, which is over, cancelled" in say.refused(command, parent="p1", lots=1)
    assert "'p9'" in say.refused("take_over", parent="p9")


def test_its_own_limit_price_holds_by_hand_too(tmp_path):
    session, say = working(tmp_path, limit_price="-2bps", strategy="peg_behind")
    say("take_over", parent="p1")
    tick = session.follow("X").listing.tick
    beyond = round((parent(session).limit + 1) * tick, 2)
    assert "within the limit price of p1" in say.refused(
        "order", parent="p1", lots=1, limit_price=beyond
    )
    say("order", parent="p1", lots=1)
    ((name, _),) = parent(session).by_hand
    assert session.ledger.orders.get(name).price == parent(session).limit
    run(session, 2)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("rests", [False, True])
def test_a_new_session_finds_it_in_the_same_hands(tmp_path, resume, rests):
    session, say = working(tmp_path)
    (told,) = say("take_over", parent="p1")
    said = {"event": "taken_over", "by": DORA, "reason": "news are due", "operator": 0}
    assert told.body | {"operator": 0} == said
    run(session, 2)
    before = decisions(session)
    if rests:
        order_away(session, say)
    session.journal.close()  # the process is gone, and says nothing
    again = session_of(session.venue, SqlJournal(tmp_path), warm_s=0, resume=resume)
    assert (parent(again).status, parent(again).hand) == ("by hand", DORA)
    assert truth(again.venue, "ann")[1] == 0  # no order works for nobody
    run(again, 30)
    assert decisions(again) == before
    sent = [
        one for _, one in again.journal.read(kinds=(kinds.ORDER_OUT,)) if one.body["what"] == "new"
    ]
    assert sum(one.order in dict(parent(again).by_hand) for one in sent) == rests
    assert list(refold(again.journal, session_of(exchange_of(), warm_s=0).limits).parents) == list(
        again.ledger.parents
    )
    say = Word(again, tmp_path)
    say("order", parent="p1", lots=10)
    run(again, 2)
    say("give_back", parent="p1")
    run(again, 30)
    assert parent(again).status == "working"
    assert decisions(again) > before


@pytest.mark.parametrize("heard", [True, False])
def test_an_order_for_a_session_that_is_gone_is_not_sent_by_the_next(tmp_path, heard):
    """It died between taking the word and doing it, or hung before: the market is another one by now."""
    session, _ = taken(tmp_path)
    number = post(tmp_path, "order", {"parent": "p1", "lots": 10}, DORA, "now", 1)
    if heard:
        session.journal.take_inbox(session.now_ns)
    session.journal.close()
    again = session_of(session.venue, SqlJournal(tmp_path), warm_s=0)
    run(again, 5)
    assert parent(again).by_hand == ()
    alerts = [one.body for _, one in again.journal.read(kinds=(kinds.ALERT,))]
    (told,) = [one for one in alerts if one.get("operator") == number]
    assert told["received"] == "one sent to a session that has ended"
    assert again.ledger.pending_commands == {}
    Word(again, tmp_path)("order", parent="p1", lots=10)
    assert len(parent(again).by_hand) == 1


def test_a_venue_that_refuses_cancels_is_asked_once_a_second(tmp_path):
    session, say = taken(tmp_path)
    order_away(session, say)
    run(session, 1)
    venue = Deafened(session.venue)
    session.venue = session.gateway.venue = venue
    say("give_back", parent="p1")
    for _ in range(50):
        session.run_until(session.now_ns + S // 10)
    assert 3 <= venue.cancels <= 8
    assert parent(session).status == "working"
    assert "p1" not in session.manager.executors, (
        "its strategy waits: what is open could still fill"
    )


# -- agents that a person paused --------------------------------------------------------------------------------------


def two(folder, latch=None):
    """A session with two parents of ann's and one of bob's at work."""
    orders = [
        asked(id_, agent=agent) for id_, agent in (("p1", "ann"), ("p2", "ann"), ("q1", "bob"))
    ]
    session = at_work(*orders, journal=SqlJournal(folder), seconds=20, latch=latch)
    return session, Word(session, folder)


def statuses(session):
    return {one.id: str(one.status) for one in session.ledger.parents}


def test_a_paused_agent_works_nothing_and_takes_nothing_until_it_is_resumed(tmp_path):
    session, say = two(tmp_path)
    held, *_ = say("pause_agent", agent="ann")
    said = {"event": "paused", "by": DORA, "reason": "news are due", "parents": ["p1", "p2"]}
    assert held.kind == kinds.HOLD
    assert said.items() <= held.body.items()
    session.run_until(session.now_ns + 3 * S)
    assert statuses(session) == {"p1": "paused", "p2": "paused", "q1": "working"}
    assert session.ledger.orders.live("ann") == []
    with pytest.raises(
        OrderError, match=r"ann, paused by dora \(password\): news are due.* resume this one first"
    ):
        session.manager.accept(asked("p3"))
    assert "ann, paused by" in say.refused("resume", parent="p1")
    assert "ann, paused by" in say.refused("pause_agent", agent="ann")
    session.manager.accept(asked("q2", agent="bob"))
    freed, *_ = say("resume_agent", agent="ann", by="eve (password)", reason="they were good")
    assert freed.body["parents"] == ["p1", "p2"]
    session.manager.accept(asked("p3"))
    session.run_until(session.now_ns + 30 * S)
    assert set(statuses(session).values()) == {"working"}
    assert session.ledger.orders.live("ann")
    assert Ledger.of(session.journal).holds == session.ledger.holds == {}


@pytest.mark.parametrize("resume", [False, True])
def test_it_stays_paused_in_the_next_session(tmp_path, resume):
    session, say = two(tmp_path)
    say("pause_agent", agent="ann")
    session.journal.close()  # the process is gone, and says nothing
    again = session_of(session.venue, SqlJournal(tmp_path), warm_s=0, resume=resume)
    assert again.ledger.holds["ann"].body["by"] == DORA
    assert statuses(again) == {
        "p1": "paused",
        "p2": "paused",
        "q1": "working" if resume else "paused",
    }
    again.run_until(again.now_ns + 20 * S)
    assert again.ledger.orders.live("ann") == []
    with pytest.raises(OrderError, match="paused by"):
        again.manager.accept(asked("p3"))
    Word(again, tmp_path)("resume_agent", agent="ann")
    again.run_until(again.now_ns + 20 * S)
    assert again.ledger.orders.live("ann")


def test_hands_may_work_for_a_paused_agent_and_give_nothing_back_to_it(tmp_path):
    session, say = two(tmp_path)
    say("take_over", parent="p1")
    held, *_ = say("pause_agent", agent="ann")
    assert held.body["parents"] == ["p2"]
    say("order", parent="p1", lots=5)
    assert "paused by" in say.refused("give_back", parent="p1")
    say("take_over", parent="p2")
    say("resume_agent", agent="ann")
    say("give_back", parent="p1")
    session.run_until(session.now_ns + 20 * S)
    assert statuses(session) == {"p1": "working", "p2": "by hand", "q1": "working"}


def test_what_was_paused_by_itself_waits_until_it_is_resumed_itself(tmp_path):
    session, say = two(tmp_path)
    say("pause", parent="p1")
    held, *_ = say("pause_agent", agent="ann")
    assert held.body["parents"] == ["p2"]
    freed, *_ = say("resume_agent", agent="ann")
    assert freed.body["parents"] == ["p2"]
    assert statuses(session) == {"p1": "paused", "p2": "working", "q1": "working"}
    assert session.ledger.parents.require("p1").reason == f"{DORA}: news are due"
    say("resume", parent="p1")
    assert set(statuses(session).values()) == {"working"}


def test_what_cannot_be_is_refused(tmp_path):
    latch = KillLatch(tmp_path / "kill.json")
    session, say = two(tmp_path, latch)
    assert "ann, bob" in say.refused("pause_agent", agent="nobody")
    assert "is paused" in say.refused("resume_agent", agent="ann")
    say("pause_agent", agent="ann")
    latch.kill("runaway", "bob", 1, ["ann"])
    assert "killed" in say.refused("resume_agent", agent="ann")
    latch.rearm("it was nothing", "bob", 2, ["ann"])
    with pytest.raises(OrderError, match="paused by"):
        session.manager.accept(asked("p3"))  # a re-arm ends no pause
