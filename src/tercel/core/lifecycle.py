"""State machine of a child order, in the names of FIX 5.0: its table of transitions, and pure functions from one state
to the next.

Every view of an order holds one base state and moves it by `moved`: trading (`ChildOrder`, the fold of its journal),
limits and FIX (`desk.limits.state.OpenOrder`, `fix.memory.SentOrder`) by the column `cautious`. The simulated exchange
(`venues.exchange.orders.ClientOrder`) moves by the table itself, as it makes the reports.

No end is ever inferred: an order ends by a report of the venue alone, and until then its lots count as open. An order
whose fate is not known is UNKNOWN, by name.

`ChildOrder.base` is what the venue has reported; a cancel or replace on its way shows in `ChildOrder.status` until it
is answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tercel.core.orders import (
    HELD,
    ONE,
    REBOOKS,
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
    text as decimals,
    working,
)
from tercel.core.serialization import fast_replace

S, X = OrdStatus, ExecType


_LIVE: Final[Mapping[ExecType, OrdStatus]] = {
    **dict.fromkeys((X.NEW, X.TRADE, X.REPLACED, X.RESTATED, X.BUSTED, X.CORRECTED), S.NEW),
    X.CANCELED: S.CANCELED,
    X.EXPIRED: S.EXPIRED,
    X.REJECTED: S.REJECTED,
    X.SUSPENDED: S.SUSPENDED,
    X.STOPPED: S.STOPPED,
    X.DONE_FOR_DAY: S.DONE_FOR_DAY,
    X.CALCULATED: S.CALCULATED,
}
_TRADES: Final = frozenset({S.NEW, S.PARTIALLY_FILLED})
_RUNS: Final = _TRADES | HELD
# Members of an enumeration by name take a quarter of a microsecond each: those that every report is held against.
_FILLED, _UNKNOWN, _UNSENT, _STATUS = S.FILLED, S.UNKNOWN, S.PENDING_NEW, X.STATUS
TRANSITIONS: Final[Mapping[OrdStatus, Mapping[ExecType, OrdStatus]]] = {
    **dict.fromkeys((S.PENDING_NEW, *_RUNS), _LIVE),
    S.UNKNOWN: {
        kind: _LIVE[kind] for kind in (X.NEW, X.REPLACED, X.CANCELED, X.EXPIRED, X.REJECTED)
    },
    **{base: {} for base in TERMINAL},
}
"""Base state (39) after a report (150); what a row does not name leaves the state, as all pending reports do. NEW means
PARTIALLY_FILLED where lots are booked. The report's own status has more to say: FILLED ends what lives, a held state
holds it, and an order that was filled lives on when a later replace leaves lots open. It is UNKNOWN, and the venue is
queried, when another report says that lots of it are open, and so is an order that ended otherwise when a later report
accepts a replace that leaves some. A report on an UNKNOWN order may be old: it stays UNKNOWN
until it is new, replaced, over, or confirmed by an answer to a query."""


# -- rules that every view of an order has in common ------------------------------------------------------------------
def acknowledges(status: OrdStatus) -> bool:
    """Whether a reported status says that the venue has, or had, the order: a late rejection contradicts it then."""
    return status not in (S.REJECTED, S.PENDING_NEW, S.UNKNOWN)


def recounted(counted_qty: int, recounted_ns: int, report: Report) -> tuple[int, int]:
    """Quantity that the venue counts as filled, 10^-8 of a lot, and when it last took back or corrected a fill, ns.

    Reports may overtake one another and CumQty (14) only grows, but for busts and corrections; a report from before
    one counts fills that it has taken back.
    """
    if report.ns < recounted_ns:
        return counted_qty, recounted_ns
    if report.exec_type in REBOOKS:
        return report.cum_qty, report.ns
    return max(counted_qty, report.cum_qty), recounted_ns


def ends(report: Report, recounted_ns: int) -> bool:
    """Whether a report's status ends its order; a fill from before one was taken back ends nothing."""
    status = report.status
    return status in TERMINAL and (status is not _FILLED or report.ns >= recounted_ns)


def moved(
    base: OrdStatus,
    report: Report,
    cum_qty: int,
    counted_qty: int,
    lots: int,
    last_ns: int = 0,
    recounted_ns: int = 0,
    cautious: bool = False,
) -> OrdStatus:
    """Base state after a report: by the table, refined by the report's own status, counts and time.

    Parameters
    ----------
    base : OrdStatus
    report : Report
    cum_qty, counted_qty : int
        Booked quantity and the venue's filled quantity, 10^-8 of a lot, both with this report.
    lots : int
    last_ns, recounted_ns : int
        When the venue last reported the order, and last took back or corrected a fill. An overtaken report may end it
        and moves it from no live state to another.
    cautious : bool
        The column of limits, which free no lots on a doubtful report. An order ends only in a status (39) that says so,
        and by a rejection only before any other report of it; one that was filled is open again by a restatement whatever
        the venue counts, and by nothing once all of its lots are booked. `last_ns` is when it ended.
    """
    kind, status = report.exec_type, report.status
    after = TRANSITIONS[base].get(kind, base)
    if kind is _STATUS:
        # PENDING_NEW says that the venue does not know either.
        if base in TERMINAL or status in (S.UNKNOWN, S.PENDING_NEW) or report.ns < recounted_ns:
            return base
        after = status if status in TERMINAL or status in HELD else S.NEW
    else:
        replaced = kind is X.REPLACED and report.ns >= last_ns and status not in TERMINAL
        if base is _FILLED or (replaced and base in TERMINAL):
            after = _reopened(base, report, cum_qty, counted_qty, lots, last_ns, cautious)
        elif base is _UNKNOWN and kind is X.NEW and report.lots < lots:
            after = base  # a replacement that was on its way may still be: its lots stay reserved
        if after in _RUNS:
            overtaken = report.ns < last_ns and base in _RUNS
            after = base if overtaken else status if status in HELD else after
        # The order is over at the venue although executions are missing here: they are requested.
        if status is _FILLED and after not in TERMINAL and ends(report, recounted_ns):
            after = status
    if cautious and base not in TERMINAL:
        if after in TERMINAL:
            refused = base is _UNSENT and after is S.REJECTED
            after = (
                status
                if (refused or status is not S.REJECTED) and ends(report, recounted_ns)
                else base
            )
        if after is _UNSENT and acknowledges(status):
            after = S.NEW
    return working(cum_qty) if after in _TRADES else after


def _reopened(
    base: OrdStatus,
    report: Report,
    cum_qty: int,
    counted_qty: int,
    lots: int,
    last_ns: int,
    cautious: bool,
) -> OrdStatus:
    """State after a report on an order that was filled, or after the acceptance of a replace on one that has ended."""
    kind, partial = report.exec_type, cum_qty < lots * ONE
    taken = kind in REBOOKS and partial
    if taken and report.status in TERMINAL:
        return report.status
    # A replace may raise the lots of an order that has ended: it lives again, unless the report is from before its last fills.
    young = report.cum_qty >= counted_qty
    raised = (kind is X.REPLACED and young) or (kind is X.RESTATED and (young or cautious))
    raised &= partial or not cautious
    newer = not cautious and report.ns > last_ns and report.status not in TERMINAL
    if report.leaves_qty <= 0 or not (taken or raised or newer):
        return base
    # The venue says that lots are open where all were filled: which is right only it can tell.
    return S.NEW if raised and kind is X.REPLACED and base is _FILLED else S.UNKNOWN


# -- notices ----------------------------------------------------------------------------------------------------------
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
    """A notice to journal; `message` is the report it set aside."""

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
        """Whether the venue has ended it."""
        return self.base in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether it has ended for good: every fill that the venue counts is booked, every replace answered."""
        return self.done and self.cum_qty >= self.venue_qty and not self.pending

    @property
    def status(self) -> OrdStatus:
        """Order status, pending cancel or replace included."""
        if self.done or self.base in (S.UNKNOWN, S.PENDING_NEW) or not self.pending:
            return self.base
        return (
            S.PENDING_CANCEL
            if any(not pending.lots for pending in self.pending)
            else S.PENDING_REPLACE
        )

    @property
    def open_qty(self) -> int:
        """Quantity that may still fill or has filled without a report yet: 10^-8 of a lot."""
        lots = 0 if self.done else self.lots
        most = max(lots, *(pending.lots for pending in self.pending), 0)
        return max(most * ONE, self.venue_qty) - self.cum_qty

    @property
    def most_lots(self) -> int:
        """Its lots, or the larger lots of a replace in flight."""
        return max(self.lots, *(pending.lots for pending in self.pending), 0)


def opened(command: NewOrder) -> ChildOrder:
    """The order of a new-order command, not yet acknowledged."""
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


def requested(order: ChildOrder, command: CancelOrder | ReplaceOrder | MassCancel) -> ChildOrder:
    """The order with a cancel or replace in flight."""
    asked = (command.lots, command.price) if isinstance(command, ReplaceOrder) else ()
    return fast_replace(order, pending=(*order.pending, Pending(command.cl_ord_id, *asked)))


def lost(order: ChildOrder) -> ChildOrder:
    """The order with unknown fate, as is what was in flight to it; one that has ended stays so.

    The largest size that a pending replace may have given it stays reserved.
    """
    if order.done:
        return fast_replace(order, pending=tuple([asked for asked in order.pending if asked.lots]))
    # Of two sizes that it may have the larger: an order that turns out smaller does no harm.
    return fast_replace(order, base=S.UNKNOWN, lots=order.most_lots, pending=())


def reported(order: ChildOrder, report: Report) -> tuple[ChildOrder, list[Notice]]:
    """The order after a new execution report; a TRADE is booked.

    A bust or correction changes the order's state; the execution itself was rebooked by `rebooked` before.

    Returns
    -------
    Order
    list of Notice
    """
    before, kind = order, report.exec_type
    order = fast_replace(
        order,
        order_id=report.order_id or order.order_id,
        last_ns=max(order.last_ns, report.ns),
        # Once acknowledged always so: a late rejection of such an order is a contradiction, not an answer.
        acked=order.acked or acknowledges(report.status),
        gone=False,
        text=report.text or order.text,
    )
    counted, ns = recounted(order.counted_qty, order.recounted_ns, report)
    if (counted, ns) != (order.counted_qty, order.recounted_ns):
        order = fast_replace(order, counted_qty=counted, recounted_ns=ns)
    if kind == X.STATUS:
        order, notices = _answered(order, report)
    else:
        notices = _oddities(before, report)
        if kind == X.TRADE:
            order = rebooked(order, report.last_qty, report.last_qty * report.last_px)
        base = _base(order, report, before.last_ns)
        if kind in (X.REPLACED, X.RESTATED):
            raised = report.leaves_qty > 0 and report.cum_qty >= order.venue_qty
            over = order.done and base in TERMINAL and not (raised and order.base is S.FILLED)
            order = _changed(order, report, over)
        order = _standing(order, base)
    # Against the report's own count, too: one that was overtaken says nothing of later fills.
    if order.cum_qty < min(report.cum_qty, order.venue_qty):
        text = f"{decimals(order.cum_qty)} lots booked, the venue counts {decimals(report.cum_qty)}"
        notices.append(Notice(Code.GAP, order.root, text))
    return order, notices


def rebooked(order: ChildOrder, qty: int, paid: int) -> ChildOrder:
    """The order after a bust or correction, by the change of quantity and of price x quantity."""
    return fast_replace(order, cum_qty=order.cum_qty + qty, paid=order.paid + paid)


def _oddities(order: ChildOrder, report: Report) -> list[Notice]:
    """Notices of a report that contradicts the order before it, or was not requested."""
    kind, root, notices = report.exec_type, order.root, []
    cum = order.cum_qty + (report.last_qty if kind == X.TRADE else 0)
    # A fill that the venue had counted when it ended the order is only late; one beyond that was not.
    if kind == X.TRADE and order.done and cum > order.venue_qty:
        notices.append(
            Notice(Code.LATE_FILL, root, f"{decimals(report.last_qty)} lots after {order.base}")
        )
    if kind in (X.TRADE, X.CORRECTED) and cum > order.most_lots * ONE:
        notices.append(Notice(Code.OVERFILL, root, f"{decimals(cum)} lots of {order.lots}"))
    after = _LIVE.get(kind)
    if order.done and after in TERMINAL and after is not order.base:
        notices.append(Notice(Code.CONFLICT, root, f"{order.base}, then {kind}"))
    elif kind == X.CANCELED and not order.done and not order.pending and order.base != S.UNKNOWN:
        notices.append(Notice(Code.UNSOLICITED, root, report.text))
    elif kind == X.REJECTED and not order.done:
        # An order of unknown fate may well have been rejected.
        odd = order.cum_qty or (order.acked and order.base != S.UNKNOWN)
        notices.append(Notice(Code.CONFLICT if odd else Code.REJECTED, root, report.text))
    elif kind == X.RESTATED:
        now = f"{report.lots} lots at {report.price}, before {order.lots} at {order.price}"
        notices.append(Notice(Code.RESTATED, root, f"{now} {report.text}".rstrip()))
    elif after in HELD:
        notices.append(Notice(Code.HELD, root, f"{kind} {report.text}".rstrip()))
    return notices


def _changed(order: ChildOrder, report: Report, over: bool) -> ChildOrder:
    """The order with other lots, price or name. A report from before the last change tells nothing, but where it takes
    a request that was sent after all that were taken: then the venue's clock was put back, and the larger size counts.
    """
    name, asked = order.name, False
    if report.exec_type == X.REPLACED:
        name, names = report.cl_ord_id, [pending.cl_ord_id for pending in order.pending]
        if name in names:
            at = names.index(name)
            asked = not order.pending[at].late
            # Marked, so that an answer to one of them which is dated earlier is not taken for a clock put back.
            older = tuple(fast_replace(pending, late=True) for pending in order.pending[:at])
            order = fast_replace(order, pending=(*older, *order.pending[at + 1 :]))
    before = report.ns < order.replaced_ns
    if over or (before and not asked):
        return order
    lots = report.lots or order.lots
    price = order.price if report.price is None else report.price
    # Dated before the last change and yet new: the venue's clock was put back, so time cannot tell which is in force.
    if before:
        lots = max(lots, order.lots)
    ns = max(report.ns, order.replaced_ns)
    return fast_replace(order, name=name, lots=lots, price=price, replaced_ns=ns)


def _base(order: ChildOrder, report: Report, last_ns: int) -> OrdStatus:
    counts = order.cum_qty, order.venue_qty, order.lots
    return moved(order.base, report, *counts, last_ns, order.recounted_ns)


def _standing(order: ChildOrder, base: OrdStatus) -> ChildOrder:
    """The order in a base state; what has ended waits for answers to replaces that would open lots of it."""
    pending = order.pending
    if base in TERMINAL:
        pending = tuple([asked for asked in pending if asked.lots * ONE > order.cum_qty])
    return (
        order
        if (base, pending) == (order.base, order.pending)
        else fast_replace(order, base=base, pending=pending)
    )


def _answered(order: ChildOrder, report: Report) -> tuple[ChildOrder, list[Notice]]:
    """The order after the answer to a status query: it resolves UNKNOWN and reopens nothing that has ended."""
    base = _base(order, report, order.last_ns)
    # Venues answer so about names that they have forgotten; it cannot have been rejected.
    if base is S.REJECTED and not order.done and (order.acked or order.cum_qty):
        return lost(order), [
            Notice(Code.CONFLICT, order.root, f"the venue no longer knows it: {report.text}")
        ]
    if order.base is S.UNKNOWN and base is not S.UNKNOWN and base not in TERMINAL:
        if report.status in (S.PENDING_REPLACE, S.PENDING_CANCEL) and report.lots < order.lots:
            return order, []  # the replacement is still pending: its lots stay reserved
        known = report.cl_ord_id or order.name
        order = fast_replace(order, name=known, lots=report.lots or order.lots, price=report.price)
    return _standing(order, base), []


def refused(order: ChildOrder, reject: CancelReject) -> tuple[ChildOrder, list[Notice]]:
    """The order after a cancel or replace reject.

    When the venue reports that the order has ended and no report has, or that it does not know it, it is UNKNOWN: what
    ended it is still to come. A venue that knows the order, and refuses to cancel it as it has ended, has answered every
    request that was sent before the cancel.
    """
    names = [pending.cl_ord_id for pending in order.pending]
    over = reject.status in TERMINAL or reject.status is S.UNKNOWN
    left = order.pending
    if reject.cl_ord_id in names:
        at = names.index(reject.cl_ord_id)
        known = reject.status in TERMINAL and reject.status is not S.REJECTED
        answered = order.done and known and not left[at].lots
        left = left[at + 1 :] if answered else (*left[:at], *left[at + 1 :])
    order = fast_replace(order, pending=left, last_ns=max(order.last_ns, reject.ns))
    notices = [Notice(Code.CANCEL_REJECTED, order.root, reject.text)]
    # It ended, but how much of it filled only its own report says.
    if over and not order.done:
        notices.append(
            Notice(
                Code.UNKNOWN, order.root, f"the venue calls it {reject.status} and has not said why"
            )
        )
        order = fast_replace(lost(order), gone=True)
    return order, notices
