"""Corrections of a venue's reports before they are journaled: wrong times, quantities that no sum can hold."""

from dataclasses import replace
from typing import Final

from tercel.core.child_order import ChildOrder
from tercel.core.orders import CancelReject, Holdings, Report
from tercel.core.ports import Entry
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.journal.codec import OrderMessage, entry_alert, replace_impossible

TOLERANCE_NS: Final = 120_000_000_000
"""Largest difference of two clocks, ns: that of a message's SendingTime (52) in FIX."""
REPORT_TIME: Final = "report_time"


class Intake:
    """Corrects reports that cannot be: wrong times become now, with one alert until times are right; impossible quantities."""

    def __init__(self) -> None:
        self._is_misdated = False
        self._alerts: list[Entry] = []

    def take_alerts(self) -> list[Entry]:
        """Return and forget the alerts about wrong times since the last call."""
        alerts = self._alerts
        self._alerts = []
        return alerts

    def sanitise(
        self, event: OrderMessage | Holdings, orders: Orders, now_ns: int
    ) -> OrderMessage | Holdings:
        """The message, a report's or reject's time corrected; an execution of no positive quantity or beyond 64 bits becomes an
        `Unread`."""
        if not isinstance(event, Report | CancelReject):
            return event
        return replace_impossible(
            self._correct_time(event, orders.get(event.cl_ord_id) or orders.get(event.orig), now_ns)
        )

    def _correct_time(
        self, report: Report | CancelReject, order: ChildOrder | None, now_ns: int
    ) -> Report | CancelReject:
        """The report, dated now if its own time lies before its order or ahead of the clock by more than `TOLERANCE_NS`; the
        first of a run of such reports adds an alert."""
        since_ns = report.ns if order is None else order.sent_ns
        was_misdated = self._is_misdated
        self._is_misdated = not since_ns - TOLERANCE_NS <= report.ns <= now_ns + TOLERANCE_NS
        if not self._is_misdated:
            return report
        if not was_misdated:
            off_s = (report.ns - now_ns) / 1e9
            text = f"a report is dated {off_s:+.0f} s from the clock here, which cannot be: it is taken as of now"
            subject = (
                report.instrument,
                report.account,
                "" if order is None else order.parent,
                report.cl_ord_id,
            )
            self._alerts.append(entry_alert("critical", REPORT_TIME, text, now_ns, *subject))
        return replace(report, ns=now_ns)
