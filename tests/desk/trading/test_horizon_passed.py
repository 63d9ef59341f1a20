"""A horizon that comes while nobody works the parent: it ends by name, nothing is taken, lots and people are told."""

import pytest
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of, truth
from tests.parts import whole

from tercel.core.errors import OrderError
from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.chain import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.execution.intent import empty
from tercel.execution.strategies import build


def begun(journal, exchange=None, seconds=100, lots=2000, strategy="peg_behind", **options):
    """A session that has worked two parents of 300 s for a while."""
    session = session_of(exchange or exchange_of(), journal, **options)
    session.accept(asked(lots=lots, strategy=strategy))
    session.accept(asked("p2", agent="bob", strategy="twap_take"))
    session.run_until(session.now_ns + seconds * S)
    return session


def nobody_works(venue, seconds):
    until = venue.now_ns + seconds * S
    while venue.now_ns < until:
        venue.step(until)


def bodies(journal, kind, parent):
    return [entry.body for _, entry in journal.read(kinds=(kind,)) if entry.parent == parent]


def ended(session, id_="p1", waits_s=70):
    """The parent after its analysis is written, held to the exchange, the listing, the console and the analysis."""
    recorder = TcaRecorder(session)
    session.run_until(session.now_ns + waits_s * S)
    recorder.close()
    parent, account = session.ledger.parents.must(id_), session.ledger.parents.must(id_).order.agent
    assert parent.status == "expired"
    assert truth(session.venue, account) == (parent.filled, 0)
    assert session.ledger.faults() == []
    [over] = [
        body for body in bodies(session.journal, kinds.PARENT, id_) if body["event"] == "expired"
    ]
    assert (over["filled"], over["left"], over["refused"]) == (
        parent.filled,
        parent.left,
        parent.refused,
    )
    assert f"{parent.left:,} of {parent.lots:,} lots unfilled" in over["reason"] == parent.reason
    told = [body for body in bodies(session.journal, kinds.ALERT, id_) if body["code"] == "expired"]
    assert [body["severity"] for body in told] == ["critical"]
    assert parent.reason in told[0]["text"]
    again = Ledger.of(session.journal).parents.must(id_)
    assert again == parent
    state = DeskState()
    for seq, entry in session.journal.read():
        state.apply(seq, entry)
    row = next(row for row in to_jsonable(state.report())["parents"] if row["parent"] == id_)
    assert (row["status"], row["live"], row["filled"], row["lots"]) == (
        "expired",
        False,
        parent.filled,
        parent.lots,
    )
    [analysis] = bodies(session.journal, kinds.TCA, id_)
    assert (analysis["quantity"], analysis["filled"]) == (parent.lots, parent.filled)
    assert analysis["unfilled"] + analysis["refused"] == parent.left
    assert (row["is_bps"], row["opportunity_bps"]) == (
        analysis["is_bps"],
        analysis["opportunity_bps"],
    )
    assert row["refused"] == analysis["refused"]
    return parent, analysis


@pytest.mark.parametrize("resume", [False, True])
def test_a_parent_expires_that_was_at_work_when_its_desk_died(resume):
    journal = MemoryJournal()
    old = begun(journal)
    standing, mid2 = old.ledger.orders.live("ann"), old.ledger.parents.must("p1").arrival_mid2
    assert standing
    nobody_works(old.venue, 400)
    again = session_of(old.venue, journal, warm_s=0, resume=resume)
    assert (
        again.ledger.parents.must("p1").status == "expired"
    )  # at once: a session that only recovers says it too
    parent, analysis = ended(again)
    assert "it was not worked" in parent.reason
    assert 0 < parent.filled < 2000
    fills = [fill for fill in again.ledger.orders.fills if fill.parent == "p1"]
    cost2 = sum((2 * whole(fill.px) - mid2) * whole(fill.qty) for fill in fills)
    assert analysis["sums"]["fills"] == cost2
    assert analysis["is_bps"] == pytest.approx(1e4 * cost2 / (mid2 * parent.filled))
    assert (
        analysis["spread_bps"] is None
    )  # what the market was at fills of a session that died is not known
    assert analysis["vwap_bps"] is None
    with pytest.raises(OrderError, match="expired"):
        again.resume("p1", "ann: go on")


def test_a_parent_that_was_filled_meanwhile_is_done():
    journal = MemoryJournal()
    old = begun(journal, seconds=60, lots=20)
    nobody_works(old.venue, 400)
    again = session_of(old.venue, journal, warm_s=0, resume=True)
    parent = again.ledger.parents.must("p1")
    assert parent.filled in (20, truth(old.venue, "ann")[0])
    assert parent.status == ("done" if parent.filled == 20 else "expired")


def test_a_parent_that_waits_for_a_person_after_a_restart_expires_at_its_horizon():
    journal = MemoryJournal()
    old = begun(journal)
    again = session_of(old.venue, journal, warm_s=0)
    assert again.ledger.parents.must("p1").status == "paused"
    before = again.ledger.parents.must("p1").filled
    again.run_until(again.ledger.parents.must("p1").ends_ns + 2 * S)
    parent, _ = ended(again)
    assert "paused (a new session began)" in parent.reason
    assert parent.filled == before
    assert parent.over_ns - parent.ends_ns <= 2 * S


def test_a_parent_that_a_person_paused_expires_at_its_horizon():
    session = session_of(exchange_of())
    recorder = TcaRecorder(session)
    session.accept(asked(lots=2000, strategy="twap_take"))
    session.run_until(session.now_ns + 60 * S)
    session.pause("p1", "ann: news")
    session.run_until(session.now_ns + 400 * S)
    recorder.close()
    parent = session.ledger.parents.must("p1")
    assert (parent.status, parent.left) == ("expired", 2000 - parent.filled)
    assert "paused (ann: news)" in parent.reason
    [analysis] = bodies(session.journal, kinds.TCA, "p1")
    assert analysis["filled"] == parent.filled > 0
    assert analysis["spread_bps"] is not None  # the session saw it all


def latched(tmp_path, journal=None, **options):
    latch = KillLatch(tmp_path / "kill.json")
    return latch, begun(journal or MemoryJournal(), latch=latch, killed=latch.killed, **options)


def test_what_is_killed_takes_nothing_at_its_horizon(tmp_path):
    latch, session = latched(tmp_path)
    latch.kill("prices look wrong", "ann", 1)
    session.run_until(session.now_ns + S)
    before = {id_: session.ledger.parents.must(id_).filled for id_ in ("p1", "p2")}
    session.run_until(session.now_ns + 300 * S)
    for id_, filled in before.items():
        assert session.ledger.parents.must(id_).filled == filled
    parent = session.ledger.parents.must("p1")
    assert "killed: prices look wrong" in parent.reason
    ended(session)


class Waits:
    """Leaves everything to the order at the horizon."""

    name = "waits"

    def decide(self, view):
        return empty(view.n)


@pytest.mark.parametrize("strategy", ["peg_behind", "waits"])
def test_a_latch_that_falls_with_the_horizon_is_obeyed(tmp_path, strategy):
    """It falls after the step looked, before the order at the horizon leaves: limits keep that back."""
    made = {"waits": Waits()}

    def makes(name, _):
        return made.get(name) or build(name)

    latch, session = latched(tmp_path, strategy=strategy, strategies=makes)
    parent = session.ledger.parents.must("p1")
    session.run_until(parent.ends_ns - S // 10)
    before, on_time = session.ledger.parents.must("p1").filled, session.manager.on_time

    def falls(now_ns):
        if now_ns >= parent.ends_ns and not latch.state().history:
            latch.kill("stop", "ann", 1)
        on_time(now_ns)

    session.manager.on_time = falls
    session.run_until(parent.ends_ns + 2 * S)
    assert latch.state().history
    denied = [body["command"]["lots"] for body in bodies(session.journal, kinds.DENIED, "p1")]
    assert denied == (
        [2000 - before] if strategy == "waits" else []
    )  # the other had orders to take back first
    after, _ = ended(session)
    assert after.filled == before
    assert "killed: stop" in after.reason


def test_what_is_killed_while_its_desk_is_dead_says_so(tmp_path):
    journal = MemoryJournal()
    latch, old = latched(tmp_path, journal)
    nobody_works(old.venue, 50)
    latch.kill("prices look wrong", "ann", 1)
    nobody_works(old.venue, 400)
    again = session_of(old.venue, journal, warm_s=0, resume=True, latch=latch, killed=latch.killed)
    parent, _ = ended(again)
    assert "killed: prices look wrong" in parent.reason


def test_fills_of_every_session_that_worked_it_are_in_the_analysis():
    journal = MemoryJournal()
    old = begun(journal, lots=400)
    before, arrival = old.ledger.parents.must("p1").filled, old.ledger.parents.must("p1")
    assert 0 < before < 400
    again = session_of(old.venue, journal, warm_s=0, resume=True)
    recorder = TcaRecorder(again)
    again.run(again.now_ns + 400 * S)
    again.run_until(again.now_ns + 70 * S)
    recorder.close()
    parent = again.ledger.parents.must("p1")
    assert parent.status == "done"
    assert (parent.arrival_ns, parent.arrival_mid2) == (arrival.arrival_ns, arrival.arrival_mid2)
    [analysis] = bodies(journal, kinds.TCA, "p1")
    assert before < analysis["filled"] == parent.filled
    assert analysis["start_ns"] == parent.arrival_ns


def test_what_ended_before_its_analysis_was_written_is_analysed_by_the_next_session():
    journal = MemoryJournal()
    session = session_of(exchange_of(), journal)
    TcaRecorder(session)
    session.accept(asked(lots=20, strategy="immediate"))
    session.run_until(session.now_ns + 20 * S)
    assert session.ledger.parents.must("p1").status == "done"
    assert bodies(journal, kinds.TCA, "p1") == []
    again = session_of(session.venue, journal, warm_s=0)
    recorder = TcaRecorder(again)
    again.run_until(again.now_ns + 70 * S)
    recorder.close()
    assert [body["filled"] for body in bodies(journal, kinds.TCA, "p1")] == [20]
    last = session_of(session.venue, journal, warm_s=0)
    TcaRecorder(last)
    last.run_until(last.now_ns + 70 * S)
    assert len(bodies(journal, kinds.TCA, "p1")) == 1
