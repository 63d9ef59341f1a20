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

from tercel.core import fixed_point, orders as o
from tercel.core.errors import OrderError, TercelError, VenueError
from tercel.core.lifecycle import acknowledges
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError
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
from tercel.fix.dialect import OutgoingMessage, raw_text
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_ns, utc_text
from tercel.fix.translate import Fields, check_name, drop_empty, require, side_code

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
        (
            (t.PARTY_ID, check_name(dealer)),
            (t.PARTY_SOURCE, "D"),
            (t.PARTY_ROLE, t.LIQUIDITY_PROVIDER),
        )
        for dealer in dealers
    ]
    return [(t.NO_PARTIES, str(len(dealers))), *(field for party in names for field in party)]


def dealers_in(message: Message) -> tuple[str, ...]:
    """Parties that provide liquidity; without one, all parties."""
    parties: list[list[str]] = []
    for tag, value in message.fields:
        if tag == t.PARTY_ID:
            parties.append([value, ""])
        elif tag == t.PARTY_ROLE and parties:
            parties[-1][1] = value
    provide = [name for name, role in parties if role == t.LIQUIDITY_PROVIDER]
    return tuple(provide or [name for name, _ in parties])


def _dealer(message: Message) -> str:
    """The dealer of a message: its first liquidity provider, else OnBehalfOfCompID."""
    return next(iter(dealers_in(message)), "") or message.get(t.ON_BEHALF_OF)


def price_in(text: str, scale: PriceScale, tag: int) -> int | None:
    """A quoted price in ticks; None for an empty text.

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
    """Quote requests of an initiator, and the quotes received; no quote is taken twice, or after a restart.

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
        self._expire_digits = 9 if terms.profile.extension else min(terms.profile.session.digits, 6)
        self._digits = min(terms.profile.session.digits, 6)
        self._pending_orders: dict[str, o.QuotedOrder] = {}
        """Orders that the venue has neither accepted nor refused, by name."""
        self._filled: dict[str, int] = {}
        """Filled quantity of those that it has accepted, 10^-8 of a lot."""

    def request_quotes(self, request: QuoteRequest) -> None:
        """Send a QuoteRequest to its dealers; OrderError if it cannot be made, VenueError (it is forgotten) without a link."""
        scale = self._scales.get(request.instrument)
        reason = (
            self.book.add_request(request)
            if scale is not None
            else "an instrument that is not listed"
        )
        if scale is None or reason:
            raise OrderError("a request for quotes that can be made", reason, "make another one")
        entry = [(t.NO_RELATED_SYM, "1"), (t.SYMBOL, check_name(request.instrument))]
        entry += [(t.SIDE, side_code(request.side))] if request.side else []
        entry += [
            (t.ORDER_QTY, scale.quantity(request.lots)),
            (t.ACCOUNT, check_name(request.account)),
        ]
        entry += [
            (t.EXPIRE_TIME, utc_text(request.until_ns, self._expire_digits)),
            self._transact_time(),
        ]
        fields = [(t.QUOTE_REQ_ID, check_name(request.id)), *entry, *dealers_out(request.dealers)]
        try:
            self._send([OutgoingMessage(t.QUOTE_REQUEST, drop_empty(fields), request)])
        except VenueError:
            self.book.forget(request.id)
            raise

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """Decline open quotes of a request, all if none is named, by QuoteResponses (694=6); they leave the book."""
        messages = [
            OutgoingMessage(
                t.QUOTE_RESPONSE,
                [
                    *((t.QUOTE_RESP_ID, self._name()), (t.QUOTE_ID, quote.id)),
                    *(
                        (t.QUOTE_RESP_TYPE, t.PASS),
                        (t.SYMBOL, quote.instrument),
                        self._transact_time(),
                    ),
                ],
                None,
            )
            for quote in self.book.pass_quotes(request, quotes)
        ]
        if messages:
            self._send(messages)

    def _transact_time(self) -> tuple[int, str]:
        """TransactTime (60) of now, as a field."""
        return t.TRANSACT_TIME, utc_text(self._wall_ns(), self._digits)

    def hit(self, order: o.QuotedOrder) -> o.Report | None:
        """Reserve an order's quote for it, before it is sent; the report that refuses the order where it cannot take
        it, else None."""
        now = self._now_ns()
        if reason := self.book.take_quote(order, now):
            return o.refusal_report(order, f"Q{order.cl_ord_id}", now, reason)
        self._pending_orders[order.cl_ord_id] = order
        return None

    def record_report(self, report: o.Report) -> None:
        """Record a report on an order that takes a quote: releases lots that can no longer fill.

        As limits count lots: a rejection before any other report leaves its lots to the request; an accepted order may still
        trade until it is cancelled or expires.
        """
        for name in {report.cl_ord_id, report.orig} & self.book.hits.keys():
            if acknowledges(report.status):
                self._pending_orders.pop(name, None)
                cum = self._filled[name] = max(self._filled.get(name, 0), report.cum_qty)
                if report.status in _FREES:
                    self.book.settle(name, fixed_point.ceil_units(cum))
            elif report.status is o.OrdStatus.REJECTED and name in self._pending_orders:
                del self._pending_orders[name]
                self.book.settle(name, fixed_point.ceil_units(max(report.cum_qty, report.last_qty)))

    def read(self, message: Message, now_ns: int) -> list[QuoteEvent | o.Report | o.Unread] | None:
        """Apply a message about quotes to the desk's book; its events, None for any other message."""
        if message.kind not in _KINDS:
            return None
        is_known = message.get(t.QUOTE_ID) in self.book.quotes
        is_requested = message.get(t.QUOTE_REQ_ID) in self.book.requests
        is_new = (
            is_requested and not is_known if message.kind == t.QUOTE else is_requested or is_known
        )
        if message.is_yes(t.POSS_DUP) and not is_new:
            return []  # what came before, or answers a request of a process that ended
        try:
            if message.fault:
                raise RefusedError("a message as its dictionary has it", message.fault)
            events = self._items(message, now_ns)
            for event in events:
                if not isinstance(event, o.Report) and (reason := self.book.apply_event(event)):
                    raise RefusedError("a quote as requested", reason)
            return [*events]
        except (TercelError, ValueError) as error:
            request = self.book.requests.get(message.get(t.QUOTE_REQ_ID))
            # Without an instrument where it is of no request: no market data was missed.
            about = (request.account, message.get(t.SYMBOL)) if request else ("", "")
            # What it ends or replaces is not to be taken, even where the rest of it cannot be read.
            ended = [
                quote for quote in self._ended_quotes(message) if quote.id not in self.book.over
            ]
            return [
                *self._withdraw(ended, now_ns, "its dealer's last message cannot be read"),
                o.Unread(raw_text(message), f"{error}", now_ns, "", *about),
            ]

    def _withdraw(self, quotes: Sequence[Quote], now_ns: int, text: str) -> list[QuoteEvent]:
        """Withdraw some quotes from the desk's book; their cancel events."""
        cancels = [
            QuoteCancel(
                quote.id, quote.request, quote.dealer, quote.instrument, quote.account, now_ns, text
            )
            for quote in quotes
        ]
        for cancel in cancels:
            self.book.apply_event(cancel)
        return [*cancels]

    def _ended_quotes(self, message: Message) -> list[Quote]:
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
            for request_id in requests
            for quote in self.book.open(request_id)
            if quote.dealer == dealer or not (replaces or (dealer and quote.dealer))
        ]

    def _items(self, message: Message, now_ns: int) -> list[QuoteEvent | o.Report]:
        """Events of a quote message: quotes, withdrawals, rejects, ends of requests; a QuoteCancel's are applied to the
        book here, the others by `read`."""
        tags = dict(message.fields[::-1])
        known = self.book.quotes.get(tags.get(t.QUOTE_ID, ""))
        name = known.request if known is not None else tags.get(t.QUOTE_REQ_ID, "")
        request = self.book.requests.get(name)
        account = request.account if request else ""
        instrument = tags.get(t.SYMBOL, "") or (request.instrument if request else "")
        context = instrument, account, now_ns
        text = tags.get(t.TEXT, "")[:LONGEST_NAME]
        dealer = _dealer(message)
        if message.kind == t.QUOTE:
            return [self._quote(tags, dealer, now_ns)]
        if message.kind == t.QUOTE_REQUEST_REJECT:
            code = tags.get(t.QUOTE_REJECT_REASON, "")
            reason_text = ": ".join(part for part in (_REASONS.get(code, ""), text) if part)
            return [QuoteReject(require(tags, t.QUOTE_REQ_ID), dealer, *context, reason_text)]
        if message.kind == t.QUOTE_CANCEL:
            return [*self._withdraw(self._ended_quotes(message), now_ns, text)]
        status = QUOTE_STATES.get(tags.get(t.QUOTE_STATUS, ""))
        if status is None:
            raise RefusedError("a QuoteStatus (297) that is known here", f"{tags.get(297)}")
        events: list[QuoteEvent | o.Report] = [
            QuoteStatus(require(tags, t.QUOTE_ID), name, status, *context, text)
        ]
        order = self._pending_orders.get(self._order_name(tags.get(t.QUOTE_RESP_ID, "")))
        if order is not None and status not in (QuoteState.ACCEPTED, QuoteState.PENDING):
            reason = text or f"the quote is {status}"
            events.append(o.refusal_report(order, f"Q{order.cl_ord_id}", now_ns, reason))
        return events

    def _quote(self, tags: Mapping[int, str], dealer: str, now_ns: int) -> Quote:
        """A quote from its fields, with symbol, price and size checked.

        Raises
        ------
        RefusedError
            Without them, of another side than requested, at an invalid price.
        """
        request = self.book.requests.get(require(tags, t.QUOTE_REQ_ID))
        instrument = require(tags, t.SYMBOL)
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
            scale.lots(tags.get(tag, "") or require(tags, t.ORDER_QTY, t.INCORRECT_QUANTITY))
            for tag, price in ((t.BID_SIZE, bid), (t.OFFER_SIZE, offer))
            if price is not None
        ]
        if not sizes:
            raise RefusedError("a price: BidPx (132) or OfferPx (133)", "none")
        return Quote(
            require(tags, t.QUOTE_ID),
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
