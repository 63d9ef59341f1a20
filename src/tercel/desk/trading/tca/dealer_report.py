"""Table and sentences of a page on requests for quotes: what dealers cost."""

from collections.abc import Iterable, Sequence
from typing import Final

from tercel.core.estimate import Estimate
from tercel.core.report.page import Section
from tercel.core.report.tables import plain_table
from tercel.desk.trading.tca.dealer_costs import AFTER, LEAST, DealerCosts
from tercel.desk.trading.tca.rfq import OPEN, QuotedRequest

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


SENTENCES: Final = (
    "Dealers answered {all.answered:,} of {all.asked:,} times, {response_s} s after the request; {hit_ratio} of the answers won.",
    "Quotes stood {half_spread_quote_bps} bps from mid, those taken {half_spread_trade_bps}, their cover {cover_bps} behind; "
    "winner's curse {winners_curse_bps}.",
    "{after} s after the request mid was {drift_traded_bps} bps against you where it traded, {drift_untraded_bps} where it "
    "did not.",
    "Last look rejected {all.rejects:,} orders, {reject_rate}; each cost {reject_cost_bps} bps.",
)
OUTCOMES: Final = (OPEN, "traded", "rejected", "expired", "passed", "unanswered")


def figure_text(name: str, estimate: Estimate | None) -> str:
    """A figure with its interval, as a table has it.

    >>> figure_text("hit_ratio", Estimate(0.5, None, None)), figure_text("cover_bps", Estimate(0.4, 0.1, 0.7))
    ('50 % (too few)', '0.40 [0.10, 0.70]')
    """
    if estimate is None:
        return "-"
    is_share = name.endswith(("rate", "ratio"))
    mean, *ends = (
        None if value is None else f"{100 * value:.0f}" if is_share else f"{value + 0.0:.2f}"
        for value in (estimate.mean, estimate.ci_low, estimate.ci_high)
    )
    return f"{mean}{' %' * is_share} " + (
        "(too few)" if None in ends else f"[{ends[0]}, {ends[1]}]"
    )


def dealer_cells(rows: Iterable[DealerCosts]) -> list[dict[str, object]]:
    """Table rows of dealers' statistics, as text by column head."""
    return [
        {"dealer": row.dealer, "asked": row.asked}
        | {head: figure_text(name, row.figures[name]) for head, name in COLUMNS.items()}
        for row in rows
    ]


def request_sentences(requests: Sequence[QuotedRequest], rows: Sequence[DealerCosts]) -> list[str]:
    """Outcomes of requests, and costs of dealers from the last of `rows` (`ALL`), in five sentences at most."""
    counts = {name: sum(request.outcome == name for request in requests) for name in OUTCOMES}
    ended = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"
    lines = [f"{len(requests):,} request{'' if len(requests) == 1 else 's'}: {ended}."]
    if rows:
        text = {name: figure_text(name, estimate) for name, estimate in rows[-1].figures.items()}
        lines += [line.format(all=rows[-1], after=AFTER[:-1], **text) for line in SENTENCES]
    return lines if not rows or rows[-1].rejects else lines[:-1]


def dealer_section(requests: Sequence[QuotedRequest], rows: Sequence[DealerCosts]) -> Section:
    """Section of a report page on requests for quotes: sentences and a table by dealer."""
    cells = dealer_cells(rows)
    html = plain_table(list(cells[0]), [list(row.values()) for row in cells]) if cells else ""
    return Section("RFQ", [*request_sentences(requests, rows), NOTE], html)
