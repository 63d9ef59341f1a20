"""Reports of any FIX 4.2 or 4.4 venue as events; omitted fields are filled in from the order as sent.

    35=8|37=8812|11=a-1|17=e7|20=0|150=1|39=1|55=XYZ|54=1|38=300|32=100|31=10.05|14=100|151=200|       (FIX 4.2)
    35=8|37=8812|11=a-1|17=e7|150=F|39=1|55=XYZ|54=1|32=100|31=10.05|14=100|151=200|                   (FIX 4.4)
    35=9|37=8812|11=a-2|41=a-1|39=2|434=1|102=0|58=too late|                                           (cancel reject)

Sources: FIX 4.2 and 4.4, volume 4 and appendix D (order state changes); for 4.2 ExecTransType (20): 0 new, 1 cancel,
2 correct, 3 status, and fills as ExecType 1 and 2.

Positions in FIX 4.4: RequestForPositions (AN), its acknowledgement (AO), PositionReports (AP).

    35=AN|710=P2-1|724=0|263=0|1=DESK|581=1|715=20231114|60=...|
    35=AO|721=R1|710=P2-1|727=1|728=0|729=0|1=DESK|
    35=AP|721=R2|710=P2-1|728=0|1=DESK|55=XYZ|702=1|703=TQ|704=300|

:class:`PositionQuestions` is an initiator's side. A position of an instrument that is not listed counts in units.
Source: FIX 4.4, volume 5, position maintenance.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import TercelError
from tercel.core.orders import ONE, ceiled
from tercel.core.quotes import LONGEST_NAME, is_name
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.dialect import OutgoingMessage, place, raw
from tercel.fix.memory import OrderMemory, SentOrder
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_ns, utc_text
from tercel.fix.translate import PLAIN, Fields, PriceScale, RefusedError, name_of, named, optional

TRANS_TYPE, ERROR_CODE, AGGRESSOR = 20, 25016, 1057
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


def _printable(name: str) -> str:
    """A name that was not sent from here, which orders to the venue may have to repeat."""
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
        self._held: dict[str, o.Report] = {}

    def report(self, message: Message, now_ns: int) -> list[o.Report]:
        """Report of an ExecutionReport (8); None for the half of a replace that the other half reports whole.

        Raises
        ------
        RefusedError
            For what it cannot have meant.
        """
        wire, orig = message.get(t.CL_ORD_ID), message.get(t.ORIG_CL_ORD_ID)
        wire = wire or message.get(t.QUOTE_RESP_ID)
        sent, old = self._memory.by_wire.get(wire), self._memory.by_wire.get(orig)
        if (
            old is None
        ):  # a venue may call what was cancelled by the name of its cancel, or by its own number alone
            old = self._memory.resolve(sent, name_of(message.get(t.ORDER_ID)))
        about = sent if sent is not None and sent.kind in ("new", "replace") else old or sent
        counted = max((one.cum_qty for one in (sent, old) if one is not None), default=0)
        read = self._read(message, about, counted, now_ns)
        name = sent.name if sent else _printable(wire)
        read = replace(read, cl_ord_id=name, orig=old.name if old else _printable(orig))
        found = self._halves(read, wire, about)
        for one in found:
            if one.exec_type not in (o.ExecType.STATUS, o.ExecType.BUSTED, o.ExecType.CORRECTED):
                self._memory.update(one)
        return found

    def _read(
        self, message: Message, about: SentOrder | None, counted_qty: int, now_ns: int
    ) -> o.Report:
        kind, status = self._kind(message), self._status(message, about)
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
        ordered = about.lots if about is not None else ceiled(cum) - ceiled(base)
        lots = optional(tags, t.ORDER_QTY, scale.lots, ordered, faults) + ceiled(base)
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
            else optional(tags, t.PRICE, scale.ticks, price, faults),
            last_qty=last_qty,
            last_px=scale.px(message.get(t.LAST_PX), t.LAST_PX) if traded else 0,
            cum_qty=cum,
            leaves_qty=optional(
                tags, t.LEAVES_QTY, lambda text: scale.qty(text, t.LEAVES_QTY), leaves, faults
            ),
            ns=utc_ns(message.get(t.TRANSACT_TIME)) or utc_ns(message.get(52)) or now_ns,
            passive=message.get(liquidity) == ("N" if liquidity == AGGRESSOR else "1"),
            text=self._text(message, t.ORD_REJ_REASON, REASONS),
            ref=message.get(t.EXEC_REF_ID),
            fault="; ".join(faults),
        )

    def _kind(self, message: Message) -> o.ExecType:
        """ExecType, with what 4.2 says in ExecTransType; either may come in the other version."""
        code, trans = message.get(t.EXEC_TYPE), message.get(TRANS_TYPE, "0")
        if trans in _TRANS:
            return _TRANS[trans]
        found = o.ExecType.TRADE if code in _FILLS else t.EXECS.get(code)
        if found is None:
            raise RefusedError("an ExecType (150) that is known here", f"150={code}")
        return found

    def _status(self, message: Message, about: SentOrder | None) -> o.OrdStatus:
        code = message.get(t.ORD_STATUS)
        if code == _REPLACED_STATUS:  # of 4.2: the status after the change
            filled = any(letter in "123456789" for letter in message.get(t.CUM_QTY, "0"))
            return o.working(filled)
        if (found := t.STATUSES.get(code)) is None:
            raise RefusedError("an OrdStatus (39) that is known here", f"39={code}")
        if found is o.OrdStatus.REJECTED and message.get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER:
            never = (
                about is not None
                and about.kind == "new"
                and about.skipped
                and about.status is o.OrdStatus.PENDING_NEW
            )
            return found if never else o.OrdStatus.UNKNOWN
        return found

    def _text(self, message: Message, tag: int, words: Mapping[str, str]) -> str:
        """The reason's code in words, then what the venue says."""
        said = [message.get(one) for one in self._orders.text_tags if message.get(one)]
        code = message.get(tag)
        if code and code != t.OTHER:
            said.insert(0, f"{words.get(code, 'a reason of its own')} ({tag}={code})")
        if message.get(ERROR_CODE):
            said.append(f"({ERROR_CODE}={message.get(ERROR_CODE)})")
        return ": ".join(said[:2]) + "".join(f" {one}" for one in said[2:])

    # -- cancel and new in one message --------------------------------------------------------------------------------
    def _halves(self, read: o.Report, wire: str, about: SentOrder | None) -> list[o.Report]:
        """A cancel-and-new is reported as the replacement that it carries out.

        The cancelled half waits for the new one: together they are a replacement; when the new one is refused, the
        order is over, and when the other half was not for us to hold, it passes.
        """
        if about is None:
            return [read]
        new = self._memory.by_swap.get(wire)
        if new is not None and read.exec_type is o.ExecType.CANCELED:
            new.base_qty = read.cum_qty
            self._memory.write(new)
            self._held[new.wire] = replace(read, cl_ord_id=new.name, orig=new.orig)
            return []
        cancelled = self._held.pop(about.wire, None) if about.swaps else None
        if cancelled is None:
            return [read]
        if read.exec_type is o.ExecType.REJECTED:
            text = f"cancelled; the order in its place was refused: {read.text}"
            return [replace(cancelled, text=text)]
        first = replace(read, exec_type=o.ExecType.REPLACED, orig=about.orig)
        if read.exec_type is o.ExecType.NEW:
            return [replace(first, status=o.working(read.cum_qty))]
        before = replace(
            first,
            exec_id=f"{read.exec_id}-R",
            cum_qty=about.base_qty,
            leaves_qty=about.lots * ONE,
            status=o.OrdStatus.NEW,
            last_qty=0,
            last_px=0,
        )
        return [before, read]

    # -- refusals -----------------------------------------------------------------------------------------------------
    def cancel_reject(self, message: Message, now_ns: int) -> o.CancelReject:
        """Reject from a 9, or from an amendment's XAR; a missing status is the last known one."""
        wire, orig = message.get(t.CL_ORD_ID), message.get(t.ORIG_CL_ORD_ID)
        sent = self._memory.by_wire.get(wire) or self._memory.by_swap.get(wire)
        old = self._memory.by_wire.get(orig) or (
            self._memory.by_name.get(sent.orig) if sent is not None else None
        )
        status = old.status if old is not None else o.OrdStatus.REJECTED
        if message.get(t.ORD_STATUS):
            status = self._status(message, old)
        gone = (
            message.get(t.CXL_REJ_REASON) == t.NOT_KNOWN
            or message.get(ERROR_CODE) == _NO_SUCH_ORDER
        )
        gone = gone or (ERROR_CODE in message and message.get(t.TEXT) == UNKNOWN_ORDER_TEXT)
        if gone and status is not o.OrdStatus.FILLED:
            status = o.OrdStatus.UNKNOWN
        if sent is not None and sent.swaps:  # the new half never came to be
            sent.status = o.OrdStatus.REJECTED
            self._memory.write(sent)
        account = message.get(t.ACCOUNT) or (old.account if old else sent.account if sent else "")
        ns = utc_ns(message.get(t.TRANSACT_TIME)) or utc_ns(message.get(52)) or now_ns
        return o.CancelReject(
            sent.name if sent else _printable(wire),
            old.name if old else _printable(orig),
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
            raw(message),
            f"{error}",
            now_ns,
            sent.name if sent else wire if is_name(wire) else "",
            sent.account if sent else message.get(t.ACCOUNT),
            place(message),
        )


SNAPSHOT: Final = "0"
POSITIONS: Final = "0"
_CUSTOMER_SIDE: Final = "1"
_PROPRIETARY, _CUSTOMER_ACCOUNT = "D", "24"
REJECTED: Final = "2"
VALID, UNSUPPORTED, NONE_FOUND, NOT_AUTHORIZED, NEVER, OTHER = "0", "1", "2", "3", "4", "99"
"""PosReqResult (728)."""
_WAYS: Final = ((t.LONG_QTY, 1), (t.SHORT_QTY, -1))
_WORDS: Final = {
    UNSUPPORTED: "an invalid or unsupported request",
    NOT_AUTHORIZED: "not authorized to request positions",
    NEVER: "positions are not reported here",
}


def whose(account: str) -> Fields:
    """Account, and the same as the party that the standard wants named."""
    party = [(t.NO_PARTIES, "1"), (t.PARTY_ID, account), (t.PARTY_SOURCE, _PROPRIETARY)]
    return [
        *party,
        (t.PARTY_ROLE, _CUSTOMER_ACCOUNT),
        (t.ACCOUNT, account),
        (t.ACCOUNT_TYPE, _CUSTOMER_SIDE),
    ]


@dataclass
class _Question:
    name: str
    account: str
    until_s: float
    number: int
    """MsgSeqNum that it left under."""
    total: int | None = None
    """Reports that the venue says it has."""
    qty: Counter[str] = field(default_factory=Counter)
    heard: set[str] = field(default_factory=set)
    """Names of its reports."""


class PositionQuestions:
    """Open position requests and the reports received; each ends in one :class:`~tercel.core.orders.Holdings`.

    Parameters
    ----------
    terms : ProfileTerms
    scales : mapping of str to PriceScale
        By instrument; looked at whenever a report comes.
    name : callable
        Makes a name for a question that no other of the session has.
    send : callable
        Gives the number of what left.
    now_ns : callable
        ns since 1970.
    patience_s : float
        How long an answer may take, by `clock`.
    clock : callable
        s since some moment.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        scales: Mapping[str, PriceScale],
        name: Callable[[], str],
        send: Callable[[list[OutgoingMessage]], int],
        now_ns: Callable[[], int],
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._send = send
        self._now_ns = now_ns
        self._patience_s = patience_s
        self._clock = clock
        self._type = terms.profile.orders.positions
        self._digits = min(terms.profile.session.digits, 6)
        self._rules = terms.dictionary
        self._scales = scales
        self._open: dict[str, _Question] = {}

    def ask_positions(self, account: str) -> None:
        """Request an account's positions: a `Holdings` (or the refusal) comes with a later step.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        OrderError
            For a name that FIX cannot carry.
        """
        name, now = self._name(), utc_text(self._now_ns(), self._digits)
        what = [(t.POS_REQ_ID, name), (t.POS_REQ_TYPE, POSITIONS), (t.SUBSCRIPTION, SNAPSHOT)]
        fields = [
            *what,
            *whose(named(account)),
            (t.CLEARING_DATE, now[:8]),
            (t.TRANSACT_TIME, now),
        ]
        self._open[name] = _Question(
            name,
            account,
            self._clock() + self._patience_s,
            self._send([OutgoingMessage(t.POSITIONS_REQUEST, fields, None)]),
        )

    def read(self, message: Message, now_ns: int) -> list[o.Holdings | o.Unread] | None:
        """Events of a position message; None for any other message."""
        kind = message.kind
        if kind in (t.REJECT, t.BUSINESS_REJECT):
            return self._refused(message, now_ns)
        if kind not in (t.POSITIONS_ACK, t.POSITION_REPORT):
            return None
        question = self._question(message)
        if question is None and (kind == t.POSITIONS_ACK or message.says(t.POSS_DUP)):
            return []  # about a question that is over
        try:
            if kind == t.POSITION_REPORT:
                return self._reported(question, message, now_ns)
            return self._acknowledged(question, message, now_ns) if question is not None else []
        except (TercelError, ValueError) as error:
            if question is not None:
                return [self._end(question, now_ns, f"a position report cannot be read: {error}")]
            return [
                o.Unread(
                    raw(message),
                    f"{error}",
                    now_ns,
                    "",
                    message.get(t.ACCOUNT),
                    message.get(t.SYMBOL),
                )
            ]

    def overdue(self, now_s: float, now_ns: int) -> list[o.Holdings]:
        """Requests that timed out."""
        late = [one for one in self._open.values() if now_s > one.until_s]
        return [
            self._end(one, now_ns, f"no whole answer in time: {_progress(one)}") for one in late
        ]

    def forget(self, now_ns: int) -> list[o.Holdings]:
        """Drop open requests, as the link is down."""
        return [
            self._end(one, now_ns, f"the link went down: {_progress(one)}")
            for one in list(self._open.values())
        ]

    def _question(self, message: Message) -> _Question | None:
        name, account = message.get(t.POS_REQ_ID), message.get(t.ACCOUNT)
        if name or message.says(t.UNSOLICITED):
            return self._open.get(name)
        return next((one for one in self._open.values() if one.account == account), None)

    def _end(
        self, question: _Question, now_ns: int, why: str = "", never: bool = False
    ) -> o.Holdings:
        self._open.pop(question.name, None)
        held = {} if why else {name: qty for name, qty in question.qty.items() if qty}
        return o.Holdings(question.account, held, now_ns, why=why, never=never)

    def _refused(self, message: Message, now_ns: int) -> list[o.Holdings | o.Unread] | None:
        """The session, or the venue as a whole, did not take the question."""
        number = message.get(t.REF_SEQ_NUM)
        question = next((one for one in self._open.values() if str(one.number) == number), None)
        if question is None:
            return None
        never = (
            message.kind == t.BUSINESS_REJECT and message.get(t.REJECT_REASON) == t.NOT_SUPPORTED
        )
        return [
            self._end(question, now_ns, f"refused: {message.get(t.TEXT) or message.kind}", never)
        ]

    def _acknowledged(
        self, question: _Question, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        result, text = message.get(t.POS_RESULT), message.get(t.TEXT)
        if result not in (VALID, NONE_FOUND) or message.get(t.POS_STATUS) == REJECTED:
            why = f"refused: {_WORDS.get(result, 'a reason of its own')} (728={result}) {text}".strip()
            return [self._end(question, now_ns, why, result == NEVER)]
        if result == NONE_FOUND:
            return [self._end(question, now_ns)]
        return self._complete(question, message, now_ns)

    def _complete(
        self, question: _Question, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        """Whether all reports are here that the venue says there are."""
        if t.TOTAL_POS_REPORTS in message:
            total = message.whole(t.TOTAL_POS_REPORTS)
            if question.total not in (None, total):
                raise RefusedError(f"727={question.total}, as before", f"727={total}")
            question.total = total
        if question.total is None or len(question.heard) < question.total:
            return []
        if len(question.heard) > question.total:
            raise RefusedError(f"{question.total} reports (727)", f"{len(question.heard)}")
        return [self._end(question, now_ns)]

    def _reported(
        self, question: _Question | None, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        if question is None:
            account, qty = message.get(t.ACCOUNT), self._qty(message)
            return [o.Holdings(account, {message.get(t.SYMBOL): qty}, now_ns, asked=False)]
        result, name = message.get(t.POS_RESULT), message.get(t.POS_REPORT_ID)
        if result == NONE_FOUND:
            return [self._end(question, now_ns)]
        if result != VALID:
            raise RefusedError("728=0 in a report", f"728={result} {message.get(t.TEXT)}")
        if (account := message.get(t.ACCOUNT)) != question.account:
            raise RefusedError(f"account {question.account}", f"1={account}")
        if name in question.heard:
            return []
        qty = self._qty(message)
        question.heard.add(name)
        question.qty[message.get(t.SYMBOL)] += qty
        return self._complete(question, message, now_ns)

    def _qty(self, message: Message) -> int:
        """Signed quantity of a position report, 10^-8 of a lot.

        Raises
        ------
        RefusedError
            Without a symbol, or without lots of the type that counts.
        """
        symbol = message.get(t.SYMBOL)
        entries = self._rules.entries(message, t.NO_POSITIONS) if self._rules is not None else []
        meant = [one for one in entries if one.get(t.POS_TYPE) == self._type]
        if not symbol or not meant:
            said = ", ".join(one.get(t.POS_TYPE) for one in entries)
            raise RefusedError(
                f"a symbol (55) and lots of the type 703={self._type}", f"55={symbol}, 703={said}"
            )
        scale = self._scales.get(symbol, PLAIN)
        return sum(scale.qty(one.get(tag, "0"), tag) * way for one in meant for tag, way in _WAYS)


def _progress(question: _Question) -> str:
    total = "an unknown number" if question.total is None else question.total
    return f"{len(question.heard)} of {total} position reports"
