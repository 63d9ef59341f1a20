"""One definition of what a parent cost: the analysis, the desk and the console say the same figures."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of

from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.desk.trading.tca.shortfall import Shortfall, by_filled

MOST = 999_999
"""More lots than any limit of the desk of two lets out."""


def of(session, kind):
    return [entry for _, entry in session.journal.read(kinds=(kind,))]


def test_lots_that_limits_refuse_are_no_execution_and_do_not_pass_unsaid() -> None:
    """A parent of 999,999 lots whose every order is denied: nothing filled, all refused, and somebody is told."""
    session = session_of(exchange_of())
    recorder = TcaRecorder(session)
    session.accept(asked(lots=MOST, strategy="immediate"))
    session.run(session.now_ns + 400 * S)
    recorder.close()
    parent = session.ledger.parents.must("p1")
    assert (parent.filled, parent.refused, parent.left) == (0, MOST, MOST)
    [analysis] = of(session, kinds.TCA)
    assert analysis.body["filled"] == 0
    assert analysis.body["refused"] == MOST
    assert analysis.body["is_bps"] is None
    assert analysis.body["opportunity_bps"] is None
    assert by_filled([analysis.body]) == (None, None)
    told = [entry for entry in of(session, kinds.ALERT) if entry.parent == "p1"]
    assert any(
        "999,999" in entry.body["text"] and entry.body["code"] == "refused" for entry in told
    )
    [done] = [entry for entry in of(session, kinds.PARENT) if entry.body["event"] == "done"]
    assert done.body["refused"] == MOST
    assert parent.reason == "999,999 of 999,999 lots refused (ORDER_LOTS)"


def test_what_is_denied_once_and_filled_later_is_not_refused() -> None:
    session = session_of(exchange_of())
    session.accept(asked(lots=6000, strategy="twap_take", horizon_s=600))
    session.run(session.now_ns + 300 * S)
    parent = session.ledger.parents.must("p1")
    assert parent.filled > 0
    assert parent.refused == 0


def test_the_console_weighs_by_what_was_filled() -> None:
    """One parent filled whole at 10 bps, one of a million lots that was refused: the desk's cost is 10 bps."""
    state = DeskState()
    bodies = [
        Shortfall(1, 100, 100, 0, 2000, 2000, 100 * 2002, 0),
        Shortfall(1, MOST, 0, MOST, 2000, 2010, 0, 0),
    ]
    for seq, (name, cost) in enumerate(zip(("a", "b"), bodies, strict=True)):
        for number, body in enumerate(
            (
                {
                    "event": "accepted",
                    "side": 1,
                    "lots": cost.quantity,
                    "horizon_ns": S,
                    "strategy": "x",
                },
                cost.to_dict(1.0),
            )
        ):
            kind = kinds.FEEDBACK if number else kinds.PARENT
            state.apply(2 * seq + number, entry_of(kind, name, body))
    shown = to_jsonable(state.report())
    assert shown["summary"]["is_bps"] == pytest.approx(10.0)
    assert shown["summary"]["refused"] == MOST
    parents = {row["parent"]: row for row in shown["parents"]}
    assert parents["b"]["is_bps"] is None
    assert parents["b"]["refused"] == MOST
    assert [row["is_bps"] for row in shown["agents"]] == [pytest.approx(10.0)]


def entry_of(kind, parent, body):
    from tercel.core.ports import Entry

    return Entry(kind, S, "X", "ann", parent, body={"decisions": 1, **body})


COUNT = st.integers(0, 10**7)


@given(
    st.sampled_from([-1, 1]),
    COUNT,
    COUNT,
    COUNT,
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    COUNT,
    COUNT,
)
def test_fills_opportunity_and_refusals_are_the_whole(
    side, filled, open_, refused, m0, end, paid2, fees
) -> None:
    cost = Shortfall(side, filled + open_ + refused, filled, refused, m0, end, paid2, fees)
    assert cost.fills + cost.opportunity + cost.refusal == cost.whole
    by_hand = side * (paid2 + end * (open_ + refused) - m0 * (filled + open_ + refused)) + fees
    assert cost.whole == by_hand
    assert math.isnan(cost.is_bps) == (filled == 0)
    assert math.isnan(cost.opportunity_bps) == (open_ == 0)


def test_means_weigh_by_money_filled() -> None:
    rows = [
        {"is_bps": 1.0, "notional": 300.0},
        {"is_bps": 5.0, "notional": 100.0},
        {"is_bps": None, "notional": 0.0},
    ]
    mean, _ = by_filled(rows)
    assert mean == pytest.approx(2.0)
    assert np.isfinite(mean)
