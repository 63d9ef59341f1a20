"""A trading session: parent orders worked by strategies at a venue, through one gateway, with a journal.

    session = Session(venue, journal, LimitGate(...), strategies, latch=KillLatch(...))
    session.accept(ParentRequest("p1", "AMZN", BUY, 500, horizon_ns, 60, "twap_passive", "ann"))
    session.run_until(ns)

A session that finds an earlier one's entries in its journal recovers first (`trading.reconciliation.recovery`). Parents
that were at work are then paused until a person resumes them, or continue at once with `resume`.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from tercel.core.errors import OrderError, TapeError, UnknownNameError, VenueError, offer
from tercel.core.orders import Holdings, LinkStatus, MarketRows, Unread, VenueEvent
from tercel.core.pool import Deadline
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.version import code_mark
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.limits import LimitGate
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import (
    begun,
    carry_out,
    check_store,
    emergency_log,
    heartbeat,
    take_inbox,
)
from tercel.desk.trading.journal.bodies import CommandBody, OperatorEntry, ParentEntry
from tercel.desk.trading.journal.kinds import NOTED
from tercel.desk.trading.parent_orders.executor import Strategies
from tercel.desk.trading.parent_orders.follower import Follower, follower_of
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.manual import ManualTrading, resume_agent, suspend_agent
from tercel.desk.trading.parent_orders.pairs import PairTrading
from tercel.desk.trading.parent_orders.parent import ParentRequest, ParentStatus
from tercel.desk.trading.quote_memory import DeskRouter
from tercel.desk.trading.quote_requests import QuoteRequests
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.reconciliation.recovery import Inquiry, RecoveryLine, reconcile, refold
from tercel.desk.trading.reconciliation.snapshot import snapshots_of
from tercel.desk.trading.risk.cancels import AGAIN_NS, FIRST_S, KillCanceller, LatchWatch
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.desk.trading.risk.money import VarMonitor
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.market.dealers.panel import load_panel

OUTAGE_S: Final = 60.0
"""Seconds that a session tries to reach again what it is connected to."""
AWAY_S: Final = 0.05
"""Seconds between two attempts."""


@dataclass(frozen=True)
class SessionTerms:
    """Settings of a session.

    Parameters
    ----------
    resume : bool
        Parents of an earlier session go on at once.
    seed : int
        Of the strategies' draws.
    warmup_s : float
        Of the market before a parent's arrival, for its long volatility.
    heartbeat_ns : int
        Venue time between two heartbeats in the journal.
    watch_s : float
        Seconds between two looks of a thread at the latch, also while a strategy hangs; 0: one look in every step.
    decision_s : float
        Seconds that a decision may take, with such a thread: then the fallback takes over.
    holder : str
        Name of the user and program that run it, for messages.
    mark : str
        Part of the names that this session makes: a venue takes a name once, among all users of its accounts.
    gate : str
        Folder of the journal of a gate that serves others too; "" without one, and for the desk's own.
    dealers : tuple of str
        Dealers of requests for quotes that name none.
    panel : str
        Their prior model (`market.dealers.load_panel`), for orders by `routed`; "": these go to the book.
    desk : mapping
        Its name, stage and agents.
    """

    resume: bool = False
    seed: int = 0
    warmup_s: float = 900.0
    heartbeat_ns: int = 60 * NS_PER_SECOND
    watch_s: float = 0.0
    decision_s: float = 2.0
    holder: str = ""
    mark: str = ""
    gate: str = ""
    dealers: tuple[str, ...] = ()
    panel: str = ""
    desk: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """A trading session. `accept`, `pause`, `resume`, `cancel`, `amend`, `guide` are its manager's.

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
        Given operator commands that are not for parents; True when it has obeyed.
    request : callable
        Makes a parent order from a person's request, with the desk's defaults for missing fields.

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
        terms: SessionTerms = SessionTerms(),
        *,
        latch: Latch | None = None,
        on_operator: Callable[[Entry], bool] = lambda entry: False,
        request: Callable[[Mapping[str, Any]], ParentRequest] = lambda body: ParentRequest(**body),
    ) -> None:
        self.venue = venue
        self.journal = journal
        self.limits = limits
        self.mark = terms.mark
        self._heartbeat_ns = terms.heartbeat_ns
        self._on_operator = on_operator
        self.request = request
        self._backlog: list[VenueEvent] = []
        self._turned = False
        self._unreached_since_s = 0.0
        self._beats = 0
        self._named = count(1)
        self._requested_ns = 0
        self._beat_ns = 0
        self._snapshots = snapshots_of(journal, limits, refold)
        self.ledger = refold(journal, limits)
        self.number = self.ledger.next_session
        self.gateway = OrderGateway(venue, journal, limits, self.ledger, self._name)
        self.positions = PositionKeeper(self.gateway, self._agents)
        self._risk = VarMonitor(self.gateway)
        self.recovered = self._begin(terms)
        """Reconciliation of the orders of earlier sessions."""
        self.listings = {listing.instrument: listing for listing in venue.listings()}
        self.followers: dict[str, Follower] = {}
        latch = Latch() if latch is None else latch
        self.stopper = KillCanceller(self.gateway, latch, self._name)
        self.inquiry = Inquiry(self.gateway, self._agents, self._name, self.positions.begin)
        self.keeper = LimitKeeper(self.gateway, latch, self._look)
        self.manager = manager = ParentOrderManager(
            self.gateway,
            self.stopper,
            strategies,
            self.follow,
            self._name,
            seed=terms.seed,
            warmup_s=terms.warmup_s,
        )
        self.accept = manager.accept
        self.guide = manager.guide
        self.pause = manager.pause
        self.resume = manager.resume
        self.cancel = manager.cancel
        self.amend = manager.amend
        self.manual = ManualTrading(manager, self._name)
        router = None
        if terms.panel and terms.dealers:
            router = DeskRouter(journal, load_panel(terms.panel), terms.dealers, terms.seed)
        self.quotes = QuoteRequests(manager, self._name, terms.dealers, router)
        self.pairs = PairTrading(manager, self._name)
        # Limits in force, agents that were re-armed meanwhile, the markets of open positions, which have to be marked.
        self.keeper.begin()
        self.stopper.begin()
        for held in self.ledger.positions.qty().values():
            for instrument in held:
                if instrument in self.listings:
                    self.follow(instrument)
        for why in getattr(journal, "ignored", ()):
            self.gateway.alert("warning", "snapshot_ignored", why)
        parents = venue.capabilities.parents
        if parents is not None and (theirs := parents.code) and theirs != code_mark():
            self.gateway.alert(
                "warning", "other_code", f"the gate runs {theirs}, this desk {code_mark()}"
            )
        self._look()
        manager.announce_all()
        # Parents and operators' commands that an earlier session left.
        for parent in self.ledger.parents.open():
            if parent.status == ParentStatus.CANCELLING:
                self.manager.journal(parent, ParentEntry("cancelled", reason=parent.reason))
            elif not parent.over and parent.left == 0:
                self.manager.finish(parent)
            elif parent.status == ParentStatus.WORKING and parent.ends_ns > self.venue.now_ns:
                self.manager.work(parent)
        self.manager.expire(begins=True)
        for entry in list(self.ledger.requested.values()):
            carry_out(self.gateway, entry, self._obey_late)
        self._watch: LatchWatch | None = None
        self._deadline = Deadline() if terms.watch_s > 0 else None
        manager.deadline = self._deadline
        manager.decision_s = terms.decision_s
        if self._deadline is not None:
            self._deadline.start()
        if self._snapshots is not None:
            self._snapshots.start()
        if terms.watch_s > 0:
            self._watch = LatchWatch(
                self._look, self._pump, lambda: self._beats, terms.watch_s, self._alert_stall
            )
            self._watch.start()

    # -- beginning and end ---------------------------------------------------------------------------------------

    def _begin(self, terms: SessionTerms) -> list[RecoveryLine]:
        before = {order.root: order for order in self.ledger.orders.live()}
        seen = self.ledger.parents.count
        gate = {"journal": terms.gate, "accounts": self._agents()} if terms.gate else None
        self.gateway.write(
            [begun(self.gateway, terms.holder, terms.resume, dict(terms.desk), gate)]
        )
        unsure = (
            self.ledger.acknowledged
            or self.venue.capabilities.connection is not None
            or self.positions.differences()
        )
        agents = self._agents() if unsure else []
        lines = reconcile(self.gateway, self._name, before, more=agents) if seen or agents else []
        self.positions.begin(wait=True)
        return lines

    def _agents(self) -> list[str]:
        """All accounts that may trade here: lost entries may be of any of them."""
        return sorted({*self.ledger.accounts, *self.limits.agents})

    def close(self) -> None:
        """Close venue and journal; orders still open stay at the venue for the next session to find."""
        for thread in (self._watch, self._deadline, self._snapshots):
            if thread is not None:
                thread.stop()
        emergency_log(self.gateway)
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

    def _name(self) -> str:
        return f"~{self.mark}{self.number}.{next(self._named)}"

    # -- markets -------------------------------------------------------------------------------------------------

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
                offer(instrument, self.listings, f"use one of {', '.join(self.listings)}"),
            )
        if instrument not in self.followers:
            self.followers[instrument] = follower_of(self.venue, self.listings[instrument])
            self.venue.subscribe(instrument)
        return self.followers[instrument]

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Venue time."""
        return self.venue.now_ns

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Advance to `until_ns`, a decision, or a report on own orders, and process it.

        While the other end of a link does not answer, a step waits a moment, and no time passes.

        Raises
        ------
        JournalError, VenueError
            Nothing that depends on what failed was sent.
        """
        # Before the turn: the thread that watches the latch sees whether the loop moves.
        self._beats += 1
        try:
            return self._turn(until_ns)
        except VenueError:
            can = self.venue.capabilities
            # Not a link that broke just now: it does not come back by itself, so the caller has to know.
            if can.up or can.reconnects is None or self._unreached_since_s:
                raise
            return []  # the link broke in a call: the next step tells it

    def _turn(self, until_ns: int) -> list[VenueEvent]:
        # First: nothing may be sent while the venue session's own numbers cannot be written.
        check_store(self.gateway)
        way = self._come_back()
        entries = take_inbox(self.gateway)
        for entry in entries:
            carry_out(self.gateway, entry, self._obey if self._turned else self._obey_late)
        self._turned = True
        self._look()
        self.manager.pause_killed()
        if not way:
            time.sleep(AWAY_S)
            return []
        # No further than the next decision, and never back: a decision that is overdue is due now.
        owners = self.manager, self.manual, self.quotes, self.pairs
        due_ns = min(owner.due_ns for owner in owners)
        until = min(until_ns, max(due_ns, self.venue.now_ns))
        with self.gateway.lock:
            self._receive(until)
            # The latch's thread may have stepped the venue meanwhile: what it took is digested here, in order.
            events = self._backlog
            self._backlog = []
        self._digest(events)
        # Among reports more of the same moment may be to come: the decision waits for the next turn.
        if self.venue.now_ns >= until and all(isinstance(event, MarketRows) for event in events):
            self.manager.on_time(self.venue.now_ns)
        self.manager.tidy()
        self.manual.turn()
        self.quotes.turn()
        self.pairs.turn()
        self._look_after()
        return events

    def _receive(self, until_ns: int) -> None:
        """Step the venue; its reports are journaled at once and wait for the session's own thread."""
        with self.gateway.wire:
            events = self.venue.step(until_ns)
        self._take(events)

    def _take(self, events: Sequence[VenueEvent]) -> None:
        self._backlog += (event for event in events if not isinstance(event, Holdings))
        self.gateway.receive(events)

    def run_until(self, ns: int) -> None:
        """Advance to a time of the venue."""
        while self.venue.now_ns < ns:
            self.step(ns)

    def run(self, limit_ns: int = FOREVER_NS) -> None:
        """Run until every parent has ended, or to a time of the venue."""
        while (self.manager.executors or self.quotes.open) and self.venue.now_ns < limit_ns:
            self.step(min(limit_ns, self.venue.now_ns + NS_PER_SECOND))

    def _digest(self, events: Sequence[VenueEvent]) -> None:
        """Followers, marks, executors."""
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
                    self._missed(event.instrument, str(error))
                touched[event.instrument] = follower, event.dated_ns or follower.now_ns
            elif isinstance(event, LinkStatus):
                self._link(event)
            elif (
                isinstance(event, Unread)
                and event.instrument in self.followers
                and not (event.cl_ord_id or event.account)
            ):
                self._missed(event.instrument, event.why)
        # Marks before executors: what they send is checked against the market that they have seen.
        with self.gateway.lock:
            for instrument, (follower, ns) in touched.items():
                self.limits.mark(instrument, *follower.quotes, ns, self.venue.now_ns)
            self.keeper.watch()
            disturbed = self.gateway.states.held(StateReason.DETACHED)
        for parent, why in disturbed.items():
            self.gateway.states.end(StateReason.DETACHED, parent)
            if (executor := self.manager.executors.get(parent)) is not None:
                self.manager.detach(executor, why)
        self.quotes.on_events(events)
        # Last: followers and limits have seen everything that the executors decide on.
        self.manager.on_events(events)

    def _missed(self, instrument: str, why: str) -> None:
        self.gateway.alert("critical", "missed_market_data", why, instrument)
        self.followers[instrument].ready = False
        self.venue.subscribe(instrument)
        self.manager.detach_all(instrument, "market data was missed")

    def _link(self, status: LinkStatus) -> None:
        if status.up:
            self.manager.announce_all()
        self.inquiry.link(status.up)
        for executor in () if status.up else self.manager:
            self.manager.detach(executor, "the way to the venue was down")

    @property
    def _link_down(self) -> bool:
        return self.gateway.states.why(StateReason.LINK_DOWN) is not None

    def _come_back(self) -> bool:
        """Reconnect, where the link is down and the venue can be reached again; whether there is a link.

        Raises
        ------
        VenueError
            No answer for `OUTAGE_S`.
        """
        link = self.venue.capabilities.reconnects if self._link_down else None
        if link is None or link.up:
            self._unreached_since_s = 0.0
            return True
        now = time.monotonic()
        self._unreached_since_s = self._unreached_since_s or now
        with self.gateway.lock:
            try:
                link.reconnect()
            except VenueError:
                if now - self._unreached_since_s > OUTAGE_S:
                    raise
                return False
        return True

    def _look_after(self) -> None:
        self.stopper.follow_up()
        beside = (
            (self._watch, "critical", "kill_watch_failed"),
            (self._snapshots, "warning", "no_snapshot"),
        )
        for thread, severity, code in beside:
            if thread is not None and thread.failure is not None:
                failure = thread.failure
                thread.failure = None
                self.gateway.alert(severity, code, str(failure))
        now = self.venue.now_ns
        if now - self._requested_ns >= AGAIN_NS and not self._link_down:
            self._requested_ns = now
            # Cancel children without an executor.
            off = {executor.id for executor in self.manager.executors.values() if executor.off}
            parents = {
                order.parent for order in self.ledger.orders.live()
            } - self.manager.executors.keys()
            if commands := [
                command
                for parent in sorted(parents | off)
                for command in self.manager.cancels(parent)
            ]:
                self.gateway.submit(commands, sender=Sender.MANAGER)
            self.manager.expire()
        self.inquiry.turn()
        if now - self._beat_ns >= self._heartbeat_ns:
            self._beat_ns = now
            self._heartbeat()

    def _heartbeat(self) -> None:
        with self.gateway.lock:
            entries = heartbeat(self.gateway, self.followers)
            self.gateway.write(entries)
            self._risk.look(entries)
            self.positions.look()

    # -- people --------------------------------------------------------------------------------------------------

    def _obey_late(self, entry: Entry) -> None:
        """Carry out a command posted to an earlier session, unless it is a manual order or a request for quotes: these were
        meant for the market of that time."""
        if OperatorEntry.of(entry).command in ("order", "request_quotes", "accept_quote"):
            raise OrderError(
                "an order that is sent at once",
                "one sent to a session that has ended",
                "look at the market, then ask again",
            )
        self._obey(entry)

    def _obey(self, entry: Entry) -> None:
        said = OperatorEntry.of(entry)
        command, by, why, number = said.command, said.by, said.reason, said.id
        reason = f"{by}: {why}"
        of_parent: dict[str, Callable[[CommandBody], object]] = {
            "pause": lambda asked: self.pause(asked.parent, reason, number),
            "resume": lambda asked: self.resume(asked.parent, reason, number),
            "cancel": lambda asked: self.cancel(asked.parent, reason, number),
            "amend": lambda asked: self.amend(
                asked.parent,
                reason,
                lots=asked.lots,
                horizon_ns=asked.horizon_ns,
                limit_price=asked.limit_price,
                operator=number,
            ),
            "take_over": lambda asked: self.manual.take_over(asked.parent, by, why, number),
            "give_back": lambda asked: self.manual.give_back(asked.parent, by, why, number),
            "order": lambda asked: self.manual.order(
                asked.parent, by, asked.lots, asked.limit_price, number
            ),
            "withdraw": lambda asked: self.manual.withdraw(asked.parent, by, asked.order, number),
            "request_quotes": lambda asked: self.quotes.request(
                asked.parent,
                asked.lots,
                asked.dealers,
                asked.seconds,
                hidden=asked.hidden,
                by=by,
                operator=number,
            ),
            "accept_quote": lambda asked: self.quotes.accept(
                str(asked.request), asked.quote, by, number
            ),
            "pass_quotes": lambda asked: self.quotes.pass_(
                str(asked.request), asked.quotes, by, number
            ),
        }
        of_agent = {"pause_agent": suspend_agent, "resume_agent": resume_agent}
        acts: dict[str, Callable[[], object]] = {
            "submit": lambda: self._submit(said.body, number),
            "limits": lambda: self.keeper.obey(said),
            "settle": lambda: self._take(self.positions.settle(said)),
        }
        if command in of_parent:
            of_parent[command](said.asked())
        elif command in of_agent:
            of_agent[command](self.manager, said.asked().agent or "", by, why, number)
        elif command in acts:
            acts[command]()
        # Noted commands need no action: the latch was obeyed before, an alert has an owner by the entry itself.
        elif command not in NOTED and not self._on_operator(entry):
            raise UnknownNameError(
                "a command that this session knows",
                repr(command),
                f"one of {', '.join((*acts, *of_parent, *of_agent))}, own_alert",
            )

    def _submit(self, body: Mapping[str, Any], number: int) -> None:
        request = self.request({key: value for key, value in body.items() if key != "pair"})
        if (pair := body.get("pair")) is None:
            self.accept(request, operator=number)
        else:
            self.pairs.accept(request, pair, number)

    # -- stopping ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Ask the kill latch; what killed agents have open is cancelled at once."""
        self.stopper.look(sorted(self.ledger.parents.agents))

    def _alert_stall(self, seconds: float) -> bool:
        """Alert whose decision stalls the loop; the first one may take long: kernels are compiled."""
        parent, executor = (
            self.ledger.parents.get(self.manager.trying),
            self.manager.executors.get(self.manager.trying),
        )
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

    def _pump(self) -> bool:
        """Let the venue step while the session's own loop stalls and a kill is not confirmed."""
        if not self.stopper.open:
            return False
        with self.gateway.lock:
            self._receive(self.venue.now_ns + 10_000_000)
            self.stopper.follow_up()
        return bool(self.stopper.open)
