"""The life of an order by its table of transitions: every state, every event, every status that a report may carry."""

from dataclasses import replace
from itertools import product

import pytest

from tercel.core.child_order import (
    Code,
    add_request,
    apply_reject,
    apply_report,
    mark_unknown,
    open_order,
)
from tercel.core.fixed_point import ONE
from tercel.core.lifecycle import TRANSITIONS, ends_order, next_base_state, update_count
from tercel.core.orders import (
    HELD,
    REBOOKS,
    TERMINAL,
    CancelOrder,
    CancelReject,
    ExecType,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
    working_status,
)

S, X = OrdStatus, ExecType
EVENTS = "new trade replaced restated busted corrected canceled expired rejected suspended stopped done_for_day calculated"
TABLE = """
pending_new      live live live live live live canceled expired rejected suspended stopped done_for_day calculated
new              live live live live live live canceled expired rejected suspended stopped done_for_day calculated
partially_filled live live live live live live canceled expired rejected suspended stopped done_for_day calculated
suspended        live live live live live live canceled expired rejected suspended stopped done_for_day calculated
stopped          live live live live live live canceled expired rejected suspended stopped done_for_day calculated
done_for_day     live live live live live live canceled expired rejected suspended stopped done_for_day calculated
calculated       live live live live live live canceled expired rejected suspended stopped done_for_day calculated
unknown          live -    live -    -    -    canceled expired rejected -         -       -            -
filled           -    -    -    -    -    -    -        -       -        -         -       -            -
canceled         -    -    -    -    -    -    -        -       -        -         -       -            -
expired          -    -    -    -    -    -    -        -       -        -         -       -            -
rejected         -    -    -    -    -    -    -        -       -        -         -       -            -
"""
"""Rows: OrdStatus (39); columns: ExecType (150). `live`: new, or partially_filled once lots are booked; -: it stays."""
ROWS = {
    S(base): dict(zip(map(X, EVENTS.split()), cells, strict=True))
    for base, *cells in map(str.split, TABLE.strip().splitlines())
}
PENDING = {X.PENDING_NEW, X.PENDING_CANCEL, X.PENDING_REPLACE}
LOTS, LAST_NS = 10, 5
RUNS = {S.NEW, S.PARTIALLY_FILLED, *HELD}


def order(base=S.NEW, cum=0, **more):
    new = open_order(NewOrder("o", "X", 1, LOTS, 100, Tif.DAY, "a", "p", 0))
    return replace(new, base=base, cum_qty=cum * ONE, last_ns=LAST_NS, **more)


def report(kind, status, cum=0, leaves=0, ns=LAST_NS + 1, lots=LOTS):
    last = (ONE, 100 * ONE) if kind is X.TRADE else (0, 0)
    return Report("e", kind, status, "o", "", "1", "a", "X", 1, lots, 100, *last, cum * ONE, leaves * ONE, ns)  # fmt: skip


def expected(before, word, cum_qty):
    """The table, and what a report's status, count and time add to it."""
    kind, base, late = word.exec_type, before.base, word.ns < before.last_ns
    cell = ROWS[base].get(kind, "-")
    after = {"live": S.NEW, "-": base}.get(cell) or S(cell)
    if base is S.UNKNOWN and kind is X.NEW and word.lots < before.lots:
        after = S.UNKNOWN
    if base is S.FILLED:
        taken = kind in REBOOKS and cum_qty < LOTS * ONE
        raised = kind in (X.REPLACED, X.RESTATED) and word.cum_qty >= cum_qty
        newer = word.ns > before.last_ns and word.status not in TERMINAL
        if taken and word.status in TERMINAL:
            after = word.status
        elif word.leaves_qty and (taken or raised or newer):
            after = S.NEW if raised and kind is X.REPLACED else S.UNKNOWN
    elif base in TERMINAL and kind is X.REPLACED and word.status not in TERMINAL:
        if word.leaves_qty and not late and word.cum_qty >= cum_qty:
            after = S.UNKNOWN
    if after in RUNS:
        after = word.status if word.status in HELD else after
        after = base if late and base in RUNS else after
    if after not in TERMINAL and word.status is S.FILLED:
        after = S.FILLED
    return working_status(cum_qty) if after in (S.NEW, S.PARTIALLY_FILLED) else after


def test_the_table_is_that_of_the_module():
    assert set(ROWS) == set(TRANSITIONS) == set(S) - {S.PENDING_CANCEL, S.PENDING_REPLACE}
    assert set(X) - PENDING - {X.STATUS} == set(ROWS[S.NEW])
    for base, row in ROWS.items():
        names = {kind: "live" if to is S.NEW else to.value for kind, to in TRANSITIONS[base].items()}  # fmt: skip
        assert names == {kind: cell for kind, cell in row.items() if cell != "-"}


@pytest.mark.parametrize("base", ROWS)
def test_every_report_leads_where_the_table_says(base):
    kinds = [X.PENDING_CANCEL, *ROWS[S.NEW]]
    statuses = (S.NEW, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.SUSPENDED, S.PENDING_CANCEL)
    for cum, leaves in ((0, 0), (0, LOTS), (4, 0), (4, 6), (LOTS, 0), (LOTS, 1)):
        before = order(base, cum)
        for kind, status, ns in product(kinds, statuses, (4, 5, 6)):
            word = report(kind, status, cum, leaves, ns, lots=8 if ns == LAST_NS else LOTS)
            after, _ = apply_report(before, word)
            assert after.base is expected(before, word, after.cum_qty), (base, word)


CAUTIOUS = """
                 new  trade replaced restated busted corrected canceled expired rejected suspended status
new              -    -     -        -        -      -         -        -       -        -         -
canceled         -    -     -        -        -      -         canceled canceled canceled -        canceled
expired          -    -     -        -        -      -         expired  expired expired  -         expired
filled           filled filled filled filled  filled filled    filled   filled  filled   filled    filled
rejected         -    -     -        -        -      -         -        -       rejected -         rejected
unknown          -    -     -        -        -      -         -        -       -        -         -
"""
"""How limits take an end of an order that has not been reported yet. Rows: OrdStatus (39), columns: ExecType (150);
-: it lives."""


@pytest.mark.parametrize("base", ROWS)
def test_limits_end_an_order_only_where_status_and_reason_agree(base):
    kinds, *rows = map(str.split, CAUTIOUS.strip().splitlines())
    for (said, *cells), cum in product(rows, (0, 4)):
        for kind, cell in zip(map(X, kinds), cells, strict=True):
            if base in TERMINAL:
                continue
            word = report(kind, S(said), cum, LOTS - cum)
            after = next_base_state(base, word, cum * ONE, cum * ONE, LOTS, cautious=True)
            ends = cell != "-" and (S(cell) is not S.REJECTED or base is S.PENDING_NEW)
            assert (after is S(cell)) if ends else after not in TERMINAL, (base, word)
            old = replace(word, ns=3)
            after = next_base_state(
                base, old, cum * ONE, cum * ONE, LOTS, recounted_ns=4, cautious=True
            )
            ends &= said != "filled" and kind is not X.STATUS
            assert (after is S(cell)) if ends else after not in TERMINAL, (base, old)


def test_limits_open_a_filled_order_again_only_for_lots_that_are_not_booked():
    for cum, kind, leaves, young in product((4, LOTS), ROWS[S.NEW], (0, 1), (0, 1)):
        word = report(kind, S.NEW, cum if young else 0, leaves)
        after = next_base_state(S.FILLED, word, cum * ONE, cum * ONE, LOTS, cautious=True)
        changes = kind in (*REBOOKS, X.RESTATED) or (kind is X.REPLACED and young)
        assert (after not in TERMINAL) == bool(changes and leaves and cum < LOTS), (cum, word)
        accepts = kind is X.REPLACED and young and leaves and cum < LOTS
        for over, last_ns in product((S.CANCELED, S.EXPIRED, S.REJECTED), (LAST_NS, 7)):
            after = next_base_state(over, word, cum * ONE, cum * ONE, LOTS, last_ns, cautious=True)
            assert after is (S.UNKNOWN if accepts and last_ns <= word.ns else over)


@pytest.mark.parametrize("status", S)
def test_limits_take_an_order_for_acknowledged_by_any_status_that_says_so(status):
    word = report(X.PENDING_CANCEL, status)
    after = next_base_state(S.PENDING_NEW, word, 0, 0, LOTS, cautious=True)
    silent = status in (S.PENDING_NEW, S.UNKNOWN, S.REJECTED)
    assert after is (S.PENDING_NEW if silent else S.FILLED if status is S.FILLED else S.NEW)


@pytest.mark.parametrize("base", ROWS)
def test_a_lost_link_and_a_reject_leave_what_lives_unknown(base):
    over, asked = base in TERMINAL, replace(order(base), pending=())
    assert mark_unknown(asked).base is (base if over else S.UNKNOWN)
    for status in S:
        after, notices = apply_reject(asked, CancelReject("c", "o", "a", status, 6))
        gone = not over and (status in TERMINAL or status is S.UNKNOWN)
        assert after.base is (S.UNKNOWN if gone else base)
        assert [notice.code for notice in notices][1:] == [Code.UNKNOWN] * gone


@pytest.mark.parametrize("base", ROWS)
def test_a_request_in_flight_shows_where_the_order_trades(base):
    bigger = add_request(order(base), ReplaceOrder("r", "o", "X", 1, 15, 101, "a", "p", 6))
    both = add_request(bigger, CancelOrder("c", "o", "X", 1, "a", 7))
    shows = base in RUNS
    assert bigger.status is (S.PENDING_REPLACE if shows else base)
    assert both.status is (S.PENDING_CANCEL if shows else base)
    assert both.open_qty == 15 * ONE
    assert not both.settled


def ended(cum):
    """An order of 10 lots that ended after a fill, with replaces to 15 and to 4 lots on their way."""
    asked = order()
    for name, lots in (("r", 15), ("q", 4)):
        asked = add_request(asked, ReplaceOrder(name, "o", "X", 1, lots, 101, "a", "p", 6))
    status = S.FILLED if cum == LOTS else S.CANCELED
    return apply_report(replace(asked, cum_qty=cum * ONE), report(X.STATUS, status, cum))[0]


@pytest.mark.parametrize("cum", [3, 4, LOTS])
def test_an_order_that_ended_waits_for_replaces_that_would_open_lots(cum):
    over = ended(cum)
    assert [asked.cl_ord_id for asked in over.pending] == (["r", "q"] if cum < 4 else ["r"])
    assert over.open_qty == (15 - cum) * ONE
    assert mark_unknown(over).pending == over.pending
    refuses = CancelReject("r", "o", "a", over.base, 7)
    left, _ = apply_reject(over, refuses)
    assert left.open_qty == (ONE if cum < 4 else 0)
    assert left.settled == (cum >= 4)


@pytest.mark.parametrize("status", S)
def test_a_refused_cancel_of_an_order_that_ended_answers_what_was_sent_before_it(status):
    over = add_request(ended(3), CancelOrder("c", "q", "X", 1, "a", 8))
    over = add_request(over, ReplaceOrder("later", "q", "X", 1, 12, 101, "a", "p", 9))
    left, _ = apply_reject(over, CancelReject("c", "q", "a", status, 10))
    ends = status in TERMINAL - {S.REJECTED}
    assert [asked.cl_ord_id for asked in left.pending] == ["r", "q", "later"][2 * ends :]


@pytest.mark.parametrize("base", ROWS)
def test_an_answer_settles_what_is_unknown_and_nothing_that_has_ended(base):
    for status in S:
        after = apply_report(order(base), report(X.STATUS, status))[0].base
        if base in TERMINAL or status in (S.UNKNOWN, S.PENDING_NEW):
            assert after is base
        else:
            assert after is (status if status in TERMINAL | HELD else S.NEW)


def test_counts_from_before_a_bust_are_void():
    bust, old = report(X.BUSTED, S.NEW, 3, ns=9), report(X.TRADE, S.FILLED, LOTS, ns=8)
    assert update_count(7 * ONE, 5, bust) == (3 * ONE, 9)
    assert update_count(3 * ONE, 9, old) == (3 * ONE, 9)
    assert update_count(7 * ONE, 5, old) == (LOTS * ONE, 5)
    assert (
        ends_order(old, 9),
        ends_order(old, 8),
        ends_order(replace(old, status=S.CANCELED), 9),
    ) == (
        False,
        True,
        True,
    )
