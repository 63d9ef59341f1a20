"""Booking of a venue's reports: journaled, folded, counted in the limits, with the alerts that they give rise to."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final, Protocol

from tercel.core import orders as o
from tercel.core.child_order import Code, Notice
from tercel.core.errors import TercelError, VenueError
from tercel.core.ports import Entry, Venue
from tercel.core.quotes import QUOTE_EVENTS
from tercel.desk.limits import PAUSES, LimitGate
from tercel.desk.trading.child_orders.intake import Intake
from tercel.desk.trading.journal import codec, kinds
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.trading_state import StateReason, TradingStates
from tercel.desk.trading.throttle import AlarmThrottle, BackOff

AlarmThrottles = defaultdict[tuple[type[o.Command], str] | str, AlarmThrottle]
"""Throttles by alert code, or by kind of command and account that could not be sent: a kill is tried each second."""
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
IMPLAUSIBLE: Final = "IMPLAUSIBLE_FILL"
# Alarms that stop an agent without a kill: until positions agree (`PAUSES`), or, for "EXECUTIONS", as `LimitKeeper` kills it.
_STOPS_ONLY: Final = PAUSES | {"EXECUTIONS"}


class BookedGateway(Protocol):
    """What booking reads and changes of an order gateway (`gateway.OrderGateway`)."""

    venue: Venue
    limits: LimitGate
    ledger: Ledger
    states: TradingStates
    notices: list[Notice]
    on_holdings: Callable[[o.Holdings], object]

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held around every message to and from venue and journal."""

    @property
    def wire(self) -> AbstractContextManager[bool]:
        """Held around every call of the venue."""

    def write(self, entries: Sequence[Entry], *, sync: bool = True) -> None:
        """Journal entries, then fold them."""

    def parent_of(self, message: codec.OrderMessage) -> str:
        """Name of the parent of a message's order; "" for an order of no parent."""


class ReportBooking:
    """Books the venue's reports for a gateway.

    Parameters
    ----------
    gateway : BookedGateway
    retries : BackOff
        Back-off of the gateway, which counts every report.
    alarms : AlarmThrottles
        The gateway's throttles of alarms that repeat.
    """

    def __init__(self, gateway: BookedGateway, retries: BackOff, alarms: AlarmThrottles) -> None:
        self._gateway = gateway
        self._retries = retries
        self._alarms = alarms
        self._received: list[codec.OrderMessage | o.Holdings] = []
        self._session = gateway.venue.capabilities.session
        self._venue_repeats = gateway.venue.capabilities.executions is not None
        self._intake = Intake()

    def receive(self, events: Sequence[o.VenueEvent]) -> None:
        """Journal and fold the venue's order reports; market data among the events is ignored.

        What cannot be read is journaled as it came, alerted, and answered where the venue accepts that.

        Raises
        ------
        JournalError
            The reports were not written. They stay in memory and are written with the next ones; if the session ends before,
            the next one requests them from the venue.
        """
        with self._gateway.lock:
            # Held until they are written: the venue sends them once, and a journal that fails now may work later.
            self._received += self._sanitise(events)
            while self._received:
                if isinstance(message := self._received[0], o.Holdings):
                    del self._received[0]
                    # Positions are compared with all that was reported before them booked, and nothing that came after.
                    self._gateway.on_holdings(message)
                else:
                    self._book(codec.next_batch(self._received))

    def fold_unjournaled(self, events: Sequence[o.VenueEvent]) -> None:
        """Fold reports without journaling them, in a process that ends for lack of a journal."""
        messages = [*self._received, *self._sanitise(events)]
        self._received = []
        for entry in self._entries_in(
            [message for message in messages if not isinstance(message, o.Holdings)],
            self._gateway.venue.now_ns,
        ):
            with suppress(TercelError):
                self._gateway.ledger.apply(entry)

    def _sanitise(self, events: Sequence[o.VenueEvent]) -> list[codec.OrderMessage | o.Holdings]:
        """Reports and positions among a venue's events, with wrong times and quantities corrected."""
        orders = self._gateway.ledger.orders
        now = self._gateway.venue.now_ns
        return [
            self._intake.sanitise(event, orders, now)
            for event in events
            if not isinstance(event, _PASSED_ON)
        ]

    def _book(self, messages: Sequence[codec.OrderMessage]) -> None:
        """Journal a batch of reports, fold it, and journal the alerts that it gives rise to."""
        now = self._gateway.venue.now_ns
        if self._session is not None:
            self._session.unbooked = True
        # A venue that repeats its executions gives back what a crash loses, so that this may skip the flush.
        self._gateway.write(self._entries_in(messages, now), sync=not self._venue_repeats)
        if self._session is not None:
            self._session.unbooked = False
        # After the write: an error above leaves them to be written with the next ones.
        del self._received[: len(messages)]
        self._journal_alerts([*self._intake.take_alerts(), *self._count_reports(messages, now)])

    def _entries_in(self, messages: Sequence[codec.OrderMessage], now_ns: int) -> list[Entry]:
        """Journal entries of reports, with an alert before an implausible execution and one after a link that went down."""
        entries = []
        for message in messages:
            if (
                isinstance(message, o.Report)
                and not self._gateway.ledger.has_execution(message)
                and (implausible := self._gateway.limits.find_implausible(message)) is not None
            ):
                # Before the report, in one write with it: every fold counts it as it is counted here.
                subject = (*implausible[0], self._gateway.parent_of(message), message.cl_ord_id)
                text = implausible[1]
                details = implausible[2]
                entries.append(
                    codec.entry_alert("critical", IMPLAUSIBLE, text, now_ns, *subject, **details)
                )
            entries.append(codec.entry_in(message, self._gateway.parent_of(message), now_ns))
            if isinstance(message, o.LinkStatus) and not message.up:
                severity, text = self._alarms[kinds.LINK_DOWN].say(
                    message.text or "the way is down", message.ns
                )
                entries.append(codec.entry_alert(severity, kinds.LINK_DOWN, text, message.ns))
        return entries

    def _count_reports(self, messages: Sequence[codec.OrderMessage], now_ns: int) -> list[Entry]:
        """Count reports in the limits and the back-off; returns alerts of what the limits find wrong, whose agents are put in
        breach."""
        alerts = []
        for message in messages:
            if isinstance(message, o.CancelReject):
                self._gateway.limits.cancel_reject(message)
                continue
            # The answer to a question about a name that nothing has refuses no order of ours.
            if not isinstance(message, o.Report) or self._gateway.ledger.orders.is_empty_status(
                message
            ):
                continue
            self._retries.count_report(message)
            if (alarm := self._gateway.limits.report(message, now_ns)) is not None:
                if alarm.stopped and alarm.code not in _STOPS_ONLY:
                    self._gateway.states.add(
                        StateReason.BREACH, f"{alarm.code}: {alarm.text}", alarm.stopped, alarm.code
                    )
                subject = (
                    message.instrument,
                    alarm.stopped or message.account,
                    "",
                    message.cl_ord_id,
                )
                alerts.append(
                    codec.entry_alert("critical", alarm.code, alarm.text, now_ns, *subject)
                )
        return alerts

    def _journal_alerts(self, alerts: list[Entry]) -> None:
        """Journal alerts, and those of notices of the fold; detach executors and answer unusable messages as notices ask."""
        now = self._gateway.venue.now_ns
        for n, notice in enumerate(self._gateway.notices):
            if notice.message is not None and n < MOST_ANSWERS:
                # Tell the venue what was set aside, where it accepts that; a link that is down takes no answer.
                if (teller := self._gateway.venue.capabilities.disowns) is not None:
                    # The thread that looks at the kill latch sends beside this one.
                    with self._gateway.wire, suppress(VenueError, OSError):
                        teller.disown(notice.message)
            if notice.code in SEVERITY:
                order = self._gateway.ledger.orders.get(notice.order)
                if order is not None and notice.code in DISTURBS:
                    self._gateway.states.add(
                        StateReason.DETACHED, f"{notice.code}: {notice.text}", order.parent
                    )
                stops = "until positions agree" if notice.code is Code.EXEC_CHANGED else None
                subject = (order.instrument, order.account, order.parent) if order else ("", "", "")
                severity = SEVERITY[notice.code]
                text = notice.text
                if notice.code is Code.FAULTY:
                    severity, text = self._alarms[notice.code].say(
                        f"{notice.order}: {text}", now, severity
                    )
                alerts.append(
                    codec.entry_alert(
                        severity, notice.code, text, now, *subject, notice.order, stops=stops
                    )
                )
        self._gateway.notices.clear()
        self._gateway.write(alerts)
