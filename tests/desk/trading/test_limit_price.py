"""A limit price at the desk: held at every decision, at the horizon, over restarts, and told wherever parents are."""

from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import WIDE, S, asked, exchange_of, session_of
from tests.parts import whole

from tercel.core.errors import OrderError
from tercel.core.ports import Entry
from tercel.core.price_limit import limit_at
from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.heartbeat import carry_out
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.chain import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.recorder import TcaRecorder


def limited(limit_price, **words):
    return replace(asked(**words), limit_price=limit_price)


def bodies(journal, kind, parent="p1"):
    return [entry.body for _, entry in journal.read(kinds=(kind,)) if entry.parent == parent]


def held(session, limit, id_="p1"):
    """No order left beyond the limit, and none without one; no fill lies beyond it. Lots filled."""
    parent = session.ledger.parents.must(id_)
    side = parent.order.side
    sent = [
        body
        for body in bodies(session.journal, kinds.ORDER_OUT, id_)
        if body["what"] in ("new", "replace")
    ]
    assert all(body["price"] is not None and side * (body["price"] - limit) <= 0 for body in sent)
    assert all(side * (whole(fill.px) - limit) <= 0 for fill in session.ledger.fills_of[id_])
    assert session.ledger.faults() == []
    return parent.filled


@pytest.mark.parametrize("strategy", ["twap_take", "twap_passive", "random", "immediate"])
@pytest.mark.parametrize("side", [1, -1])
def test_nothing_trades_beyond_it_and_what_is_left_is_told(strategy, side):
    session = session_of(exchange_of())
    recorder = TcaRecorder(session)
    session.accept(limited("-3bps", lots=2000, strategy=strategy, side=side))
    session.run(session.now_ns + 400 * S)
    session.run_until(session.now_ns + 70 * S)
    recorder.close()
    parent = session.ledger.parents.must("p1")
    [arrived] = [
        body for body in bodies(session.journal, kinds.PARENT) if body["event"] == "arrived"
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
    [analysis] = bodies(session.journal, kinds.TCA)
    assert (analysis["limit"], analysis["filled"], analysis["unfilled"]) == (
        parent.limit,
        filled,
        2000 - filled,
    )
    assert Ledger.of(session.journal).parents.must("p1") == parent
    state = DeskState()
    for seq, entry in session.journal.read():
        state.apply(seq, entry)
    [row] = to_jsonable(state.report())["parents"]
    assert (row["limit_price"], row["limit"]) == ("-3bps", parent.limit)


def test_a_price_is_the_last_tick_within_it():
    session = session_of(exchange_of())
    tick = session.listings["X"].tick
    bid = session.followers["X"].touch[0]
    session.accept(limited((bid + 0.7) * tick, lots=300, strategy="twap_take"))
    session.run(session.now_ns + 400 * S)
    assert session.ledger.parents.must("p1").limit == bid
    held(session, bid)


def test_it_stays_where_it_was_when_another_session_goes_on():
    """25bps beyond the mid at arrival is a price from then on, wherever the market stands when work goes on."""
    journal = MemoryJournal()
    session = session_of(exchange_of(), journal)
    session.accept(limited("-1bps", lots=2000, strategy="twap_passive"))
    session.run_until(session.now_ns + 60 * S)
    limit = session.ledger.parents.must("p1").limit
    mids = [session.followers["X"].mid2]
    for _ in range(2):
        session = session_of(session.venue, journal, warm_s=0, resume=True)
        session.run_until(session.now_ns + 60 * S)
        mids.append(session.followers["X"].mid2)
        assert session.ledger.parents.must("p1").limit == limit
    session.run(session.now_ns + 400 * S)
    assert len(set(mids)) > 1
    held(session, limit)
    assert len([body for body in bodies(journal, kinds.PARENT) if body["event"] == "arrived"]) == 1


def test_it_is_amended_and_taken_off():
    session = session_of(exchange_of())
    began = session.now_ns
    session.accept(limited("-40bps", lots=300, strategy="twap_take"))
    session.run_until(began + 60 * S)
    parent = session.ledger.parents.must("p1")
    assert parent.filled == 0
    session.amend("p1", "ann: further", limit_price="-2bps")
    parent = session.ledger.parents.must("p1")
    assert (parent.limit_price, parent.limit) == (
        "-2bps",
        limit_at("-2bps", 1, 0.01, parent.arrival_mid2),
    )
    session.run_until(began + 120 * S)
    held(session, parent.limit)
    session.amend("p1", "ann: any price", limit_price="none")
    parent = session.ledger.parents.must("p1")
    assert (parent.limit_price, parent.limit) == (None, 0)
    session.run(began + 400 * S)
    assert session.ledger.parents.must("p1").filled == 300


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
        carry_out(session.gateway, Entry(kinds.OPERATOR, session.now_ns, body=told), session._obey)
    refused = [entry.body for _, entry in session.journal.read(kinds=(kinds.ALERT,))]
    assert [(body["code"], body["operator"]) for body in refused] == [
        ("operator_refused", 0),
        ("operator_refused", 2),
    ]
    assert all("limit price" in body["text"] for body in refused)
    with pytest.raises(OrderError, match="limit price"):
        limited(nonsense)


def test_a_take_farther_than_the_collar_is_refused_and_told():
    """Limits look at the price of an order: one that may pay so much more than the mid is a slip."""
    session = session_of(exchange_of(), limits=WIDE.replace("collar_bps = 500", "collar_bps = 100"))
    session.accept(limited("300bps", lots=100, strategy="twap_take"))
    session.run(session.now_ns + 100 * S)
    working = session.ledger.parents.must("p1").row
    assert (working["status"], working["filled"], working["reason"]) == (
        "working",
        0,
        "refused: COLLAR",
    )
    session.run(session.now_ns + 300 * S)
    assert {body["code"] for body in bodies(session.journal, kinds.DENIED)} == {"COLLAR"}
    parent = session.ledger.parents.must("p1")
    assert (parent.filled, parent.refused) == (0, 100)
    assert parent.reason == "100 of 100 lots refused (COLLAR)"
    assert [body["code"] for body in bodies(session.journal, kinds.ALERT)] == ["refused"]


def test_a_parent_without_one_says_nothing_of_it():
    session = session_of(exchange_of())
    session.accept(asked(lots=50))
    session.run(session.now_ns + 400 * S)
    assert all(
        not body.keys() & {"limit", "limit_price"} for body in bodies(session.journal, kinds.PARENT)
    )
    assert (
        session.ledger.parents.must("p1").limit_price,
        session.ledger.parents.must("p1").limit,
    ) == (None, 0)
