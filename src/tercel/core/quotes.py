"""Messages of requests for quotes and of dealers' answers, in ticks and lots.

A client asks dealers (`QuoteRequest`). A `Quote` is taken by an order that names it (`core.orders.QuotedOrder`), once; it
ends at its time, by a `QuoteCancel`, or by another quote of the same dealer (`core.open_quotes.OpenQuotes`). Times are ns,
sides +1 and -1.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

LONGEST_NAME: Final = 200
"""Characters of a name in a command or a quote; all of them are printable."""


def is_name(text: str) -> bool:
    """Whether a text can be a name in a command: printable and at most `LONGEST_NAME` characters.

    >>> is_name("q-1"), is_name("q" * 201), is_name("q\\n1")
    (True, False, False)
    """
    return len(text) <= LONGEST_NAME and text.isprintable()


class QuoteState(StrEnum):
    """State of a quote in a `QuoteStatus`."""

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
        Deadline of answers; a quote without its own expiry ends then, too.
    sent_ns : int
    dealers : tuple of str
        Names of the dealers; (): all.
    """

    id: str
    instrument: str
    side: int
    lots: int
    until_ns: int
    account: str
    sent_ns: int
    dealers: tuple[str, ...] = ()


class _OfNoOrder:
    """An event that concerns no order: its names of orders are empty."""

    __slots__ = ()
    cl_ord_id: ClassVar[str] = ""
    orig: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Quote(_OfNoOrder):
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

    def price(self, side: int) -> int | None:
        """Price in ticks at which a client buys (+1: the offer) or sells (-1: the bid); None if it is not quoted.

        >>> Quote("q", "r", "D1", "XYZ", None, 1001, 5, 9, "ann", 0).price(1)
        1001
        """
        return self.offer if side > 0 else self.bid


@dataclass(frozen=True, slots=True)
class QuoteReject(_OfNoOrder):
    """No quote: of one dealer, or of all ("")."""

    request: str
    dealer: str
    instrument: str
    account: str
    ns: int
    text: str = ""
    id: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class QuoteCancel(_OfNoOrder):
    """A quote was withdrawn by its dealer."""

    id: str
    request: str
    dealer: str
    instrument: str
    account: str
    ns: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class QuoteStatus(_OfNoOrder):
    """State of a quote, or the answer to its being passed; `request` is "" where the venue names an unknown quote."""

    id: str
    request: str
    status: QuoteState
    instrument: str
    account: str
    ns: int
    text: str = ""
    dealer: ClassVar[str] = ""


QuoteEvent = Quote | QuoteReject | QuoteCancel | QuoteStatus
QUOTE_EVENTS: Final = (Quote, QuoteReject, QuoteCancel, QuoteStatus)
