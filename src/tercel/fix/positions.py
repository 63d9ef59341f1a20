"""Positions in FIX 4.4: RequestForPositions (AN), its acknowledgement (AO), PositionReports (AP).

    35=AN|710=P2-1|724=0|263=0|1=DESK|581=1|715=20231114|60=...|
    35=AO|721=R1|710=P2-1|727=1|728=0|729=0|1=DESK|
    35=AP|721=R2|710=P2-1|728=0|1=DESK|55=XYZ|702=1|703=TQ|704=300|

:class:`PositionQuestions` is an initiator's side. A position of an instrument that is not listed counts in units.
Source: FIX 4.4, volume 5, position maintenance.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import TercelError
from tercel.fix import tags as t
from tercel.fix.dialect import OutgoingMessage, raw
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.translate import PLAIN, Fields, PriceScale, RefusedError, named

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
