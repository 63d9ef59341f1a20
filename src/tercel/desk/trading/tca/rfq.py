"""Requests for quotes of a journal, and their statistics by dealer.

A request: its dealers, ranked quotes, cover, trades, and the later mid. Prices are in the units of the market, quantities in
shares or coins, as far as the journal tells tick and lot, times ns of the venue. A distance in bps is positive if it is
against the client: above mid for a buy, below for a sell.

By dealer: answers, hit ratio, half spread, cover, winner's curse, drift, last look. Requests that did not trade count
too: a table of trades alone would show only quotes that somebody liked. Intervals are of 95 %, as if requests were
independent, and are left out below `LEAST` values. A mark-out is from the dealer's side, all else from the client's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import hypot
from typing import Final, NamedTuple

from tercel.core.estimate import Estimate
from tercel.core.orders import ONE, OrdStatus, Unit
from tercel.core.ports import Entry
from tercel.core.quotes import QuoteState
from tercel.core.report.svg import Section
from tercel.core.report.tables import plain_table
from tercel.core.stats.inference import weighted_interval, wilson
from tercel.core.vocabulary import NS_PER_SECOND
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
        """Whether it answers the request's terms."""
        return not self.state.startswith("unusable")


@dataclass(frozen=True, kw_only=True)
class TakenQuote:
    """An order that took a quote; the quote's state shows whether the dealer honoured it.

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
    """Distance of a price from mid, bps, against a buyer (+1) or seller (-1); None if a price is missing or mid is not above 0.

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
    outcome = next((one.outcome for _, one in rows if one.event == "ended"), OPEN)
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
            order = ledger.orders.get(entry.order)
            refused = order is not None and order.status == OrdStatus.REJECTED
            # A later session ended the request: a crash lost the order, and no refusal by a dealer is known.
            lost = refused and outcome == "expired"
            if not lost:
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
            quotes = _ended(quotes, "expired" if lost else REJECTED if refused else TAKEN, [one.id])
        elif one.event == "passed" and not (one.by or one.operator):
            continue  # what was left when the request ended
        elif one.event in ("withdrawn", "passed", "status") and one.state not in _LIVES:
            ids = one.ids or ([one.id] if one.id else [each.id for each in quotes])
            quotes = _ended(quotes, one.state or one.event, ids, TAKEN if one.state else "")
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


# -- by dealer --------------------------------------------------------------------------------------------------------
LEAST: Final = 3
"""Fewest values, or tries, for an interval."""
AFTER: Final = DRIFTS[-1]
"""Time after the request for mark-outs and drift."""
ALL: Final = "all"


@dataclass(frozen=True)
class DealerCosts:
    """A dealer's answers to requests that are over, or (`ALL`) those of all dealers.

    Parameters
    ----------
    dealer : str
    asked, answered, wins, rejects : int
        Requests; of the last two also how often an order took a quote of its and was filled, or rejected.
    figures : mapping of str to Estimate or None
        None: nothing to tell it from. Shares: `response_rate`, `hit_ratio` (wins by answers), `reject_rate` (by orders).
        `response_s` is in seconds, all others in bps: `half_spread_request_bps`, `half_spread_quote_bps` and
        `half_spread_trade_bps`, distance of quotes, or of what was taken, from mid at these times; `cover_bps`, what
        the second-best quote was worse by; `markout_won_bps` and `markout_lost_bps`, price against the mid after 60 s,
        of quotes that were taken and of all others, and `winners_curse_bps`, their difference; `drift_traded_bps` and
        `drift_untraded_bps`, the mid after 60 s against the client; `reject_cost_bps`, later fills against the price
        that was rejected, at the last mid for what was not filled.
    """

    dealer: str
    asked: int
    answered: int
    wins: int
    rejects: int
    figures: Mapping[str, Estimate | None]


class _Ask(NamedTuple):
    """A request to one dealer, its usable quotes in order of arrival, and orders that took one of them."""

    request: QuotedRequest
    quotes: list[RankedQuote]
    taken: list[tuple[RankedQuote, TakenQuote]]

    def took(self, rejected: bool) -> list[tuple[QuotedRequest, RankedQuote, TakenQuote]]:
        """Orders that the dealer rejected, or those that it did not."""
        return [
            (self.request, *one) for one in self.taken if (one[0].state == REJECTED) == rejected
        ]


def dealer_costs(
    requests: Iterable[QuotedRequest], ledger: Ledger, unit: Callable[[str], Unit]
) -> list[DealerCosts]:
    """A row for each dealer by name, then one for all; [] where no request is over.

    Parameters
    ----------
    requests : iterable of QuotedRequest
    ledger : Ledger
        With all fills of the requests' parents.
    unit : callable
        Units of an instrument.
    """
    asks: dict[str, list[_Ask]] = {}
    for one in requests:
        heard = [quote.dealer for quote in one.quotes if quote.usable]
        for name in dict.fromkeys(
            [*one.dealers, *one.declined, *heard] if one.outcome != OPEN else []
        ):
            quotes = [quote for quote in one.quotes if quote.usable and quote.dealer == name]
            taken = [(each, take) for take in one.taken for each in quotes if each.id == take.quote]
            asks.setdefault(name, []).append(
                _Ask(one, sorted(quotes, key=lambda each: each.at), taken)
            )
    rows = [(name, asks[name]) for name in sorted(asks)]
    rows += [(ALL, [one for some in asks.values() for one in some])] if rows else []
    return [_row(name, some, ledger, unit) for name, some in rows]


def _row(
    name: str, asks: Sequence[_Ask], ledger: Ledger, unit: Callable[[str], Unit]
) -> DealerCosts:
    answered = [(ask, ask.request, ask.quotes[-1]) for ask in asks if ask.quotes]
    won, rejected = ([one for ask in asks for one in ask.took(no)] for no in (False, True))
    wins = sum(bool(ask.took(False)) for ask, *_ in answered)
    over = {ask.request.id: ask.request for ask in asks}.values()
    traded, untraded = (
        _mean(one.drift_bps.get(AFTER) for one in over if (one.outcome == "traded") == did)
        for did in (True, False)
    )
    figures = {
        "response_rate": _share(len(answered), len(asks)),
        "response_s": _mean(
            (ask.quotes[0].at - one.at) / NS_PER_SECOND for ask, one, _ in answered
        ),
        "hit_ratio": _share(wins, len(answered)),
        "half_spread_request_bps": _mean(
            distance_bps(one.side, quote.price, one.mid) for _, one, quote in answered
        ),
        "half_spread_quote_bps": _mean(quote.bps for *_, quote in answered),
        "half_spread_trade_bps": _mean(
            distance_bps(one.side, quote.price, take.mid) for one, quote, take in won
        ),
        "cover_bps": _mean(
            _gap(one.side, take.cover, quote.price, take.mid) for one, quote, take in won
        ),
        "markout_won_bps": (win := _mean(_markout(one, quote) for one, quote, _ in won)),
        "markout_lost_bps": (
            loss := _mean(
                _markout(one, quote) for ask, one, quote in answered if not ask.took(False)
            )
        ),
        "winners_curse_bps": _difference(win, loss),
        "drift_traded_bps": traded,
        "drift_untraded_bps": untraded,
        "reject_rate": _share(len(rejected), len(won) + len(rejected)),
        "reject_cost_bps": _mean(_reject_cost(*one, ledger, unit(one[0].name)) for one in rejected),
    }
    return DealerCosts(name, len(asks), len(answered), wins, len(rejected), figures)


def _gap(side: int, one: float | None, other: float | None, mid: float | None) -> float | None:
    """Difference of two prices against the client, bps of mid; None if a price is unknown."""
    first, second = (distance_bps(side, price, mid) for price in (one, other))
    return None if first is None or second is None else first - second


def _markout(request: QuotedRequest, quote: RankedQuote) -> float | None:
    """What a quote would earn its dealer, or did, by the mid after `AFTER`, bps of mid at the request."""
    return _gap(request.side, quote.price, _mid_then(request, AFTER), request.mid)


def _mid_then(request: QuotedRequest, *spans: str) -> float | None:
    """Mid after the first of some spans that is known."""
    known = (request.drift_bps.get(one) for one in spans)
    drift = next((one for one in known if one is not None), None)
    return (
        None
        if drift is None or request.mid is None
        else request.mid * (1 + request.side * drift / BPS)
    )


def _reject_cost(
    request: QuotedRequest, quote: RankedQuote, take: TakenQuote, ledger: Ledger, unit: Unit
) -> float | None:
    """Extra cost of lots whose quote was rejected, bps of the mid then: of the parent's next fills, and for the unfilled rest
    of the last known mid after the request, against the quote; None if both are missing.
    """
    later = _mid_then(request, *reversed(DRIFTS))
    parts = list[tuple[float, float]]()
    left = quote.qty
    for one in ledger.fills_of.get(request.parent, ()):
        if one.ns > take.at:
            parts.append((unit.price(one.px), min(left, unit.qty(one.qty))))
            left -= parts[-1][1]
    parts += [(later, left)] if left > 0 and later is not None else []
    whole = sum(qty for _, qty in parts)
    paid = sum(price * qty for price, qty in parts) / whole if whole else None
    return _gap(request.side, paid, quote.price, take.mid)


def _mean(values: Iterable[float | None]) -> Estimate | None:
    known = [one for one in values if one is not None]
    mean, half = weighted_interval(known, [1.0] * len(known), least=LEAST)
    if mean is None:
        return None
    return Estimate(mean, *((None, None) if half is None else (mean - half, mean + half)))


def _share(hits: int, tries: int) -> Estimate | None:
    mean, *ends = wilson(hits, tries)
    return None if mean is None else Estimate(mean, *(ends if tries >= LEAST else (None, None)))


def _difference(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """Difference of two means, its interval from those of both (Zou & Donner 2008)."""
    if one is None or other is None:
        return None
    gap = one.mean - other.mean
    if one.ci_high is None or other.ci_high is None:
        return Estimate(gap, None, None)
    half = hypot(one.ci_high - one.mean, other.ci_high - other.mean)
    return Estimate(gap, gap - half, gap + half)


# -- words ------------------------------------------------------------------------------------------------------------
COLUMNS: Final = {
    "answered": "response_rate",
    "after, s": "response_s",
    "hit ratio": "hit_ratio",
    "half spread at request": "half_spread_request_bps",
    "at quote": "half_spread_quote_bps",
    "at trade": "half_spread_trade_bps",
    "cover behind": "cover_bps",
    "winner's curse": "winners_curse_bps",
    "drift, traded": "drift_traded_bps",
    "drift, untraded": "drift_untraded_bps",
    "rejected": "reject_rate",
    "cost of rejects": "reject_cost_bps",
}
"""Figure of each column, by the column's head."""
NOTE: Final = (
    "Bps, a cost positive, means of requests that are over, traded or not; drift and the winner's curse (from the dealer's "
    f"side) {AFTER[:-1]} s after the request; [95 %] as if requests were independent, from {LEAST} on."
)


def figure_text(name: str, found: Estimate | None) -> str:
    """A figure with its interval, as a table has it.

    >>> figure_text("hit_ratio", Estimate(0.5, None, None)), figure_text("cover_bps", Estimate(0.4, 0.1, 0.7))
    ('50 % (too few)', '0.40 [0.10, 0.70]')
    """
    if found is None:
        return "-"
    whole = name.endswith(("rate", "ratio"))
    mean, *ends = (
        None if one is None else f"{100 * one:.0f}" if whole else f"{one + 0.0:.2f}"
        for one in (found.mean, found.ci_low, found.ci_high)
    )
    return f"{mean}{' %' * whole} " + ("(too few)" if None in ends else f"[{ends[0]}, {ends[1]}]")


def dealer_cells(rows: Iterable[DealerCosts]) -> list[dict[str, object]]:
    """Rows of a table, words by head."""
    return [
        {"dealer": row.dealer, "asked": row.asked}
        | {head: figure_text(name, row.figures[name]) for head, name in COLUMNS.items()}
        for row in rows
    ]


def request_sentences(requests: Sequence[QuotedRequest], rows: Sequence[DealerCosts]) -> list[str]:
    """What requests came to, in five sentences at most."""
    counts = {name: sum(one.outcome == name for one in requests) for name in OUTCOMES}
    ended = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"
    lines = [f"{len(requests):,} request{'' if len(requests) == 1 else 's'}: {ended}."]
    if rows:
        text = {name: figure_text(name, one) for name, one in rows[-1].figures.items()}
        lines += [line.format(all=rows[-1], after=AFTER[:-1], **text) for line in SENTENCES]
    return lines if not rows or rows[-1].rejects else lines[:-1]


SENTENCES: Final = (
    "Dealers answered {all.answered:,} of {all.asked:,} times, {response_s} s after the request; {hit_ratio} of the answers won.",
    "Quotes stood {half_spread_quote_bps} bps from mid, those taken {half_spread_trade_bps}, their cover {cover_bps} behind; "
    "winner's curse {winners_curse_bps}.",
    "{after} s after the request mid was {drift_traded_bps} bps against you where it traded, {drift_untraded_bps} where it "
    "did not.",
    "Last look rejected {all.rejects:,} orders, {reject_rate}; each cost {reject_cost_bps} bps.",
)
OUTCOMES: Final = (OPEN, "traded", "rejected", "expired", "passed", "unanswered")


def dealer_section(requests: Sequence[QuotedRequest], rows: Sequence[DealerCosts]) -> Section:
    """Requests for quotes as a part of a page."""
    cells = dealer_cells(rows)
    html = plain_table(list(cells[0]), [list(one.values()) for one in cells]) if cells else ""
    return Section("RFQ", [*request_sentences(requests, rows), NOTE], html)
