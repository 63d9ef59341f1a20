"""Requests for quotes at an acceptor: R and AJ of its counterparties, and what dealers answer as S, AG, Z and AI.

An initiator's side is `tercel.fix.quotes`. A request is known to the venue by its counterparty's name and its own; a quote
is its own counterparty's alone. Times are the venue's for a peer with our tags, and the time of day for others.
Source: FIX 4.4, volume 3, quotation.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from exchange.fix.counterparties import Counterparty
from tercel import TercelError
from tercel.core import (
    BUY,
    SELL,
    Quote,
    QuoteCancel,
    QuotedOrder,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
    QuoteState,
    QuoteStatus,
    Venue,
)
from tercel.fix import (
    QUOTE_STATES,
    FieldList,
    Fields,
    Message,
    PriceScale,
    RefusedError,
    dealers_in,
    dealers_out,
    drop_empty,
    one_line,
    require,
    tags as t,
    utc_ns,
    utc_text,
)

_SIDES: Final = {t.BUY_CODE: BUY, t.SELL_CODE: SELL, "": 0}
_CODES: Final = {state: code for code, state in reversed([*QUOTE_STATES.items()])}
_IGNORED_RESPONSES: Final = frozenset({"3", "4", "5"})
"""QuoteRespType of what a client tells of quotes that it did not take: expired, cover, done away."""
_OTHER: Final = "99"
_UNKNOWN_SYMBOL: Final = "1"
_LASTS_NS: Final = 30_000_000_000
"""How long a request lasts that does not say until when."""

_MOST: Final = 10_000
"""Requests, and quotes, that are remembered."""
K = TypeVar("K")
V = TypeVar("V")


def _remember(table: dict[K, V], key: K, value: V) -> None:
    """Remember a value; the oldest one is forgotten where there are too many."""
    table[key] = value
    if len(table) > _MOST:
        del table[next(iter(table))]


class QuoteService:
    """Requests and quotes of a server's counterparties. Called from the server's thread.

    Parameters
    ----------
    venue : Venue
    parties : mapping of CompID to Counterparty
    scales : mapping of str to PriceScale
    send : callable
        Puts a message into a counterparty's outbox.
    wall_ns : callable
        ns since 1970.
    speed : float
        Seconds of the venue in one of the time of day.
    """

    def __init__(
        self,
        venue: Venue,
        parties: Mapping[str, Counterparty],
        scales: Mapping[str, PriceScale],
        send: Callable[[Counterparty, str, Fields], None],
        wall_ns: Callable[[], int],
        speed: float = 1.0,
    ) -> None:
        self._venue = venue
        self._dealers = venue.capabilities.quotes
        self._parties = parties
        self._scales = scales
        self._send = send
        self._wall_ns = wall_ns
        self._speed = speed
        self._requests: dict[str, QuoteRequest] = {}
        self._quotes: dict[str, Quote] = {}
        self._taken: dict[tuple[str, str], tuple[str, str]] = {}
        """Quote, and QuoteRespID where there was one, of each order that takes a quote, by counterparty and name."""

    @property
    def offered(self) -> bool:
        """Whether the venue has dealers."""
        return self._dealers is not None

    # -- what comes in ------------------------------------------------------------------------------------------------
    def request(self, party: Counterparty, message: Message, claim: Callable[[str], None]) -> int:
        """Hand a request (R) to the venue, or refuse it (AG); until when it waits for answers, ns.

        `claim` refuses an account that is another counterparty's.
        """
        tags = {tag: message.get(tag) for tag, _ in message.fields}
        now = self._venue.now_ns
        try:
            quote_request = self._request(party, message, tags, now)
            claim(quote_request.account)
            assert self._dealers is not None
            _remember(self._requests, quote_request.id, quote_request)
            self._dealers.request_quotes(quote_request)
        except TercelError as error:
            text = f"expected {error.expected}; received {error.received}"
            symbol = tags.get(t.SYMBOL, t.NO_SYMBOL)
            reason = _OTHER if symbol in self._scales else _UNKNOWN_SYMBOL
            fields = [(t.QUOTE_REQ_ID, tags.get(t.QUOTE_REQ_ID, t.NO_NAME))]
            fields += [(t.QUOTE_REJECT_REASON, reason), (t.NO_RELATED_SYM, "1"), (t.SYMBOL, symbol)]
            self._send(party, t.QUOTE_REQUEST_REJECT, [*fields, (t.TEXT, one_line(text))])
            return now
        return quote_request.until_ns

    def _request(
        self, party: Counterparty, message: Message, tags: Mapping[int, str], now: int
    ) -> QuoteRequest:
        if tags.get(t.NO_RELATED_SYM) != "1":
            raise RefusedError("146=1, one instrument", f"146={tags.get(t.NO_RELATED_SYM)}")
        instrument = require(tags, t.SYMBOL)
        if instrument not in self._scales:
            raise RefusedError("an instrument that is listed here", f"55={instrument[:40]}")
        side = _SIDES.get(tags.get(t.SIDE, ""))
        if side is None:
            raise RefusedError("54=1, 54=2 or none", f"54={tags[t.SIDE]}")
        until = utc_ns(tags.get(t.EXPIRE_TIME, ""))
        until = (
            now + _LASTS_NS
            if until is None
            else until
            if party.uses_private_tags
            else self._to_venue_ns(until)
        )
        return QuoteRequest(
            party.prefix + require(tags, t.QUOTE_REQ_ID),
            instrument,
            side,
            self._scales[instrument].lots(require(tags, t.ORDER_QTY)),
            until,
            tags.get(t.ACCOUNT, "") or party.login.comp_id,
            now,
            dealers_in(message),
        )

    def respond(self, party: Counterparty, message: Message) -> Message | None:
        """The order that a response (AJ) means where it hits a quote; else None, and a status (AI) answers what it passes."""
        kind = message.get(t.QUOTE_RESP_TYPE)
        quote = message.get(t.QUOTE_ID)
        if kind == t.HIT:
            name = message.get(t.CL_ORD_ID) or message.get(t.QUOTE_RESP_ID)
            taken = quote, message.get(t.QUOTE_RESP_ID)
            _remember(self._taken, (party.login.comp_id, name), taken)
            head = [
                pair for pair in message.fields if pair[0] in (t.SEQ_NUM, t.SENDER, t.TARGET, 52)
            ]
            repeated = (t.QUOTE_ID, t.SYMBOL, t.SIDE, t.ORDER_QTY, t.PRICE, t.ACCOUNT)
            body = [(tag, message.get(tag)) for tag in repeated if tag in message]
            terms = [(t.ORD_TYPE, t.PREVIOUSLY_QUOTED), (t.TIME_IN_FORCE, t.FILL_OR_KILL)]
            fields = [(t.MSG_TYPE, t.NEW_ORDER), *head, (t.CL_ORD_ID, name), *body, *terms]
            return Message(message.begin, fields)
        known = self._own_quote(party, quote)
        if known is None:
            state = QuoteState.UNKNOWN
            text = "no such quote"
        elif kind == t.PASS:
            assert self._dealers is not None
            self._dealers.pass_quotes(known.request, [quote])
            state = QuoteState.PASSED
            text = ""
        elif kind in _IGNORED_RESPONSES:
            return None
        else:
            state = QuoteState.REJECTED
            text = f"694={kind} is not offered"
        symbol = known.instrument if known else message.get(t.SYMBOL) or t.NO_SYMBOL
        fields = [(t.QUOTE_ID, quote or t.NO_NAME), (t.QUOTE_RESP_ID, message.get(t.QUOTE_RESP_ID))]
        fields += [(t.SYMBOL, symbol), (t.QUOTE_STATUS, _CODES[state]), (t.TEXT, one_line(text))]
        self._send(party, t.QUOTE_STATUS_REPORT, drop_empty(fields))
        return None

    def check(self, party: Counterparty, order: QuotedOrder) -> None:
        """Refuse an order that takes another's quote, or one where there are no dealers.

        Raises
        ------
        RefusedError
        """
        if self._dealers is None:
            raise RefusedError("an order", f"117={order.quote}: no dealers here", t.UNSUPPORTED)
        if self._own_quote(party, order.quote) is None:
            raise RefusedError("a quote that was given", f"117={order.quote}")
        name = party.login.comp_id, order.cl_ord_id
        _remember(self._taken, name, self._taken.get(name, (order.quote, "")))

    def _own_quote(self, party: Counterparty, quote: str) -> Quote | None:
        own_quote = self._quotes.get(quote)
        return (
            own_quote
            if own_quote is not None and own_quote.request.startswith(party.prefix)
            else None
        )

    # -- what goes out ------------------------------------------------------------------------------------------------
    def add_quote_fields(self, party: Counterparty, name: str, fields: Fields) -> Fields:
        """Fields of a report, with the quote that its order takes."""
        if (taken := self._taken.get((party.login.comp_id, name))) is None:
            return fields
        quote, response = taken
        order_fields = [
            (tag, t.PREVIOUSLY_QUOTED if tag == t.ORD_TYPE else value) for tag, value in fields
        ]
        return [*order_fields, *drop_empty([(t.QUOTE_ID, quote), (t.QUOTE_RESP_ID, response)])]

    def say(self, event: QuoteEvent) -> None:
        """Tell a counterparty what a dealer answers, or that its quote is gone."""
        party = self._parties.get(event.request.partition("/")[0])
        if party is None:
            return
        name = event.request.removeprefix(party.prefix)
        if isinstance(event, Quote):
            _remember(self._quotes, event.id, event)
            self._send(party, t.QUOTE, self._quote(party, name, event))
            return
        text = (t.TEXT, one_line(event.text))
        if isinstance(event, QuoteReject):
            symbol = [(t.NO_RELATED_SYM, "1"), (t.SYMBOL, event.instrument)]
            fields = [(t.QUOTE_REQ_ID, name), (t.QUOTE_REJECT_REASON, _OTHER), *symbol]
            parties = dealers_out((event.dealer,) if event.dealer else ())
            self._send(party, t.QUOTE_REQUEST_REJECT, drop_empty([*fields, *parties, text]))
            return
        fields = [(t.QUOTE_REQ_ID, name), (t.QUOTE_ID, event.id)]
        if isinstance(event, QuoteCancel):
            fields += [(t.QUOTE_CANCEL_TYPE, "1"), *dealers_out((event.dealer,))]
            fields += [(t.NO_QUOTE_ENTRIES, "1"), (t.SYMBOL, event.instrument)]
            self._send(party, t.QUOTE_CANCEL, fields)
        elif isinstance(event, QuoteStatus):
            fields += [(t.SYMBOL, event.instrument), (t.QUOTE_STATUS, _CODES[event.status]), text]
            self._send(party, t.QUOTE_STATUS_REPORT, drop_empty(fields))

    def _quote(self, party: Counterparty, name: str, quote: Quote) -> FieldList:
        scale = self._scales[quote.instrument]
        request = self._requests.get(quote.request)
        side = {BUY: t.BUY_CODE, SELL: t.SELL_CODE}.get(request.side if request else 0, "")
        size = scale.quantity(quote.lots)
        prices = [
            (price_tag, scale.price(price))
            for price_tag, price in ((t.BID_PX, quote.bid), (t.OFFER_PX, quote.offer))
            if price is not None
        ]
        sizes = [
            (size_tag, size)
            for size_tag, price in ((t.BID_SIZE, quote.bid), (t.OFFER_SIZE, quote.offer))
            if price is not None
        ]
        until = quote.until_ns
        valid = utc_text(until, 9) if party.uses_private_tags else utc_text(self._to_wall_ns(until))
        fields = [(t.QUOTE_REQ_ID, name), (t.QUOTE_ID, quote.id)]
        fields += [(t.QUOTE_TYPE, "1" if quote.firm else "0"), *dealers_out((quote.dealer,))]
        fields += [(t.SYMBOL, quote.instrument), (t.SIDE, side), (t.ORDER_QTY, size)]
        fields += [(t.ACCOUNT, quote.account), *prices, *sizes, (t.VALID_UNTIL, valid)]
        return drop_empty([*fields, (t.TRANSACT_TIME, utc_text(self._wall_ns()))])

    def _to_wall_ns(self, ns: int) -> int:
        """A time of the venue as the time of day."""
        return self._wall_ns() + round((ns - self._venue.now_ns) / self._speed)

    def _to_venue_ns(self, ns: int) -> int:
        """A time of day as the venue's."""
        return self._venue.now_ns + round((ns - self._wall_ns()) * self._speed)
