"""Charts against what the journal's entries say one by one; the replayed book against what strategies saw."""

import pytest
from tests.desk.console.test_past import journal_of
from tests.desk.trading.desk_of_two import asked, exchange_of, session_of
from tests.desk.trading.random_journals import Story

from benchmarks.busy_day import LISTED, MINUTE, S, a_day
from tercel.core.fixed_point import ONE
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console.chart import MAX_POINTS, book, chart
from tercel.desk.console.history import checkpoints, fold_until, restore_state
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.ledger import Ledger
from tercel.execution import columns as c


@pytest.mark.parametrize("seed", range(5))
def test_a_chart_has_the_fills_marks_and_orders_of_its_span(seed: int) -> None:
    story = Story(seed)
    story.entries[0] = Entry(
        kinds.SESSION, S, body={**story.entries[0].body, "listings": {"X": LISTED}}
    )
    for _ in range(700):
        story.step()
    entries, last = story.entries, story.entries[-1].ns
    from_ns, to_ns = last // 4, 3 * last // 4
    journal, past = journal_of(entries), checkpoints()
    fold_until(restore_state(journal, last, past), journal, last, past)
    found = to_jsonable(chart(journal, "X", from_ns, to_ns, past))
    ledger, marks = Ledger(), []
    for entry in entries:
        if entry.ns > to_ns:
            break
        ledger.apply(entry)
        if entry.kind == kinds.MARKET and entry.instrument == "X" and entry.ns >= from_ns:
            marks.append([entry.ns, entry.body["bid"] * 0.01, entry.body["ask"] * 0.01])
    stand = [one for one in ledger.orders.fills if one.instrument == "X" and from_ns <= one.ns]
    assert found["mid"] == [pytest.approx(one) for one in marks]
    keys = ("ns", "qty", "side", "agent", "parent", "price")
    twin = sorted(
        (one.ns, one.qty / ONE * 100, one.side, one.account, one.parent, one.px / ONE / 100)
        for one in stand
    )
    assert sorted(tuple(one[key] for key in keys) for one in found["fills"]) == twin
    live = [one for one in ledger.orders.live(instrument="X") if one.price is not None]
    assert sum(one["to_ns"] is None and one["price"] is not None for one in found["orders"]) == len(
        live
    )
    assert all(one["from_ns"] <= (one["to_ns"] or to_ns) for one in found["orders"])
    assert found["currency"] == "USD"
    assert to_jsonable(chart(journal, "X", from_ns, to_ns)) == found
    ends = {one["parent"]: one["points"][-1] for one in found["schedule"]}
    parents = [one for one in ledger.parents.open() if one.order.instrument == "X"]
    assert all(ends[one.id][1] == one.filled_qty / ONE * 100 for one in parents)
    assert {ends[one.id][0] for one in parents} <= {
        max(one.ns for one in entries if one.ns <= to_ns)
    }


def test_a_chart_is_thinned_and_shows_parents_against_their_schedule() -> None:
    entries = list(a_day(12_000, agents=2, instruments=1))
    found = to_jsonable(chart(journal_of(entries), "N0", 0, entries[-1].ns))
    assert max(len(found[name]) for name in ("mid", "fills", "orders")) == MAX_POINTS
    points = found["schedule"][5]["points"]
    assert [points[0][1], points[-1][1]] == [0.0, 100 * 100]
    assert points[-1][2] == pytest.approx(100 * 100 * 0.21 / 600)
    assert found["fills"][0]["ns"] < MINUTE < entries[-1].ns - MINUTE < found["fills"][-1]["ns"]


def test_the_replayed_book_is_the_one_that_strategies_saw() -> None:
    session = session_of(exchange_of(), seed=4)
    session.manager.accept(asked(lots=400, strategy="peg_behind", horizon_s=300, decisions=20))
    session.run(session.now_ns + 400 * S)
    tick, lot = session.listings["X"].tick, session.listings["X"].lot
    decisions = [entry for _, entry in session.journal.read(kinds=(kinds.DECISION,))]
    assert len(decisions) > 10
    for entry in (decisions[0], decisions[7], decisions[-1]):
        m = unpack(entry.blob)["m"].ravel()
        found = to_jsonable(book(session.journal, "X", entry.ns))
        assert found["ns"] == entry.ns
        assert [found["bids"][0][0], found["asks"][0][0]] == pytest.approx(
            [m[c.TOUCH] * tick, m[c.FAR] * tick]
        )
        assert [one[1] / lot for one in found["bids"][: c.LEVELS]] == m[
            c.OWN1 : c.OWN1 + c.LEVELS
        ].tolist()
        assert [one[1] / lot for one in found["asks"][: c.LEVELS]] == m[
            c.FAR1 : c.FAR1 + c.LEVELS
        ].tolist()
        assert len(found["heat"]["ns"]) == len(found["heat"]["qty"]) == decisions.index(entry) + 1
        bids = {price: qty for price, qty, _ in found["bids"]}
        last = dict(zip(found["heat"]["price"], found["heat"]["qty"][-1], strict=True))
        assert all(last[price] == qty for price, qty in bids.items())
    assert found["tape"]
    assert all(one["qty"] > 0 for one in found["tape"])
