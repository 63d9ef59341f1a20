"""Execution reports in standard FIX alone, for counterparties without this package's tags."""

from dataclasses import replace
from decimal import Decimal

from tercel.core import orders as o
from tercel.core.fixed import ONE
from tercel.fix import tags as t
from tercel.fix import translate
from tercel.fix.desk import Counterparty
from tercel.fix.protocol.message import Fields, utc_text
from tercel.fix.scale import PriceScale


def plain_report(
    party: Counterparty, report: o.Report, scale: PriceScale, average: Decimal
) -> Fields:
    """Fields of a report: leaves quantity of the whole order, and pending states in OrdStatus."""
    live = report.status not in o.TERMINAL and report.status is not o.OrdStatus.UNKNOWN
    if live and report.leaves_qty != (open_qty := report.lots * ONE - report.cum_qty):
        report = replace(report, leaves_qty=open_qty)
    if report.exec_type is not o.ExecType.STATUS:
        return translate.report_out(report, scale, average, exact=False)
    return _status(party, report, live, scale, average)


def _status(
    party: Counterparty, report: o.Report, live: bool, scale: PriceScale, average: Decimal
) -> Fields:
    asked_by = report.orig or report.cl_ord_id
    question = party.asked.pop(asked_by, None)
    report = replace(report, orig="", last_qty=0, last_px=0, passive=False)
    if live:
        report = replace(report, status=party.stands(report.cl_ord_id))
    fields = translate.report_out(report, scale, average, exact=False)
    if question is None:
        return [*fields, (t.MASS_STATUS_ID, party.mass_status)] if party.mass_status else fields
    if (status_id := question.get(t.STATUS_ID, "")) != "":
        fields = [*fields, (t.STATUS_ID, status_id)]
    if (
        dict(fields).get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER
    ):  # nothing but the question is known of it
        asked = {
            t.SYMBOL: question.get(t.SYMBOL, t.NO_SYMBOL),
            t.SIDE: question.get(t.SIDE, t.NO_SIDE_CODE),
        }
        gone = {t.ORDER_QTY, t.ORD_TYPE, t.PRICE}
        fields = [(tag, asked.get(tag, value)) for tag, value in fields if tag not in gone]
    return fields


def none_to_report(party: Counterparty, account: str, exec_id: str, now_ns: int) -> Fields:
    """Answer to a mass status request where there are no orders."""
    names = [(t.ORDER_ID, t.NO_NAME), (t.EXEC_ID, exec_id), (t.MASS_STATUS_ID, party.mass_status)]
    codes = [
        (t.EXEC_TYPE, "I"),
        (t.ORD_STATUS, "8"),
        (t.ORD_REJ_REASON, t.UNKNOWN_ORDER),
        (t.TOTAL_REPORTS, "0"),
    ]
    what = [(t.ACCOUNT, account), (t.SYMBOL, t.NO_SYMBOL), (t.SIDE, t.NO_SIDE_CODE)]
    sums = [
        (t.CUM_QTY, "0"),
        (t.LEAVES_QTY, "0"),
        (t.AVG_PX, "0"),
        (t.TRANSACT_TIME, utc_text(now_ns, 6)),
    ]
    return [one for one in (*names, *codes, *what, *sums, (t.TEXT, "no orders")) if one[1]]
