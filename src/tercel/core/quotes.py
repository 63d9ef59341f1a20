"""Requests for quotes and what dealers answer: frozen messages in ticks and lots, and which quotes may still be taken.

A client asks dealers (`QuoteRequest`). A `Quote` is taken by an order that names it (`core.orders.QuotedOrder`), once; it
ends at its time, by a `QuoteCancel`, or by another quote of the same dealer. Times are ns, sides +1 and -1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from tercel.core.orders import QuotedOrder

MOST_REQUESTS: Final = 1000
"""Requests that a `QuoteBook` holds."""


class QuoteState(StrEnum):
    """What a `QuoteStatus` says of a quote."""

    ACCEPTED = "accepted"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    PENDING = "pending"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """Ask dealers for prices of one instrument.

    Parameters
    ----------
    id : str
        Unique for ever.
    instrument, account : str
    side : int
        +1 where the client wants to buy, -1 to sell, 0: two-way, the side is not shown.
    lots : int
    until_ns : int
        No answer is wanted from then on; a quote without a time of its own ends then, too.
    sent_ns : int
    dealers : tuple of str
        Who is asked; (): all.
    """

    id: str
    instrument: str
    side: int
    lots: int
    until_ns: int
    account: str
    sent_ns: int
    dealers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """A dealer's answer: at `bid` it buys, at `offer` it sells, ticks; None: no price on that side.

    Parameters
    ----------
    id, request : str
        Its name at the venue, and the request that it answers.
    dealer : str
        "": the venue does not say.
    instrument, account : str
        As in the request.
    bid, offer : int or None
    lots : int
        Largest order that takes it.
    until_ns : int
        It cannot be taken from then on.
    ns : int
        Venue time.
    firm : bool
        False: indicative, cannot be taken.
    """

    id: str
    request: str
    dealer: str
    instrument: str
    bid: int | None
    offer: int | None
    lots: int
    until_ns: int
    account: str
    ns: int
    firm: bool = True
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""

    def price(self, side: int) -> int | None:
        """Price for a client who buys (+1) or sells (-1), ticks.

        >>> Quote("q", "r", "D1", "XYZ", None, 1001, 5, 9, "ann", 0).price(1)
        1001
        """
        return self.offer if side > 0 else self.bid


@dataclass(frozen=True, slots=True)
class QuoteReject:
    """No quote: of one dealer, or of all ("")."""

    request: str
    dealer: str
    instrument: str
    account: str
    ns: int
    text: str = ""
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class QuoteCancel:
    """A quote was withdrawn by its dealer."""

    id: str
    request: str
    dealer: str
    instrument: str
    account: str
    ns: int
    text: str = ""
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class QuoteStatus:
    """State of a quote, or the answer to its being passed; `request` is "" where the venue names an unknown quote."""

    id: str
    request: str
    status: QuoteState
    instrument: str
    account: str
    ns: int
    text: str = ""
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""


QuoteEvent = Quote | QuoteReject | QuoteCancel | QuoteStatus
_LIVES: Final = frozenset({QuoteState.ACCEPTED, QuoteState.PENDING})


class QuoteBook:
    """Requests and quotes of one session, on either side of it: what is not as asked, and what can still be taken.

    >>> from tercel.core.orders import QuotedOrder, Tif
    >>> book = QuoteBook()
    >>> book.ask(QuoteRequest("r", "XYZ", 1, 5, 90, "ann", 0, ("D1",)))
    ''
    >>> book.take(Quote("q", "r", "D2", "XYZ", None, 1001, 5, 90, "ann", 10))
    "the dealer 'D2' was not asked"
    >>> book.take(Quote("q", "r", "D1", "XYZ", None, 1001, 5, 90, "ann", 10))
    ''
    >>> order = QuotedOrder("c1", "XYZ", 1, 5, 1001, Tif.IOC, "ann", "p", 20, "q")
    >>> [book.hit(order, ns) for ns in (90, 20, 21)]
    ["the quote 'q' has expired", '', "the quote 'q' was taken"]
    """

    def __init__(self) -> None:
        self.requests: dict[str, QuoteRequest] = {}
        self.quotes: dict[str, Quote] = {}
        """All that came, by name."""
        self.over: dict[str, str] = {}
        """Why a quote cannot be taken any more, by its name."""
        self.hits: dict[str, tuple[str, int]] = {}
        """Request and lots of each order that took a quote, by its name."""

    def ask(self, request: QuoteRequest) -> str:
        """Hold a request; why it cannot be one, "" where it can."""
        if request.id in self.requests:
            return f"the request {request.id!r} was made before"
        if request.lots < 1 or request.side not in (-1, 0, 1):
            return f"a side of 1, -1 or 0 and at least one lot, not {request.side}, {request.lots}"
        if request.until_ns <= request.sent_ns:
            return "a request that has ended before it is sent"
        self.requests[request.id] = request
        if len(self.requests) > MOST_REQUESTS:
            gone = next(iter(self.requests))
            del self.requests[gone]
            self.quotes = {name: one for name, one in self.quotes.items() if one.request != gone}
            self.over = {name: why for name, why in self.over.items() if name in self.quotes}
            self.hits = {name: hit for name, hit in self.hits.items() if hit[0] != gone}
        return ""

    def open(self, request: str) -> list[Quote]:
        """Quotes of a request that did not end, in the order in which they came."""
        return [
            one
            for name, one in self.quotes.items()
            if one.request == request and name not in self.over
        ]

    def take(self, event: QuoteEvent) -> str:
        """Apply what came; why it cannot be, "" where it can."""
        if isinstance(event, Quote):
            return self._quote(event)
        if isinstance(event, QuoteCancel) and event.id in self.quotes:
            self.over.setdefault(event.id, f"the quote {event.id!r} was withdrawn")
        elif isinstance(event, QuoteStatus) and event.status not in _LIVES:
            self.over.setdefault(event.id, f"the quote {event.id!r} is {event.status}")
        return ""

    def _quote(self, quote: Quote) -> str:
        request = self.requests.get(quote.request)
        if request is None:
            return f"no request {quote.request!r} was made"
        if quote.id in self.quotes:
            return f"the quote {quote.id!r} came before"
        if request.dealers and quote.dealer and quote.dealer not in request.dealers:
            return f"the dealer {quote.dealer!r} was not asked"
        if quote.instrument != request.instrument:
            return f"a quote of {quote.instrument!r}, asked for {request.instrument!r}"
        wanted = (1, -1) if request.side == 0 else (request.side,)
        if any(quote.price(side) is None for side in wanted):
            return f"no price to {'buy' if quote.offer is None else 'sell'} at, as was asked for"
        if quote.bid is not None and quote.offer is not None and quote.bid > quote.offer:
            return f"a bid of {quote.bid} above the offer of {quote.offer}"
        if any(price is not None and price < 1 for price in (quote.bid, quote.offer)):
            return f"a price above zero, not {quote.bid}, {quote.offer}"
        if not 1 <= quote.lots <= request.lots:
            return f"{quote.lots} lots; 1 to {request.lots} were asked for"
        for one in self.open(request.id):
            if quote.dealer and one.dealer == quote.dealer:
                self.over[one.id] = f"the quote {one.id!r} was replaced by {quote.id!r}"
        self.quotes[quote.id] = (
            quote if quote.until_ns else replace(quote, until_ns=request.until_ns)
        )
        return ""

    def hit(self, order: "QuotedOrder", now_ns: int) -> str:
        """Let an order take its quote; why it cannot, "" where it can. No quote is taken twice."""
        quote = self.quotes.get(order.quote)
        if quote is None:
            return f"unknown quote {order.quote!r}"
        request = self.requests[quote.request]
        name = repr(quote.id)
        if quote.id in self.over:
            return self.over[quote.id]
        if not quote.firm:
            return f"the quote {name} is indicative"
        if now_ns >= quote.until_ns:
            return f"the quote {name} has expired"
        if order.instrument != quote.instrument or request.side not in (0, order.side):
            return f"the quote {name} is of another instrument or side"
        if order.price is None or order.price != quote.price(order.side):
            return f"the quote {name} is at {quote.price(order.side)}, the order at {order.price}"
        if not 1 <= order.lots <= quote.lots:
            return f"{order.lots} lots; the quote {name} is for {quote.lots}"
        done = sum(lots for of, lots in self.hits.values() if of == request.id)
        if done + order.lots > request.lots:
            return f"the request {request.id!r} has traded {done} of {request.lots}"
        self.over[quote.id] = f"the quote {name} was taken"
        self.hits[order.cl_ord_id] = request.id, order.lots
        return ""

    def settle(self, order: str, lots: int) -> None:
        """An order that is over has traded so many lots: the rest of its request may trade with another quote."""
        if order in self.hits:
            self.hits[order] = self.hits[order][0], lots

    def drop(self, request: str, quotes: Sequence[str] = ()) -> list[Quote]:
        """Pass some open quotes of a request, all where none is named; they cannot be taken any more."""
        found = [one for one in self.open(request) if not quotes or one.id in quotes]
        self.over |= {one.id: f"the quote {one.id!r} was passed" for one in found}
        return found
