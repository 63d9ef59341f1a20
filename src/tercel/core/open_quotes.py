"""Open quotes of dealers in a session: which may still be taken; none twice, late or at another price."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tercel.core.orders import QuotedOrder
from tercel.core.quotes import (
    LONGEST_NAME,
    Quote,
    QuoteCancel,
    QuoteEvent,
    QuoteRequest,
    QuoteState,
    QuoteStatus,
    is_name,
)

MOST_REQUESTS: Final = 1000
"""Requests that a `OpenQuotes` holds."""
MOST_QUOTES: Final = 100
"""Quotes of one dealer to one request that it holds: the latest. Dealers without a name count as one."""
_LIVES: Final = frozenset({QuoteState.ACCEPTED, QuoteState.PENDING})


def _first_fault(*checks: tuple[bool, str]) -> str:
    """Text of the first check that is true, "" if none is; all checks and texts are evaluated."""
    return next((text for is_wrong, text in checks if is_wrong), "")


class OpenQuotes:
    """Requests and quotes of one session: quotes are checked against their request; open ones can be taken once.

    >>> from tercel.core.orders import Tif
    >>> book = OpenQuotes()
    >>> book.add_request(QuoteRequest("r", "XYZ", 1, 5, 90, "ann", 0, ("D1",)))
    ''
    >>> book.apply_event(Quote("q", "r", "D2", "XYZ", None, 1001, 5, 90, "ann", 10))
    "the dealer 'D2' is not in the request"
    >>> book.apply_event(Quote("q", "r", "D1", "XYZ", None, 1001, 5, 90, "ann", 10))
    ''
    >>> order = QuotedOrder("c1", "XYZ", 1, 5, 1001, Tif.IOC, "ann", "p", 20, "q")
    >>> [book.take_quote(order, ns) for ns in (90, 20, 21)]
    ["the quote 'q' has expired", '', "the quote 'q' was taken"]
    """

    def __init__(self) -> None:
        self.requests: dict[str, QuoteRequest] = {}
        self.quotes: dict[str, Quote] = {}
        """The latest quotes of each dealer to each request, by id."""
        self._by_request: dict[str, dict[str, Quote]] = {}
        """The same by request."""
        self.over: dict[str, str] = {}
        """Reason why a quote is no longer open, by its id."""
        self.hits: dict[str, tuple[str, int]] = {}
        """Request and lots of each order that took a quote, by the order's id."""

    def add_request(self, request: QuoteRequest) -> str:
        """Store a request, dropping the oldest beyond `MOST_REQUESTS`; return the reason if it is invalid, else ""."""
        fault = _first_fault(
            (request.id in self.requests, f"the request {request.id!r} was made before"),
            (
                request.lots < 1 or request.side not in (-1, 0, 1),
                f"a side of 1, -1 or 0 and at least one lot, not {request.side}, {request.lots}",
            ),
            (request.until_ns <= request.sent_ns, "a request that has ended before it is sent"),
        )
        if fault:
            return fault
        self.requests[request.id] = request
        self._by_request[request.id] = {}
        if len(self.requests) > MOST_REQUESTS:
            self.forget(next(iter(self.requests)))
        return ""

    def forget(self, request: str) -> None:
        """Remove a request, its quotes and the record of orders that took them: no such quote can be taken any more."""
        self._drop(self._by_request[request].values())
        del self.requests[request], self._by_request[request]
        self.hits = {name: hit for name, hit in self.hits.items() if hit[0] != request}

    def _drop(self, quotes: Iterable[Quote]) -> None:
        """Remove quotes from the book, and the reasons why they are over."""
        for quote in [*quotes]:
            del self.quotes[quote.id], self._by_request[quote.request][quote.id]
            self.over.pop(quote.id, None)

    def open(self, request: str) -> list[Quote]:
        """Open quotes of a request, in the order in which they came."""
        return [
            quote
            for name, quote in self._by_request.get(request, {}).items()
            if name not in self.over
        ]

    def apply_event(self, event: QuoteEvent) -> str:
        """Apply a quote, cancel or status; return the reason if it is refused, else ""."""
        request = self.requests.get(event.request)
        if not (is_name(event.id) and is_name(event.dealer)):
            return f"a name that is not printable, or longer than {LONGEST_NAME} characters"
        if request and request.dealers and event.dealer not in ("", *request.dealers):
            return f"the dealer {event.dealer!r} is not in the request"
        if isinstance(event, Quote):
            return self._add_quote(event, request)
        state = event.status if isinstance(event, QuoteStatus) else QuoteState.CANCELED
        if event.id in self.quotes and state not in _LIVES:
            word = "was withdrawn" if isinstance(event, QuoteCancel) else f"is {state}"
            self.over.setdefault(event.id, f"the quote {event.id!r} {word}")
        return ""

    def _add_quote(self, quote: Quote, request: QuoteRequest | None) -> str:
        """Store a quote that answers a request; return the reason if it is refused, else "". The quote of a dealer ends
        its earlier ones."""
        if request is None:
            return f"no request {quote.request!r} was made"
        bid = quote.bid
        offer = quote.offer
        wanted = (1, -1) if request.side == 0 else (request.side,)
        fault = _first_fault(
            (quote.id in self.quotes, f"the quote {quote.id!r} came before"),
            (
                quote.instrument != request.instrument,
                f"a quote of {quote.instrument!r}, requested {request.instrument!r}",
            ),
            (
                any(quote.price(side) is None for side in wanted),
                f"no price to {'buy' if offer is None else 'sell'} at, as was requested",
            ),
            (
                bid is not None and offer is not None and bid > offer,
                f"a bid of {bid} above the offer of {offer}",
            ),
            (
                any(price is not None and price < 1 for price in (bid, offer)),
                f"a price above zero, not {bid}, {offer}",
            ),
            (
                not 1 <= quote.lots <= request.lots,
                f"{quote.lots} lots; 1 to {request.lots} were requested",
            ),
        )
        if fault:
            return fault
        earlier_quotes = [
            earlier
            for earlier in self._by_request[request.id].values()
            if earlier.dealer == quote.dealer
        ]
        for earlier in earlier_quotes if quote.dealer else ():
            self.over.setdefault(
                earlier.id, f"the quote {earlier.id!r} was replaced by {quote.id!r}"
            )
        quote = quote if quote.until_ns else replace(quote, until_ns=request.until_ns)
        self.quotes[quote.id] = self._by_request[request.id][quote.id] = quote
        self._drop(earlier_quotes[: 1 - MOST_QUOTES])
        return ""

    def take_quote(self, order: QuotedOrder, now_ns: int) -> str:
        """Let an order take its quote; return the reason if it cannot, else "". No quote is taken twice."""
        quote = self.quotes.get(order.quote)
        if quote is None:
            return f"unknown quote {order.quote!r}"
        request = self.requests[quote.request]
        name = repr(quote.id)
        price = quote.price(order.side)
        done = sum(lots for request_id, lots in self.hits.values() if request_id == request.id)
        fault = _first_fault(
            (
                order.account != request.account,
                f"the quote {name} is for {request.account!r}, not {order.account!r}",
            ),
            (quote.id in self.over, self.over.get(quote.id, "")),
            (not quote.firm, f"the quote {name} is indicative"),
            (now_ns >= quote.until_ns, f"the quote {name} has expired"),
            (
                order.instrument != quote.instrument or request.side not in (0, order.side),
                f"the quote {name} is of another instrument or side",
            ),
            (
                order.price is None or order.price != price,
                f"the quote {name} is at {price}, the order at {order.price}",
            ),
            (
                not 1 <= order.lots <= quote.lots,
                f"{order.lots} lots; the quote {name} is for {quote.lots}",
            ),
            (
                done + order.lots > request.lots,
                f"the request {request.id!r} has traded {done} of {request.lots}",
            ),
        )
        if fault:
            return fault
        self.over[quote.id] = f"the quote {name} was taken"
        self.hits[order.cl_ord_id] = request.id, order.lots
        return ""

    def settle(self, order: str, lots: int) -> None:
        """Record how many lots an ended order has traded: the rest of its request may trade with another quote."""
        if order in self.hits:
            self.hits[order] = self.hits[order][0], lots

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> list[Quote]:
        """Mark open quotes of a request (all if none is named) as passed, so that they cannot be taken; return them."""
        passed = [quote for quote in self.open(request) if not quotes or quote.id in quotes]
        self.over |= {quote.id: f"the quote {quote.id!r} was passed" for quote in passed}
        return passed
