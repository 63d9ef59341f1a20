"""Requests for quotes as a journal tells them: who was asked, quotes ranked, cover, what was taken, where the mid went.

Prices are in the units of the market, quantities in shares or coins, as far as the journal tells tick and lot, times ns
of the venue. A distance in bps is positive where it is against the client: above mid for who buys, below for who sells.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from tercel.core.orders import ONE, OrdStatus, Unit
from tercel.core.ports import Entry
from tercel.core.quotes import QuoteState
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.shortfall import BPS

DRIFTS: Final = ("1s", "10s", "60s")
"""After so long the mid is looked at again."""
OPEN: Final = "open"
TAKEN: Final = "accepted"
REJECTED: Final = "rejected"
STANDS: Final = frozenset({OPEN, TAKEN, REJECTED, "expired", "passed", "traded away", "over"})
"""States of quotes that were good until somebody decided, or their time was over."""
_LIVES: Final = frozenset({QuoteState.ACCEPTED, QuoteState.PENDING})


@dataclass(frozen=True, kw_only=True)
class RankedQuote:
    """A dealer's quote, by its price for the side that is wanted.

    Parameters
    ----------
    id, dealer : str
    price : float or None
        None: no price on that side.
    at, until_ns : int
    qty : float
        The most that it is good for.
    mid, bps : float or None
        Mid as it came, and its distance from that; None: there was none.
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
        """Whether it answers what was asked for."""
        return not self.state.startswith("unusable")


@dataclass(frozen=True, kw_only=True)
class TakenQuote:
    """An order that took a quote; whether the dealer stood by it, the state of the quote says.

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
    """A request for quotes.

    Parameters
    ----------
    id, name, agent, parent : str
        `name`: the instrument.
    at, until_ns : int
    by : str
        The person who asked; "" for a strategy.
    side : int
        What is to be traded: +1 buys, -1 sells.
    quantity : float
    dealers : list of str
        Who was asked; none named: all.
    declined : dict of str to str
        Who will not quote, and why.
    quotes : list of RankedQuote
        Best first: those that stood, then those that were withdrawn or replaced, then those that could not be taken.
    outcome : str
        open, traded, rejected, expired, passed or unanswered.
    taken : list of TakenQuote
    cover : float or None
        At the last acceptance; before any, of what can be taken now.
    mid : float or None
        At the request.
    drift_bps : dict of str to float or None
        Where the mid is 1, 10 and 60 s after the request.
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
    """Distance of a price from mid, against who buys (+1) or sells (-1); None where a price is missing or not above 0.

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
        Knows what became of the orders that took quotes.
    unit : callable
        Units of an instrument.
    now_ns : int
        What ended before is over.

    >>> from tercel.desk.trading.journal import kinds
    >>> asked = QuoteEntry(event="requested", request="r", mid2=2000, side=1, want=1, lots=5, until_ns=90, dealers=["A"])
    >>> quoted = QuoteEntry(event="quoted", request="r", mid2=2000, id="q", dealer="A", offer=1001, lots=5)
    >>> entries = [Entry(kinds.QUOTE, ns, "XYZ", body=body.json()) for ns, body in ((10, asked), (20, quoted))]
    >>> (found,) = requests_of(entries, Ledger(), lambda name: Unit(), 50)
    >>> [(one.dealer, one.price, one.bps, one.state) for one in found.quotes], found.outcome, found.cover
    ([('A', 1001.0, 10.0, 'open')], 'open', None)
    """
    found: dict[str, list[tuple[Entry, QuoteEntry]]] = {}
    for entry in entries:
        body = QuoteEntry.of(entry)
        if body.event == "requested" or body.request in found:
            found.setdefault(body.request, []).append((entry, body))
    return [_request(rows, ledger, unit(rows[0][0].instrument), now_ns) for rows in found.values()]


def _request(
    rows: Sequence[tuple[Entry, QuoteEntry]], ledger: Ledger, unit: Unit, now_ns: int
) -> QuotedRequest:
    first, said = rows[0]
    quotes = list[RankedQuote]()
    taken = list[TakenQuote]()
    declined = dict[str, str]()
    outcome = OPEN
    mid = _mid(said, unit)
    drift = dict[str, float | None](dict.fromkeys(DRIFTS))
    for entry, one in rows[1:]:
        quotes = _expired(quotes, entry.ns)
        if one.event in ("quoted", "unusable"):
            if one.event == "quoted" and one.dealer:
                mine = [each.id for each in quotes if each.dealer == one.dealer]
                quotes = _ended(quotes, "replaced", mine)
            quotes.append(_quote(entry, one, said, unit))
        elif one.event == "declined":
            declined[one.dealer] = one.text
        elif one.event == "accepted":
            taken.append(
                TakenQuote(
                    quote=one.id,
                    order=entry.order,
                    by=one.by or "",
                    at=entry.ns,
                    mid=_mid(one, unit),
                    cover=_cover(quotes, said.want),
                )
            )
            order = ledger.orders.get(entry.order)
            refused = order is not None and order.status == OrdStatus.REJECTED
            quotes = _ended(quotes, REJECTED if refused else TAKEN, [one.id])
        elif one.event in ("withdrawn", "passed", "status") and one.state not in _LIVES:
            ids = one.ids or ([one.id] if one.id else [each.id for each in quotes])
            quotes = _ended(quotes, one.state or one.event, ids, TAKEN if one.state else "")
        elif one.event == "ended":
            outcome = one.outcome
        elif one.event == "drift":
            drift[f"{one.after_s:g}s"] = distance_bps(said.want, _mid(one, unit), mid)
    quotes = _expired(quotes, now_ns)
    cover = _cover(quotes, said.want) if outcome == OPEN else None
    if taken and outcome == REJECTED:
        quotes = _ended(quotes, REJECTED, [taken[-1].quote], TAKEN)
    if outcome != OPEN:
        left = "traded away" if outcome == "traded" else "over"
        quotes = _ended(quotes, left, [one.id for one in quotes])
    return QuotedRequest(
        id=said.request,
        at=first.ns,
        name=first.instrument,
        agent=first.agent,
        parent=first.parent,
        by=said.by or "",
        side=said.want,
        quantity=unit.qty(said.lots * ONE),
        dealers=said.dealers or [],
        declined=declined,
        quotes=sorted(
            quotes,
            key=lambda one: (
                not one.usable,
                one.state not in STANDS,
                said.want * (one.price or 0.0),
                one.at,
            ),
        ),
        outcome=outcome,
        taken=taken,
        cover=taken[-1].cover if taken else cover,
        mid=mid,
        drift_bps=drift,
        until_ns=said.until_ns,
    )


def _mid(one: QuoteEntry, unit: Unit) -> float | None:
    return None if one.mid2 is None else unit.price(Fraction(one.mid2 * ONE, 2))


def _quote(entry: Entry, one: QuoteEntry, said: QuoteEntry, unit: Unit) -> RankedQuote:
    ticks = one.offer if said.want > 0 else one.bid
    price = None if ticks is None else unit.price(ticks * ONE)
    mid = _mid(one, unit)
    state = OPEN if one.firm else "indicative"
    return RankedQuote(
        id=one.id,
        dealer=one.dealer,
        price=price,
        at=entry.ns,
        until_ns=one.until_ns or said.until_ns,
        qty=unit.qty(one.lots * ONE),
        mid=mid,
        bps=distance_bps(said.want, price, mid),
        state=f"unusable: {one.text}" if one.event == "unusable" else state,
    )


def _ended(
    quotes: Sequence[RankedQuote], state: str, ids: Sequence[str], also: str = ""
) -> list[RankedQuote]:
    """Put quotes of some ids that are open, or in one more state, into another."""
    ends = (OPEN, also)
    return [
        replace(one, state=state) if one.state in ends and one.id in ids else one for one in quotes
    ]


def _expired(quotes: Sequence[RankedQuote], now_ns: int) -> list[RankedQuote]:
    return _ended(quotes, "expired", [one.id for one in quotes if one.until_ns <= now_ns])


def _cover(quotes: Sequence[RankedQuote], side: int) -> float | None:
    """Second-best price of what can be taken."""
    there = sorted(
        side * one.price for one in quotes if one.state == OPEN and one.price is not None
    )
    return side * there[1] if len(there) > 1 else None
