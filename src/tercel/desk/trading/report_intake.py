"""Sanitising of venue reports: impossible times become now, executions of zero quantity are unreadable.

TransactTime (60) is the venue's word, and a venue may write local time into it, or nonsense. No report comes before
what it is of, and nothing happens to an order before it was sent; what comes late, or again, happened in between.
"""

from dataclasses import replace
from typing import Final

from tercel.core.orders import CancelReject, Holdings, Report
from tercel.core.ports import Entry
from tercel.desk.trading.journal.codec import OrderMessage, entry_alert, readable
from tercel.desk.trading.order import ChildOrder
from tercel.desk.trading.orders import Orders

TOLERANCE_NS: Final = 120_000_000_000
"""So far may two clocks be apart: as far as FIX lets the SendingTime (52) of a message be."""
REPORT_TIME: Final = "report_time"


class Intake:
    """Sanitises reports; alerts wrong timestamps once until they are right again."""

    def __init__(self) -> None:
        self._wrong = False
        self._alerts: list[Entry] = []

    def alerts(self) -> list[Entry]:
        """Alerts since the last call."""
        found = self._alerts
        self._alerts = []
        return found

    def taken(
        self, event: OrderMessage | Holdings, orders: Orders, now_ns: int
    ) -> OrderMessage | Holdings:
        """The message in sanitised form."""
        if not isinstance(event, Report | CancelReject):
            return event
        return readable(
            self._dated(event, orders.get(event.cl_ord_id) or orders.get(event.orig), now_ns)
        )

    def _dated(
        self, report: Report | CancelReject, order: ChildOrder | None, now_ns: int
    ) -> Report | CancelReject:
        since_ns = report.ns if order is None else order.sent_ns
        before = self._wrong
        self._wrong = not since_ns - TOLERANCE_NS <= report.ns <= now_ns + TOLERANCE_NS
        if not self._wrong:
            return report
        if not before:
            off_s = (report.ns - now_ns) / 1e9
            text = f"a report is dated {off_s:+.0f} s from the clock here, which cannot be: it is taken as of now"
            where = (
                report.instrument,
                report.account,
                "" if order is None else order.parent,
                report.cl_ord_id,
            )
            self._alerts.append(entry_alert("critical", REPORT_TIME, text, now_ns, *where))
        return replace(report, ns=now_ns)
