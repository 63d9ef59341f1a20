"""Requests for quotes as read from a journal for analysis: dealers, ranked quotes, cover, orders that took a quote, the later
mid.

Prices are in the units of the market, quantities in shares or coins, as far as the journal tells tick and lot, times ns
of the venue. A distance in bps is positive if it is against the client: above mid for a buy, below for a sell.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from tercel.core.fixed_point import ONE, Unit
from tercel.core.orders import OrdStatus
from tercel.core.ports import Entry
from tercel.core.quotes import QuoteState
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.shortfall import BPS

DRIFTS: Final = ("1s", "10s", "60s")
"""Times after a request at which its drift is measured."""
OPEN: Final = "open"
TAKEN: Final = "accepted"
REJECTED: Final = "rejected"
STANDS: Final = frozenset({OPEN, TAKEN, REJECTED, "expired", "passed", "traded away", "over"})
"""States of quotes that were valid until a decision or their expiry."""
_LIVES: Final = frozenset({QuoteState.ACCEPTED, QuoteState.PENDING})


@dataclass(frozen=True, kw_only=True)
class RankedQuote:
    """A dealer's quote, ranked by its price for the requested side.

    Parameters
    ----------
    id, dealer : str
    price : float or None
        None: no price on that side.
    at, until_ns : int
    qty : float
        The most that it is good for.
    mid, bps : float or None
        Mid at its arrival, and its distance from that; None without a mid.
    state : str
        open, accepted, rejected (the dealer's last look), indicative, replaced, withdrawn, canceled, expired, passed,
        traded away, over, or "unusable: " and why it cannot be taken.
    """

    id: str
    dealer: str
    price: float | None
    at: int
    until_ns: int
    qty: float
    mid: float | None
    bps: float | None
    state: str

    @property
    def usable(self) -> bool:
        """Whether the quote could be taken when it came, whatever became of it; False if it is marked "unusable"."""
        return not self.state.startswith("unusable")


@dataclass(frozen=True, kw_only=True)
class TakenQuote:
    """Order that took a quote; whether the dealer honoured it is in the quote's state.

    Parameters
    ----------
    quote, order, by : str
        `by`: a person; "" for a strategy.
    at : int
    mid, cover : float or None
        Mid then, and the second-best price of all that could be taken then; None: one alone could.
    """

    quote: str
    order: str
    by: str
    at: int
    mid: float | None
    cover: float | None


@dataclass(frozen=True, kw_only=True)
class QuotedRequest:
    """Request for quotes with its ranked quotes, orders, outcome and later mids.

    Parameters
    ----------
    id, name, agent, parent : str
        `name`: the instrument.
    at, until_ns : int
    by : str
        The requesting person; "" for a strategy.
    side : int
        Side to trade: +1 buys, -1 sells.
    quantity : float
    dealers : list of str
        Dealers of the request; empty: all.
    declined : dict of str to str
        Dealers that declined, with their reasons.
    quotes : list of RankedQuote
        Best first: those in force, then those that were withdrawn or replaced, then those that could not be taken.
    outcome : str
        open, traded, rejected, expired, passed or unanswered.
    taken : list of TakenQuote
    cover : float or None
        At the last acceptance; before any, of what can be taken now.
    mid : float or None
        At the request.
    drift_bps : dict of str to float or None
        Move of the mid against the client, bps, 1, 10 and 60 s after the request.
    """

    id: str
    at: int
    name: str
    agent: str
    parent: str
    by: str
    side: int
    quantity: float
    dealers: list[str]
    declined: dict[str, str]
    quotes: list[RankedQuote]
    outcome: str
    taken: list[TakenQuote]
    cover: float | None
    mid: float | None
    drift_bps: dict[str, float | None]
    until_ns: int


def distance_bps(side: int, price: float | None, mid: float | None) -> float | None:
    """Distance of a price from mid, bps, positive if against a buyer (+1) or seller (-1); None if a price is not known.

    >>> distance_bps(-1, 99.0, 100.0), distance_bps(1, 99.0, 100.0), distance_bps(1, None, 100.0)
    (100.0, -100.0, None)
    """
    known = price is not None and mid is not None and mid > 0
    return side * (price - mid) / mid * BPS if known else None  # type: ignore[operator]


def requests_of(
    entries: Iterable[Entry], ledger: Ledger, unit: Callable[[str], Unit], now_ns: int
) -> list[QuotedRequest]:
    """Requests of a journal, in the order in which they were made.

    Parameters
    ----------
    entries : iterable of Entry
        Of the kind `quote`; those of a request that is not among them are passed over.
    ledger : Ledger
        Fold of the journal, with the orders that took quotes.
    unit : callable
        Units of an instrument.
    now_ns : int
        Current venue time: earlier ends have passed.

    >>> from tercel.desk.trading.journal import kinds
    >>> asked = QuoteEntry(event="requested", request="r", mid2=2000, side=1, want=1, lots=5, until_ns=90, dealers=["A"])
    >>> quoted = QuoteEntry(event="quoted", request="r", mid2=2000, id="q", dealer="A", offer=1001, lots=5)
    >>> entries = [Entry(kinds.QUOTE, ns, "XYZ", body=body.json()) for ns, body in ((10, asked), (20, quoted))]
    >>> (found,) = requests_of(entries, Ledger(), lambda name: Unit(), 50)
    >>> [(one.dealer, one.price, one.bps, one.state) for one in found.quotes], found.outcome, found.cover
    ([('A', 1001.0, 10.0, 'open')], 'open', None)
    """
    rows_by_request: dict[str, list[tuple[Entry, QuoteEntry]]] = {}
    for entry in entries:
        body = QuoteEntry.of(entry)
        if body.event == "requested" or body.request in rows_by_request:
            rows_by_request.setdefault(body.request, []).append((entry, body))
    return [
        _request(rows, ledger, unit(rows[0][0].instrument), now_ns)
        for rows in rows_by_request.values()
    ]


def _request(
    rows: Sequence[tuple[Entry, QuoteEntry]], ledger: Ledger, unit: Unit, now_ns: int
) -> QuotedRequest:
    """One request, from its journal entries."""
    first_entry, requested = rows[0]
    quotes = list[RankedQuote]()
    taken = list[TakenQuote]()
    declined = dict[str, str]()
    outcome = next((body.outcome for _, body in rows if body.event == "ended"), OPEN)
    mid = _mid(requested, unit)
    drift = dict[str, float | None](dict.fromkeys(DRIFTS))
    for entry, body in rows[1:]:
        quotes = _expire_quotes(quotes, entry.ns)
        if body.event in ("quoted", "unusable"):
            if body.event == "quoted" and body.dealer:
                replaced_ids = [quote.id for quote in quotes if quote.dealer == body.dealer]
                quotes = _set_state(quotes, "replaced", replaced_ids)
            quotes.append(_quote(entry, body, requested, unit))
        elif body.event == "declined":
            declined[body.dealer] = body.text
        elif body.event == "accepted":
            order = ledger.orders.get(entry.order)
            refused = order is not None and order.status == OrdStatus.REJECTED
            # A later session ended the request: a crash lost the order, and no refusal by a dealer is known.
            was_lost = refused and outcome == "expired"
            if not was_lost:
                taken.append(
                    TakenQuote(
                        quote=body.id,
                        order=entry.order,
                        by=body.by or "",
                        at=entry.ns,
                        mid=_mid(body, unit),
                        cover=_cover(quotes, requested.want),
                    )
                )
            quotes = _set_state(
                quotes, "expired" if was_lost else REJECTED if refused else TAKEN, [body.id]
            )
        elif body.event == "passed" and not (body.by or body.operator):
            continue  # what was left when the request ended
        elif body.event in ("withdrawn", "passed", "status") and body.state not in _LIVES:
            ids = body.ids or ([body.id] if body.id else [quote.id for quote in quotes])
            quotes = _set_state(quotes, body.state or body.event, ids, TAKEN if body.state else "")
        elif body.event == "drift":
            drift[f"{body.after_s:g}s"] = distance_bps(requested.want, _mid(body, unit), mid)
    quotes = _expire_quotes(quotes, now_ns)
    cover = _cover(quotes, requested.want) if outcome == OPEN else None
    if taken and outcome == REJECTED:
        quotes = _set_state(quotes, REJECTED, [taken[-1].quote], TAKEN)
    if outcome != OPEN:
        final_state = "traded away" if outcome == "traded" else "over"
        quotes = _set_state(quotes, final_state, [quote.id for quote in quotes])
    return QuotedRequest(
        id=requested.request,
        at=first_entry.ns,
        name=first_entry.instrument,
        agent=first_entry.agent,
        parent=first_entry.parent,
        by=requested.by or "",
        side=requested.want,
        quantity=unit.qty(requested.lots * ONE),
        dealers=requested.dealers or [],
        declined=declined,
        quotes=sorted(
            quotes,
            key=lambda quote: (
                not quote.usable,
                quote.state not in STANDS,
                requested.want * (quote.price or 0.0),
                quote.at,
            ),
        ),
        outcome=outcome,
        taken=taken,
        cover=taken[-1].cover if taken else cover,
        mid=mid,
        drift_bps=drift,
        until_ns=requested.until_ns,
    )


def _mid(body: QuoteEntry, unit: Unit) -> float | None:
    """Mid of an entry in price units; None if it has none."""
    return None if body.mid2 is None else unit.price(Fraction(body.mid2 * ONE, 2))


def _quote(entry: Entry, body: QuoteEntry, requested: QuoteEntry, unit: Unit) -> RankedQuote:
    """A dealer's quote from its journal entry, with its distance from mid for the requested side."""
    ticks = body.offer if requested.want > 0 else body.bid
    price = None if ticks is None else unit.price(ticks * ONE)
    mid = _mid(body, unit)
    state = OPEN if body.firm else "indicative"
    return RankedQuote(
        id=body.id,
        dealer=body.dealer,
        price=price,
        at=entry.ns,
        until_ns=body.until_ns or requested.until_ns,
        qty=unit.qty(body.lots * ONE),
        mid=mid,
        bps=distance_bps(requested.want, price, mid),
        state=f"unusable: {body.text}" if body.event == "unusable" else state,
    )


def _set_state(
    quotes: Sequence[RankedQuote], state: str, ids: Sequence[str], other_state: str = ""
) -> list[RankedQuote]:
    """Quotes, of which those of some ids that are open (or in `other_state`) get a new state."""
    ends = (OPEN, other_state)
    return [
        replace(quote, state=state) if quote.state in ends and quote.id in ids else quote
        for quote in quotes
    ]


def _expire_quotes(quotes: Sequence[RankedQuote], now_ns: int) -> list[RankedQuote]:
    """Quotes, of which open ones whose time has come by `now_ns` are expired."""
    return _set_state(quotes, "expired", [quote.id for quote in quotes if quote.until_ns <= now_ns])


def _cover(quotes: Sequence[RankedQuote], side: int) -> float | None:
    """Second-best price among open quotes for a side; None if there are fewer than two."""
    prices = sorted(
        side * quote.price for quote in quotes if quote.state == OPEN and quote.price is not None
    )
    return side * prices[1] if len(prices) > 1 else None
