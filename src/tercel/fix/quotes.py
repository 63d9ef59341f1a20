"""Requests for quotes in FIX 4.4: QuoteRequest (R), Quote (S), QuoteRequestReject (AG), QuoteCancel (Z),
QuoteStatusReport (AI), QuoteResponse (AJ), and the order that takes a quote (D with 117, or AJ with 694=1).

    35=R|131=r1|146=1|55=XYZ|54=1|38=300|1=DESK|126=20231114-22:13:30|60=...|453=1|448=D1|447=D|452=35|
    35=S|131=r1|117=q1|537=1|453=1|448=D1|447=D|452=35|55=XYZ|54=1|38=300|133=10.05|135=300|62=20231114-22:13:25|
    35=D|11=a-1|55=XYZ|54=1|38=300|40=D|44=10.05|117=q1|59=4|60=...|

The dictionary asks for neither symbol nor price nor size: these are checked here. :class:`QuoteDesk` is an initiator's
side. Source: FIX 4.4, volume 3, quotation.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import OrderError, TercelError, VenueError
from tercel.core.lifecycle import acknowledges
from tercel.core.open_quotes import OpenQuotes
from tercel.core.quotes import (
    LONGEST_NAME,
    Quote,
    QuoteCancel,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
    QuoteState,
    QuoteStatus,
)
from tercel.fix import tags as t
from tercel.fix.dialect import OutgoingMessage, raw
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_ns, utc_text
from tercel.fix.translate import (
    PLAIN,
    Fields,
    PriceScale,
    RefusedError,
    named,
    need,
    present,
    side_code,
)

QUOTE_STATES: Final[Mapping[str, QuoteState]] = MappingProxyType(
    {
        "0": QuoteState.ACCEPTED,
        **dict.fromkeys(("1", "2", "3", "4", "6", "14", "15"), QuoteState.CANCELED),
        "5": QuoteState.REJECTED,
        "7": QuoteState.EXPIRED,
        "9": QuoteState.UNKNOWN,
        "10": QuoteState.PENDING,
        "11": QuoteState.PASSED,
    }
)
"""QuoteStatus (297)."""
_REASONS: Final[Mapping[str, str]] = {
    "1": "unknown symbol",
    "2": "exchange closed",
    "3": "quote request exceeds limit",
    "4": "too late to enter",
    "5": "invalid price",
    "6": "not authorized",
    "7": "no match for inquiry",
    "8": "no market for instrument",
    "9": "no inventory",
    "10": "pass",
}
"""QuoteRequestRejectReason (658)."""
_ALL_QUOTES: Final = "4"
_INDICATIVE: Final = "0"
_FREES: Final = frozenset({o.OrdStatus.CANCELED, o.OrdStatus.EXPIRED})
_KINDS: Final = frozenset({t.QUOTE, t.QUOTE_CANCEL, t.QUOTE_REQUEST_REJECT, t.QUOTE_STATUS_REPORT})


def dealers_out(dealers: tuple[str, ...]) -> Fields:
    """Dealers as parties that provide liquidity (452=35)."""
    if not dealers:
        return []
    names = [
        ((t.PARTY_ID, named(one)), (t.PARTY_SOURCE, "D"), (t.PARTY_ROLE, t.LIQUIDITY_PROVIDER))
        for one in dealers
    ]
    return [(t.NO_PARTIES, str(len(dealers))), *(field for one in names for field in one)]


def dealers_in(message: Message) -> tuple[str, ...]:
    """Parties that provide liquidity; without one, all parties."""
    found: list[list[str]] = []
    for tag, value in message.fields:
        if tag == t.PARTY_ID:
            found.append([value, ""])
        elif tag == t.PARTY_ROLE and found:
            found[-1][1] = value
    provide = [name for name, role in found if role == t.LIQUIDITY_PROVIDER]
    return tuple(provide or [name for name, _ in found])


def _dealer(message: Message) -> str:
    return next(iter(dealers_in(message)), "") or message.get(t.ON_BEHALF_OF)


def price_in(text: str, scale: PriceScale, tag: int) -> int | None:
    """A quoted price in ticks; None for "".

    Raises
    ------
    RefusedError
        When it is no number above zero, or between two ticks.

    >>> price_in("10.05", PriceScale(0.01), 133)
    1005
    """
    if not text:
        return None
    try:
        ticks = scale.ticks(text)
    except RefusedError as error:
        raise RefusedError(error.expected, f"{tag}={text[:40]}") from None
    if ticks < 1:
        raise RefusedError("a price above zero", f"{tag}={text[:40]}")
    return ticks


class QuoteDesk:
    """Requests of an initiator, and the answers received. It takes no quote twice, and none after a restart.

    Parameters
    ----------
    terms : ProfileTerms
    scales : mapping of str to PriceScale
        By instrument.
    order_name : callable
        The name of an order here, by its ClOrdID.
    name : callable
        Makes a name for a message that no other of the session has.
    send : callable
    now_ns, wall_ns : callable
        The venue's time; ns since 1970.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        scales: Mapping[str, PriceScale],
        order_name: Callable[[str], str],
        name: Callable[[], str],
        send: Callable[[list[OutgoingMessage]], int],
        now_ns: Callable[[], int],
        wall_ns: Callable[[], int],
    ) -> None:
        self.book = OpenQuotes()
        self._scales = scales
        self._order_name = order_name
        self._name = name
        self._send = send
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        # Times of our own venues are exact; others may take no more than microseconds.
        self._exact = 9 if terms.profile.extension else min(terms.profile.session.digits, 6)
        self._digits = min(terms.profile.session.digits, 6)
        self._taking: dict[str, o.QuotedOrder] = {}
        """Orders that the venue has neither accepted nor refused, by name."""
        self._filled: dict[str, int] = {}
        """Filled quantity of those that it has accepted, 10^-8 of a lot."""

    def request_quotes(self, request: QuoteRequest) -> None:
        """See `core.ports.AsksForQuotes`."""
        scale = self._scales.get(request.instrument)
        why = self.book.ask(request) if scale is not None else "an instrument that is not listed"
        if scale is None or why:
            raise OrderError("a request for quotes that can be made", why, "make another one")
        entry = [(t.NO_RELATED_SYM, "1"), (t.SYMBOL, named(request.instrument))]
        entry += [(t.SIDE, side_code(request.side))] if request.side else []
        entry += [(t.ORDER_QTY, scale.quantity(request.lots)), (t.ACCOUNT, named(request.account))]
        entry += [(t.EXPIRE_TIME, utc_text(request.until_ns, self._exact)), self._dated()]
        fields = [(t.QUOTE_REQ_ID, named(request.id)), *entry, *dealers_out(request.dealers)]
        try:
            self._send([OutgoingMessage(t.QUOTE_REQUEST, present(fields), request)])
        except VenueError:
            self.book.forget(request.id)
            raise

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """See `core.ports.AsksForQuotes`."""
        ready = [
            OutgoingMessage(
                t.QUOTE_RESPONSE,
                [
                    *((t.QUOTE_RESP_ID, self._name()), (t.QUOTE_ID, one.id)),
                    *((t.QUOTE_RESP_TYPE, t.PASS), (t.SYMBOL, one.instrument), self._dated()),
                ],
                None,
            )
            for one in self.book.drop(request, quotes)
        ]
        if ready:
            self._send(ready)

    def _dated(self) -> tuple[int, str]:
        return t.TRANSACT_TIME, utc_text(self._wall_ns(), self._digits)

    def hit(self, order: o.QuotedOrder) -> o.Report | None:
        """Let an order take its quote; the report that refuses it where it cannot."""
        now = self._now_ns()
        if why := self.book.hit(order, now):
            return o.refused(order, f"Q{order.cl_ord_id}", now, why)
        self._taking[order.cl_ord_id] = order
        return None

    def heard(self, report: o.Report) -> None:
        """What the venue says of an order that takes a quote, as limits count it: a rejection leaves its lots to its request
        before any other report alone; what was accepted may still trade, until it is cancelled or expires."""
        for name in {report.cl_ord_id, report.orig} & self.book.hits.keys():
            if acknowledges(report.status):
                self._taking.pop(name, None)
                cum = self._filled[name] = max(self._filled.get(name, 0), report.cum_qty)
                if report.status in _FREES:
                    self.book.settle(name, o.ceiled(cum))
            elif report.status is o.OrdStatus.REJECTED and name in self._taking:
                del self._taking[name]
                self.book.settle(name, o.ceiled(max(report.cum_qty, report.last_qty)))

    def read(self, message: Message, now_ns: int) -> list[QuoteEvent | o.Report | o.Unread] | None:
        """Events of a message about quotes; None for any other message."""
        if message.kind not in _KINDS:
            return None
        known = message.get(t.QUOTE_ID) in self.book.quotes
        asked = message.get(t.QUOTE_REQ_ID) in self.book.requests
        news = asked and not known if message.kind == t.QUOTE else asked or known
        if message.says(t.POSS_DUP) and not news:
            return []  # what came before, or answers a request of a process that ended
        try:
            if message.fault:
                raise RefusedError("a message as its dictionary has it", message.fault)
            found = self._items(message, now_ns)
            for one in found:
                if not isinstance(one, o.Report) and (why := self.book.take(one)):
                    raise RefusedError("a quote as requested", why)
            return [*found]
        except (TercelError, ValueError) as error:
            request = self.book.requests.get(message.get(t.QUOTE_REQ_ID))
            # Without an instrument where it is of no request: no market data was missed.
            about = (request.account, message.get(t.SYMBOL)) if request else ("", "")
            # What it ends or replaces is not to be taken, even where the rest of it cannot be read.
            gone = [quote for quote in self._meant(message) if quote.id not in self.book.over]
            return [
                *self._withdrawn(gone, now_ns, "its dealer's last message cannot be read"),
                o.Unread(raw(message), f"{error}", now_ns, "", *about),
            ]

    def _withdrawn(self, quotes: Sequence[Quote], now_ns: int, text: str) -> list[QuoteEvent]:
        found = [
            QuoteCancel(q.id, q.request, q.dealer, q.instrument, q.account, now_ns, text)
            for q in quotes
        ]
        for one in found:
            self.book.take(one)
        return [*found]

    def _meant(self, message: Message) -> list[Quote]:
        """Quotes that a message ends: those that it names, or those of its dealer (of all, where it names none) in its
        request (in all, where it names none). A quote ends those of its dealer in its request."""
        names = [value for tag, value in message.fields if tag == t.QUOTE_ID and value != "*"]
        known = [self.book.quotes[name] for name in names if name in self.book.quotes]
        request = message.get(t.QUOTE_REQ_ID) or next((quote.request for quote in known), "")
        dealer = _dealer(message)
        replaces = message.kind == t.QUOTE
        if message.kind == t.QUOTE_REQUEST_REJECT or (replaces and (known or not dealer)):
            return []
        if names and not replaces and message.get(t.QUOTE_CANCEL_TYPE) != _ALL_QUOTES:
            return known
        requests = [request] if request or replaces else [*self.book.requests]
        return [
            quote
            for one in requests
            for quote in self.book.open(one)
            if quote.dealer == dealer or not (replaces or (dealer and quote.dealer))
        ]

    def _items(self, message: Message, now_ns: int) -> list[QuoteEvent | o.Report]:
        tags = dict(message.fields[::-1])
        known = self.book.quotes.get(tags.get(t.QUOTE_ID, ""))
        name = known.request if known is not None else tags.get(t.QUOTE_REQ_ID, "")
        request = self.book.requests.get(name)
        account = request.account if request else ""
        instrument = tags.get(t.SYMBOL, "") or (request.instrument if request else "")
        where = instrument, account, now_ns
        text = tags.get(t.TEXT, "")[:LONGEST_NAME]
        dealer = _dealer(message)
        if message.kind == t.QUOTE:
            return [self._quote(tags, dealer, now_ns)]
        if message.kind == t.QUOTE_REQUEST_REJECT:
            code = tags.get(t.QUOTE_REJECT_REASON, "")
            words = ": ".join(one for one in (_REASONS.get(code, ""), text) if one)
            return [QuoteReject(need(tags, t.QUOTE_REQ_ID), dealer, *where, words)]
        if message.kind == t.QUOTE_CANCEL:
            return [*self._withdrawn(self._meant(message), now_ns, text)]
        status = QUOTE_STATES.get(tags.get(t.QUOTE_STATUS, ""))
        if status is None:
            raise RefusedError("a QuoteStatus (297) that is known here", f"{tags.get(297)}")
        found: list[QuoteEvent | o.Report] = [
            QuoteStatus(need(tags, t.QUOTE_ID), name, status, *where, text)
        ]
        order = self._taking.get(self._order_name(tags.get(t.QUOTE_RESP_ID, "")))
        if order is not None and status not in (QuoteState.ACCEPTED, QuoteState.PENDING):
            why = text or f"the quote is {status}"
            found.append(o.refused(order, f"Q{order.cl_ord_id}", now_ns, why))
        return found

    def _quote(self, tags: Mapping[int, str], dealer: str, now_ns: int) -> Quote:
        """A quote with symbol, price and size.

        Raises
        ------
        RefusedError
            Without them, of another side than requested, at an invalid price.
        """
        request = self.book.requests.get(need(tags, t.QUOTE_REQ_ID))
        instrument = need(tags, t.SYMBOL)
        side = tags.get(t.SIDE, "")
        if request is not None and side not in (
            "",
            side_code(request.side) if request.side else "",
        ):
            raise RefusedError("a quote of the requested side", f"54={side}")
        scale = self._scales.get(instrument, PLAIN)
        bid = price_in(tags.get(t.BID_PX, ""), scale, t.BID_PX)
        offer = price_in(tags.get(t.OFFER_PX, ""), scale, t.OFFER_PX)
        sizes = [
            scale.lots(tags.get(tag, "") or need(tags, t.ORDER_QTY, t.INCORRECT_QUANTITY))
            for tag, price in ((t.BID_SIZE, bid), (t.OFFER_SIZE, offer))
            if price is not None
        ]
        if not sizes:
            raise RefusedError("a price: BidPx (132) or OfferPx (133)", "none")
        return Quote(
            need(tags, t.QUOTE_ID),
            tags[t.QUOTE_REQ_ID],
            dealer,
            instrument,
            bid,
            offer,
            min(sizes),
            utc_ns(tags.get(t.VALID_UNTIL, "")) or (request.until_ns if request else 0),
            request.account if request else "",
            now_ns,
            tags.get(t.QUOTE_TYPE, "1") != _INDICATIVE,
        )
