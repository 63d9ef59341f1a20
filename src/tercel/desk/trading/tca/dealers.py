"""What requests for quotes came to, by dealer: answers, hit ratio, half spread, cover, winner's curse, drift, last look.

Requests that did not trade count too: a table of trades alone would show only quotes that somebody liked. Intervals
are of 95 %, as if requests were independent, and are left out below `LEAST` values. A mark-out is from the dealer's side,
all else from the client's: a cost is positive.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final, NamedTuple

from tercel.core.estimate import Estimate
from tercel.core.orders import Unit
from tercel.core.report.svg import Section
from tercel.core.report.tables import plain_table
from tercel.core.stats.inference import weighted_interval, wilson
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.tca.requests import (
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
"""Values, or tries, below which there is no interval."""
AFTER: Final = DRIFTS[-1]
"""When mark-outs and drift are taken."""
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
    """A dealer who was asked, its quotes that answer as they came, and orders that took one of them."""

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
        "markout_won_bps": (win := _mean(_markout(*one) for *one, _ in won)),
        "markout_lost_bps": (
            loss := _mean(_markout(*one) for ask, *one in answered if not ask.took(False))
        ),
        "winners_curse_bps": _difference(win, loss),
        "drift_traded_bps": traded,
        "drift_untraded_bps": untraded,
        "reject_rate": _share(len(rejected), len(won) + len(rejected)),
        "reject_cost_bps": _mean(_reject_cost(*one, ledger, unit(one[0].name)) for one in rejected),
    }
    return DealerCosts(name, len(asks), len(answered), wins, len(rejected), figures)


def _gap(side: int, one: float | None, other: float | None, mid: float | None) -> float | None:
    """How much worse one price is than another, bps of mid."""
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
    """What lots whose quote was rejected cost more than it, bps of the mid then: by the parent's next fills, and for
    what was not filled by the last mid that is known after the request; None where neither is.
    """
    later = _mid_then(request, *reversed(DRIFTS))
    parts = list[tuple[float, float]]()
    left = quote.qty
    for one in ledger.fills_of.get(request.parent, ()):
        if one.ns > take.at and left > 0:
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
    """Of two means, its interval by that of each (Zou & Donner 2008)."""
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
"""Heads of a table and their figures."""
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
    many = "1 request" if len(requests) == 1 else f"{len(requests):,} requests"
    lines = [
        f"{many}: "
        + (", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none")
        + "."
    ]
    if rows:
        all_ = rows[-1]
        text = {name: figure_text(name, one) for name, one in all_.figures.items()}
        lines.append(
            f"Dealers answered {all_.answered:,} of {all_.asked:,} times, {text['response_s']} s after the request; "
            f"{text['hit_ratio']} of the answers won."
        )
        lines.append(
            f"Quotes stood {text['half_spread_quote_bps']} bps from mid, those taken {text['half_spread_trade_bps']}, "
            f"their cover {text['cover_bps']} behind; winner's curse {text['winners_curse_bps']}."
        )
        lines.append(
            f"{AFTER[:-1]} s after the request mid was {text['drift_traded_bps']} bps against you where it traded, "
            f"{text['drift_untraded_bps']} where it did not."
        )
        if all_.rejects:
            lines.append(
                f"Last look rejected {all_.rejects:,} orders, {text['reject_rate']}; each cost {text['reject_cost_bps']} bps."
            )
    return lines


OUTCOMES: Final = (OPEN, "traded", "rejected", "expired", "passed", "unanswered")


def dealer_section(requests: Sequence[QuotedRequest], rows: Sequence[DealerCosts]) -> Section:
    """Requests for quotes as a part of a page."""
    cells = dealer_cells(rows)
    html = plain_table(list(cells[0]), [list(one.values()) for one in cells]) if cells else ""
    return Section("RFQ", [*request_sentences(requests, rows), NOTE], html)
