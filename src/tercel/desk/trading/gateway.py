"""The order gateway: every command passes limits, then the journal, then the venue, in this order.

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any, Final

import msgspec

from tercel.core import orders as o
from tercel.core.errors import JournalError, OrderError, TercelError, VenueError
from tercel.core.lifecycle import Code, Notice
from tercel.core.orders import Command, ExecType, NewOrder, Report
from tercel.core.ports import Entry, Journal, Venue, check_capabilities, needed
from tercel.core.quotes import QUOTE_EVENTS, QuoteRequest
from tercel.core.version import code_mark
from tercel.desk.limits import PAUSES, Denial, LimitGate
from tercel.desk.trading.child_orders.fold import Intake
from tercel.desk.trading.journal import codec, kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.ledger import Ledger, obey
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.risk.trading_state import (
    Act,
    Sender,
    Standing,
    StateReason,
    TradingState,
    permits,
    refusal,
    waiting_entry,
)

SEVERITY: Final[Mapping[Code, str]] = {
    **dict.fromkeys(
        (Code.UNKNOWN_ORDER, Code.EXEC_CHANGED, Code.OVERFILL, Code.LATE_FILL, Code.CONFLICT),
        "critical",
    ),
    **dict.fromkeys((Code.UNKNOWN_EXECUTION, Code.UNALLOCATED, Code.UNREADABLE), "critical"),
    **dict.fromkeys(
        (Code.BUSTED, Code.CORRECTED, Code.RESTATED, Code.HELD, Code.FAULTY), "warning"
    ),
}
"""Notices that become alerts."""
DISTURBS: Final = frozenset({Code.BUSTED, Code.CORRECTED, Code.RESTATED, Code.UNREADABLE})
"""Notices after which the executor of the order's parent is detached."""
_PASSED_ON: Final = (o.MarketRows, *QUOTE_EVENTS)
MOST_ANSWERS: Final = 20
"""Answers to the unusable messages of one batch: a flood of these delays no cancel."""
FREE: Final = 5
"""Refusals in a row after which an account waits."""
FIRST_NS: Final = 100_000_000
LONGEST_NS: Final = 30_000_000_000
QUIET_NS: Final = 60_000_000_000


class BackOff:
    """Consecutive rejections by account and instrument; after the first few each doubles the wait.

    >>> from tercel.core.orders import OrdStatus, Tif
    >>> names = "o1", "", "", "ann", "XYZ", 1, 10, 100, 0, 0, 0, 0
    >>> refused = [Report(f"E{n}", ExecType.REJECTED, OrdStatus.REJECTED, *names, 1000) for n in range(FREE)]
    >>> back_off, order = BackOff(), NewOrder("o2", "XYZ", 1, 10, 100, Tif.DAY, "ann", "p", 0)
    >>> for report in refused: back_off.take(report)
    >>> back_off.waits(order, 1000 + FIRST_NS - 1), back_off.waits(order, 1000 + FIRST_NS)
    ('5 orders of ann in XYZ were refused in a row: it waits 0.1 s', '')
    """

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], tuple[int, int]] = {}
        """Refusals in a row, and when the last one came or the last order was tried."""

    def sent(self, command: Command, now_ns: int) -> None:
        """An order leaves: where it follows rejections, the wait for the next one starts again."""
        where = command.account, command.instrument
        if where in self._of and isinstance(command, NewOrder):
            self._of[where] = self._of[where][0], max(self._of[where][1], now_ns)

    def take(self, report: Report) -> None:
        """Count a report: a rejection lengthens the row, an accepted order ends it."""
        where = report.account, report.instrument
        if report.exec_type is ExecType.REJECTED:
            many, last_ns = self._of.get(where, (0, 0))
            self._of[where] = many + 1, max(last_ns, report.ns)
        elif report.exec_type in (ExecType.NEW, ExecType.TRADE):
            self._of.pop(where, None)

    def waits(self, command: Command, now_ns: int) -> str:
        """Why a new order has to wait, "" if it need not."""
        many, last_ns = self._of.get((command.account, command.instrument), (0, 0))
        if many < FREE or not isinstance(command, NewOrder):
            return ""
        wait_ns = min(FIRST_NS << min(many - FREE, 20), LONGEST_NS)
        if now_ns - last_ns >= wait_ns:
            return ""
        whose = f"{command.account} in {command.instrument}"
        return f"{many} orders of {whose} were refused in a row: it waits {wait_ns / 1e9:g} s"


class AlarmThrottle:
    """Severity of an alarm that may repeat: its own once a minute, with the number of suppressed ones.

    >>> alarm = AlarmThrottle()
    >>> alarm.say("down", 0), alarm.say("down", 1), alarm.say("down", QUIET_NS)
    (('critical', 'down'), ('info', 'down'), ('critical', 'down; 1 more since the last alarm'))
    """

    def __init__(self) -> None:
        self._next_ns = -1
        self._more = 0

    def say(self, text: str, ns: int, severity: str = "critical") -> tuple[str, str]:
        """Severity and text of an alarm at a time of the venue."""
        if ns < self._next_ns:
            self._more += 1
            return "info", text
        more = self._more
        self._more = 0
        self._next_ns = ns + QUIET_NS
        return severity, f"{text}; {more} more since the last alarm" if more else text


BACK_OFF: Final = "BACK_OFF"
IMPLAUSIBLE: Final = "IMPLAUSIBLE_FILL"
# Alarms that stop an agent and do not kill it here: the one until positions agree, the other is a breach of limits.
_STOPS_ONLY: Final = PAUSES | {"EXECUTIONS"}
_log = logging.getLogger("tercel.alerts")


@dataclass(slots=True)
class SendOutcome:
    """Outcome of a batch of commands: sent, denied, of unknown fate (journaled, and sending failed)."""

    sent: list[o.Command] = field(default_factory=list)
    denied: list[tuple[o.Command, Denial]] = field(default_factory=list)
    unknown: list[o.Command] = field(default_factory=list)


class OrderGateway:
    """The only way to a venue, and the way back for its reports.

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
        """Whether a process that cannot write its journal has logged its open orders (`heartbeat.emergency_log`)."""
        self.clock_s = 0.0
        """Offset of the clock here ahead of the venue's at the last heartbeat, s."""
        self.on_holdings: Callable[[o.Holdings], object] = lambda holdings: None
        """Called with a position report, once all earlier reports are booked and no later one is."""
        self.urgent: Callable[[str], object] = lambda text: None
        """Called with an alert that the journal cannot hold."""
        numbers = count(1)
        self.new_name = name or (lambda: f"~{ledger.orders.session}x{next(numbers)}")
        self._received: list[codec.OrderMessage | o.Holdings] = []
        self._said = set[tuple[str, ...]]()
        self._owed: list[Entry] = []
        """Entries of commands sent before they were journaled."""
        check_capabilities(venue)
        self._session = venue.capabilities.session
        self._repeats = venue.capabilities.executions is not None
        self._stepped = venue.capabilities.stepped
        self._ahead_ns = venue.now_ns - time.monotonic_ns()
        """Most by which the venue's clock has been ahead of ours."""
        self.notices: list[Notice] = []
        """Notices since they were last taken."""
        self._retries = BackOff()
        self._intake = Intake()
        self._alarms: defaultdict[tuple[type[o.Command], str] | str, AlarmThrottle] = defaultdict(
            AlarmThrottle
        )
        """Throttles by alert code, or by kind of command and account that could not be sent: a kill is tried each second."""

    def write(self, entries: Sequence[Entry], *, sync: bool = True) -> None:
        """Journal entries, then fold them; with `sync` they are on disk when it returns.

        Raises
        ------
        JournalError
            The write is not confirmed, so nothing that depends on it may leave. Open orders are cancelled.
        """
        with self.lock:
            # A kill in another thread may add owed entries while this writes: only these leave the list below.
            owed = len(self._owed)
            # What left before it was journaled comes first: the journal keeps the order in which things happened.
            whole = [*self._owed[:owed], *entries]
            if not whole:
                return
            try:
                last = self.journal.append(whole, sync=sync)
            except JournalError as error:
                self.on_journal_error(error)
                raise
            del self._owed[:owed]
            # The venue session's own store may still fail: then this is not over.
            if not self.venue.capabilities.unrecorded:
                self.states.end(StateReason.JOURNAL_DOWN)
            for seq, entry in enumerate(whole, last - len(whole) + 1):
                # Folded only once written: nothing in memory may be ahead of what a restart would read.
                self.ledger.last = seq
                self.notices += self.ledger.apply(entry)
                obey(entry, self.limits)

    def alert(self, severity: str, code: str, text: str, *where: str, **more: Any) -> None:
        """Journal an alert as of now: see `journal.codec.entry_alert`."""
        self.write([codec.entry_alert(severity, code, text, self.venue.now_ns, *where, **more)])

    def alert_once(self, severity: str, code: str, text: str, *where: str) -> None:
        """Journal an alert, unless this session has already said the same."""
        if (code, text, *where) not in self._said:
            self._said.add((code, text, *where))
            self.alert(severity, code, text, *where)

    def on_journal_error(self, error: JournalError) -> None:
        """The journal failed: cancel open orders, alert, and send nothing new until it can be written again."""
        # Once only: its cancels are owed to the journal, and each retry to write would send them again.
        if self.states.why(StateReason.JOURNAL_DOWN) is not None:
            return
        # The state first: a strategy in another turn may not send between it and the cancels.
        self.states.add(StateReason.JOURNAL_DOWN, str(error))
        now, before = self.venue.now_ns, len(self._owed)
        accounts = sorted({order.account for order in self.ledger.orders.live()})
        failed = self.take_back(
            [o.MassCancel(self.new_name(), account, "", now) for account in accounts]
        )
        text = f"the journal cannot be written: {error.received}; {sent_to(accounts, failed)}"
        # Before the cancels that it explains, which `take_back` has appended.
        self._owed.insert(before, codec.entry_alert("critical", kinds.JOURNAL_DOWN, text, now))
        _log.critical("%s %s", kinds.JOURNAL_DOWN, text)
        self.urgent(text)

    def withdraw(self, cancels: Sequence[o.MassCancel], before: Sequence[Entry] = ()) -> None:
        """Send mass cancels at once and journal afterwards: for a kill, which waits for nothing.

        Raises
        ------
        JournalError
            They were sent all the same.
        """
        # Without the lock: a turn that hangs in the journal holds it, and a kill must not wait for that.
        self.take_back(cancels, before)
        with self.lock:
            self.limits.wire_ns = self._wire_ns()
            for cancel in cancels:
                self.limits.sent(cancel, cancel.sent_ns)
            self._written(cancels)
            self.write([])

    def take_back(
        self, cancels: Sequence[o.MassCancel], before: Sequence[Entry] = ()
    ) -> dict[str, str]:
        """Send mass cancels and queue their journal entries; reasons of failures by account."""
        failed, whys = list[Entry](), dict[str, str]()
        with self.wire:
            for cancel in cancels:
                try:
                    self.venue.send(cancel)
                # One account whose cancel fails must not keep those of the others from leaving.
                except (VenueError, OrderError, OSError) as error:
                    failed.append(self._unsent(cancel, error))
                    whys[cancel.account] = str(error)
            self._owed += [*before, *(codec.entry_out(cancel) for cancel in cancels), *failed]
        return whys

    def submit(
        self,
        commands: Sequence[o.Command],
        before: Sequence[Entry] = (),
        sender: Sender = Sender.STRATEGY,
    ) -> SendOutcome:
        """Send a batch of commands, as far as trading state and limits allow.

        Parameters
        ----------
        commands, before
            `before`: entries that are written with them, before them: the decision that they follow from.
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
            entries = list(before)
            for command in commands:
                denial = _never_left(command, outcome) or self._denial(
                    command, outcome.sent, now, sender
                )
                if denial is None:
                    # Counted before the next one is checked: a batch may not pass limits that its parts would pass
                    # alone.
                    self.limits.sent(command, now)
                    self._retries.sent(command, now)
                    outcome.sent.append(command)
                    entries.append(
                        codec.entry_out(command, self._parent_of(command), self.limits.hash, now)
                    )
                else:
                    outcome.denied.append((command, denial))
                    entries.append(
                        codec.entry_denied(
                            command, denial.code, denial.text, self._parent_of(command)
                        )
                    )
            try:
                self.write(entries)
            except JournalError:
                # Newest first: a replace has to be undone before the order that it changes.
                for command in reversed(outcome.sent):
                    self.limits.unsent(command)
                raise
            self._send(outcome)
        return outcome

    def request_quotes(
        self,
        request: QuoteRequest,
        asked: QuoteEntry,
        parent: str = "",
        before: Sequence[Entry] = (),
    ) -> None:
        """Ask dealers for quotes, as far as trading state and limits allow.

        Parameters
        ----------
        request : QuoteRequest
        asked : QuoteEntry
            Fields of the entry that the request lacks, such as `by` and `want`; the others are the request's.
        parent : str
        before
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
            standing = self.standing(account)
            denial = self.limits.check_request(request, now)
            if not permits(Sender.PERSON, Act.GROWS, standing.state):
                denial = Denial(standing.code, standing.reason)
            if denial is not None:
                raise OrderError(
                    "a request for quotes that limits and the trading state allow",
                    f"{denial.code}: {denial.text}",
                    "see limits, ask for less",
                )
            asker = needed(self.venue.capabilities.quotes, "asks for quotes", self.venue.name)
            mid2 = self.limits.instruments[request.instrument].mid2
            self.limits.requested(
                request.instrument, account, request.lots, mid2, request.dealers, now
            )
            body = msgspec.structs.replace(
                asked,
                event="requested",
                request=request.id,
                mid2=mid2,
                side=request.side,
                lots=request.lots,
                until_ns=request.until_ns,
                dealers=list(request.dealers),
            )
            where = request.instrument, account, parent
            self.write([*before, Entry(kinds.QUOTE, now, *where, body=body.json())])
            try:
                with self.wire:
                    asker.request_quotes(request)
            finally:
                self._written([request])

    def refuses(self, command: o.Command, sender: Sender) -> Denial | None:
        """Why a command would be denied now, or None; nothing is sent or counted."""
        return self._denial(command, (), self.venue.now_ns, sender)

    def announce(self, parent: ParentOrder) -> None:
        """Announce a parent order, its amended lots, or that it is over (0 lots) to a gate before the venue.

        Raises
        ------
        VenueError
            The link is down; it is announced again when it is up.
        """
        gate, order = self.venue.capabilities.parents, parent.order
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

    def _parent_of(self, message: o.Command | codec.OrderMessage) -> str:
        for name in (message.cl_ord_id, message.orig):
            if name and (order := self.ledger.orders.get(name)) is not None:
                return order.parent
        return ""

    def standing(self, account: str) -> Standing:
        """Trading state of an account."""
        return self.states.standing(account)

    def may_trade(self, account: str) -> bool:
        """Whether an order of an account is open, or a replace without an answer may open one; executions may be missing."""
        ended = {order.holding.agent.name for order in self.limits.unanswered.values()}
        return account in ended or any(not each.done for each in self.ledger.orders.live(account))

    def wait_for(self, account: str, orders: Sequence[str], reason: str = "") -> None:
        """Put an account into REDUCING until orders have ended; alert when its state changes.

        Raises
        ------
        JournalError
            As `write`.
        """
        before, now = self.states.causes(StateReason.ORDERS_OPEN, account), self.venue.now_ns
        if dict.fromkeys(orders, reason) == before:
            return
        entries = [waiting_entry(account, orders, reason, now)]
        if bool(orders) != bool(before):
            state = TradingState.REDUCING if orders else TradingState.ACTIVE
            severity = "critical" if orders else "info"
            text = f"{account} is {state}" + (f": {reason}" if reason else "")
            entries.append(
                codec.entry_alert(severity, f"STATE_{state.name}", text, now, agent=account)
            )
        self.write(entries)

    def _denial(
        self, command: o.Command, before: Sequence[o.Command], now_ns: int, sender: Sender
    ) -> Denial | None:
        held = self.ledger.orders, self.ledger.positions
        # Trading state before limits: the denial of a halted account names the halt, not a limit.
        if (
            refused := refusal(sender, command, self.standing(command.account), *held, before)
        ) is not None:
            return refused
        if isinstance(command, o.QuotedOrder) and sender is Sender.STRATEGY:
            if self.limits.person_accepts(command.account):
                return Denial("PERSON_ACCEPTS", f"agent={command.account} a person takes quotes")
        if why_wait := self._retries.waits(command, now_ns):
            return Denial(BACK_OFF, why_wait)
        return self.limits.check(command, now_ns)

    def _send(self, outcome: SendOutcome) -> None:
        waiting = outcome.sent
        outcome.sent = []
        for command in waiting:
            try:
                with self.wire:
                    fills = isinstance(command, o.NewOrder | o.ReplaceOrder)
                    # A kill waits for no lock but this one: with this second check, nothing that may fill leaves after
                    # the kill's cancel.
                    if fills and self.states.why(StateReason.KILLED, command.account) is not None:
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
                self.write([self._unsent(command, error)])
            else:
                outcome.sent.append(command)
        self._written(waiting)

    def _wire_ns(self) -> int:
        """The clock of messages: the venue's time; where the venue runs freely, its latest plus what has passed here since."""
        now = self.venue.now_ns
        if self._stepped:
            return now
        here_ns = time.monotonic_ns()
        self._ahead_ns = max(self._ahead_ns, now - here_ns)
        return here_ns + self._ahead_ns

    def _written(self, messages: Sequence[o.Command | QuoteRequest]) -> None:
        """Count messages as of now, and as long again as their writing took: on their way they may bunch by as much."""
        now = self._wire_ns()
        self.limits.written(messages, 2 * now - min(now, self.limits.wire_ns))

    def _unsent(self, command: o.Command, error: Exception) -> Entry:
        """Alert of a command that may not have left: always for an order, once a minute for cancels and status requests."""
        order = isinstance(command, o.NewOrder | o.ReplaceOrder)
        alarm = AlarmThrottle() if order else self._alarms[type(command), command.account]
        return codec.entry_unsent(command, *alarm.say(str(error), self.venue.now_ns))

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Step the venue, and process its reports.

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
        """Journal and fold the venue's order reports; market data passes through.

        What cannot be read is journaled as it came, alerted, and answered where the venue accepts that.

        Raises
        ------
        JournalError
            The reports were not written. They stay in memory and are written with the next ones; if the session ends before,
            the next one requests them from the venue.
        """
        with self.lock:
            # Held until they are written: the venue sends them once, and a journal that fails now may work later.
            self._received += self._taken(events)
            while self._received:
                if isinstance(first := self._received[0], o.Holdings):
                    del self._received[0]
                    # Positions are compared with all that was reported before them booked, and nothing that came after.
                    self.on_holdings(first)
                else:
                    self._book(codec.next_batch(self._received))

    def _taken(self, events: Sequence[o.VenueEvent]) -> list[codec.OrderMessage | o.Holdings]:
        """Reports and positions, sanitised; market data and quotes pass through."""
        orders, now = self.ledger.orders, self.venue.now_ns
        return [
            self._intake.taken(event, orders, now)
            for event in events
            if not isinstance(event, _PASSED_ON)
        ]

    def overhear(self, events: Sequence[o.VenueEvent]) -> None:
        """Fold reports without journaling them, in a process that ends; the venue repeats them to the next."""
        heard = [*self._received, *self._taken(events)]
        self._received = []
        for entry in self._entries_in(
            [one for one in heard if not isinstance(one, o.Holdings)], self.venue.now_ns
        ):
            with suppress(TercelError):
                self.ledger.apply(entry)

    def _book(self, messages: Sequence[codec.OrderMessage]) -> None:
        now = self.venue.now_ns
        if self._session is not None:
            self._session.unbooked = True
        # A venue that repeats its executions gives back what a crash loses, so that this may skip the flush.
        self.write(self._entries_in(messages, now), sync=not self._repeats)
        if self._session is not None:
            self._session.unbooked = False
        # After the write: an error above leaves them to be written with the next ones.
        del self._received[: len(messages)]
        self._alarm([*self._intake.alerts(), *self._count(messages, now)])

    def _entries_in(self, messages: Sequence[codec.OrderMessage], now_ns: int) -> list[Entry]:
        entries = []
        for message in messages:
            if (
                isinstance(message, o.Report)
                and not self.ledger.knows(message)
                and (found := self.limits.implausible(message)) is not None
            ):
                # Before the report, in one write with it: every fold counts it as it is counted here.
                where, text, words = (
                    (*found[0], self._parent_of(message), message.cl_ord_id),
                    found[1],
                    found[2],
                )
                entries.append(
                    codec.entry_alert("critical", IMPLAUSIBLE, text, now_ns, *where, **words)
                )
            entries.append(codec.entry_in(message, self._parent_of(message), now_ns))
            if isinstance(message, o.LinkStatus) and not message.up:
                severity, text = self._alarms[kinds.LINK_DOWN].say(
                    message.text or "the way is down", message.ns
                )
                entries.append(codec.entry_alert(severity, kinds.LINK_DOWN, text, message.ns))
        return entries

    def _count(self, messages: Sequence[codec.OrderMessage], now_ns: int) -> list[Entry]:
        """Report to limits; what they find odd becomes alerts."""
        alerts = []
        for message in messages:
            if isinstance(message, o.CancelReject):
                self.limits.cancel_reject(message)
                continue
            # The answer to a question about a name that nothing has refuses no order of ours.
            if not isinstance(message, o.Report) or self.ledger.orders.changes_nothing(message):
                continue
            self._retries.take(message)
            if (alarm := self.limits.report(message, now_ns)) is not None:
                if alarm.stopped and alarm.code not in _STOPS_ONLY:
                    self.states.add(
                        StateReason.BREACH, f"{alarm.code}: {alarm.text}", alarm.stopped, alarm.code
                    )
                where = message.instrument, alarm.stopped or message.account, "", message.cl_ord_id
                alerts.append(codec.entry_alert("critical", alarm.code, alarm.text, now_ns, *where))
        return alerts

    def _alarm(self, alerts: list[Entry]) -> None:
        """Journal alerts, with those of the fold's notices."""
        now = self.venue.now_ns
        for n, notice in enumerate(self.notices):
            if notice.message is not None and n < MOST_ANSWERS:
                # Tell the venue what was set aside, where it accepts that; a link that is down takes no answer.
                if (teller := self.venue.capabilities.disowns) is not None:
                    # The thread that looks at the kill latch sends beside this one.
                    with self.wire, suppress(VenueError, OSError):
                        teller.disown(notice.message)
            if notice.code in SEVERITY:
                order = self.ledger.orders.get(notice.order)
                if order is not None and notice.code in DISTURBS:
                    self.states.add(
                        StateReason.DETACHED, f"{notice.code}: {notice.text}", order.parent
                    )
                stops = "until positions agree" if notice.code is Code.EXEC_CHANGED else None
                where = (order.instrument, order.account, order.parent) if order else ("", "", "")
                severity, text = SEVERITY[notice.code], notice.text
                if notice.code is Code.FAULTY:
                    severity, text = self._alarms[notice.code].say(
                        f"{notice.order}: {text}", now, severity
                    )
                alerts.append(
                    codec.entry_alert(
                        severity, notice.code, text, now, *where, notice.order, stops=stops
                    )
                )
        self.notices.clear()
        self.write(alerts)


def _never_left(command: o.Command, outcome: SendOutcome) -> Denial | None:
    """Denial of a cancel whose order was denied in the same batch, which may hold several decisions; else None."""
    if not isinstance(command, o.CancelOrder):
        return None
    denied = {one.cl_ord_id for one, _ in outcome.denied if isinstance(one, o.NewOrder)}
    return (
        Denial("UNKNOWN_ORDER", f"orig={command.orig}, which was denied")
        if command.orig in denied
        else None
    )


def sent_to(accounts: Sequence[str], failed: Mapping[str, str]) -> str:
    """Text of which accounts' cancels were sent, and why others failed.

    >>> sent_to(["ann", "bob"], {"bob": "the link is down"})
    'cancels sent for ann; NOT sent for bob: the link is down'
    >>> sent_to([], {})
    'nothing was open'
    """
    sent = ", ".join(account for account in accounts if account not in failed)
    parts = [f"cancels sent for {sent}"] if sent else []
    parts += [f"NOT sent for {account}: {why}" for account, why in failed.items()]
    return "; ".join(parts) or "nothing was open"
