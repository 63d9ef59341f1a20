"""Trading session: works parent orders by strategies at a venue, through one gateway, with a journal.

`trading.session_opening` opens one; its `step` is one turn of the loop.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Final

from tercel.core.errors import OrderError, TapeError, VenueError, suggest_name
from tercel.core.orders import (
    CancelReject,
    Holdings,
    LinkStatus,
    MarketRows,
    Report,
    Unread,
    VenueEvent,
)
from tercel.core.ports import Closing, Entry
from tercel.core.system import PeriodicThread
from tercel.core.venue_rules import NO_RULES
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.trading.emergency import cancel_and_log_open, check_store
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import HeartbeatWriter
from tercel.desk.trading.inbox import carry_out, take_inbox
from tercel.desk.trading.operator_commands import CommandTargets, OperatorCommands
from tercel.desk.trading.parent_orders.follower import Follower, follower_of
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.manual import ManualTrading
from tercel.desk.trading.parent_orders.pairs import PairTrading
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.parent_orders.strategies import Strategies
from tercel.desk.trading.quote_requests import QuoteRequests
from tercel.desk.trading.reconciliation.inquiry import Inquiry
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.reconciliation.recovery import RecoveryLine
from tercel.desk.trading.reconnection import Reconnection
from tercel.desk.trading.risk.cancels import FIRST_S, KillCanceller
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.desk.trading.risk.money import VarMonitor
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.desk.trading.session_terms import SessionTerms

RECONNECT_PAUSE_S: Final = 0.05
"""Seconds between two attempts to reach a venue again."""
WATCH_FAILED: Final = "kill_watch_failed"
"""Code of the alert that the thread which reads the kill latch has failed."""


class Session(Closing):
    """One run of a desk at a venue: works parents by strategies and people's commands; `open_session` makes one.

    Parameters
    ----------
    gateway : OrderGateway
        Its ledger and limits are folded from the whole journal, which the session holds alone.
    strategies : Strategies
        Makes a strategy by name.
    terms : SessionTerms
    latch : Latch
        The kill latch; the same that the gateway's limits ask.
    on_operator : callable
        Called with operators' commands that this session does not know; returns True if it has executed one.
    request : callable
        Makes the request for a parent order from a person's fields, with the desk's defaults for missing ones.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        strategies: Strategies,
        terms: SessionTerms,
        latch: Latch,
        on_operator: Callable[[Entry], bool],
        request: Callable[[Mapping[str, Any]], ParentRequest],
    ) -> None:
        self.gateway = gateway
        self.venue = gateway.venue
        self.journal = gateway.journal
        self.limits = gateway.limits
        self.ledger = gateway.ledger
        self.terms = terms
        self.listings = {
            listing.instrument: replace(
                listing, rules=gateway.limits.rules.get(listing.instrument, NO_RULES)
            )
            for listing in gateway.venue.listings()
        }
        self.followers: dict[str, Follower] = {}
        self.recovered: list[RecoveryLine] = []
        """Reconciliation of the orders of earlier sessions."""
        self.positions = PositionKeeper(gateway, lambda: gateway.accounts)
        self.stopper = KillCanceller(gateway, latch)
        self.inquiry = Inquiry(gateway, lambda: gateway.accounts, self.positions.begin)
        self.keeper = LimitKeeper(gateway, latch, self.poll_kill_latch)
        self.manager = ParentOrderManager(
            gateway,
            self.stopper,
            strategies,
            self.follow,
            self.followers,
            request,
            seed=terms.seed,
            warmup_s=terms.warmup_s,
        )
        self.manual = ManualTrading(self.manager)
        self.quotes = QuoteRequests(self.manager, terms.dealers)
        self.pairs = PairTrading(self.manager)
        self.commands = OperatorCommands(
            CommandTargets(
                self.manager,
                self.manual,
                self.quotes,
                self.pairs,
                self.keeper,
                self.positions,
                self.record_events,
            ),
            on_operator,
        )
        """Operators' commands by name."""
        self.value_at_risk = VarMonitor(gateway)
        self._heartbeat = HeartbeatWriter(
            gateway, self.followers, self.positions, terms.heartbeat_ns, self.value_at_risk.check
        )
        self._link = Reconnection(gateway)
        self._backlog: list[VenueEvent] = []
        self.steps = 0
        """Steps begun: they grow while the loop turns."""
        self.threads: dict[str, PeriodicThread] = {}
        """Threads beside the loop, by the code of the alert that reports a failure."""
        self.running_threads = ExitStack()
        """Stops the threads of this session, as it closes."""

    def close(self) -> None:
        """Stop the threads, and close venue and journal; orders still open stay at the venue for the next session to find."""
        with ExitStack() as steps:  # each, whatever raises before it
            steps.callback(self.journal.close)
            steps.callback(self._close_venue)
            steps.callback(cancel_and_log_open, self.gateway)
            steps.callback(self.running_threads.close)

    def _close_venue(self) -> None:
        """Close the venue; a gate before it is told so if no error ends the session."""
        with self.gateway.lock, closing(self.venue):
            gate = self.venue.capabilities.parents
            if gate is not None and not isinstance(sys.exception(), Exception):
                gate.leave()

    @property
    def number(self) -> int:
        """Number of the session among those of its journal, from 1."""
        return self.ledger.orders.session

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
        self.steps += 1
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
                self.commands.execute if self.steps > 1 else self.commands.execute_late,
            )
        self.poll_kill_latch()
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
        now_ns = self.venue.now_ns
        self._backlog += (
            # A report from tomorrow would make an executor run its schedule at once; the ledger dates it alike.
            replace(event, ns=now_ns)
            if isinstance(event, Report | CancelReject) and event.ns > now_ns
            else event
            for event in events
            if not isinstance(event, Holdings)
        )
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
        for code, thread in self.threads.items():
            if (failure := thread.failure) is not None:
                thread.failure = None
                self.gateway.alert(
                    "critical" if code == WATCH_FAILED else "warning", code, str(failure)
                )
        if not self._link.is_link_down:
            self.manager.cancel_unworked()
        self.inquiry.on_step()
        self._heartbeat.write_if_due()

    def poll_kill_latch(self) -> None:
        """Read the kill latch, and cancel at once the open orders of killed agents."""
        self.stopper.poll_latch(sorted(self.ledger.parents.agents))

    def alert_stall(self, seconds: float) -> bool:
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

    def step_while_stalled(self) -> bool:
        """Step the venue once while the loop is blocked and a kill is not confirmed; whether orders are still open."""
        if not self.stopper.open:
            return False
        with self.gateway.lock:
            self._step_venue(self.venue.now_ns + 10_000_000)
            self.stopper.follow_up()
        return bool(self.stopper.open)
