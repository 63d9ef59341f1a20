"""Statistics of requests for quotes by dealer: answers, hit ratio, half spread, cover, winner's curse, drift, last look.

Requests that did not trade count too: a table of trades alone would show only quotes that somebody liked. Intervals are
of 95 %, as if requests were independent, and are left out below `LEAST` values. A mark-out is from the dealer's side,
all else from the client's: a distance in bps is positive if it is against the client.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final, NamedTuple

from tercel.core.estimate import Estimate
from tercel.core.fixed_point import Unit
from tercel.core.stats.mean_intervals import weighted_interval, wilson_interval
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.rfq import (
    DRIFTS,
    OPEN,
    REJECTED,
    QuotedRequest,
    RankedQuote,
    TakenQuote,
    distance_bps,
)
from tercel.desk.trading.tca.shortfall import BPS

LEAST: Final = 3
"""Fewest values, or tries, for an interval."""
AFTER: Final = DRIFTS[-1]
"""Time after the request for mark-outs and drift."""
ALL: Final = "all"


@dataclass(frozen=True)
class DealerCosts:
    """Statistics of a dealer's answers to requests that are over, or (`ALL`) of all dealers'.

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
    """Request as sent to one dealer, with the dealer's usable quotes in order of arrival, and orders that took one of them."""

    request: QuotedRequest
    quotes: list[RankedQuote]
    taken: list[tuple[RankedQuote, TakenQuote]]

    def orders_taken(self, rejected: bool) -> list[tuple[QuotedRequest, RankedQuote, TakenQuote]]:
        """Orders that took the dealer's quotes and were rejected, or those that were not."""
        return [
            (self.request, *pair) for pair in self.taken if (pair[0].state == REJECTED) == rejected
        ]


def dealer_costs(
    requests: Iterable[QuotedRequest], ledger: Ledger, unit: Callable[[str], Unit]
) -> list[DealerCosts]:
    """Statistics of each dealer, by name, then of all dealers; [] if no request is over.

    Parameters
    ----------
    requests : iterable of QuotedRequest
    ledger : Ledger
        With all fills of the requests' parents.
    unit : callable
        Units of an instrument.
    """
    asks: dict[str, list[_Ask]] = {}
    for request in requests:
        quoting = [quote.dealer for quote in request.quotes if quote.usable]
        for name in dict.fromkeys(
            [*request.dealers, *request.declined, *quoting] if request.outcome != OPEN else []
        ):
            quotes = [quote for quote in request.quotes if quote.usable and quote.dealer == name]
            taken = [
                (quote, take)
                for take in request.taken
                for quote in quotes
                if quote.id == take.quote
            ]
            asks.setdefault(name, []).append(
                _Ask(request, sorted(quotes, key=lambda quote: quote.at), taken)
            )
    rows = [(name, asks[name]) for name in sorted(asks)]
    rows += [(ALL, [ask for dealer_asks in asks.values() for ask in dealer_asks])] if rows else []
    return [_row(name, dealer_asks, ledger, unit) for name, dealer_asks in rows]


def _row(
    name: str, asks: Sequence[_Ask], ledger: Ledger, unit: Callable[[str], Unit]
) -> DealerCosts:
    """Statistics of one dealer over the requests sent to it."""
    answered = [(ask, ask.request, ask.quotes[-1]) for ask in asks if ask.quotes]
    won, rejected = (
        [order for ask in asks for order in ask.orders_taken(was_rejected)]
        for was_rejected in (False, True)
    )
    wins = sum(bool(ask.orders_taken(False)) for ask, *_ in answered)
    requests = {ask.request.id: ask.request for ask in asks}.values()
    traded, untraded = (
        _mean(
            request.drift_bps.get(AFTER)
            for request in requests
            if (request.outcome == "traded") == was_traded
        )
        for was_traded in (True, False)
    )
    figures = {
        "response_rate": _share(len(answered), len(asks)),
        "response_s": _mean(
            (ask.quotes[0].at - request.at) / NS_PER_SECOND for ask, request, _ in answered
        ),
        "hit_ratio": _share(wins, len(answered)),
        "half_spread_request_bps": _mean(
            distance_bps(request.side, quote.price, request.mid) for _, request, quote in answered
        ),
        "half_spread_quote_bps": _mean(quote.bps for *_, quote in answered),
        "half_spread_trade_bps": _mean(
            distance_bps(request.side, quote.price, take.mid) for request, quote, take in won
        ),
        "cover_bps": _mean(
            _gap(request.side, take.cover, quote.price, take.mid) for request, quote, take in won
        ),
        "markout_won_bps": (
            win := _mean(_dealer_markout(request, quote) for request, quote, _ in won)
        ),
        "markout_lost_bps": (
            loss := _mean(
                _dealer_markout(request, quote)
                for ask, request, quote in answered
                if not ask.orders_taken(False)
            )
        ),
        "winners_curse_bps": _difference(win, loss),
        "drift_traded_bps": traded,
        "drift_untraded_bps": untraded,
        "reject_rate": _share(len(rejected), len(won) + len(rejected)),
        "reject_cost_bps": _mean(
            _reject_cost(*order, ledger, unit(order[0].name)) for order in rejected
        ),
    }
    return DealerCosts(name, len(asks), len(answered), wins, len(rejected), figures)


def _gap(
    side: int, first_price: float | None, second_price: float | None, mid: float | None
) -> float | None:
    """First price less the second, bps of mid, positive if the first is worse for the client; None if unknown."""
    first_bps, second_bps = (
        distance_bps(side, price, mid) for price in (first_price, second_price)
    )
    return None if first_bps is None or second_bps is None else first_bps - second_bps


def _dealer_markout(request: QuotedRequest, quote: RankedQuote) -> float | None:
    """Profit of a dealer's quote, bps of mid at the request, against the mid `AFTER` the request."""
    return _gap(request.side, quote.price, _later_mid(request, AFTER), request.mid)


def _later_mid(request: QuotedRequest, *spans: str) -> float | None:
    """Mid after the first of some spans ("60s") at which it is known; None if at none."""
    drifts = (request.drift_bps.get(span) for span in spans)
    drift = next((value for value in drifts if value is not None), None)
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
    later_mid = _later_mid(request, *reversed(DRIFTS))
    parts = list[tuple[float, float]]()
    remaining = quote.qty
    for fill in ledger.orders.fills_of.get(request.parent, ()):
        if fill.ns > take.at:
            parts.append((unit.price(fill.px), min(remaining, unit.qty(fill.qty))))
            remaining -= parts[-1][1]
    parts += [(later_mid, remaining)] if remaining > 0 and later_mid is not None else []
    total_qty = sum(qty for _, qty in parts)
    paid = sum(price * qty for price, qty in parts) / total_qty if total_qty else None
    return _gap(request.side, paid, quote.price, take.mid)


def _mean(values: Iterable[float | None]) -> Estimate | None:
    """Mean of the known values with its 95 % interval (none below `LEAST` values); None if no value is known."""
    known = [value for value in values if value is not None]
    mean, half = weighted_interval(known, [1.0] * len(known), least=LEAST)
    if mean is None:
        return None
    return Estimate(mean, *((None, None) if half is None else (mean - half, mean + half)))


def _share(hits: int, tries: int) -> Estimate | None:
    """Share of hits in tries with its 95 % interval (Wilson; none below `LEAST` tries); None without tries."""
    mean, *ends = wilson_interval(hits, tries)
    return None if mean is None else Estimate(mean, *(ends if tries >= LEAST else (None, None)))


def _difference(first: Estimate | None, second: Estimate | None) -> Estimate | None:
    """Difference of two means, first less second, its interval from those of both (Zou & Donner 2008); None if one is."""
    if first is None or second is None:
        return None
    gap = first.mean - second.mean
    if first.ci_high is None or second.ci_high is None:
        return Estimate(gap, None, None)
    half = hypot(first.ci_high - first.mean, second.ci_high - second.mean)
    return Estimate(gap, gap - half, gap + half)
