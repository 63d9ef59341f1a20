"""Agents that a person paused: no parent is taken or worked, in later sessions either, until a person says so."""

import pytest
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of
from tests.desk.trading.word import Word

from tercel.core.errors import OrderError
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import KillLatch

DORA = "dora (password)"


def two(folder, latch=None):
    """A session with two parents of ann's and one of bob's at work."""
    ports = {} if latch is None else {"latch": latch, "killed": latch.killed}
    session = session_of(exchange_of(), SqlJournal(folder), **ports)
    for id_, agent in (("p1", "ann"), ("p2", "ann"), ("q1", "bob")):
        session.accept(asked(id_, agent=agent))
    session.run_until(session.now_ns + 20 * S)
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
        session.accept(asked("p3"))
    assert "ann, paused by" in say.refused("resume", parent="p1")
    assert "ann, paused by" in say.refused("pause_agent", agent="ann")
    session.accept(asked("q2", agent="bob"))
    freed, *_ = say("resume_agent", agent="ann", by="eve (password)", reason="they were good")
    assert freed.body["parents"] == ["p1", "p2"]
    session.accept(asked("p3"))
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
        again.accept(asked("p3"))
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
    assert session.ledger.parents.must("p1").reason == f"{DORA}: news are due"
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
        session.accept(asked("p3"))  # a re-arm ends no pause
