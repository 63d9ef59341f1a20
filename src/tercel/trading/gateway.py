"""The one gateway to a venue. Whatever leaves passes here, in this order: limits, journal, venue.

    gateway.submit(commands)
        limits.check      may it leave? if so it counts from here on
        journal.append    the whole batch in one durable write: what leaves, what was denied, why it was decided
        venue.send        one by one

Nothing else calls `send` on a venue (a test reads the sources for it). When the journal cannot be written, nothing is
sent. When sending fails, the order is UNKNOWN: it is not sent again; the venue is asked.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Protocol

from tercel.core.errors import JournalError, VenueError
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    LinkStatus,
    NewOrder,
    ReplaceOrder,
    Report,
    Unread,
    VenueEvent,
)
from tercel.core.ports import Entry, Journal, Venue
from tercel.trading import crashpoints
from tercel.trading.journal import kinds
from tercel.trading.journal.codec import OrderMessage, entry_denied, entry_in, entry_out
from tercel.trading.ledger import Ledger
from tercel.trading.order import DISTURBS, SEVERITY, Notice


class Denied(Protocol):
    """Why a command may not leave: `limits.Denial`."""

    @property
    def code(self) -> str:
        """One of few words."""
        ...

    @property
    def text(self) -> str:
        """With numbers, for people."""
        ...


class LimitsPort(Protocol):
    """What the gateway requests and reports: `limits.LimitGate`."""

    limits: Any
    """Those in force."""
    hash: str
    """Their name, which every order carries in the journal."""

    def check(self, command: Command, now_ns: int) -> Denied | None:
        """May it leave now? Counts nothing."""
        ...

    def sent(self, command: Command, now_ns: int | None = None) -> None:
        """It leaves, and counts from here on."""
        ...

    def unsent(self, command: Command) -> None:
        """It did not leave after all."""
        ...

    def report(self, report: Report) -> Any:
        """A message from the venue; something with `code` and `text` when it makes no sense."""
        ...

    def cancel_reject(self, reject: CancelReject) -> None:
        """A cancel or replace was refused."""
        ...

    def parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """A parent order was accepted."""
        ...

    def amend(self, name: str, lots: int) -> None:
        """A parent order has other lots now."""
        ...

    def mark(self, instrument: str, bid: int | None, ask: int | None, ns: int) -> None:
        """The touch of an instrument."""
        ...

    def watch(self, now_ns: int, warnings: bool = True) -> Sequence[Any]:
        """What was passed since it was last asked (`limits.Crossing`); whom a breach stops sends nothing new."""
        ...

    def resume(self, agent: str) -> None:
        """A person let an agent trade again."""
        ...

    def enforce(self, limits: Any) -> None:
        """Other limits are in force."""
        ...

    def day(self) -> dict[str, Any]:
        """What of the day no fold can count again."""
        ...

    def restore_day(self, day: Mapping[str, Any]) -> None:
        """What `day` said before a restart."""
        ...

    def usage(self) -> dict[str, Any]:
        """How much of which limit is used."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway itself keeps a command back."""

    code: str
    text: str


@dataclass(slots=True)
class SendOutcome:
    """What became of a batch.

    Parameters
    ----------
    sent : list of Command
    denied : list of (Command, Denied)
    unknown : list of Command
        Journaled, and sending failed.
    """

    sent: list[Command] = field(default_factory=list)
    denied: list[tuple[Command, Denied]] = field(default_factory=list)
    unknown: list[Command] = field(default_factory=list)


class OrderGateway:
    """The way out to a venue, and the way in for its reports.

    Parameters
    ----------
    venue : Venue
    journal : Journal
    limits : LimitsPort
    ledger : Ledger
        Kept up to date with every entry that passes.
    """

    def __init__(self, venue: Venue, journal: Journal, limits: LimitsPort, ledger: Ledger) -> None:
        self.venue, self.journal, self.limits, self.ledger = venue, journal, limits, ledger
        self.lock = RLock()
        """Held around every message to and from venue and journal; a strategy never runs under it."""
        self.shut: Refusal | None = None
        """Why nothing new may leave, whatever limits allow."""
        self._received: list[OrderMessage] = []
        self.notices: list[Notice] = []
        """Notices since they were last taken."""
        self.disturbed: dict[str, str] = {}
        """Parents whose fills or orders the venue changed behind the back of whoever works them, and what it did."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Journal entries, then fold them.

        Raises
        ------
        JournalError
            Nothing of it was written for certain; nothing that depends on it may leave.
        """
        if not entries:
            return
        with self.lock:
            last = self.journal.append(entries)
            for entry in entries:
                self.notices += self.ledger.apply(entry)
            self.ledger.last = last

    def submit(self, commands: Sequence[Command], before: Sequence[Entry] = ()) -> SendOutcome:
        """Let a batch of commands out, as far as limits let it.

        Parameters
        ----------
        commands : sequence of Command
        before : sequence of Entry
            Written with them, before them: the decision that they follow from.

        Raises
        ------
        JournalError
            Nothing was sent.
        """
        outcome = SendOutcome()
        with self.lock:
            now = self.venue.now_ns
            entries = list(before)
            for command in commands:
                denial = _never_left(command, outcome) or self._denial(command, now)
                if denial is None:
                    self.limits.sent(command, now)
                    outcome.sent.append(command)
                    entries.append(entry_out(command, self._parent_of(command), self.limits.hash))
                else:
                    outcome.denied.append((command, denial))
                    entries.append(entry_denied(command, denial.code, denial.text, self._parent_of(command)))
            crashpoints.at("gateway.decided")
            try:
                self.write(entries)
            except JournalError:
                for command in reversed(outcome.sent):
                    self.limits.unsent(command)
                raise
            crashpoints.at("gateway.journaled")
            self._send(outcome)
        return outcome

    def _parent_of(self, message: Command | OrderMessage) -> str:
        names = [getattr(message, "cl_ord_id", ""), getattr(message, "orig", "")]
        return next((order.parent for name in names if (order := self.ledger.orders.get(name)) is not None), "")

    def _denial(self, command: Command, now_ns: int) -> Denied | None:
        if self.shut is not None and isinstance(command, NewOrder | ReplaceOrder):
            return self.shut
        return self.limits.check(command, now_ns)

    def _send(self, outcome: SendOutcome) -> None:
        waiting = outcome.sent
        outcome.sent = []
        for command in waiting:
            crashpoints.at(f"gateway.send.{_kind(command)}")
            try:
                self.venue.send(command)
            except (VenueError, OSError) as error:
                outcome.unknown.append(command)
                text = f"{command.cl_ord_id}: {error}"
            else:
                outcome.sent.append(command)
                crashpoints.at(f"gateway.sent.{_kind(command)}")
                continue
            meant = [command.cl_ord_id, getattr(command, "orig", "")]
            body = {"severity": "critical", "code": kinds.SEND_FAILED, "text": text, "orders": [m for m in meant if m]}
            about = entry_out(command)
            self.write([Entry(kinds.ALERT, about.ns, about.instrument, about.agent, about.parent, about.order, body)])

    def receive(self, events: Sequence[VenueEvent]) -> None:
        """Journal and fold the venue's reports on orders; market data passes by.

        What cannot be read is journaled as it came, alerted, and answered where the venue can be told.

        Raises
        ------
        JournalError
            They were not written. They are stored and written with the next ones; a session that ends before will have
            them asked for by the next.
        """
        with self.lock:
            read = [_readable(event) for event in events]
            self._received += [one for one in read if isinstance(one, Report | CancelReject | LinkStatus | Unread)]
            if not (messages := list(self._received)):
                return
            crashpoints.at("gateway.heard")
            if any(isinstance(message, Report) and message.last_lots for message in messages):
                crashpoints.at("gateway.heard.fill")
            self.write(self._entries_in(messages))
            self._received.clear()
            if any(isinstance(message, Report) and message.last_lots for message in messages):
                crashpoints.at("gateway.booked.fill")
            self._alarm(self._count(messages))

    def _entries_in(self, messages: Sequence[OrderMessage]) -> list[Entry]:
        entries = []
        for message in messages:
            entries.append(entry_in(message, self._parent_of(message)))
            if isinstance(message, LinkStatus) and not message.up:
                body = {"severity": "critical", "code": kinds.LINK_DOWN, "text": message.text or "the way is down"}
                entries.append(Entry(kinds.ALERT, message.ns, body=body))
        return entries

    def _count(self, messages: Sequence[OrderMessage]) -> list[Entry]:
        """Report to limits; what they find odd becomes alerts."""
        alerts = []
        for message in messages:
            if isinstance(message, CancelReject):
                self.limits.cancel_reject(message)
            elif not isinstance(message, Report) or self.ledger.orders.changes_nothing(message):
                continue
            elif (alarm := self.limits.report(message)) is not None:
                body = {"severity": "critical", "code": str(alarm.code), "text": str(alarm.text)}
                alerts.append(
                    Entry(kinds.ALERT, message.ns, message.instrument, message.account, "", message.cl_ord_id, body)
                )
        return alerts

    def _disown(self, message: Report | CancelReject | Unread) -> None:
        """Tell the venue what was set aside, where it can be told; a way that is down takes no answer."""
        if (disown := getattr(self.venue, "disown", None)) is not None:
            with suppress(VenueError, OSError):
                disown(message)

    def _alarm(self, alerts: list[Entry]) -> None:
        """What the fold found odd becomes alerts too."""
        now = self.venue.now_ns
        for notice in self.notices:
            if notice.message is not None:
                self._disown(notice.message)
            if notice.code in SEVERITY:
                body = {"severity": SEVERITY[notice.code], "code": notice.code.value, "text": notice.text}
                order = self.ledger.orders.get(notice.order)
                if order is not None and notice.code in DISTURBS:
                    self.disturbed[order.parent] = f"{notice.code}: {notice.text}"
                where = (order.instrument, order.account, order.parent) if order else ("", "", "")
                alerts.append(Entry(kinds.ALERT, now, *where, notice.order, body))
        self.notices.clear()
        self.write(alerts)


def _readable(event: VenueEvent) -> VenueEvent:
    """The event; a trade of nothing, which no sum can take, is one that cannot be read."""
    if isinstance(event, Report) and event.exec_type in (ExecType.TRADE, ExecType.CORRECTED) and event.last_lots <= 0:
        names = event.cl_ord_id, event.account, event.instrument
        return Unread(f"{event}", f"{event.exec_type} of {event.last_lots} lots", event.ns, *names)
    return event


def _never_left(command: Command, outcome: SendOutcome) -> Refusal | None:
    """Several decisions may be one batch, and a later one takes back what an earlier one was denied."""
    if not isinstance(command, CancelOrder):
        return None
    denied = {one.cl_ord_id for one, _ in outcome.denied if isinstance(one, NewOrder)}
    return Refusal("UNKNOWN_ORDER", f"orig={command.orig}, which was denied") if command.orig in denied else None


def _kind(command: Command) -> str:
    return type(command).__name__.removesuffix("Order").lower()
