"""A journal that cannot be written: nothing new leaves, what is open is cancelled, and somebody is told."""

import logging
import resource
import sqlite3
import threading
from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import Flaky, S, asked, exchange_of, session_of, truth
from tests.waiting import DEADLINE_S, until

from tercel.core.errors import JournalError
from tercel.core.orders import MassCancel
from tercel.desk.trading.journal import kinds, sqlite_log
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import KillLatch

AFTER_NS = 5 * S


class Stuck(MemoryJournal):
    """A journal whose appends wait, or fail, when told to."""

    def __init__(self):
        super().__init__()
        self.go_on, self.waiting, self.full = threading.Event(), threading.Event(), False
        self.go_on.set()

    def append(self, entries, *, sync=True):
        if self.full:
            raise JournalError("to be able to write", "database or disk is full", "make room")
        if not self.go_on.is_set():
            self.waiting.set()
            assert self.go_on.wait(DEADLINE_S)
        return super().append(entries, sync=sync)


def at_work(journal, **options):
    """A session with an order at the venue, and the venue."""
    venue = Flaky(exchange_of())
    session = session_of(venue, journal, **options)
    session.manager.accept(asked())
    while not truth(venue, "ann")[1]:
        session.step(session.now_ns + S)
    return session, venue


def refuses(session, venue):
    """Step until the journal is asked for; nothing but cancels leaves, and what stood is gone."""
    sent, told = len(venue.sends), []
    session.gateway.send_urgent = told.append
    with pytest.raises(JournalError):
        session.run_until(session.now_ns + 400 * S)
    after = venue.sends[sent:]
    assert [type(command) for command in after] == [MassCancel]
    assert [command.account for command in after] == ["ann"]
    venue.step(venue.now_ns + AFTER_NS)
    assert truth(venue, "ann")[1] == 0
    assert len(told) == 1
    assert "cancels sent for ann" in told[0]


def test_a_full_disk_cancels_what_is_open_and_says_so(caplog):
    journal = Stuck()
    session, venue = at_work(journal)
    before = len(list(journal.read()))
    journal.full = True
    with caplog.at_level(logging.CRITICAL, "tercel.alerts"):
        refuses(session, venue)
    assert "JOURNAL_DOWN" in caplog.text
    sent = len(venue.sends)
    with pytest.raises(JournalError):
        session.run_until(session.now_ns + 400 * S)
    assert len(venue.sends) == sent
    journal.full = False
    session.step(session.now_ns + S)
    written = [entry for seq, entry in journal.read(before)]
    assert [entry.kind for entry in written[:2]] == [kinds.ALERT, kinds.ORDER_OUT]
    assert written[0].body["code"] == "JOURNAL_DOWN"
    session.run(session.now_ns + 400 * S)
    assert session.ledger.parents.require("p1").over
    assert session.ledger.faults() == []
    assert session.ledger.last == max(seq for seq, _ in journal.read()), (
        "a snapshot of now would say where to go on"
    )
    assert session.ledger.positions.of("ann", "X").lots == truth(venue, "ann")[0]


def test_a_lock_that_lasts_too_long_cancels_what_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr("tercel.desk.trading.journal.database.BUSY_MS", 30)
    session, venue = at_work(SqlJournal(tmp_path))
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refuses(session, venue)
    other.execute("ROLLBACK")
    other.close()
    session.run(session.now_ns + 400 * S)
    assert session.ledger.positions.of("ann", "X").lots == truth(venue, "ann")[0]
    assert session.ledger.faults() == []
    session.close()


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_file_that_is_gone_cancels_what_is_open(tmp_path, name):
    session, venue = at_work(SqlJournal(tmp_path))
    (tmp_path / name).unlink()
    refuses(session, venue)


def test_a_lock_that_another_program_holds_for_a_while_costs_time_alone(tmp_path):
    """As a backup or a careless reader holds it: the desk waits and goes on."""
    session, venue = at_work(SqlJournal(tmp_path))
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, other.execute, ("ROLLBACK",))
    release.start()
    session.run(session.now_ns + 400 * S)
    release.join()
    other.close()
    assert session.ledger.parents.require("p1").status == "done"
    assert session.gateway.states.standing("").code == ""
    assert not any(isinstance(command, MassCancel) for command in venue.sends)
    session.close()


def test_a_kill_cancels_when_the_disk_is_full(tmp_path):
    journal, latch = Stuck(), KillLatch(tmp_path / "kill.json")
    session, venue = at_work(journal, latch=latch)
    journal.full = True
    sent = len(venue.sends)
    latch.kill("runaway", "carl", 5)
    with pytest.raises(JournalError):
        session.step(session.now_ns + S)
    assert isinstance(venue.sends[sent], MassCancel)
    venue.step(venue.now_ns + AFTER_NS)
    assert truth(venue, "ann")[1] == 0


def test_an_order_between_the_check_and_the_wire_does_not_leave_after_a_kill(tmp_path):
    """The kill's cancel overtakes an order that waits for its journal: the order must not follow it."""
    journal, latch = Stuck(), KillLatch(tmp_path / "kill.json")
    session, venue = at_work(journal, latch=latch, watch_s=0.01)
    session.manager.accept(asked("p2"))
    order = replace(venue.sends[-1], cl_ord_id="p2.900", parent="p2", lots=1)
    journal.go_on.clear()
    outcome = []
    sender = threading.Thread(target=lambda: outcome.append(session.gateway.submit([order])))
    sender.start()
    assert journal.waiting.wait(DEADLINE_S)
    sent = len(venue.sends)
    latch.kill("runaway", "carl", 5)
    until(lambda: len(venue.sends) > sent, what="the kill's cancel")
    journal.go_on.set()
    sender.join(DEADLINE_S)
    assert outcome[0].unknown == [order]
    assert order not in venue.sends
    until(lambda: not session.stopper.open, what="a confirmed kill")
    assert session.ledger.orders.get("p2.900").done
    session.close()


def test_a_session_on_a_full_disk_ends_with_nothing_open(tmp_path, monkeypatch):
    """The real thing: a limit on the size of files; what was said to be written is there."""
    monkeypatch.setattr(sqlite_log, "ROOM", 0)
    session, venue = at_work(SqlJournal(tmp_path))
    room = (tmp_path / "journal.db-wal").stat().st_size + 9000
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        refuses(session, venue)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    written = session.journal.last
    session.journal.close()
    assert SqlJournal(tmp_path).last in (written, written + 1)
