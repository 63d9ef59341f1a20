"""Horizons that come while nobody works a parent, and limit prices: nothing is taken, lots and people are told."""

from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import (
    S,
    asked,
    at_work,
    bodies,
    exchange_of,
    session_of,
    truth,
)
from tests.parts import whole

from tercel.core.errors import OrderError
from tercel.core.ports import Entry
from tercel.core.price_limit import limit_at
from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.execution.intent import empty
from tercel.execution.strategies import build


def begun(seconds=100, lots=2000, strategy="peg_behind", **options):
    """A session that has worked two parents of 300 s for a while."""
    orders = asked(lots=lots, strategy=strategy), asked("p2", agent="bob", strategy="twap_take")
    return at_work(*orders, seconds=seconds, **options)


def nobody_works(venue, seconds):
    until = venue.now_ns + seconds * S
    while venue.now_ns < until:
        venue.step(until)


def ended(session, id_="p1", waits_s=70):
    """The parent after its analysis is written, held to the exchange, the listing, the console and the analysis."""
    recorder = TcaRecorder(session)
    session.run_until(session.now_ns + waits_s * S)
    recorder.close()
    parent, account = (
        session.ledger.parents.require(id_),
        session.ledger.parents.require(id_).order.agent,
    )
    assert parent.status == "expired"
    assert truth(session.venue, account) == (parent.filled, 0)
    assert session.ledger.faults() == []
    [over] = [
        body for body in bodies(session, kinds.PARENT, parent=id_) if body["event"] == "expired"
    ]
    assert (over["filled"], over["left"], over["refused"]) == (
        parent.filled,
        parent.left,
        parent.refused,
    )
    assert f"{parent.left:,} of {parent.lots:,} lots unfilled" in over["reason"] == parent.reason
    told = [body for body in bodies(session, kinds.ALERT, parent=id_) if body["code"] == "expired"]
    assert [body["severity"] for body in told] == ["critical"]
    assert parent.reason in told[0]["text"]
    again = Ledger.of(session.journal).parents.require(id_)
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
    [analysis] = bodies(session, kinds.TCA, parent=id_)
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
    old = begun()
    standing, mid2 = old.ledger.orders.live("ann"), old.ledger.parents.require("p1").arrival_mid2
    assert standing
    nobody_works(old.venue, 400)
    again = session_of(old.venue, old.journal, warm_s=0, resume=resume)
    assert (
        again.ledger.parents.require("p1").status == "expired"
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
        again.manager.resume("p1", "ann: go on")


def test_a_parent_that_a_person_paused_expires_at_its_horizon():
    session = begun(60, strategy="twap_take")
    session.manager.pause("p1", "ann: news")
    parent, analysis = ended(session, waits_s=330)
    assert "paused (ann: news)" in parent.reason
    assert analysis["filled"] > 0
    assert analysis["spread_bps"] is not None  # the session saw it all


def latched(tmp_path, **options):
    latch = KillLatch(tmp_path / "kill.json")
    return latch, begun(latch=latch, **options)


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
    parent = session.ledger.parents.require("p1")
    session.run_until(parent.ends_ns - S // 10)
    before, on_time = session.ledger.parents.require("p1").filled, session.manager.on_time

    def falls(now_ns):
        if now_ns >= parent.ends_ns and not latch.state().history:
            latch.kill("stop", "ann", 1)
        on_time(now_ns)

    session.manager.on_time = falls
    session.run_until(parent.ends_ns + 2 * S)
    assert latch.state().history
    denied = [body["command"]["lots"] for body in bodies(session, kinds.DENIED, parent="p1")]
    assert denied == (
        [2000 - before] if strategy == "waits" else []
    )  # the other had orders to take back first
    after, _ = ended(session)
    assert after.filled == before
    assert "killed: stop" in after.reason


def test_fills_of_every_session_that_worked_it_are_in_the_analysis():
    old = begun(lots=400)
    before, arrival = old.ledger.parents.require("p1").filled, old.ledger.parents.require("p1")
    assert 0 < before < 400
    again = session_of(old.venue, old.journal, warm_s=0, resume=True)
    recorder = TcaRecorder(again)
    again.run(again.now_ns + 400 * S)
    again.run_until(again.now_ns + 70 * S)
    recorder.close()
    parent = again.ledger.parents.require("p1")
    assert parent.status == "done"
    assert (parent.arrival_ns, parent.arrival_mid2) == (arrival.arrival_ns, arrival.arrival_mid2)
    [analysis] = bodies(again, kinds.TCA, parent="p1")
    assert before < analysis["filled"] == parent.filled
    assert analysis["start_ns"] == parent.arrival_ns


def test_what_ended_before_its_analysis_was_written_is_analysed_by_the_next_session():
    journal = MemoryJournal()
    session = session_of(exchange_of(), journal)
    TcaRecorder(session)
    session.manager.accept(asked(lots=20, strategy="immediate"))
    session.run_until(session.now_ns + 20 * S)
    assert session.ledger.parents.require("p1").status == "done"
    assert bodies(session, kinds.TCA, parent="p1") == []
    again = session_of(session.venue, journal, warm_s=0)
    recorder = TcaRecorder(again)
    again.run_until(again.now_ns + 70 * S)
    recorder.close()
    assert [body["filled"] for body in bodies(session, kinds.TCA, parent="p1")] == [20]
    last = session_of(session.venue, journal, warm_s=0)
    TcaRecorder(last)
    last.run_until(last.now_ns + 70 * S)
    assert len(bodies(session, kinds.TCA, parent="p1")) == 1


# -- limit prices -----------------------------------------------------------------------------------------------------


def limited(limit_price, **words):
    return replace(asked(**words), limit_price=limit_price)


def held(session, limit, id_="p1"):
    """No order left beyond the limit, and none without one; no fill lies beyond it. Lots filled."""
    parent = session.ledger.parents.require(id_)
    side = parent.order.side
    sent = [
        body
        for body in bodies(session, kinds.ORDER_OUT, parent=id_)
        if body["what"] in ("new", "replace")
    ]
    assert all(body["price"] is not None and side * (body["price"] - limit) <= 0 for body in sent)
    assert all(side * (whole(fill.px) - limit) <= 0 for fill in session.ledger.orders.fills_of[id_])
    assert session.ledger.faults() == []
    return parent.filled


@pytest.mark.parametrize("strategy", ["twap_take", "twap_passive", "random", "immediate"])
@pytest.mark.parametrize("side", [1, -1])
def test_nothing_trades_beyond_it_and_what_is_left_is_told(strategy, side):
    session = session_of(exchange_of())
    recorder = TcaRecorder(session)
    session.manager.accept(limited("-3bps", lots=2000, strategy=strategy, side=side))
    session.run(session.now_ns + 400 * S)
    session.run_until(session.now_ns + 70 * S)
    recorder.close()
    parent = session.ledger.parents.require("p1")
    [arrived] = [
        body for body in bodies(session, kinds.PARENT, parent="p1") if body["event"] == "arrived"
    ]
    mid2 = arrived["mid2"]
    assert (
        0 <= side * ((mid2 / 2) * (1 - side * 3e-4) - arrived["limit"]) < 1
    )  # the last tick within it
    assert parent.limit == arrived["limit"]
    filled = held(session, parent.limit)
    assert (parent.status, filled < 2000) == ("done", True)
    assert (
        f"{2000 - filled:,} of 2,000 lots unfilled within the limit of {parent.limit:,} ticks"
        in parent.reason
    )
    [analysis] = bodies(session, kinds.TCA, parent="p1")
    assert (analysis["limit"], analysis["filled"], analysis["unfilled"]) == (
        parent.limit,
        filled,
        2000 - filled,
    )
    assert Ledger.of(session.journal).parents.require("p1") == parent
    state = DeskState()
    for seq, entry in session.journal.read():
        state.apply(seq, entry)
    [row] = to_jsonable(state.report())["parents"]
    assert (row["limit_price"], row["limit"]) == ("-3bps", parent.limit)


def test_it_stays_where_it_was_when_another_session_goes_on():
    """25bps beyond the mid at arrival is a price from then on, wherever the market stands when work goes on."""
    journal = MemoryJournal()
    session = session_of(exchange_of(), journal)
    session.manager.accept(limited("-1bps", lots=2000, strategy="twap_passive"))
    session.run_until(session.now_ns + 60 * S)
    limit = session.ledger.parents.require("p1").limit
    mids = [session.followers["X"].mid2]
    for _ in range(2):
        session = session_of(session.venue, journal, warm_s=0, resume=True)
        session.run_until(session.now_ns + 60 * S)
        mids.append(session.followers["X"].mid2)
        assert session.ledger.parents.require("p1").limit == limit
    session.run(session.now_ns + 400 * S)
    assert len(set(mids)) > 1
    held(session, limit)
    assert (
        len(
            [
                body
                for body in bodies(session, kinds.PARENT, parent="p1")
                if body["event"] == "arrived"
            ]
        )
        == 1
    )


def test_it_is_amended_and_taken_off():
    session = session_of(exchange_of())
    began = session.now_ns
    session.manager.accept(limited("-40bps", lots=300, strategy="twap_take"))
    session.run_until(began + 60 * S)
    parent = session.ledger.parents.require("p1")
    assert parent.filled == 0
    session.manager.amend("p1", "ann: further", limit_price="-2bps")
    parent = session.ledger.parents.require("p1")
    assert (parent.limit_price, parent.limit) == (
        "-2bps",
        limit_at("-2bps", 1, 0.01, parent.arrival_mid2),
    )
    session.run_until(began + 120 * S)
    held(session, parent.limit)
    session.manager.amend("p1", "ann: any price", limit_price="none")
    parent = session.ledger.parents.require("p1")
    assert (parent.limit_price, parent.limit) == (None, 0)
    session.run(began + 400 * S)
    assert session.ledger.parents.require("p1").filled == 300


NONSENSE = [0, -1.0, float("nan"), True, "12", "6000bps", "cheap", [15.0], {"bps": 3}]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=str)
def test_nonsense_is_refused_and_told(nonsense):
    session = session_of(exchange_of(), warm_s=0)
    names = {field: getattr(asked(), field) for field in asked().__slots__}
    for number, (command, body) in enumerate(
        (
            ("submit", names | {"limit_price": nonsense}),
            ("submit", names),
            ("amend", {"parent": "p1", "limit_price": nonsense}),
        )
    ):
        told = {
            "id": number,
            "command": command,
            "body": body,
            "by": "ann",
            "reason": "",
            "wall_ns": 0,
        }
        carry_out(
            session.gateway,
            Entry(kinds.OPERATOR, session.now_ns, body=told),
            session.commands.execute,
        )
    refused = [entry.body for _, entry in session.journal.read(kinds=(kinds.ALERT,))]
    assert [(body["code"], body["operator"]) for body in refused] == [
        ("operator_refused", 0),
        ("operator_refused", 2),
    ]
    assert all("limit price" in body["text"] for body in refused)
    with pytest.raises(OrderError, match="limit price"):
        limited(nonsense)
