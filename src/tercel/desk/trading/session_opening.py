"""Opening a trading session: journal folded, earlier orders reconciled with the venue, earlier parents continued.

    with open_session(venue, journal, LimitGate(...), strategies, latch=KillLatch(...)) as session:
        session.manager.accept(ParentRequest("p1", "AMZN", BUY, 500, horizon_ns, 60, "twap_passive", "ann"))
        session.run_until(ns)

A session that finds an earlier one's entries in its journal recovers first (`trading.reconciliation.recovery`). Parents
that were at work are then paused until a person resumes them, or continue at once with `resume`.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import chain
from typing import Any

from tercel.core.pool import Deadline
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.version import code_mark
from tercel.desk.limits import LimitGate
from tercel.desk.trading.gateway import OrderGateway, name_maker
from tercel.desk.trading.heartbeat import journal_failed_opening, session_entry
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.parent_orders.strategies import Strategies
from tercel.desk.trading.quote_memory import DeskRouter
from tercel.desk.trading.reconciliation.recovery import RecoveryLine, reconcile
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.reconciliation.snapshot import Snapshots, snapshots_of
from tercel.desk.trading.risk.cancels import LatchWatch
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.session import WATCH_FAILED, Session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.market.dealers.panel import load_panel


def open_session(
    venue: Venue,
    journal: Journal,
    limits: LimitGate,
    strategies: Strategies,
    terms: SessionTerms = SessionTerms(),  # noqa: B008 - it is frozen
    *,
    latch: Latch | None = None,
    on_operator: Callable[[Entry], bool] = lambda entry: False,
    request: Callable[[Mapping[str, Any]], ParentRequest] = lambda body: ParentRequest(**body),
) -> Session:
    """Open a session: fold the journal, recover what an earlier session left, and start the session's threads.

    Parameters
    ----------
    venue : Venue
    journal : Journal
        Held by this session alone, which closes it and the venue; if opening fails, they are the caller's to close.
    limits : LimitGate
        A fresh `limits.LimitGate`: it is given everything that the journal holds.
    strategies : Strategies
        Makes a strategy by name.
    terms : SessionTerms
    latch : Latch
        The kill latch; the same that `limits` asks.
    on_operator, request
        See `Session`.

    Raises
    ------
    VenueError
        The venue does not report what became of an earlier session's orders.
    JournalError
        The journal cannot be written.
    """
    snapshots = snapshots_of(journal, limits, refold)
    ledger = refold(journal, limits)
    gateway = OrderGateway(
        venue,
        journal,
        limits,
        ledger,
        name_maker(f"~{terms.name_tag}{ledger.next_session}."),
    )
    session = Session(gateway, strategies, terms, latch or Latch(), on_operator, request)
    with journal_failed_opening(gateway):
        session.value_at_risk.begin()
        session.recovered = _recover(session)
        if terms.panel and terms.dealers:
            session.quotes.router = DeskRouter(
                journal, load_panel(terms.panel), terms.dealers, terms.seed
            )
        for part in (
            session.manual,
            session.quotes,
            session.pairs,
            session.keeper,
            session.stopper,
        ):
            part.begin()
        _follow_held_instruments(session)
        _alert_what_differs(session)
        session.poll_kill_latch()
        session.manager.announce_all()
        _continue_parents(session)
        for entry in list(ledger.pending_commands.values()):
            carry_out(gateway, entry, session.commands.execute_late)
        _start_threads(session, snapshots)
    return session


def _recover(session: Session) -> list[RecoveryLine]:
    """Journal the session's start and reconcile orders of earlier sessions with the venue; a line for each."""
    gateway = session.gateway
    terms = session.terms
    live_before = {order.root: order for order in session.ledger.orders.live()}
    parent_count = session.ledger.parents.count
    gate = {"journal": terms.gate, "accounts": gateway.accounts} if terms.gate else None
    gateway.write([session_entry(gateway, terms.holder, terms.resume, dict(terms.desk), gate)])
    unsure = (
        session.ledger.acknowledged
        or session.venue.capabilities.connection is not None
        or session.positions.differences()
    )
    accounts = gateway.accounts if unsure else []
    lines = (
        reconcile(gateway, live_before, extra_accounts=accounts) if parent_count or accounts else []
    )
    session.positions.begin(wait=True)
    return lines


def _follow_held_instruments(session: Session) -> None:
    """Follow the markets of open positions, which have to be marked."""
    for instrument in chain.from_iterable(session.ledger.positions.qty().values()):
        if instrument in session.listings:
            session.follow(instrument)


def _alert_what_differs(session: Session) -> None:
    """Alert snapshots that were passed over, and a gate before the venue that runs another code version."""
    for reason in getattr(session.journal, "ignored", ()):
        session.gateway.alert("warning", "snapshot_ignored", reason)
    parents = session.venue.capabilities.parents
    if parents is not None and (gate_code := parents.code) and gate_code != code_mark():
        session.gateway.alert(
            "warning", "other_code", f"the gate runs {gate_code}, this desk {code_mark()}"
        )


def _continue_parents(session: Session) -> None:
    """End, expire or work the parents that an earlier session left open."""
    for parent in session.ledger.parents.open():
        if parent.status == ParentStatus.CANCELLING:
            session.manager.journal(parent, ParentEntry("cancelled", reason=parent.reason))
        elif not parent.over and parent.left == 0:
            session.manager.journal_done(parent)
        elif parent.status == ParentStatus.WORKING and parent.ends_ns > session.now_ns:
            session.manager.work(parent)
    session.manager.expire(begins=True)


def _start_threads(session: Session, snapshots: Snapshots | None) -> None:
    """Start the threads of decision times, snapshots and the kill latch, as far as there are any; none runs on if one
    does not start."""
    session.manager.decision_s = session.terms.decision_s
    if snapshots is not None:
        session.threads["no_snapshot"] = snapshots
    if session.terms.watch_s > 0:
        session.manager.deadline = Deadline()
        session.threads[WATCH_FAILED] = LatchWatch(
            session.poll_kill_latch,
            session.step_while_stalled,
            lambda: session.steps,
            session.terms.watch_s,
            session.alert_stall,
        )
    with ExitStack() as running:
        for thread in (session.manager.deadline, *session.threads.values()):
            if thread is not None:
                running.callback(thread.stop)  # first: an interrupt may come between the two
                thread.start()
        session.running_threads = running.pop_all()
