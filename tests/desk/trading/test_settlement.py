"""Positions that come in a message: compared at their place between reports, and what a missing one leads to."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from tests.desk.trading.desk_of_two import Flaky, exchange_of, session_of

from tercel.core.errors import JournalError, VenueError
from tercel.core.orders import ONE, ExecType, Holdings, OrdStatus, Report
from tercel.desk.trading.journal.chain import MemoryJournal


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
    session.positions.look()
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
    assert session.gateway.standing("").code == "POSITIONS_UNKNOWN"
    assert "the line is cut" in session.gateway.standing("").reason
    venue.deaf = False
    session.positions.look()
    session.step(session.now_ns)
    assert session.gateway.standing("").code == ""


def test_nothing_new_leaves_between_a_way_that_came_back_and_the_first_answer():
    session = session_of(Asked(), warm_s=0)
    session.positions.begin()
    assert session.gateway.standing("").reason == "the venue has not reported its positions yet"
    session.step(session.now_ns)
    assert session.gateway.standing("").code == ""


def test_a_difference_that_goes_elsewhere_keeps_it_shut():
    venue = Asked(lambda account: {"X": 3} if account == "ann" else {})
    session = session_of(venue, warm_s=0)
    for says in ({"ann": {"X": 3}}, {"bob": {"X": 1}}, {"ann": {"X": 2}}):
        venue.says = lambda account, says=says: says.get(account, {})
        session.positions.look()
        session.step(session.now_ns)
        assert session.gateway.standing("").code == "POSITIONS_DIFFER", says
