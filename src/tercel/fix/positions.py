"""Position requests in FIX 4.4: RequestForPositions (AN), its acknowledgement (AO), PositionReports (AP).

35=AN|710=P2-1|724=0|263=0|1=DESK|581=1|715=20231114|60=...|
35=AO|721=R1|710=P2-1|727=1|728=0|729=0|1=DESK|
35=AP|721=R2|710=P2-1|728=0|1=DESK|55=XYZ|702=1|703=TQ|704=300|
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import TercelError
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError
from tercel.fix import tags as t
from tercel.fix.dialect import OutgoingMessage, raw_text
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.translate import Fields, check_name

SNAPSHOT: Final = "0"
POSITIONS: Final = "0"
_CUSTOMER_SIDE: Final = "1"
_PROPRIETARY = "D"
_CUSTOMER_ACCOUNT = "24"
REJECTED: Final = "2"
VALID = "0"
UNSUPPORTED = "1"
NONE_FOUND = "2"
NOT_AUTHORIZED = "3"
NEVER = "4"
OTHER = "99"
"""PosReqResult (728)."""
_QTY_SIGNS: Final = ((t.LONG_QTY, 1), (t.SHORT_QTY, -1))
_RESULT_TEXTS: Final = {
    UNSUPPORTED: "an invalid or unsupported request",
    NOT_AUTHORIZED: "not authorized to request positions",
    NEVER: "positions are not reported here",
}


def account_fields(account: str) -> Fields:
    """Account (1), and the same account as a party, as the standard demands."""
    party = [(t.NO_PARTIES, "1"), (t.PARTY_ID, account), (t.PARTY_SOURCE, _PROPRIETARY)]
    return [
        *party,
        (t.PARTY_ROLE, _CUSTOMER_ACCOUNT),
        (t.ACCOUNT, account),
        (t.ACCOUNT_TYPE, _CUSTOMER_SIDE),
    ]


@dataclass
class _PositionRequest:
    name: str
    account: str
    until_s: float
    number: int
    """MsgSeqNum that it left under."""
    total: int | None = None
    """Reports that the venue says it has."""
    qty: Counter[str] = field(default_factory=Counter)
    report_names: set[str] = field(default_factory=set)
    """Names of its reports."""


class PositionRequests:
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
        self._open: dict[str, _PositionRequest] = {}

    def ask_positions(self, account: str) -> None:
        """Request an account's positions: a `Holdings` (or the refusal) comes with a later step.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        OrderError
            For a name that FIX cannot carry.
        """
        name = self._name()
        now = utc_text(self._now_ns(), self._digits)
        request_fields = [
            (t.POS_REQ_ID, name),
            (t.POS_REQ_TYPE, POSITIONS),
            (t.SUBSCRIPTION, SNAPSHOT),
        ]
        fields = [
            *request_fields,
            *account_fields(check_name(account)),
            (t.CLEARING_DATE, now[:8]),
            (t.TRANSACT_TIME, now),
        ]
        self._open[name] = _PositionRequest(
            name,
            account,
            self._clock() + self._patience_s,
            self._send([OutgoingMessage(t.POSITIONS_REQUEST, fields, None)]),
        )

    def read(self, message: Message, now_ns: int) -> list[o.Holdings | o.Unread] | None:
        """Events of a position message; None for any other message."""
        kind = message.kind
        if kind in (t.REJECT, t.BUSINESS_REJECT):
            return self._read_refusal(message, now_ns)
        if kind not in (t.POSITIONS_ACK, t.POSITION_REPORT):
            return None
        request = self._find_request(message)
        if request is None and (kind == t.POSITIONS_ACK or message.is_yes(t.POSS_DUP)):
            return []  # about a question that is over
        try:
            if kind == t.POSITION_REPORT:
                return self._read_position(request, message, now_ns)
            return (
                self._read_acknowledgement(request, message, now_ns) if request is not None else []
            )
        except (TercelError, ValueError) as error:
            if request is not None:
                return [self._end(request, now_ns, f"a position report cannot be read: {error}")]
            return [
                o.Unread(
                    raw_text(message),
                    f"{error}",
                    now_ns,
                    "",
                    message.get(t.ACCOUNT),
                    message.get(t.SYMBOL),
                )
            ]

    def overdue(self, now_s: float, now_ns: int) -> list[o.Holdings]:
        """Close the requests that timed out: their holdings, empty and with the reason."""
        late_requests = [request for request in self._open.values() if now_s > request.until_s]
        return [
            self._end(request, now_ns, f"no whole answer in time: {_progress(request)}")
            for request in late_requests
        ]

    def forget(self, now_ns: int) -> list[o.Holdings]:
        """Close all open requests since the link is down: their holdings, empty and with the reason."""
        return [
            self._end(request, now_ns, f"the link went down: {_progress(request)}")
            for request in list(self._open.values())
        ]

    def _find_request(self, message: Message) -> _PositionRequest | None:
        """The open request that a message answers, by PosReqID or else by account; None for an unrequested one."""
        name = message.get(t.POS_REQ_ID)
        account = message.get(t.ACCOUNT)
        if name or message.is_yes(t.UNSOLICITED):
            return self._open.get(name)
        return next(
            (request for request in self._open.values() if request.account == account), None
        )

    def _end(
        self, request: _PositionRequest, now_ns: int, reason: str = "", never: bool = False
    ) -> o.Holdings:
        """Close a request: its holdings, or empty ones with the reason; `never`: the venue reports no positions at all."""
        self._open.pop(request.name, None)
        quantities = {} if reason else {name: qty for name, qty in request.qty.items() if qty}
        return o.Holdings(request.account, quantities, now_ns, why=reason, never=never)

    def _read_refusal(self, message: Message, now_ns: int) -> list[o.Holdings | o.Unread] | None:
        """Events of a reject by which the session or the venue did not take a position request; None for other messages."""
        number = message.get(t.REF_SEQ_NUM)
        request = next(
            (request for request in self._open.values() if str(request.number) == number), None
        )
        if request is None:
            return None
        never = (
            message.kind == t.BUSINESS_REJECT and message.get(t.REJECT_REASON) == t.NOT_SUPPORTED
        )
        return [
            self._end(request, now_ns, f"refused: {message.get(t.TEXT) or message.kind}", never)
        ]

    def _read_acknowledgement(
        self, request: _PositionRequest, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        """Events of an acknowledgement (AO): a refusal, empty holdings, or holdings that are now complete."""
        result = message.get(t.POS_RESULT)
        text = message.get(t.TEXT)
        if result not in (VALID, NONE_FOUND) or message.get(t.POS_STATUS) == REJECTED:
            reason = f"refused: {_RESULT_TEXTS.get(result, 'a reason of its own')} (728={result}) {text}".strip()
            return [self._end(request, now_ns, reason, result == NEVER)]
        if result == NONE_FOUND:
            return [self._end(request, now_ns)]
        return self._complete(request, message, now_ns)

    def _complete(
        self, request: _PositionRequest, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        """Close a request once all announced reports are here: its holdings; [] before, RefusedError where counts
        disagree."""
        if t.TOTAL_POS_REPORTS in message:
            total = message.integer(t.TOTAL_POS_REPORTS)
            if request.total not in (None, total):
                raise RefusedError(f"727={request.total}, as before", f"727={total}")
            request.total = total
        if request.total is None or len(request.report_names) < request.total:
            return []
        if len(request.report_names) > request.total:
            raise RefusedError(f"{request.total} reports (727)", f"{len(request.report_names)}")
        return [self._end(request, now_ns)]

    def _read_position(
        self, request: _PositionRequest | None, message: Message, now_ns: int
    ) -> list[o.Holdings | o.Unread]:
        """Add a PositionReport (AP) to its request: the holdings once complete, or an unrequested position; raises
        RefusedError for a refusal or another account."""
        if request is None:
            account = message.get(t.ACCOUNT)
            qty = self._qty(message)
            return [o.Holdings(account, {message.get(t.SYMBOL): qty}, now_ns, asked=False)]
        result = message.get(t.POS_RESULT)
        name = message.get(t.POS_REPORT_ID)
        if result == NONE_FOUND:
            return [self._end(request, now_ns)]
        if result != VALID:
            raise RefusedError("728=0 in a report", f"728={result} {message.get(t.TEXT)}")
        if (account := message.get(t.ACCOUNT)) != request.account:
            raise RefusedError(f"account {request.account}", f"1={account}")
        if name in request.report_names:
            return []
        qty = self._qty(message)
        request.report_names.add(name)
        request.qty[message.get(t.SYMBOL)] += qty
        return self._complete(request, message, now_ns)

    def _qty(self, message: Message) -> int:
        """Signed quantity of a position report, 10^-8 of a lot.

        Raises
        ------
        RefusedError
            Without a symbol, or without lots of the type that counts.
        """
        symbol = message.get(t.SYMBOL)
        entries = self._rules.entries(message, t.NO_POSITIONS) if self._rules is not None else []
        matching = [entry for entry in entries if entry.get(t.POS_TYPE) == self._type]
        if not symbol or not matching:
            types = ", ".join(entry.get(t.POS_TYPE) for entry in entries)
            raise RefusedError(
                f"a symbol (55) and lots of the type 703={self._type}", f"55={symbol}, 703={types}"
            )
        scale = self._scales.get(symbol, PLAIN)
        return sum(
            scale.qty(entry.get(tag, "0"), tag) * sign
            for entry in matching
            for tag, sign in _QTY_SIGNS
        )


def _progress(request: _PositionRequest) -> str:
    """Number of position reports that came, of how many."""
    total = "an unknown number" if request.total is None else request.total
    return f"{len(request.report_names)} of {total} position reports"
