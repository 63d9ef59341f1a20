"""Text and figure of a claim: gains of a policy on every strategy, with the verdict on each."""

from collections.abc import Container, Iterator, Mapping

from tercel.core.report import gain_figures
from tercel.core.report.formatting import format_interval
from tercel.core.report.svg import Figure
from tercel.core.stats import PairedGain
from tercel.lab.evaluation.claims import SINGLE_MARKET, Claim, OpponentGains, verdict_of

POOLING_TEXTS = {
    "any_markets": "for markets drawn like these",
    "these_markets": "over these markets",
    "by_market": "in this market",
}
VERDICT_MARKS = {"better": "", "worse": " WORSE", "open": " open"}
POOLED = "all markets"


def claim_lines(name: str, claim: Claim, comparisons: int) -> Iterator[str]:
    """Lines of a claim: number of opponents, power of the comparisons, and places with losses."""
    seeds = sorted(set(claim.training_seeds.values()))
    field = f"{len(claim.markets)} markets x {' or '.join(map(str, seeds))} training seeds"
    for key, verdict_line in claim.verdict.items():
        scope = claim.markets[0] if key == SINGLE_MARKET else f"{POOLING_TEXTS[key]} ({field})"
        yield f"{name}, {scope}: {verdict_line}; exploratory, corrected for {comparisons:,} comparisons."
        powers = [
            power
            for row in claim.against.values()
            if (power := row.gain_in_view(key).power) is not None
        ]
        if powers:
            yield (
                f"{name}, {scope}: the minimum detectable effect is {min(powers):.2f} to {max(powers):.2f} bps, by the "
                "opponent (80 % power)."
            )
    for kind, unit in (("by_market", "market"), ("by_regime", "regime")):
        if kind not in claim.lowest or (kind == SINGLE_MARKET and len(claim.markets) < 2):
            continue
        lowest = claim.lowest[kind]
        yield (
            f"{name} by {unit}: {lowest.below_0} of {lowest.parts:,} means are below 0; least against "
            f"{lowest.against} in {lowest.place}, {format_interval(lowest.gain, signed=True)} bps."
        )
    lost: dict[str, list[str]] = {}
    for part in claim.worse:
        lost.setdefault(part.place, []).append(
            f"{part.against} {format_interval(part.gain, signed=True)}"
        )
    for place, opponents in lost.items():
        yield f"{name}, after the correction, is more expensive in {place} than {', '.join(opponents)}."
    if not lost:
        parts = "market, regime or market in a regime" if "by_regime" in claim.lowest else "market"
        yield f"{name}, after the correction, is significantly more expensive than no strategy in any {parts}."


def row_label(name: str, claim: Claim, recipes: Container[str]) -> str:
    """Name of a row in tables, with the number of its training seeds for a recipe."""
    if name not in recipes:
        return name
    seeds = sorted(set(claim.training_seeds.values()))
    return f"{name} ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else name


def rank_opponents(against: Mapping[str, OpponentGains]) -> list[str]:
    """Names of the opponents by mean gain (over these markets, or in the only one), the smallest first."""
    return sorted(
        against,
        key=lambda opponent: (
            (against[opponent].these_markets or against[opponent].first_market_gain).mean
        ),
    )


def format_gain(cell: PairedGain) -> str:
    """Text of a gain with its interval, marked where the verdict is open or worse."""
    return f"{format_interval(cell, signed=True)}{VERDICT_MARKS[verdict_of(cell)]}"


def figure_name(name: str) -> str:
    """Name of the figure of a policy's gains, for its file: "gains-" and the policy's name, lower case, with hyphens."""
    return (
        "gains-"
        + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()
    )


def gains_figure(name: str, claim: Claim, recipes: Container[str]) -> Figure:
    """Figure of a policy's gains on every strategy, one panel per market, and before several one of the gains pooled."""
    against = {opponent: claim.against[opponent] for opponent in rank_opponents(claim.against)}
    panels = {
        market: {opponent: row.by_market[market] for opponent, row in against.items()}
        for market in claim.markets
    }
    if len(panels) > 1:
        panels = {
            POOLED: {
                opponent: row.gain_in_view("these_markets") for opponent, row in against.items()
            },
            **panels,
        }
    return gain_figures.gains_by_place(
        panels, row_label(name, claim, recipes), figure_name(name), verdict_of
    )
