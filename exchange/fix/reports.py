"""Messages in standard FIX alone, for counterparties without this package's tags: in FIX 4.4, or in FIX 4.2.

Source: FIX 4.2 and 4.4, volume 4: ExecType and ExecTransType; ExecTransType (20) went into ExecType (150) with 4.3.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from exchange.fix import acceptor, translate
from exchange.fix.counterparties import Counterparty
from tercel.core import ONE, orders as o
from tercel.fix import Fields, PriceScale, tags as t, tercel_dictionary as own_dictionary, utc_text

_PRIVATE: Final = range(t.EXACT_NS, acceptor.CANCEL_ON_DISCONNECT + 1)
_OLD: Final = "FIX.4.2"
# ExecTransType of a bust, a correction and a status; of all else it is 0.
_TRANSACTIONS: Final = {"H": "1", "G": "2", "I": "3"}
# What a reason becomes that FIX 4.2 does not have.
_BROKER: Final = {
    t.ORD_REJ_REASON: "0",
    t.CXL_REJ_REASON: "2",
    t.REJECT_REASON: "0",
    t.MD_REJ_REASON: "0",
}


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
    question = party.status_requests.pop(asked_by, None)
    report = replace(report, orig="", last_qty=0, last_px=0, passive=False)
    if live:
        report = replace(report, status=party.status_of(report.cl_ord_id))
    fields = translate.report_out(report, scale, average, exact=False)
    if question is None:
        return [*fields, (t.MASS_STATUS_ID, party.mass_status)] if party.mass_status else fields
    if (status_id := question.get(t.STATUS_ID, "")) != "":
        fields = [*fields, (t.STATUS_ID, status_id)]
    if (
        dict(fields).get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER
    ):  # nothing but the question is known of it
        question_fields = {
            t.SYMBOL: question.get(t.SYMBOL, t.NO_SYMBOL),
            t.SIDE: question.get(t.SIDE, t.NO_SIDE_CODE),
        }
        gone = {t.ORDER_QTY, t.ORD_TYPE, t.PRICE}
        fields = [
            (tag, question_fields.get(tag, value)) for tag, value in fields if tag not in gone
        ]
    return fields


def none_to_report(party: Counterparty, account: str, exec_id: str, now_ns: int) -> Fields:
    """Answer to a mass status request where there are no orders."""
    names = [(t.ORDER_ID, t.NO_NAME), (t.EXEC_ID, exec_id), (t.MASS_STATUS_ID, party.mass_status)]
    codes = [
        (t.EXEC_TYPE, "I"),
        (t.ORD_STATUS, "8"),
        (t.ORD_REJ_REASON, t.UNKNOWN_ORDER),
        (acceptor.TOTAL_REPORTS, "0"),
    ]
    instrument_fields = [(t.ACCOUNT, account), (t.SYMBOL, t.NO_SYMBOL), (t.SIDE, t.NO_SIDE_CODE)]
    sums = [
        (t.CUM_QTY, "0"),
        (t.LEAVES_QTY, "0"),
        (acceptor.AVG_PX, "0"),
        (t.TRANSACT_TIME, utc_text(now_ns, 6)),
    ]
    return [
        pair
        for pair in (*names, *codes, *instrument_fields, *sums, (t.TEXT, "no orders"))
        if pair[1]
    ]


def to_standard(kind: str, fields: Iterable[tuple[int, str]], begin: str, now_ns: int) -> Fields:
    """A message's fields without private tags (and 117 in an 8, where FIX 4.4 has none), dated by the wall clock, in a version.

    >>> to_standard("8", [(150, "F"), (39, "1"), (151, "5"), (60, "19700101-00:00:00"), (20001, "7")], "FIX.4.2", 10**18)
    [(20, '0'), (150, '1'), (39, '1'), (151, '5'), (60, '20010909-01:46:40.000')]
    """
    now = utc_text(now_ns)
    known = [
        (tag, now if tag == t.TRANSACT_TIME else value)
        for tag, value in fields
        if tag not in _PRIVATE and not (kind == t.EXECUTION_REPORT and tag == t.QUOTE_ID)
    ]
    return _older(kind, known) if begin == _OLD else known


def _older(kind: str, fields: list[tuple[int, str]]) -> Fields:
    """FIX 4.4 as FIX 4.2."""
    rules = own_dictionary(_OLD)
    block = rules.messages[kind].block
    values = dict(fields)
    if kind == t.EXECUTION_REPORT:
        exec_type = values[t.EXEC_TYPE]
        old = ("1" if values[t.LEAVES_QTY] != "0" else "2") if exec_type == "F" else exec_type
        old = values[t.ORD_STATUS] if exec_type in _TRANSACTIONS else old
        fields = [(tag, old if tag == t.EXEC_TYPE else value) for tag, value in fields]
        head = sum(tag in rules.header.members for tag, _ in fields)
        fields.insert(head, (acceptor.EXEC_TRANS_TYPE, _TRANSACTIONS.get(exec_type, "0")))
    converted = []
    for tag, value in fields:
        if tag not in block.tags and tag not in rules.header.members:
            continue
        converted.append(
            (tag, _BROKER[tag] if tag in _BROKER and rules.fields[tag].fault(value) else value)
        )
    return converted
