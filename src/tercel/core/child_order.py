"""Child order: its state after every command, execution report and cancel reject, and notices of contradicting reports.

`ChildOrder.base` is the state that the venue has reported; a cancel or replace in flight shows in `ChildOrder.status` until
the venue answers. No end is inferred: an order ends by a report of the venue alone, and until then its lots count as open.
"""

from dataclasses import dataclass
from enum import StrEnum

from tercel.core.fixed_point import ONE, format_decimal
from tercel.core.lifecycle import (
    LIVE,
    acknowledges,
    answers_earlier,
    next_base_state,
    update_count,
)
from tercel.core.orders import (
    HELD,
    TERMINAL,
    CancelOrder,
    CancelReject,
    ExecType,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
    Unread,
)
from tercel.core.records import fast_replace


class Code(StrEnum):
    """Codes of notices about reports."""

    UNKNOWN_ORDER = "unknown_order"
    """A report on an order that was never sent: set aside."""
    EXEC_CHANGED = "exec_changed"
    """An execution came again with other content: not booked."""
    OVERFILL = "overfill"
    """More was filled than ordered: booked."""
    LATE_FILL = "late_fill"
    """A fill beyond what the venue had reported when it ended the order: booked."""
    UNSOLICITED = "unsolicited_cancel"
    """The venue cancelled an order without a request."""
    CONFLICT = "conflict"
    """The venue reports what cannot follow from its earlier reports."""
    GAP = "missing_executions"
    """The venue counts more filled lots than it has reported."""
    REJECTED = "rejected"
    CANCEL_REJECTED = "cancel_rejected"
    UNKNOWN = "unknown"
    """The state of the order is unknown."""
    DUPLICATE = "duplicate"
    BUSTED = "busted"
    """An execution never was: what was booked of it is taken back."""
    CORRECTED = "corrected"
    """An execution was of other lots or at another price: booked again."""
    UNKNOWN_EXECUTION = "unknown_execution"
    """A bust or correction of an execution that was never reported: set aside until it is."""
    RESTATED = "restated"
    """The venue changed size or price by itself."""
    HELD = "held"
    """The venue suspended or stopped it, or it is done for the day: its lots stay reserved."""
    UNALLOCATED = "unallocated"
    """An execution of an order that was not sent here: booked to its account, to no parent."""
    UNREADABLE = "unreadable"
    """A message that cannot be read: set aside, and the order that it names is UNKNOWN."""
    FAULTY = "faulty_report"
    """A report with a fault that did not keep it from being read: it counts like any other."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice to journal about a report: a code, the order, a text, and the report if it was set aside."""

    code: Code
    order: str
    text: str = ""
    message: Report | CancelReject | Unread | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A cancel or replace in flight; `lots` and `price` are a replace's, `lots` 0 for a cancel.

    `late`: the venue has taken a replace that was sent after it."""

    cl_ord_id: str
    lots: int = 0
    price: int | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class ChildOrder:
    """State of a child order.

    Parameters
    ----------
    root, name : str
        Its first cl_ord_id, which never changes, and its latest that the venue has accepted.
    order_id : str
        The venue's name, "" until it is reported.
    instrument, account, parent, side, lots, price, tif
        As ordered, and as replaced since.
    base : OrdStatus
        State by the venue's reports, without pending requests.
    pending : tuple of Pending
        Cancels and replaces without an answer; of an order that has ended, replaces that would open lots, and cancels
        sent since.
    cum_qty, paid : int
        Booked quantity, 10^-8 of a lot, and its sum of price x quantity (`core.orders`).
    counted_qty : int
        Filled quantity by the venue's count, 10^-8 of a lot.
    acked : bool
        The venue has acknowledged the order.
    gone : bool
        The venue's last word on it refused a cancel: it has ended, or is not known there.
    sent_ns, last_ns, replaced_ns, recounted_ns : int
        When it was sent, when the venue last reported it, when it last changed its size or price, and when it last
        took back or corrected a fill: older counts are no longer true.
    text : str
        The venue's reason.
    """

    root: str
    name: str
    instrument: str
    account: str
    parent: str
    side: int
    lots: int
    price: int | None
    tif: Tif
    sent_ns: int
    order_id: str = ""
    base: OrdStatus = OrdStatus.PENDING_NEW
    pending: tuple[Pending, ...] = ()
    cum_qty: int = 0
    paid: int = 0
    counted_qty: int = 0
    acked: bool = False
    gone: bool = False
    last_ns: int = 0
    replaced_ns: int = 0
    recounted_ns: int = 0
    text: str = ""

    @property
    def venue_qty(self) -> int:
        """Filled quantity as the venue counts it; above `cum_qty` while executions are missing."""
        return max(self.counted_qty, self.cum_qty)

    @property
    def done(self) -> bool:
        """Whether the venue has ended the order."""
        return self.base in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether the order has ended and nothing is outstanding: every counted fill is booked, no request is pending."""
        return self.done and self.cum_qty >= self.venue_qty and not self.pending

    @property
    def status(self) -> OrdStatus:
        """`base`, or with pending requests PENDING_CANCEL (else PENDING_REPLACE) if the order is live and known at the venue."""
        if self.done or self.base in (OrdStatus.UNKNOWN, OrdStatus.PENDING_NEW) or not self.pending:
            return self.base
        return (
            OrdStatus.PENDING_CANCEL
            if any(not pending.lots for pending in self.pending)
            else OrdStatus.PENDING_REPLACE
        )

    @property
    def open_qty(self) -> int:
        """Quantity that may still fill, or has filled without a report so far: 10^-8 of a lot."""
        lots = 0 if self.done else self.lots
        most = max(lots, *(pending.lots for pending in self.pending), 0)
        return max(most * ONE, self.venue_qty) - self.cum_qty

    @property
    def most_lots(self) -> int:
        """Lots of the order, or of a replace in flight if those are more."""
        return max(self.lots, *(pending.lots for pending in self.pending), 0)


def open_order(command: NewOrder) -> ChildOrder:
    """The child order of a new-order command, not acknowledged yet."""
    return ChildOrder(
        root=command.cl_ord_id,
        name=command.cl_ord_id,
        instrument=command.instrument,
        account=command.account,
        parent=command.parent,
        side=command.side,
        lots=command.lots,
        price=command.price,
        tif=command.tif,
        sent_ns=command.sent_ns,
    )


def add_request(order: ChildOrder, command: CancelOrder | ReplaceOrder | MassCancel) -> ChildOrder:
    """The order with a cancel or replace in flight, last of its pending requests; a cancel has 0 lots there."""
    changes = (command.lots, command.price) if isinstance(command, ReplaceOrder) else ()
    return fast_replace(order, pending=(*order.pending, Pending(command.cl_ord_id, *changes)))


def mark_unknown(order: ChildOrder) -> ChildOrder:
    """The order as UNKNOWN, with its pending requests dropped; one that has ended stays so and drops pending cancels alone.

    The largest size that a pending replace may have given it stays reserved.
    """
    if order.done:
        return fast_replace(
            order, pending=tuple([request for request in order.pending if request.lots])
        )
    # Of two sizes that it may have the larger: an order that turns out smaller does no harm.
    return fast_replace(order, base=OrdStatus.UNKNOWN, lots=order.most_lots, pending=())


def apply_report(order: ChildOrder, report: Report) -> tuple[ChildOrder, list[Notice]]:
    """The order after a new execution report, a TRADE booked, and notices of contradictions, rejections and changes.

    A bust or correction changes the order's state; the execution itself was changed by `rebook` before.

    Returns
    -------
    Order
    list of Notice
    """
    previous = order
    kind = report.exec_type
    order = fast_replace(
        order,
        order_id=report.order_id or order.order_id,
        last_ns=max(order.last_ns, report.ns),
        # Once acknowledged always so: a late rejection of such an order is a contradiction, not an answer.
        acked=order.acked or acknowledges(report.status),
        gone=False,
        text=report.text or order.text,
    )
    counted, ns = update_count(order.counted_qty, order.recounted_ns, report)
    if (counted, ns) != (order.counted_qty, order.recounted_ns):
        order = fast_replace(order, counted_qty=counted, recounted_ns=ns)
    if kind == ExecType.STATUS:
        order, notices = _apply_status(order, report)
    else:
        notices = _report_notices(previous, report)
        if kind == ExecType.TRADE:
            order = rebook(order, report.last_qty, report.last_qty * report.last_px)
        base = _next_status(order, report, previous.last_ns)
        if kind in (ExecType.REPLACED, ExecType.RESTATED):
            raised = report.leaves_qty > 0 and report.cum_qty >= order.venue_qty
            is_over = (
                order.done and base in TERMINAL and not (raised and order.base is OrdStatus.FILLED)
            )
            order = _apply_change(order, report, is_over)
        order = _set_base(order, base)
    # Against the report's own count, too: one that was overtaken says nothing of later fills.
    if order.cum_qty < min(report.cum_qty, order.venue_qty):
        text = f"{format_decimal(order.cum_qty)} lots booked, the venue counts {format_decimal(report.cum_qty)}"
        notices.append(Notice(Code.GAP, order.root, text))
    return order, notices


def rebook(order: ChildOrder, qty: int, paid: int) -> ChildOrder:
    """The order with filled quantity changed by `qty`, price x quantity by `paid` (differences): a trade, bust or correction."""
    return fast_replace(order, cum_qty=order.cum_qty + qty, paid=order.paid + paid)


def _report_notices(order: ChildOrder, report: Report) -> list[Notice]:
    """Notices of a report: contradictions of the order before it, late and excess fills, and rejections, changes and
    holds."""
    kind = report.exec_type
    root = order.root
    notices = []
    cum = order.cum_qty + (report.last_qty if kind == ExecType.TRADE else 0)
    # A fill that the venue had counted when it ended the order is only late; one beyond that was not.
    if kind == ExecType.TRADE and order.done and cum > order.venue_qty:
        notices.append(
            Notice(
                Code.LATE_FILL, root, f"{format_decimal(report.last_qty)} lots after {order.base}"
            )
        )
    if kind in (ExecType.TRADE, ExecType.CORRECTED) and cum > order.most_lots * ONE:
        notices.append(Notice(Code.OVERFILL, root, f"{format_decimal(cum)} lots of {order.lots}"))
    after = LIVE.get(kind)
    if order.done and after in TERMINAL and after is not order.base:
        notices.append(Notice(Code.CONFLICT, root, f"{order.base}, then {kind}"))
    elif (
        kind == ExecType.CANCELED
        and not order.done
        and not order.pending
        and order.base != OrdStatus.UNKNOWN
    ):
        notices.append(Notice(Code.UNSOLICITED, root, report.text))
    elif kind == ExecType.REJECTED and not order.done:
        # An order of unknown fate may well have been rejected.
        is_conflict = order.cum_qty or (order.acked and order.base != OrdStatus.UNKNOWN)
        notices.append(Notice(Code.CONFLICT if is_conflict else Code.REJECTED, root, report.text))
    elif kind == ExecType.RESTATED:
        text = f"{report.lots} lots at {report.price}, before {order.lots} at {order.price} {report.text}"
        notices.append(Notice(Code.RESTATED, root, text.rstrip()))
    elif after in HELD:
        notices.append(Notice(Code.HELD, root, f"{kind} {report.text}".rstrip()))
    return notices


def _apply_change(order: ChildOrder, report: Report, is_over: bool) -> ChildOrder:
    """The order with the lots, price or name of a report. A report older than the last change is ignored, unless it
    answers the latest request: then the venue's clock was put back, and the larger size counts.
    `is_over`: the order has ended, and only its pending requests change.
    """
    name = order.name
    is_answer = False
    if report.exec_type == ExecType.REPLACED:
        name = report.cl_ord_id
        names = [pending.cl_ord_id for pending in order.pending]
        if name in names:
            index = names.index(name)
            is_answer = not order.pending[index].late
            # Marked, so that an answer to one of them which is dated earlier is not taken for a clock put back.
            older = tuple(fast_replace(pending, late=True) for pending in order.pending[:index])
            order = fast_replace(order, pending=(*older, *order.pending[index + 1 :]))
    is_older = report.ns < order.replaced_ns
    if is_over or (is_older and not is_answer):
        return order
    lots = report.lots or order.lots
    price = order.price if report.price is None else report.price
    # Dated before the last change and yet new: the venue's clock was put back, so time cannot tell which is in force.
    if is_older:
        lots = max(lots, order.lots)
    ns = max(report.ns, order.replaced_ns)
    return fast_replace(order, name=name, lots=lots, price=price, replaced_ns=ns)


def _next_status(order: ChildOrder, report: Report, last_ns: int) -> OrdStatus:
    """Base state (OrdStatus alone, not the order) after a report; `last_ns`: when the venue last reported it before."""
    counts = order.cum_qty, order.venue_qty, order.lots
    return next_base_state(order.base, report, *counts, last_ns, order.recounted_ns)


def _set_base(order: ChildOrder, base: OrdStatus) -> ChildOrder:
    """The order in base state `base`; an order that has ended keeps only pending replaces that would open lots."""
    pending = order.pending
    if base in TERMINAL:
        pending = tuple([request for request in pending if request.lots * ONE > order.cum_qty])
    return (
        order
        if (base, pending) == (order.base, order.pending)
        else fast_replace(order, base=base, pending=pending)
    )


def _apply_status(order: ChildOrder, report: Report) -> tuple[ChildOrder, list[Notice]]:
    """The order after the answer to a status query, and notices; it resolves UNKNOWN, and ended orders stay ended."""
    base = _next_status(order, report, order.last_ns)
    # Venues answer so about names that they have forgotten; it cannot have been rejected.
    if base is OrdStatus.REJECTED and not order.done and (order.acked or order.cum_qty):
        return mark_unknown(order), [
            Notice(Code.CONFLICT, order.root, f"the venue no longer knows it: {report.text}")
        ]
    if order.base is OrdStatus.UNKNOWN and base is not OrdStatus.UNKNOWN and base not in TERMINAL:
        if (
            report.status in (OrdStatus.PENDING_REPLACE, OrdStatus.PENDING_CANCEL)
            and report.lots < order.lots
        ):
            return order, []  # the replacement is still pending: its lots stay reserved
        name = report.cl_ord_id or order.name
        order = fast_replace(order, name=name, lots=report.lots or order.lots, price=report.price)
    return _set_base(order, base), []


def apply_reject(order: ChildOrder, reject: CancelReject) -> tuple[ChildOrder, list[Notice]]:
    """The order after a cancel or replace reject, without the refused request, and notices; it never ends by a reject.

    When the venue reports that the order has ended and no report has, or that it does not know it, it is UNKNOWN: what
    ended it is still to come. A venue that knows the order, and refuses to cancel it as it has ended, has answered every
    request that was sent before the cancel.
    """
    names = [pending.cl_ord_id for pending in order.pending]
    is_over = reject.status in TERMINAL or reject.status is OrdStatus.UNKNOWN
    remaining = order.pending
    if reject.cl_ord_id in names:
        index = names.index(reject.cl_ord_id)
        answered = (
            order.done and not remaining[index].lots and answers_earlier(reject.status, order.base)
        )
        remaining = (
            remaining[index + 1 :] if answered else (*remaining[:index], *remaining[index + 1 :])
        )
    order = fast_replace(order, pending=remaining, last_ns=max(order.last_ns, reject.ns))
    notices = [Notice(Code.CANCEL_REJECTED, order.root, reject.text)]
    # It ended, but how much of it filled only its own report says.
    if is_over and not order.done:
        notices.append(
            Notice(
                Code.UNKNOWN, order.root, f"the venue calls it {reject.status} and has not said why"
            )
        )
        order = fast_replace(mark_unknown(order), gone=True)
    return order, notices
