"""How far may be traded: the table against a twin of it, reasons in any order, and the fold of them from a journal."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of

from tercel.core.child_order import Code, open_order
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    CancelOrder,
    LinkStatus,
    MassCancel,
    NewOrder,
    ReplaceOrder,
    StatusRequest,
    Tif,
)
from tercel.core.ports import Entry
from tercel.desk.limits import PAUSES
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Fill, Positions
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.refusals import refusal
from tercel.desk.trading.risk.trading_state import (
    PERMITS,
    REASONS,
    Act,
    Ends,
    ReasonScope,
    Sender,
    Standing,
    StateReason,
    TradingState,
    TradingStates,
    waiting_entry,
)

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "controls.md").read_text(
    encoding="utf-8"
)
ACTIVE, REDUCING, HALTED = TradingState
WHOSE = ("ann", "bob")
UNCLEAR = sorted(PAUSES | {str(Code.EXEC_CHANGED), str(Code.GAP)})
"""Codes of alerts over which an agent waits until it is clear what it holds."""


def new(side, lots):
    return NewOrder("o", "X", side, lots, 100, Tif.DAY, "ann", "p", 0)


def replaced(lots, price=100):
    return ReplaceOrder("r", "open", "X", -1, lots, price, "ann", "p", 0)


COMMANDS = {
    "buys": new(1, 1),
    "sells some": new(-1, 2),
    "sells too much": new(-1, 3),
    "more lots": replaced(9),
    "fewer lots": replaced(1),
    "the price moves": replaced(4, 99),
    "cancel": CancelOrder("c", "open", "X", -1, "ann", 0),
    "mass cancel": MassCancel("m", "ann", "", 0),
    "question": StatusRequest("open", "ann", 0),
}
"""To a book in which ann holds 6 lots and has a sale of 4 at 100 open."""
ALWAYS = {"cancel", "mass cancel", "question"}
REDUCES = {"sells some", "fewer lots", "the price moves"}
GROWS = COMMANDS.keys() - ALWAYS - REDUCES
TWIN = {
    (Sender.STRATEGY, ACTIVE): GROWS | REDUCES | ALWAYS,
    (Sender.STRATEGY, REDUCING): REDUCES | ALWAYS,
    (Sender.STRATEGY, HALTED): ALWAYS,
    (Sender.MANAGER, ACTIVE): REDUCES | ALWAYS,
    (Sender.MANAGER, REDUCING): REDUCES | ALWAYS,
    (Sender.MANAGER, HALTED): ALWAYS,
    (Sender.PERSON, ACTIVE): GROWS | REDUCES | ALWAYS,
    (Sender.PERSON, REDUCING): REDUCES | ALWAYS,
    (Sender.PERSON, HALTED): ALWAYS,
    (Sender.STOPPER, ACTIVE): ALWAYS,
    (Sender.STOPPER, REDUCING): ALWAYS,
    (Sender.STOPPER, HALTED): ALWAYS,
}
STANDING = {
    ACTIVE: Standing(),
    REDUCING: Standing(REDUCING, "ORDERS_OPEN", "o1 is open", (StateReason.ORDERS_OPEN,)),
    HALTED: Standing(HALTED, "KILLED", "runaway", (StateReason.KILLED,)),
}


@pytest.mark.parametrize(("sender", "state"), TWIN)
def test_who_may_send_what_in_which_state(sender, state):
    orders, held = Orders(), Positions()
    held.book(Fill("E", "o", "p", "ann", "X", 1, 6 * ONE, 100 * ONE, 0, False))
    orders._add(open_order(NewOrder("open", "X", -1, 4, 100, Tif.DAY, "ann", "p", 0)))
    refused = {
        name: refusal(sender, one, STANDING[state], orders, held) for name, one in COMMANDS.items()
    }
    assert {name for name, why in refused.items() if why is None} == TWIN[sender, state]
    codes = {why.code for why in refused.values() if why is not None}
    expected = {ACTIVE: "NOT_PERMITTED", REDUCING: "REDUCING", HALTED: "KILLED"}[state]
    assert codes <= {expected}


# -- reasons, in any order --------------------------------------------------------------------------------------------
keys = st.tuples(
    st.sampled_from(list(StateReason)), st.sampled_from(WHOSE), st.sampled_from(["", "a", "b"])
)


def key_of(reason, whose, cause):
    return reason, "" if REASONS[reason].scope is ReasonScope.DESK else whose, cause


@given(st.lists(st.tuples(st.booleans(), keys, st.booleans()), max_size=30))
def test_the_state_is_the_worst_of_the_reasons_that_stand(steps):
    states, twin = TradingStates(), dict[tuple, str]()
    for number, (adds, key, whole) in enumerate(steps):
        reason, whose, cause = key_of(*key)
        if adds:
            states.add(reason, f"{number}", whose, cause)
            twin[reason, whose, cause] = f"{number}"
        else:
            states.end(reason, whose, None if whole else cause)
            gone = {
                one for one in twin if one[:2] == (reason, whose) and (whole or one[2] == cause)
            }
            twin = {one: text for one, text in twin.items() if one not in gone}
        for scope, who in product((ReasonScope.ACCOUNT, ReasonScope.PARENT), (*WHOSE, "eve")):
            mine = [one for one in twin if REASONS[one[0]].scope is ReasonScope.DESK
                    or (REASONS[one[0]].scope is scope and one[1] == who)]  # fmt: skip
            found = [
                state
                for state in (HALTED, REDUCING)
                if any(REASONS[one[0]].state is state for one in mine)
            ]
            standing = states.standing(who, scope)
            assert standing.state is (found[0] if found else ACTIVE)
            assert set(standing.reasons) == {one[0] for one in mine}
            if mine:
                assert REASONS[StateReason(standing.code)].state is standing.state
                assert standing.reason == "; ".join(dict.fromkeys(
                    text for one, text in twin.items() if one[0] == standing.code and one[1] in ("", who)))  # fmt: skip


# -- the fold against a twin ------------------------------------------------------------------------------------------
def alert(code, severity="critical", agent="", text="why", **more):
    return Entry(
        kinds.ALERT,
        0,
        agent=agent,
        order="o",
        body={"severity": severity, "code": code, "text": text} | more,
    )


def link(up, text=""):
    return entry_in(LinkStatus(up, 0, text))


def told(whose):
    """Entries by what they do to the reasons that stand: (adds, ends)."""
    kill = {"event": "latched", "scope": whose, "by": "eve", "reason": "runaway", "open": 0}
    shut = {(StateReason.POSITIONS_DIFFER, ""), (StateReason.POSITIONS_UNKNOWN, "")}
    return [
        (link(False), {(StateReason.LINK_DOWN, "")}, set()),
        (link(True), set(), {(StateReason.LINK_DOWN, "")}),
        (alert("POSITIONS_DIFFER"), {(StateReason.POSITIONS_DIFFER, "")}, shut),
        (alert("POSITIONS_UNKNOWN"), {(StateReason.POSITIONS_UNKNOWN, "")}, shut),
        (alert("POSITIONS_UNKNOWN", "warning"), set(), shut),
        (alert("POSITIONS_AGREE", "info"), set(), shut),
        (alert("link_down"), set(), set()),
        (alert("POSITIONS_UNCHECKED"), set(), set()),
        *((alert(code, agent=whose, stops="until"), {(StateReason.STOPPED, whose)}, set()) for code in UNCLEAR),
        (Entry(kinds.KILL, 0, agent=whose, body=kill), {(StateReason.KILLED, whose)}, set()),
        (Entry(kinds.REARM, 0, agent=whose, body={}), set(),
         {(StateReason.KILLED, whose), (StateReason.STOPPED, whose)}),
        (Entry(kinds.REARM, 0, agent=whose, body={"ends": UNCLEAR}), set(), {(StateReason.STOPPED, whose)}),
        (waiting_entry(whose, ["o1", "o2"], "open", 0), {(StateReason.ORDERS_OPEN, whose)}, set()),
        (waiting_entry(whose, [], "", 0), set(), {(StateReason.ORDERS_OPEN, whose)}),
        (Entry(kinds.SESSION, 0, body={"session": 2}), set(),
         {(reason, who) for reason in StateReason if Ends.SESSION in REASONS[reason].ends for who in ("", *WHOSE)}),
    ]  # fmt: skip


TOLD = [one for whose in WHOSE for one in told(whose)]


@given(st.lists(st.sampled_from(TOLD), max_size=40))
def test_the_fold_holds_what_entries_began_and_did_not_end(entries):
    states, twin = TradingStates(), set()
    for entry, adds, ends in entries:
        states.apply(entry)
        twin = (twin - ends) | adds
        assert {(key[0], key[1]) for key in states._texts} == twin
        assert {row.account for row in states.rows()} == {whose for _, whose in twin}


# -- the fold against a session that lives ----------------------------------------------------------------------------
def journaled(states):
    return {key: text for key, text in states._texts.items() if REASONS[key[0]].journal}


class Watched(MemoryJournal):
    """A journal that remembers how far its session might trade after each entry."""

    def __init__(self):
        super().__init__()
        self.stood = {}


def lived(journal, session):
    """Follow a session: what stands after each write."""
    write = session.gateway.write

    def watched(entries, *, sync=True):
        write(entries, sync=sync)
        journal.stood[journal.last] = journaled(session.gateway.states)

    session.gateway.write = watched
    return session


def test_every_prefix_of_a_journal_folds_to_what_stood_live():
    """Kills, a re-arm, a cut way, fills that nobody asked for, a pause; then a session after it."""
    journal, latch, venue = Watched(), Latch(), exchange_of()
    session = lived(journal, session_of(venue, journal, latch=latch))
    for name, agent in (("p1", "ann"), ("p2", "bob")):
        session.manager.accept(asked(name, agent=agent))
    session.run_until(session.now_ns + 60 * S)
    latch.kill("a drill", "eve", session.now_ns, ["ann"])
    session.run_until(session.now_ns + 10 * S)
    assert session.gateway.states.standing("ann").code == "KILLED"
    assert session.gateway.states.standing("bob").state is ACTIVE
    for up in (False, True):
        session.record_events([LinkStatus(up, session.now_ns, "cut")])
        assert session.gateway.states.standing("bob").state is (ACTIVE if up else HALTED)
        session.step(session.now_ns + S)
    session.gateway.write([alert("exec_changed", agent="bob", stops="until positions agree")])
    session.run_until(session.now_ns + 5 * S)
    latch.rearm("seen", "eve", session.now_ns, ["ann"])
    session.run_until(session.now_ns + 10 * S)
    assert session.gateway.states.standing("ann").state is ACTIVE
    latch.kill("again", "eve", session.now_ns)
    session.run_until(session.now_ns + 10 * S)
    assert session.gateway.states.standing("bob").reasons == (
        StateReason.KILLED,
        StateReason.STOPPED,
    )
    assert len(journal.stood) > 20
    folded = Ledger()
    for seq, entry in journal.read():
        folded.apply(entry)
        if seq in journal.stood:
            assert journaled(folded.states) == folded.states._texts == journal.stood[seq], seq
    assert any(journal.stood.values())
    assert not all(journal.stood.values())
    after = session_of(venue, journal, latch=latch, warm_s=0)
    assert after.gateway.states.standing("bob").reasons == (
        StateReason.KILLED,
        StateReason.STOPPED,
    ), "a restart forgets neither"


# -- the page ----------------------------------------------------------------------------------------------------------
def table(head):
    """Rows of the table with this head, as cells."""
    lines = PAGE[PAGE.index(head) :].splitlines()[2:]
    rows = lines[
        : next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    ]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_the_page_has_the_tables_of_the_code():
    permitted = [
        [
            str(sender),
            *(str(last) if last else "never" for last in (PERMITS[sender][act] for act in Act)),
        ]
        for sender in Sender
    ]
    assert table("| Sender |") == permitted
    reasons = [
        [f"`{one}`", str(terms.state), str(terms.scope), terms.description,
         ", ".join(terms.ends) or "nothing", terms.journal or "not journaled"]
        for one, terms in REASONS.items()
    ]  # fmt: skip
    assert table("| Reason |") == reasons
