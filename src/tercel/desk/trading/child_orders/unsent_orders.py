"""Orders rebuilt from a venue's report, where the journal has no command of theirs."""

from tercel.core import orders as o
from tercel.core.child_order import ChildOrder, mark_unknown, open_order
from tercel.core.executions import unsent_order_name
from tercel.core.fixed_point import ceil_units
from tercel.core.orders import ExecType, OrdStatus
from tercel.core.records import fast_replace


def strange_order(report: o.Report) -> ChildOrder | None:
    """Ended order without parent and fills, on which to book an execution that no order of this desk caused; None otherwise."""
    if report.exec_type != ExecType.TRADE or not (
        report.account and report.instrument and report.exec_id
    ):
        return None
    root = unsent_order_name(report)
    lots = max(report.lots, ceil_units(report.cum_qty), ceil_units(report.last_qty))
    terms = report.instrument, report.side, lots, report.price, o.Tif.DAY, report.account
    return fast_replace(
        open_order(o.NewOrder(root, *terms, "", report.ns)), base=OrdStatus.CANCELED, acked=True
    )


def lost_order(report: o.Report) -> ChildOrder | None:
    """Order of UNKNOWN status made from a report, where the journal lost its command; None if the report does not name one."""
    if report.exec_type == ExecType.STATUS or not (
        report.cl_ord_id and report.instrument and report.lots > 0
    ):
        return None
    root = report.cl_ord_id
    stem, _, number = report.cl_ord_id.rpartition(".")
    command = o.NewOrder(
        cl_ord_id=root,
        instrument=report.instrument,
        side=report.side,
        lots=report.lots,
        price=report.price,
        tif=o.Tif.DAY,
        account=report.account,
        parent=stem if number.isdigit() else "",
        sent_ns=report.ns,
    )
    return mark_unknown(open_order(command))
