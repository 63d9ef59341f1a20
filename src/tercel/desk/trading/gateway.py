"""Order gateway: sends every command through limits, journal and venue, in this order, and journals the venue's reports.

    gateway.submit(commands)
        state.refusal     may its sender send this now? (`trading.risk.trading_state`: one table of permissions)
        limits.check      may it leave? if so it counts from here on
        journal.append    the whole batch in one durable write: commands sent, commands denied, reasons of the decision
        venue.send        one by one

Nothing else calls `send` on a venue (a test reads the sources for it). When the journal cannot be written, only cancels
are sent: open orders at the venue are cancelled, and that is written when writing works again. When sending fails, the
order is UNKNOWN: it is not sent again; its status is requested from the venue.

    gateway.withdraw(cancels)
        venue.send        at once: it waits for no journal and no lock but the wire's
        journal.append    after

    gateway.request_quotes(request)
        limits, journal, venue, as an order
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from threading import RLock
from typing import Any, Final

import msgspec

from tercel.core import orders as o
from tercel.core.capabilities import check_capabilities, require_capability
from tercel.core.child_order import Notice
from tercel.core.errors import JournalError, OrderError, VenueError
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.quotes import QuoteRequest
from tercel.core.version import code_mark
from tercel.desk.limits import Denial, LimitGate
from tercel.desk.trading.journal import codec, kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.ledger import Ledger, apply_to_limits
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.report_booking import AlarmThrottles, ReportBooking
from tercel.desk.trading.risk.refusals import refusal
from tercel.desk.trading.risk.trading_state import (
    Act,
    Sender,
    StateReason,
    TradingState,
    permits,
    waiting_entry,
)
from tercel.desk.trading.send_outcome import SendOutcome, deny_orphaned_cancel, describe_cancels
from tercel.desk.trading.throttle import AlarmThrottle, BackOff

BACK_OFF: Final = "BACK_OFF"
_log = logging.getLogger("tercel.alerts")


def name_maker(prefix: str) -> Callable[[], str]:
    """Function that returns another cl_ord_id in every call: `prefix` and a number from 1 on."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers)}"


class OrderGateway:
    """Sends all commands to a venue, through limits and journal, and journals the venue's reports.

    Parameters
    ----------
    venue, journal, limits
    ledger : Ledger
        Updated with every entry that passes.
    name : callable, optional
        Makes a cl_ord_id that was never used.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        limits: LimitGate,
        ledger: Ledger,
        name: Callable[[], str] | None = None,
    ) -> None:
        self.venue = venue
        self.journal = journal
        self.limits = limits
        self.ledger = ledger
        self.lock = RLock()
        """Held around every message to and from venue and journal; a strategy never runs under it."""
        self.wire = RLock()
        """Held around every call of the venue, and never while the journal is written: cancels wait for it alone."""
        self.states = ledger.states
        """Trading states with their reasons, from the journal and of this process alone."""
        self.emergency_logged = False
        """Whether a process that cannot write its journal has logged its open orders (`emergency.cancel_and_log_open`)."""
        self.clock_s = 0.0
        """Offset of the clock here ahead of the venue's at the last heartbeat, s."""
        self.on_holdings: Callable[[o.Holdings], object] = lambda holdings: None
        """Called with a position report, once all earlier reports are booked and no later one is."""
        self.send_urgent: Callable[[str], object] = lambda text: None
        """Called with an alert that the journal cannot hold."""
        self.new_name = name or name_maker(f"~{ledger.orders.session}x")
        self._alerted = set[tuple[str, ...]]()
        self._unjournaled: list[Entry] = []
        """Entries of commands sent before they were journaled."""
        check_capabilities(venue)
        self._is_stepped = venue.capabilities.stepped
        self._ahead_ns = venue.now_ns - time.monotonic_ns()
        """Most by which the venue's clock has been ahead of ours."""
        self.notices: list[Notice] = []
        """Notices since they were last taken."""
        self._retries = BackOff()
        self._alarms: AlarmThrottles = defaultdict(AlarmThrottle)
        self.reports = ReportBooking(self, self._retries, self._alarms)

    def write(self, entries: Sequence[Entry], *, sync: bool = True) -> None:
        """Journal entries, then fold them; with `sync` they are on disk when it returns.

        Raises
        ------
        JournalError
            The write is not confirmed, so nothing that depends on it may leave. Open orders are cancelled.
        """
        with self.lock:
            # A kill in another thread may add owed entries while this writes: only these leave the list below.
            owed_count = len(self._unjournaled)
            # What left before it was journaled comes first: the journal keeps the order in which things happened.
            batch = [*self._unjournaled[:owed_count], *entries]
            if not batch:
                return
            try:
                last_seq = self.journal.append(batch, sync=sync)
            except JournalError as error:
                self.on_journal_error(error)
                raise
            del self._unjournaled[:owed_count]
            # The venue session's own store may still fail: then this is not over.
            if not self.venue.capabilities.unrecorded:
                self.states.end(StateReason.JOURNAL_DOWN)
            for seq, entry in enumerate(batch, last_seq - len(batch) + 1):
                # Folded only once written: nothing in memory may be ahead of what a restart would read.
                self.ledger.last = seq
                self.notices += self.ledger.apply(entry)
                apply_to_limits(entry, self.limits)

    def alert(self, severity: str, code: str, text: str, *subject: str, **details: Any) -> None:
        """Journal an alert as of now; `subject`: instrument, agent, parent, order (`journal.codec.entry_alert`)."""
        self.write(
            [codec.entry_alert(severity, code, text, self.venue.now_ns, *subject, **details)]
        )

    def alert_once(self, severity: str, code: str, text: str, *subject: str) -> None:
        """Journal an alert, unless this session has raised the same one before."""
        if (code, text, *subject) not in self._alerted:
            self._alerted.add((code, text, *subject))
            self.alert(severity, code, text, *subject)

    def on_journal_error(self, error: JournalError) -> None:
        """React, once, to a journal that cannot be written: cancel open orders, alert, halt new orders until it can."""
        # Once only: its cancels are owed to the journal, and each retry to write would send them again.
        if self.states.text_of(StateReason.JOURNAL_DOWN) is not None:
            return
        # The state first: a strategy in another turn may not send between it and the cancels.
        self.states.add(StateReason.JOURNAL_DOWN, str(error))
        now = self.venue.now_ns
        owed_before = len(self._unjournaled)
        accounts = sorted({order.account for order in self.ledger.orders.live()})
        failed = self.send_mass_cancels(self.mass_cancels(accounts))
        text = (
            f"the journal cannot be written: {error.received}; {describe_cancels(accounts, failed)}"
        )
        # Before the cancels that it explains, which `send_mass_cancels` has appended.
        self._unjournaled.insert(
            owed_before, codec.entry_alert("critical", kinds.JOURNAL_DOWN, text, now)
        )
        _log.critical("%s %s", kinds.JOURNAL_DOWN, text)
        self.send_urgent(text)

    def mass_cancels(self, accounts: Iterable[str]) -> list[o.MassCancel]:
        """Mass cancels of the orders of accounts, not sent here."""
        now = self.venue.now_ns
        return [o.MassCancel(self.new_name(), account, "", now) for account in accounts]

    def withdraw(self, cancels: Sequence[o.MassCancel], preceding: Sequence[Entry] = ()) -> None:
        """Send mass cancels at once and journal afterwards, `preceding` entries first: for a kill, which waits for nothing.

        Raises
        ------
        JournalError
            They were sent all the same.
        """
        # Without the lock: a turn that hangs in the journal holds it, and a kill must not wait for that.
        self.send_mass_cancels(cancels, preceding)
        with self.lock:
            self.limits.wire_ns = self._wire_ns()
            for cancel in cancels:
                self.limits.count_sent(cancel, cancel.sent_ns)
            self._count_written(cancels)
            self.write([])

    def send_mass_cancels(
        self, cancels: Sequence[o.MassCancel], preceding: Sequence[Entry] = ()
    ) -> dict[str, str]:
        """Send mass cancels; queue `preceding` and their own entries for the next write to the journal; reasons of failures by
        account."""
        failures = list[Entry]()
        reasons = dict[str, str]()
        with self.wire:
            for cancel in cancels:
                try:
                    self.venue.send(cancel)
                # One account whose cancel fails must not keep those of the others from leaving.
                except (VenueError, OrderError, OSError) as error:
                    failures.append(self._unsent_entry(cancel, error))
                    reasons[cancel.account] = str(error)
            self._unjournaled += [
                *preceding,
                *(codec.entry_out(cancel) for cancel in cancels),
                *failures,
            ]
        return reasons

    def submit(
        self,
        commands: Sequence[o.Command],
        preceding: Sequence[Entry] = (),
        sender: Sender = Sender.STRATEGY,
    ) -> SendOutcome:
        """Send a batch of commands, as far as trading state and limits allow; returns those sent, denied and of unknown fate.

        Parameters
        ----------
        commands, preceding
            `preceding`: entries that are written with them, before them: the decision that they follow from.
        sender : Sender
            Whose they are (`trading.risk.trading_state.PERMITS`).

        Raises
        ------
        JournalError
            Nothing was sent.
        """
        outcome = SendOutcome()
        with self.lock:
            now = self.venue.now_ns
            self.limits.wire_ns = self._wire_ns()
            entries = list(preceding)
            for command in commands:
                denial = deny_orphaned_cancel(command, outcome) or self.denial_of(
                    command, sender, now, outcome.sent
                )
                if denial is None:
                    # Counted before the next one is checked: a batch may not pass limits that its parts would pass
                    # alone.
                    self.limits.count_sent(command, now)
                    self._retries.note_sent(command, now)
                    outcome.sent.append(command)
                    entries.append(
                        codec.entry_out(command, self.parent_of(command), self.limits.hash, now)
                    )
                else:
                    outcome.denied.append((command, denial))
                    entries.append(
                        codec.entry_denied(
                            command, denial.code, denial.text, self.parent_of(command)
                        )
                    )
            try:
                self.write(entries)
            except JournalError:
                # Newest first: a replace has to be undone before the order that it changes.
                for command in reversed(outcome.sent):
                    self.limits.release_unsent(command)
                raise
            self._send(outcome)
        return outcome

    def request_quotes(
        self,
        request: QuoteRequest,
        partial_body: QuoteEntry,
        parent: str = "",
        preceding: Sequence[Entry] = (),
    ) -> None:
        """Ask dealers for quotes, or raise OrderError, with nothing written, where limits or trading state refuse it.

        Parameters
        ----------
        request : QuoteRequest
        partial_body : QuoteEntry
            Fields of the entry that the request lacks, such as `by` and `want`; the others are the request's.
        parent : str
        preceding
            Entries that are written with it, before it.

        Raises
        ------
        OrderError
            Limits or the trading state refuse it, or the venue takes no requests for quotes: nothing was written.
        VenueError
            The request may or may not have left.
        JournalError
            Nothing was sent.
        """
        account = request.account
        with self.lock:
            now = self.venue.now_ns
            self.limits.wire_ns = self._wire_ns()
            standing = self.states.standing(account)
            denial = self.limits.check_request(request, now)
            if not permits(Sender.PERSON, Act.GROWS, standing.state):
                denial = Denial(standing.code, standing.reason)
            if denial is not None:
                raise OrderError(
                    "a request for quotes that limits and the trading state allow",
                    f"{denial.code}: {denial.text}",
                    "see limits, ask for less",
                )
            asker = require_capability(
                self.venue.capabilities.quotes, "asks for quotes", self.venue.name
            )
            mid2 = self.limits.instruments[request.instrument].mid2
            self.limits.count_request(
                request.instrument, account, request.lots, mid2, request.dealers, now
            )
            body = msgspec.structs.replace(
                partial_body,
                event="requested",
                request=request.id,
                mid2=mid2,
                side=request.side,
                lots=request.lots,
                until_ns=request.until_ns,
                dealers=list(request.dealers),
            )
            subject = request.instrument, account, parent
            self.write([*preceding, Entry(kinds.QUOTE, now, *subject, body=body.json())])
            try:
                with self.wire:
                    asker.request_quotes(request)
            finally:
                self._count_written([request])

    def announce(self, parent: ParentOrder) -> None:
        """Announce a parent order, its amended lots, or that it is over (0 lots) to a gate before the venue.

        Raises
        ------
        VenueError
            The link is down; it is announced again when it is up.
        """
        gate = self.venue.capabilities.parents
        order = parent.order
        # Another code may not know of 0 lots.
        if gate is not None and (not parent.over or gate.code == code_mark()):
            with self.lock, self.wire:
                gate.announce(
                    parent.id,
                    order.instrument,
                    order.agent,
                    order.side,
                    0 if parent.over else parent.lots,
                )

    def parent_of(self, message: o.Command | codec.OrderMessage) -> str:
        """Parent id of the order that a command or report refers to; "" if unknown."""
        for name in (message.cl_ord_id, message.orig):
            if name and (order := self.ledger.orders.get(name)) is not None:
                return order.parent
        return ""

    @property
    def accounts(self) -> list[str]:
        """Accounts that may trade here, sorted: those of the journal and those of the limits, as lost entries may be of
        any."""
        return sorted({*self.ledger.accounts, *self.limits.agents})

    def can_still_trade(self, account: str) -> bool:
        """Whether an account has an open order, or a replace without an answer that may open one."""
        awaiting = {order.holding.agent.name for order in self.limits.unanswered.values()}
        return account in awaiting or any(
            not order.done for order in self.ledger.orders.live(account)
        )

    def hold_reducing(self, account: str, orders: Sequence[str], reason: str = "") -> None:
        """Journal that an account is REDUCING, waiting for `orders`, until called with []; alert as that begins or ends.

        Raises
        ------
        JournalError
            As `write`.
        """
        orders_before = self.states.causes(StateReason.ORDERS_OPEN, account)
        now = self.venue.now_ns
        if dict.fromkeys(orders, reason) == orders_before:
            return
        entries = [waiting_entry(account, orders, reason, now)]
        if bool(orders) != bool(orders_before):
            state = TradingState.REDUCING if orders else TradingState.ACTIVE
            severity = "critical" if orders else "info"
            text = f"{account} is {state}" + (f": {reason}" if reason else "")
            entries.append(
                codec.entry_alert(severity, f"STATE_{state.name}", text, now, agent=account)
            )
        self.write(entries)

    def denial_of(
        self, command: o.Command, sender: Sender, now_ns: int, preceding: Sequence[o.Command] = ()
    ) -> Denial | None:
        """Denial of a command by trading state, back-off or limits; None if it may be sent: nothing is sent or counted here.
        `preceding`: sent before it."""
        folds = self.ledger.orders, self.ledger.positions
        # Trading state before limits: the denial of a halted account names the halt, not a limit.
        if (
            denial := refusal(
                sender, command, self.states.standing(command.account), *folds, preceding
            )
        ) is not None:
            return denial
        if isinstance(command, o.QuotedOrder) and sender is Sender.STRATEGY:
            if self.limits.person_accepts(command.account):
                return Denial("PERSON_ACCEPTS", f"agent={command.account} a person takes quotes")
        if wait_reason := self._retries.wait_reason(command, now_ns):
            return Denial(BACK_OFF, wait_reason)
        return self.limits.check(command, now_ns)

    def _send(self, outcome: SendOutcome) -> None:
        """Send the journaled commands of a batch one by one; those that fail move to `outcome.unknown`, with an alert."""
        waiting = outcome.sent
        outcome.sent = []
        for command in waiting:
            try:
                with self.wire:
                    may_fill = isinstance(command, o.NewOrder | o.ReplaceOrder)
                    # A kill waits for no lock but this one: with this second check, nothing that may fill leaves after
                    # the kill's cancel.
                    if (
                        may_fill
                        and self.states.text_of(StateReason.KILLED, command.account) is not None
                    ):
                        raise VenueError(
                            "an account that may trade",
                            "a kill that came in between",
                            "it was not sent",
                        )
                    self.venue.send(command)
            # It may have left all the same, as a link can break behind the last byte: its fate is unknown, not
            # rejected. Whatever the error: it ends no desk.
            except Exception as error:
                outcome.unknown.append(command)
                self.write([self._unsent_entry(command, error)])
            else:
                outcome.sent.append(command)
        self._count_written(waiting)

    def _wire_ns(self) -> int:
        """Time, ns, by which limits count messages: the venue's; at a venue that runs freely, its latest plus time passed
        here."""
        now = self.venue.now_ns
        if self._is_stepped:
            return now
        clock_ns = time.monotonic_ns()
        self._ahead_ns = max(self._ahead_ns, now - clock_ns)
        return clock_ns + self._ahead_ns

    def _count_written(self, messages: Sequence[o.Command | QuoteRequest]) -> None:
        """Date sent messages in the limits' count as of now plus the time their writing took: on their way they may bunch by as
        much."""
        now = self._wire_ns()
        self.limits.date_messages(messages, 2 * now - min(now, self.limits.wire_ns))

    def _unsent_entry(self, command: o.Command, error: Exception) -> Entry:
        """Alert entry of a command whose sending failed: critical for each order, once a minute for cancels and status
        requests."""
        order = isinstance(command, o.NewOrder | o.ReplaceOrder)
        alarm = AlarmThrottle() if order else self._alarms[type(command), command.account]
        return codec.entry_unsent(command, *alarm.say(str(error), self.venue.now_ns))

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Step the venue to a time, and journal its reports; returns its events.

        Raises
        ------
        JournalError
            As `receive`.
        """
        with self.lock:
            with self.wire:
                events = self.venue.step(until_ns)
            self.receive(events)
        return events

    def receive(self, events: Sequence[o.VenueEvent]) -> None:
        """Journal and fold the venue's order reports; market data among the events is ignored.

        What cannot be read is journaled as it came, alerted, and answered where the venue accepts that.

        Raises
        ------
        JournalError
            The reports were not written. They stay in memory and are written with the next ones; if the session ends before,
            the next one requests them from the venue.
        """
        self.reports.receive(events)
