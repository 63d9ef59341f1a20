"""Trading session: works parent orders by strategies at a venue, through one gateway, with a journal.

    session = Session(venue, journal, LimitGate(...), strategies, latch=KillLatch(...))
    session.accept(ParentRequest("p1", "AMZN", BUY, 500, horizon_ns, 60, "twap_passive", "ann"))
    session.run_until(ns)

A session that finds an earlier one's entries in its journal recovers first (`trading.reconciliation.recovery`). Parents
that were at work are then paused until a person resumes them, or continue at once with `resume`.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from tercel.core.errors import OrderError, TapeError, VenueError, suggest_name
from tercel.core.orders import Holdings, LinkStatus, MarketRows, Unread, VenueEvent
from tercel.core.pool import Deadline
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.version import code_mark
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.limits import LimitGate
from tercel.desk.trading.email_alerts import AlertMailer
from tercel.desk.trading.emergency import cancel_and_log_open, check_store
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import heartbeat_entries, session_entry
from tercel.desk.trading.inbox import carry_out, take_inbox
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.operator_commands import CommandTargets, OperatorCommands
from tercel.desk.trading.parent_orders.follower import Follower, follower_of
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.manual import ManualTrading
from tercel.desk.trading.parent_orders.pairs import PairTrading
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.parent_orders.strategies import Strategies
from tercel.desk.trading.quote_memory import DeskRouter
from tercel.desk.trading.quote_requests import QuoteRequests
from tercel.desk.trading.reconciliation.inquiry import Inquiry
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.reconciliation.recovery import RecoveryLine, reconcile
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.reconciliation.snapshot import snapshots_of
from tercel.desk.trading.reconnection import Reconnection
from tercel.desk.trading.risk.cancels import AGAIN_NS, FIRST_S, KillCanceller, LatchWatch
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.desk.trading.risk.money import VarMonitor
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.desk.trading.session_terms import SessionTerms
from tercel.market.dealers.panel import load_panel

RECONNECT_PAUSE_S: Final = 0.05
"""Seconds between two attempts to reach a venue again."""


class Session:
    """One run of a desk at a venue: recovers, works parents by strategies and people's commands, until it is closed.

    Parameters
    ----------
    venue : Venue
    journal : Journal
        Held by this session alone.
    limits : LimitGate
        A fresh `limits.LimitGate`: it is given everything that the journal holds.
    strategies : Strategies
        Makes a strategy by name.
    terms : SessionTerms
    latch : Latch
        The kill latch; the same that `limits` asks.
    on_operator : callable
        Called with operators' commands that this session does not know; returns True if it has executed one.
    request : callable
        Makes the request for a parent order from a person's fields, with the desk's defaults for missing ones.

    Raises
    ------
    VenueError
        The venue does not report what became of an earlier session's orders.
    JournalError
        The journal cannot be written.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        limits: LimitGate,
        strategies: Strategies,
        terms: SessionTerms = SessionTerms(),  # noqa: B008 - it is frozen
        *,
        latch: Latch | None = None,
        on_operator: Callable[[Entry], bool] = lambda entry: False,
        request: Callable[[Mapping[str, Any]], ParentRequest] = lambda body: ParentRequest(**body),
    ) -> None:
        self.venue = venue
        self.journal = journal
        self.limits = limits
        self.name_tag = terms.name_tag
        self._heartbeat_ns = terms.heartbeat_ns
        self.request = request
        self._backlog: list[VenueEvent] = []
        self._has_turned = False
        self._steps = 0
        self._name_numbers = count(1)
        self._cancelled_ns = 0
        self._last_heartbeat_ns = 0
        self._snapshots = snapshots_of(journal, limits, refold)
        self.ledger = refold(journal, limits)
        self.number = self.ledger.next_session
        self.gateway = OrderGateway(venue, journal, limits, self.ledger, self._next_name)
        self._link = Reconnection(self.gateway)
        self.positions = PositionKeeper(self.gateway, self._agents)
        self._risk = VarMonitor(self.gateway)
        self.recovered = self._recover(terms)
        """Reconciliation of the orders of earlier sessions."""
        self.listings = {listing.instrument: listing for listing in venue.listings()}
        self.followers: dict[str, Follower] = {}
        latch = Latch() if latch is None else latch
        self.stopper = KillCanceller(self.gateway, latch, self._next_name)
        self.inquiry = Inquiry(self.gateway, self._agents, self._next_name, self.positions.begin)
        self.keeper = LimitKeeper(self.gateway, latch, self._poll_kill_latch)
        self.manager = manager = ParentOrderManager(
            self.gateway,
            self.stopper,
            strategies,
            self.follow,
            self._next_name,
            seed=terms.seed,
            warmup_s=terms.warmup_s,
        )
        self.accept = manager.accept
        self.guide = manager.guide
        self.pause = manager.pause
        self.resume = manager.resume
        self.cancel = manager.cancel
        self.amend = manager.amend
        self.manual = ManualTrading(manager, self._next_name)
        router = None
        if terms.panel and terms.dealers:
            router = DeskRouter(journal, load_panel(terms.panel), terms.dealers, terms.seed)
        self.quotes = QuoteRequests(manager, self._next_name, terms.dealers, router)
        self.pairs = PairTrading(manager, self._next_name)
        targets = CommandTargets(
            manager,
            self.manual,
            self.quotes,
            self.pairs,
            self.keeper,
            self.positions,
            self.record_events,
            request,
        )
        self.commands = OperatorCommands(targets, on_operator)
        """Operators' commands by name."""
        self._latch_watch: LatchWatch | None = None
        self._deadline = Deadline() if terms.watch_s > 0 else None
        self.mailer: AlertMailer | None = None
        """Its failures are journaled; set and stopped by who opens the desk."""
        self.keeper.begin()
        self.stopper.begin()
        self._follow_held_instruments()
        self._alert_what_differs()
        self._poll_kill_latch()
        manager.announce_all()
        self._continue_parents()
        for entry in list(self.ledger.pending_commands.values()):
            carry_out(self.gateway, entry, self.commands.execute_late)
        manager.deadline = self._deadline
        manager.decision_s = terms.decision_s
        self._start_threads(terms.watch_s)

    def _recover(self, terms: SessionTerms) -> list[RecoveryLine]:
        """Journal the session's start and reconcile orders of earlier sessions with the venue; a line for each."""
        live_before = {order.root: order for order in self.ledger.orders.live()}
        parent_count = self.ledger.parents.count
        gate = {"journal": terms.gate, "accounts": self._agents()} if terms.gate else None
        self.gateway.write(
            [session_entry(self.gateway, terms.holder, terms.resume, dict(terms.desk), gate)]
        )
        unsure = (
            self.ledger.acknowledged
            or self.venue.capabilities.connection is not None
            or self.positions.differences()
        )
        agents = self._agents() if unsure else []
        lines = (
            reconcile(self.gateway, self._next_name, live_before, extra_accounts=agents)
            if parent_count or agents
            else []
        )
        self.positions.begin(wait=True)
        return lines

    def _follow_held_instruments(self) -> None:
        """Follow the markets of open positions, which have to be marked."""
        for quantities in self.ledger.positions.qty().values():
            for instrument in quantities:
                if instrument in self.listings:
                    self.follow(instrument)

    def _alert_what_differs(self) -> None:
        """Alert snapshots that were passed over, and a gate before the venue that runs another code version."""
        for reason in getattr(self.journal, "ignored", ()):
            self.gateway.alert("warning", "snapshot_ignored", reason)
        parents = self.venue.capabilities.parents
        if parents is not None and (gate_code := parents.code) and gate_code != code_mark():
            self.gateway.alert(
                "warning", "other_code", f"the gate runs {gate_code}, this desk {code_mark()}"
            )

    def _continue_parents(self) -> None:
        """End, expire or work the parents that an earlier session left open."""
        for parent in self.ledger.parents.open():
            if parent.status == ParentStatus.CANCELLING:
                self.manager.journal(parent, ParentEntry("cancelled", reason=parent.reason))
            elif not parent.over and parent.left == 0:
                self.manager.journal_done(parent)
            elif parent.status == ParentStatus.WORKING and parent.ends_ns > self.venue.now_ns:
                self.manager.work(parent)
        self.manager.expire(begins=True)

    def _start_threads(self, watch_s: float) -> None:
        """Start the threads of decision times, snapshots and the kill latch, as far as there are any."""
        if self._deadline is not None:
            self._deadline.start()
        if self._snapshots is not None:
            self._snapshots.start()
        if watch_s > 0:
            self._latch_watch = LatchWatch(
                self._poll_kill_latch,
                self._step_while_stalled,
                lambda: self._steps,
                watch_s,
                self._alert_stall,
            )
            self._latch_watch.start()

    def _agents(self) -> list[str]:
        """Accounts that may trade here, sorted: those of the journal and those of the limits, as lost entries may be of
        any."""
        return sorted({*self.ledger.accounts, *self.limits.agents})

    def close(self) -> None:
        """Stop the threads, and close venue and journal; orders still open stay at the venue for the next session to find."""
        for thread in (self._latch_watch, self._deadline, self._snapshots):
            if thread is not None:
                thread.stop()
        cancel_and_log_open(self.gateway)
        with self.gateway.lock:
            try:
                gate = self.venue.capabilities.parents
                if gate is not None and not isinstance(
                    sys.exception(), Exception
                ):  # it ends by no error
                    gate.leave()
                self.venue.close()
            finally:
                self.journal.close()

    def _next_name(self) -> str:
        """A cl_ord_id that was never used, "~" + tag + session number + counter."""
        return f"~{self.name_tag}{self.number}.{next(self._name_numbers)}"

    def follow(self, instrument: str) -> Follower:
        """The follower of an instrument; market data is subscribed on first use.

        Raises
        ------
        OrderError
            For an instrument that the venue does not list.
        """
        if instrument not in self.listings:
            raise OrderError(
                "an instrument that the venue lists",
                repr(instrument),
                suggest_name(instrument, self.listings, f"use one of {', '.join(self.listings)}"),
            )
        if instrument not in self.followers:
            self.followers[instrument] = follower_of(self.venue, self.listings[instrument])
            self.venue.subscribe(instrument)
        return self.followers[instrument]

    @property
    def now_ns(self) -> int:
        """Venue time."""
        return self.venue.now_ns

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Advance to `until_ns`, a decision, or a report on own orders, and process it; returns the venue's events, [] while the
        link is down.

        While the other end of a link does not answer, a step waits a moment, and no time passes.

        Raises
        ------
        JournalError, VenueError
            Nothing that depends on what failed was sent.
        """
        # Counted first, so that the latch's thread can tell a stalled loop.
        self._steps += 1
        try:
            return self._process_turn(until_ns)
        except VenueError:
            capabilities = self.venue.capabilities
            # Not a link that broke just now: it does not come back by itself, so the caller has to know.
            if capabilities.up or capabilities.reconnects is None or self._link.has_failed:
                raise
            return []  # the link broke in this call: the next step reports that it is down

    def _process_turn(self, until_ns: int) -> list[VenueEvent]:
        """Process one step: commands, kill latch, venue events, decisions, periodic checks."""
        # First: nothing may be sent while the venue session's own sequence numbers cannot be written.
        check_store(self.gateway)
        is_linked = self._link.reconnect()
        entries = take_inbox(self.gateway)
        for entry in entries:
            carry_out(
                self.gateway,
                entry,
                self.commands.execute if self._has_turned else self.commands.execute_late,
            )
        self._has_turned = True
        self._poll_kill_latch()
        self.manager.pause_killed()
        if not is_linked:
            time.sleep(RECONNECT_PAUSE_S)
            return []
        # No further than the next decision, and never back: a decision that is overdue is due now.
        owners = self.manager, self.manual, self.quotes, self.pairs
        due_ns = min(owner.due_ns for owner in owners)
        step_ns = min(until_ns, max(due_ns, self.venue.now_ns))
        with self.gateway.lock:
            self._step_venue(step_ns)
            # The latch's thread may have stepped the venue meanwhile: its events are processed here, in order.
            events = self._backlog
            self._backlog = []
        self._process_events(events)
        # After reports, more of the same moment may come: the decision waits for the next turn.
        if self.venue.now_ns >= step_ns and all(isinstance(event, MarketRows) for event in events):
            self.manager.on_time(self.venue.now_ns)
        self.manager.tidy()
        self.manual.on_step()
        self.quotes.on_step()
        self.pairs.on_step()
        self._run_periodic_checks()
        return events

    def _step_venue(self, until_ns: int) -> None:
        """Step the venue; its reports are journaled at once and wait for the session's own thread."""
        with self.gateway.wire:
            events = self.venue.step(until_ns)
        self.record_events(events)

    def record_events(self, events: Sequence[VenueEvent]) -> None:
        """Journal the reports among a venue's events, and keep all events but positions for the session's own thread."""
        self._backlog += (event for event in events if not isinstance(event, Holdings))
        self.gateway.receive(events)

    def run_until(self, ns: int) -> None:
        """Advance to a time of the venue."""
        while self.venue.now_ns < ns:
            self.step(ns)

    def run(self, limit_ns: int = FOREVER_NS) -> None:
        """Run until no executor and no request for quotes is left (paused parents may be), or to a time of the venue."""
        while (self.manager.executors or self.quotes.open) and self.venue.now_ns < limit_ns:
            self.step(min(limit_ns, self.venue.now_ns + NS_PER_SECOND))

    def _process_events(self, events: Sequence[VenueEvent]) -> None:
        """Pass a venue's events to followers, limits' marks, requests for quotes and executors, in this order."""
        touched: dict[str, tuple[Follower, int]] = {}
        for event in events:
            if (
                isinstance(event, MarketRows)
                and (follower := self.followers.get(event.instrument)) is not None
            ):
                try:
                    if follower.on_market(event):
                        self.manager.detach_all(event.instrument, "market data started again")
                except TapeError as error:
                    self._resubscribe(event.instrument, str(error))
                touched[event.instrument] = follower, event.dated_ns or follower.now_ns
            elif isinstance(event, LinkStatus):
                self._on_link_status(event)
            elif (
                isinstance(event, Unread)
                and event.instrument in self.followers
                and not (event.cl_ord_id or event.account)
            ):
                self._resubscribe(event.instrument, event.why)
        # Marks before executors: what they send is checked against the market that they have seen.
        with self.gateway.lock:
            for instrument, (follower, dated_ns) in touched.items():
                self.limits.mark(instrument, follower.quotes, dated_ns, self.venue.now_ns)
            self.keeper.watch()
            disturbed = self.gateway.states.texts_by_owner(StateReason.DETACHED)
        for parent, reason in disturbed.items():
            self.gateway.states.end(StateReason.DETACHED, parent)
            if (executor := self.manager.executors.get(parent)) is not None:
                self.manager.detach(executor, reason)
        self.quotes.on_events(events)
        # Last: followers and limits have seen everything that the executors decide on.
        self.manager.on_events(events)

    def _resubscribe(self, instrument: str, reason: str) -> None:
        """Subscribe to an instrument again after missed market data, and detach its executors."""
        self.gateway.alert("critical", "missed_market_data", reason, instrument)
        self.followers[instrument].ready = False
        self.venue.subscribe(instrument)
        self.manager.detach_all(instrument, "market data was missed")

    def _on_link_status(self, status: LinkStatus) -> None:
        """React to the venue's link: announce parents when it comes up, detach executors when it goes down."""
        if status.up:
            self.manager.announce_all()
        self.inquiry.on_link(status.up)
        for executor in () if status.up else self.manager:
            self.manager.detach(executor, "the way to the venue was down")

    def _run_periodic_checks(self) -> None:
        """Follow up kills, report failed threads, cancel orphaned children, ask about unknown orders, write the heartbeat."""
        self.stopper.follow_up()
        threads = (
            (self._latch_watch, "critical", "kill_watch_failed"),
            (self._snapshots, "warning", "no_snapshot"),
            (self.mailer, "warning", "MAIL_FAILED"),
        )
        for thread, severity, code in threads:
            if thread is not None and (failure := thread.failure) is not None:
                thread.failure = None
                self.gateway.alert(severity, code, str(failure))
        now_ns = self.venue.now_ns
        if now_ns - self._cancelled_ns >= AGAIN_NS and not self._link.is_link_down:
            self._cancelled_ns = now_ns
            # Cancel children without an executor.
            detached = {
                executor.id
                for executor in self.manager.executors.values()
                if executor.detach_reason
            }
            parents = {
                order.parent for order in self.ledger.orders.live()
            } - self.manager.executors.keys()
            if commands := [
                command
                for parent in sorted(parents | detached)
                for command in self.manager.cancels(parent)
            ]:
                self.gateway.submit(commands, sender=Sender.MANAGER)
            self.manager.expire()
        self.inquiry.on_step()
        if now_ns - self._last_heartbeat_ns >= self._heartbeat_ns:
            self._last_heartbeat_ns = now_ns
            self._heartbeat()

    def _heartbeat(self) -> None:
        """Journal positions, open orders and marks; check value at risk and the venue's positions."""
        with self.gateway.lock:
            entries = heartbeat_entries(self.gateway, self.followers)
            self.gateway.write(entries)
            self._risk.check(entries)
            self.positions.check()

    def _poll_kill_latch(self) -> None:
        """Read the kill latch, and cancel at once the open orders of killed agents."""
        self.stopper.poll_latch(sorted(self.ledger.parents.agents))

    def _alert_stall(self, seconds: float) -> bool:
        """Alert that a strategy's decision blocks the session's loop; False if there is none, or it is a first one, which
        compiles."""
        parent = self.ledger.parents.get(self.manager.trying)
        executor = self.manager.executors.get(self.manager.trying)
        if parent is None or executor is None or (executor.seen == 0 and seconds < FIRST_S):
            return False
        order = parent.order
        self.gateway.alert(
            "critical",
            "loop_stands_still",
            f"{order.agent} has worked on {order.id} for {seconds:.0f} s: the loop is blocked, a kill works",
            order.instrument,
            order.agent,
            order.id,
        )
        return True

    def _step_while_stalled(self) -> bool:
        """Step the venue once while the loop is blocked and a kill is not confirmed; whether orders are still open."""
        if not self.stopper.open:
            return False
        with self.gateway.lock:
            self._step_venue(self.venue.now_ns + 10_000_000)
            self.stopper.follow_up()
        return bool(self.stopper.open)
