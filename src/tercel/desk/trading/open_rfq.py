"""An open request for quotes: its terms, the faults of dealers' quotes, and those that may be taken without a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from tercel.core.child_order import ChildOrder
from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ceil_units
from tercel.core.quotes import (
    LONGEST_NAME,
    Quote,
    QuoteCancel,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
    QuoteStatus,
    is_name,
)
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.limits import DAY_NS
from tercel.desk.trading.parent_orders.parent import AT_WORK, ParentOrder

_EVENT_NAMES: Final = {QuoteReject: "declined", QuoteCancel: "withdrawn", QuoteStatus: "status"}
_NUMBER_FIELDS: Final = ("bid", "offer", "lots", "until_ns")
_read_numbers: Final = attrgetter(*_NUMBER_FIELDS)


@dataclass(slots=True, eq=False)
class OpenRfq:
    """An open request for quotes, with its order and the lots that its quotes have filled."""

    request: QuoteRequest
    parent: str
    want: int
    within: float | None
    answered: set[str] = field(default_factory=set)
    order: str = ""
    filled: int = 0
    taken: int = 0
    refused: bool = False
    passed: bool = False

    @property
    def left(self) -> int:
        """Lots requested and not filled yet."""
        return self.request.lots - self.filled

    @property
    def all_answered(self) -> bool:
        """Whether every dealer has quoted or declined; one refusal without a dealer's name counts for all."""
        return "" in self.answered or self.answered >= {*self.request.dealers}

    @property
    def subject(self) -> tuple[str, str, str]:
        """Instrument, account and parent, as a journal entry names them."""
        return self.request.instrument, self.request.account, self.parent

    def withheld_lots(self, order: ChildOrder | None, with_in_flight: bool) -> int:
        """Lots requested and not filled, less those filled by the order that takes a quote, if any; unless `with_in_flight`,
        less all of its lots until it is settled."""
        # What the order has filled is withheld no more from the moment at which the parent's fills count it.
        counted = 0 if order is None else ceil_units(order.cum_qty)
        if order is not None and not (with_in_flight or order.settled):
            counted = order.lots
        return self.left - counted


def require_open(requests: Mapping[str, OpenRfq], name: str) -> OpenRfq:
    """The open request of a name; raises OrderError if there is none."""
    names = ", ".join(requests) or "none"
    refuse_if(
        name not in requests,
        "a request for quotes that is open",
        f"{name!r}",
        f"name one of: {names:.300}",
        OrderError,
    )
    return requests[name]


def require_at_work(parent: ParentOrder, now_ns: int) -> None:
    """Raise OrderError for a parent that is over, a leg of a pair, or past its horizon."""
    refuse_if(
        parent.pair or parent.status not in AT_WORK,
        "a parent at work",
        f"{parent.id} is {'a leg of a pair' if parent.pair else parent.status}",
        "name another",
        OrderError,
    )
    parent.require_time_left(now_ns)


def require_quote(
    quote: Quote | None, quote_id: str, rfq: OpenRfq, parent: ParentOrder
) -> tuple[Quote, int]:
    """The quote with its price, ticks; raises OrderError if it is none of the request's, or beyond the parent's limit."""
    name = rfq.request.id
    price = quote.price(rfq.want) if quote is not None and quote.request == name else None
    if quote is None or price is None:
        raise OrderError(f"a quote of {name}", f"{quote_id!r}", "name one of its open quotes")
    refuse_if(
        parent.limit and rfq.want * (price - parent.limit) > 0,
        f"a price within the limit price of {parent.id}, {parent.limit} ticks",
        f"{price}",
        "amend its limit price first",
        OrderError,
    )
    return quote, price


def require_terms(
    lots: Any, room: int, seconds: Any, longest_s: float, dealers: Sequence[str]
) -> None:
    """Refuse lots outside 1 to `room`, seconds not above 0 or beyond `longest_s`, and dealers named wrongly or twice.

    Raises
    ------
    OrderError
    """
    refuse_if(
        type(lots) is not int or not 0 < lots <= room,
        f"1 to {room:,} lots, the rest that is neither open nor requested"
        if room > 0
        else "a parent with lots that are not open",
        f"{lots!r}",
        "ask for fewer, or pause it first, which cancels its resting orders",
        OrderError,
    )
    refuse_if(
        type(seconds) not in (int, float) or not 0 < seconds <= longest_s,
        f"above 0 to {longest_s:g} seconds, at most to the parent's end",
        f"{seconds!r}",
        "ask for less time",
        OrderError,
    )
    refuse_if(
        len({*dealers}) < len(dealers) or not all(name and is_name(name) for name in dealers),
        "names of dealers, each once",
        f"{dealers!r:.200}",
        "correct them",
        OrderError,
    )


def find_fault(quote: Quote, rfq: OpenRfq, now_ns: int, mid2: int | None, collar_bps: float) -> str:
    """Reason why a dealer's quote does not answer a request, "" if it does; `collar_bps`: most distance from mid."""
    request = rfq.request
    is_whole = all(value is None or type(value) is int for value in _read_numbers(quote))
    if not is_whole or quote.lots is None:
        quoted = f"bid {quote.bid}, offer {quote.offer}, lots {quote.lots}"
        return f"prices and lots that are whole ticks and lots, not {quoted}"
    if quote.account != request.account:
        return f"it is for {quote.account!r}, not {request.account!r}"
    until_ns = quote.until_ns or request.until_ns
    if until_ns <= now_ns:
        return "it had expired when it came"
    if until_ns - now_ns > DAY_NS or quote.ns - now_ns > NS_PER_SECOND:
        return f"it is dated {(max(until_ns, quote.ns) - now_ns) / 1e9:.0f} s ahead of the clock"
    price = quote.price(rfq.want)
    if price is not None and mid2 and abs(2 * price - mid2) * 10_000 > collar_bps * mid2:
        return f"{price} is more than {collar_bps} bps from the mid {mid2 / 2:g}"
    return ""


def answer_fields(event: QuoteEvent, fault: str) -> dict[str, Any]:
    """Fields of the journal entry of a dealer's message; `fault`: why a quote cannot be taken, or ""."""
    fields: dict[str, Any]
    if isinstance(event, Quote):
        fields = {"event": "unusable" if fault else "quoted", "text": fault, "firm": event.firm}
        numbers = zip(_NUMBER_FIELDS, _read_numbers(event), strict=True)
        fields |= {key: value for key, value in numbers if type(value) is int}
    else:
        fields = {"event": _EVENT_NAMES[type(event)], "text": event.text[:LONGEST_NAME]}
    fields |= {"id": event.id, "dealer": event.dealer}
    if isinstance(event, QuoteStatus):
        fields["state"] = str(event.status)
    return fields


def takeable_quotes(
    rfq: OpenRfq, quotes: Sequence[Quote], limit: int, mid2: int | None, now_ns: int
) -> list[Quote]:
    """Firm quotes within a request's bound and a limit price (ticks; 0: none), best and earliest first; [] without a bound or a
    mid."""
    if rfq.within is None or not mid2:
        return []
    worst = mid2 * (1.0 + rfq.want * rfq.within / 10_000) / 2
    # A sell within 10,000 bps of mid may be at any price: that is a bound of zero, not the lack of one.
    signed_limit = min(rfq.want * bound for bound in (worst, limit or worst))
    candidates = [
        (rfq.want * price, n, quote)
        for n, quote in enumerate(quotes)
        if quote.firm and quote.until_ns > now_ns and (price := quote.price(rfq.want)) is not None
    ]
    return [quote for signed_price, _, quote in sorted(candidates) if signed_price <= signed_limit]


def outcome_of(rfq: OpenRfq, has_open_quotes: bool, was_quoted: bool) -> str:
    """Outcome of a request that ends: "traded", "rejected", "passed", "expired" or "unanswered"."""
    if rfq.filled:
        return "traded"
    if rfq.refused and not rfq.passed:
        return "rejected"
    if rfq.passed or (has_open_quotes and rfq.within is not None):
        return "passed"
    return "expired" if was_quoted else "unanswered"
