"""Transitions of an order's base state by execution reports, in the terms of FIX 5.0.

Every view of an order holds one base state and moves it by `next_base_state`: trading (`core.child_order.ChildOrder`),
limits and FIX (`desk.limits.state.OpenOrder`, `core.link.order_memory.SentOrder`), both with `cautious`. The simulated exchange
(`venues.exchange.orders.ClientOrder`) moves by `TRANSITIONS` itself, as it makes the reports.

No end is inferred: an order ends by a report of the venue alone, and until then its lots count as open. An order whose
fate is not known is UNKNOWN.
"""

from collections.abc import Mapping
from typing import Final

from tercel.core.fixed_point import ONE
from tercel.core.orders import HELD, REBOOKS, TERMINAL, ExecType, OrdStatus, Report, working_status

LIVE: Final[Mapping[ExecType, OrdStatus]] = {
    **dict.fromkeys(
        (
            ExecType.NEW,
            ExecType.TRADE,
            ExecType.REPLACED,
            ExecType.RESTATED,
            ExecType.BUSTED,
            ExecType.CORRECTED,
        ),
        OrdStatus.NEW,
    ),
    ExecType.CANCELED: OrdStatus.CANCELED,
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.REJECTED: OrdStatus.REJECTED,
    ExecType.SUSPENDED: OrdStatus.SUSPENDED,
    ExecType.STOPPED: OrdStatus.STOPPED,
    ExecType.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
    ExecType.CALCULATED: OrdStatus.CALCULATED,
}
_TRADES: Final = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED})
_RUNS: Final = _TRADES | HELD
# Enumeration members under short names: looking them up by attribute is slow, and every report is compared with them.
_FILLED = OrdStatus.FILLED
_UNKNOWN = OrdStatus.UNKNOWN
_UNSENT = OrdStatus.PENDING_NEW
_STATUS = ExecType.STATUS
TRANSITIONS: Final[Mapping[OrdStatus, Mapping[ExecType, OrdStatus]]] = {
    **dict.fromkeys((OrdStatus.PENDING_NEW, *_RUNS), LIVE),
    OrdStatus.UNKNOWN: {
        kind: LIVE[kind]
        for kind in (
            ExecType.NEW,
            ExecType.REPLACED,
            ExecType.CANCELED,
            ExecType.EXPIRED,
            ExecType.REJECTED,
        )
    },
    **{base: {} for base in TERMINAL},
}
"""Next base state (39), by current base state and type of report (150).

A type that a row does not name leaves the state as it is, as all pending reports do. NEW stands for PARTIALLY_FILLED if
lots are booked. `next_base_state` refines the table by the report's own status (39):

- FILLED ends a live order, and a held status (HELD) holds it.
- A filled order is live again when a later replace leaves lots open.
- An ended order becomes UNKNOWN, and the venue is queried, when another report says that lots are open, or accepts a
  replace that leaves lots open.
- An order that is UNKNOWN stays so until a report says that it is new, replaced or over, or an answer to a query confirms
  it: any other report may be old."""


def acknowledges(status: OrdStatus) -> bool:
    """Whether a reported status implies that the venue has, or had, the order; a later rejection contradicts it."""
    return status not in (OrdStatus.REJECTED, OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)


def update_count(counted_qty: int, recounted_ns: int, report: Report) -> tuple[int, int]:
    """The venue's filled quantity (10^-8 of a lot) and the time of its last bust or correction, after a report.
    A report from before that time changes neither.

    Reports may overtake one another and CumQty (14) only grows, but for busts and corrections; a report from before
    one counts fills that it has taken back.
    """
    if report.ns < recounted_ns:
        return counted_qty, recounted_ns
    if report.exec_type in REBOOKS:
        return report.cum_qty, report.ns
    return max(counted_qty, report.cum_qty), recounted_ns


def ends_order(report: Report, recounted_ns: int) -> bool:
    """Whether a report's status ends its order; FILLED reported before a bust or correction does not."""
    status = report.status
    return status in TERMINAL and (status is not _FILLED or report.ns >= recounted_ns)


def answers_earlier(status: OrdStatus, base: OrdStatus) -> bool:
    """Whether the refusal of a cancel, of an order in state `base`, shows that each request sent before it was answered: the
    venue reports an order that has ended, or one that it has rejected and so does not know."""
    return status in TERMINAL and (status is not OrdStatus.REJECTED or base is OrdStatus.REJECTED)


def next_base_state(
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
    `cautious`: as limits need it, which free no lots on a doubtful report.

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
    kind = report.exec_type
    status = report.status
    state = TRANSITIONS[base].get(kind, base)
    if kind is _STATUS:
        # PENDING_NEW says that the venue does not know either.
        if (
            base in TERMINAL
            or status in (OrdStatus.UNKNOWN, OrdStatus.PENDING_NEW)
            or report.ns < recounted_ns
        ):
            return base
        state = status if status in TERMINAL or status in HELD else OrdStatus.NEW
    else:
        replaced = kind is ExecType.REPLACED and report.ns >= last_ns and status not in TERMINAL
        if base is _FILLED or (replaced and base in TERMINAL):
            state = _reopen(base, report, cum_qty, counted_qty, lots, last_ns, cautious)
        elif base is _UNKNOWN and kind is ExecType.NEW and report.lots < lots:
            state = base  # a replacement that was on its way may still be: its lots stay reserved
        if state in _RUNS:
            overtaken = report.ns < last_ns and base in _RUNS
            state = base if overtaken else status if status in HELD else state
        # The order is over at the venue although executions are missing here: they are requested.
        if status is _FILLED and state not in TERMINAL and ends_order(report, recounted_ns):
            state = status
    if cautious and base not in TERMINAL:
        if state in TERMINAL:
            refused = base is _UNSENT and state is OrdStatus.REJECTED
            state = (
                status
                if (refused or status is not OrdStatus.REJECTED)
                and ends_order(report, recounted_ns)
                else base
            )
        if state is _UNSENT and acknowledges(status):
            state = OrdStatus.NEW
    return working_status(cum_qty) if state in _TRADES else state


def _reopen(
    base: OrdStatus,
    report: Report,
    cum_qty: int,
    counted_qty: int,
    lots: int,
    last_ns: int,
    cautious: bool,
) -> OrdStatus:
    """State after a report on a filled order, or a replace of an ended one: live, UNKNOWN, `base`, or the report's end."""
    kind = report.exec_type
    partial = cum_qty < lots * ONE
    is_rebooked = kind in REBOOKS and partial
    if is_rebooked and report.status in TERMINAL:
        return report.status
    # A replace may raise the lots of an order that has ended: it lives again, unless the report is from before its last fills.
    is_current = report.cum_qty >= counted_qty
    raised = (kind is ExecType.REPLACED and is_current) or (
        kind is ExecType.RESTATED and (is_current or cautious)
    )
    raised &= partial or not cautious
    newer = not cautious and report.ns > last_ns and report.status not in TERMINAL
    if report.leaves_qty <= 0 or not (is_rebooked or raised or newer):
        return base
    # The venue says that lots are open where all were filled: which is right only it can tell.
    return (
        OrdStatus.NEW
        if raised and kind is ExecType.REPLACED and base is _FILLED
        else OrdStatus.UNKNOWN
    )
