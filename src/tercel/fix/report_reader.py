"""Reports of any FIX 4.2 or 4.4 venue as events; omitted fields are filled in from the order as sent.

    35=8|37=8812|11=a-1|17=e7|20=0|150=1|39=1|55=XYZ|54=1|38=300|32=100|31=10.05|14=100|151=200|       (FIX 4.2)
    35=8|37=8812|11=a-1|17=e7|150=F|39=1|55=XYZ|54=1|32=100|31=10.05|14=100|151=200|                   (FIX 4.4)
    35=9|37=8812|11=a-2|41=a-1|39=2|434=1|102=0|58=too late|                                           (cancel reject)

Sources: FIX 4.2 and 4.4, volume 4 and appendix D (order state changes); for 4.2 ExecTransType (20): 0 new, 1 cancel,
2 correct, 3 status, and fills as ExecType 1 and 2.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import TercelError
from tercel.core.fixed_point import ONE, ceil_units
from tercel.core.link.order_memory import OrderMemory, SentOrder
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError
from tercel.core.quotes import LONGEST_NAME, is_name
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.dialect import instrument_of, raw_text
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_ns
from tercel.fix.translate import name_of, read_optional

TRANS_TYPE = 20
ERROR_CODE = 25016
AGGRESSOR = 1057
HEADLINE: Final = 148
_TRANS: Final = {"1": o.ExecType.BUSTED, "2": o.ExecType.CORRECTED, "3": o.ExecType.STATUS}
_FILLS: Final = frozenset({"1", "2", "F"})
_REPLACED_STATUS: Final = "5"
_NO_SUCH_ORDER: Final = "-2013"
UNKNOWN_ORDER_TEXT: Final = "Unknown order sent."
"""Binance's words: its code -2011 is of every cancel that it refuses."""
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "0": "broker option",
        "1": "unknown symbol",
        "2": "exchange closed",
        "3": "order exceeds limit",
        "4": "too late to enter",
        "5": "unknown order",
        "6": "duplicate order",
        "7": "duplicate of a verbally communicated order",
        "8": "stale order",
        "11": "unsupported order characteristic",
        "13": "incorrect quantity",
        "15": "unknown account",
        "18": "invalid price increment",
    }
)
"""OrdRejReason (103) in words."""
CANCEL_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "0": "too late to cancel",
        "1": "unknown order",
        "2": "broker option",
        "3": "already pending",
        "4": "unable to process mass cancel",
        "5": "wrong OrigOrdModTime",
        "6": "duplicate ClOrdID",
    }
)
"""CxlRejReason (102) in words."""


def _check_printable(name: str) -> str:
    """A venue's name for an order, refused where it is not printable, since orders may have to repeat it."""
    if not is_name(name):
        raise RefusedError(f"printable names of {LONGEST_NAME} characters at most", f"{name:.80}")
    return name


class ReportReader:
    """Reads one venue's reports.

    Parameters
    ----------
    terms : ProfileTerms
    memory : OrderMemory
    scales : mapping of str to PriceScale
    """

    def __init__(
        self, terms: ProfileTerms, memory: OrderMemory, scales: Mapping[str, PriceScale]
    ) -> None:
        self._orders = terms.profile.orders
        self._memory = memory
        self._scales = scales
        self._held_cancels: dict[str, o.Report] = {}

    def read_reports(self, message: Message, now_ns: int) -> list[o.Report]:
        """Reports of an ExecutionReport (8), recorded in the order memory; [] for the first half of a cancel-and-new.

        Raises
        ------
        RefusedError
            For what it cannot have meant.
        """
        wire = message.get(t.CL_ORD_ID)
        orig = message.get(t.ORIG_CL_ORD_ID)
        wire = wire or message.get(t.QUOTE_RESP_ID)
        sent = self._memory.by_wire.get(wire)
        old = self._memory.by_wire.get(orig)
        if (
            old is None
        ):  # a venue may call what was cancelled by the name of its cancel, or by its own number alone
            old = (
                self._memory.find_by_order_id(name_of(message.get(t.ORDER_ID)))
                if sent is None
                else self._memory.order_to_cancel(sent)
            )
        about = sent if sent is not None and sent.kind in ("new", "replace") else old or sent
        counted = max((order.cum_qty for order in (sent, old) if order is not None), default=0)
        read = self._read(message, about, counted, now_ns)
        name = sent.name if sent else _check_printable(wire)
        read = replace(read, cl_ord_id=name, orig=old.name if old else _check_printable(orig))
        reports = self._join_halves(read, wire, about)
        for report in reports:
            if report.exec_type not in (o.ExecType.STATUS, o.ExecType.BUSTED, o.ExecType.CORRECTED):
                self._memory.update(report)
        return reports

    def _read(
        self, message: Message, about: SentOrder | None, counted_qty: int, now_ns: int
    ) -> o.Report:
        """The report of an ExecutionReport, without its names; `about`, the order as sent, fills in missing fields, and
        `counted_qty` with LastQty a missing CumQty."""
        kind = self._kind(message)
        status = self._status(message, about)
        instrument = message.get(t.SYMBOL) or (about.instrument if about else "")
        instrument = "" if instrument == t.NO_SYMBOL else instrument
        scale = self._scales.get(instrument, PLAIN)
        traded = kind in (o.ExecType.TRADE, o.ExecType.CORRECTED)
        if traded and (t.LAST_QTY not in message or t.LAST_PX not in message):
            raise RefusedError(
                "LastQty (32) and LastPx (31) in a trade", f"150={message.get(t.EXEC_TYPE)} without"
            )
        last_qty = scale.qty(message.get(t.LAST_QTY), t.LAST_QTY) if traded else 0
        base = about.base_qty if about is not None else 0
        cum = (
            scale.qty(message.get(t.CUM_QTY), t.CUM_QTY) + base
            if t.CUM_QTY in message
            else counted_qty + last_qty
        )
        faults = [message.fault] if message.fault else []
        tags = dict(message.fields[::-1])
        liquidity = self._orders.liquidity_tag
        ordered = about.lots if about is not None else ceil_units(cum) - ceil_units(base)
        lots = read_optional(tags, t.ORDER_QTY, scale.lots, ordered, faults) + ceil_units(base)
        over = status in o.TERMINAL or status is o.OrdStatus.UNKNOWN
        leaves = 0 if over else max(lots * ONE - cum, 0)
        price = about.price if about is not None else None
        side = {t.BUY_CODE: BUY, t.SELL_CODE: SELL}.get(
            message.get(t.SIDE), about.side if about else 0
        )
        return o.Report(
            exec_id=name_of(message.get(t.EXEC_ID)) or f"N{message.number}-{message.get(52)}",
            exec_type=kind,
            status=status,
            cl_ord_id="",
            orig="",
            order_id=name_of(message.get(t.ORDER_ID)),
            account=message.get(t.ACCOUNT)
            or (
                about.account
                if about
                # an order unknown here: the account of the last status request for its name
                else message.get(t.ON_BEHALF_OF) or self._memory.account(message.get(t.CL_ORD_ID))
            ),
            instrument=instrument,
            side=side,
            lots=lots,
            price=price
            if tags.get(t.ORD_TYPE) == t.MARKET
            else read_optional(tags, t.PRICE, scale.ticks, price, faults),
            last_qty=last_qty,
            last_px=scale.px(message.get(t.LAST_PX), t.LAST_PX) if traded else 0,
            cum_qty=cum,
            leaves_qty=read_optional(
                tags, t.LEAVES_QTY, lambda text: scale.qty(text, t.LEAVES_QTY), leaves, faults
            ),
            ns=utc_ns(message.get(t.TRANSACT_TIME)) or utc_ns(message.get(52)) or now_ns,
            passive=message.get(liquidity) == ("N" if liquidity == AGGRESSOR else "1"),
            text=self._text(message, t.ORD_REJ_REASON, REASONS),
            ref=message.get(t.EXEC_REF_ID),
            fault="; ".join(faults),
        )

    def _kind(self, message: Message) -> o.ExecType:
        """ExecType of a message, read together with ExecTransType of 4.2."""
        code = message.get(t.EXEC_TYPE)
        trans = message.get(TRANS_TYPE, "0")
        if trans in _TRANS:
            return _TRANS[trans]
        exec_type = o.ExecType.TRADE if code in _FILLS else t.EXECS.get(code)
        if exec_type is None:
            raise RefusedError("an ExecType (150) that is known here", f"150={code}")
        return exec_type

    def _status(self, message: Message, about: SentOrder | None) -> o.OrdStatus:
        """OrdStatus (39); of a 4.2 replacement the working status; UNKNOWN if the venue rejects since it does not know
        the order."""
        code = message.get(t.ORD_STATUS)
        if code == _REPLACED_STATUS:  # of 4.2: the status after the change
            filled = any(letter in "123456789" for letter in message.get(t.CUM_QTY, "0"))
            return o.working_status(filled)
        if (status := t.STATUSES.get(code)) is None:
            raise RefusedError("an OrdStatus (39) that is known here", f"39={code}")
        if status is o.OrdStatus.REJECTED and message.get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER:
            never = (
                about is not None
                and about.kind == "new"
                and about.skipped
                and about.status is o.OrdStatus.PENDING_NEW
            )
            return status if never else o.OrdStatus.UNKNOWN
        return status

    def _text(self, message: Message, tag: int, reasons: Mapping[str, str]) -> str:
        """Text of a report: the reason's code in words, then the venue's own text."""
        parts = [
            message.get(text_tag) for text_tag in self._orders.text_tags if message.get(text_tag)
        ]
        code = message.get(tag)
        if code and code != t.OTHER:
            parts.insert(0, f"{reasons.get(code, 'a reason of its own')} ({tag}={code})")
        if message.get(ERROR_CODE):
            parts.append(f"({ERROR_CODE}={message.get(ERROR_CODE)})")
        return ": ".join(parts[:2]) + "".join(f" {part}" for part in parts[2:])

    def _join_halves(self, read: o.Report, wire: str, about: SentOrder | None) -> list[o.Report]:
        """Reports of a message, a cancel-and-new joined into the replacement that it carries out.

        The cancelled half waits for the new one: together they are a replacement; when the new one is refused, the
        order is over, and when the other half was not for us to hold, it passes.
        """
        if about is None:
            return [read]
        new_order = self._memory.by_swap.get(wire)
        if new_order is not None and read.exec_type is o.ExecType.CANCELED:
            new_order.base_qty = read.cum_qty
            self._memory.write(new_order)
            self._held_cancels[new_order.wire] = replace(
                read, cl_ord_id=new_order.name, orig=new_order.orig
            )
            return []
        cancelled = self._held_cancels.pop(about.wire, None) if about.swaps else None
        if cancelled is None:
            return [read]
        if read.exec_type is o.ExecType.REJECTED:
            text = f"cancelled; the order in its place was refused: {read.text}"
            return [replace(cancelled, text=text)]
        replacement = replace(read, exec_type=o.ExecType.REPLACED, orig=about.orig)
        if read.exec_type is o.ExecType.NEW:
            return [replace(replacement, status=o.working_status(read.cum_qty))]
        before = replace(
            replacement,
            exec_id=f"{read.exec_id}-R",
            cum_qty=about.base_qty,
            leaves_qty=about.lots * ONE,
            status=o.OrdStatus.NEW,
            last_qty=0,
            last_px=0,
        )
        return [before, read]

    def cancel_reject(self, message: Message, now_ns: int) -> o.CancelReject:
        """Reject from a 9, or from an amendment's XAR, with the last known status where it has none; the new order of a
        cancel-and-new is recorded as rejected."""
        wire = message.get(t.CL_ORD_ID)
        orig = message.get(t.ORIG_CL_ORD_ID)
        sent = self._memory.by_wire.get(wire) or self._memory.by_swap.get(wire)
        old = self._memory.by_wire.get(orig) or (
            self._memory.by_name.get(sent.orig) if sent is not None else None
        )
        status = old.status if old is not None else o.OrdStatus.REJECTED
        if message.get(t.ORD_STATUS):
            status = self._status(message, old)
        is_unknown = (
            message.get(t.CXL_REJ_REASON) == t.NOT_KNOWN
            or message.get(ERROR_CODE) == _NO_SUCH_ORDER
        )
        is_unknown = is_unknown or (
            ERROR_CODE in message and message.get(t.TEXT) == UNKNOWN_ORDER_TEXT
        )
        if is_unknown and status is not o.OrdStatus.FILLED:
            status = o.OrdStatus.UNKNOWN
        if sent is not None and sent.swaps:  # the new half never came to be
            sent.status = o.OrdStatus.REJECTED
            self._memory.write(sent)
        account = message.get(t.ACCOUNT) or (old.account if old else sent.account if sent else "")
        ns = utc_ns(message.get(t.TRANSACT_TIME)) or utc_ns(message.get(52)) or now_ns
        return o.CancelReject(
            sent.name if sent else _check_printable(wire),
            old.name if old else _check_printable(orig),
            account,
            status,
            ns,
            self._text(message, t.CXL_REJ_REASON, CANCEL_REASONS),
        )

    def mass_refusal(self, message: Message, now_ns: int) -> o.CancelReject | None:
        """Reject of a mass cancel; None if it was accepted."""
        if message.get(t.MASS_CANCEL_RESPONSE) != "0":
            return None
        sent = self._memory.by_wire.get(message.get(t.CL_ORD_ID))
        text = self._text(message, t.MASS_CANCEL_REASON, {})
        name, account = (sent.name, sent.account) if sent else (message.get(t.CL_ORD_ID), "")
        return o.CancelReject(
            name, "", account, o.OrdStatus.REJECTED, now_ns, text or "mass cancel refused"
        )

    def unread(self, message: Message, error: TercelError | Exception, now_ns: int) -> o.Unread:
        """An unreadable message, with the order it names."""
        by_wire = self._memory.by_wire
        wire = message.get(t.CL_ORD_ID)
        sent = by_wire.get(wire) or by_wire.get(message.get(t.ORIG_CL_ORD_ID))
        return o.Unread(
            raw_text(message),
            f"{error}",
            now_ns,
            sent.name if sent else wire if is_name(wire) else "",
            sent.account if sent else message.get(t.ACCOUNT),
            instrument_of(message),
        )
