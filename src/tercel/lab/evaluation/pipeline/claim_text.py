"""A claim in words and as a picture: what a page, a terminal and the big table say of it."""

from collections.abc import Container, Iterator, Mapping

from tercel.core.report import evaluation_figures
from tercel.core.report.svg import Figure
from tercel.core.report.tables import spelt
from tercel.core.stats import PairedGain
from tercel.lab.evaluation.claims import FIRST, Against, Claim, called

POOLED_WORDS = {
    "any_markets": "for markets drawn like these",
    "these_markets": "over these markets",
    "by_market": "in this market",
}
CALLED = {"better": "", "worse": " WORSE", "open": " open"}
POOLED = "all markets"


def claimed(name: str, found: Claim, comparisons: int) -> Iterator[str]:
    """Lines of a claim: against how many, with how much power, and where anything was lost."""
    seeds = sorted(set(found.training_seeds.values()))
    field = f"{len(found.markets)} markets x {' or '.join(map(str, seeds))} training seeds"
    for key, verdict_line in found.verdict.items():
        where = found.markets[0] if key == FIRST else f"{POOLED_WORDS[key]} ({field})"
        yield f"{name}, {where}: {verdict_line}; exploratory, corrected for {comparisons:,} comparisons."
        powers = [
            power for row in found.against.values() if (power := row.view(key).power) is not None
        ]
        if powers:
            yield (
                f"{name}, {where}: the minimum detectable effect is {min(powers):.2f} to {max(powers):.2f} bps, by the "
                "opponent (80 % power)."
            )
    for kind, words in (("by_market", "market"), ("by_regime", "regime")):
        if kind not in found.lowest or (kind == FIRST and len(found.markets) < 2):
            continue
        low = found.lowest[kind]
        yield (
            f"{name} by {words}: {low.below_0} of {low.parts:,} means are below 0; least against "
            f"{low.against} in {low.place}, {spelt(low.gain, '+')} bps."
        )
    lost: dict[str, list[str]] = {}
    for part in found.worse:
        lost.setdefault(part.place, []).append(f"{part.against} {spelt(part.gain, '+')}")
    for where, there in lost.items():
        yield f"{name}, after the correction, is dearer in {where} than {', '.join(there)}."
    if not lost:
        parts = "market, regime or market in a regime" if "by_regime" in found.lowest else "market"
        yield f"{name}, after the correction, is significantly dearer than no strategy in any {parts}."


def label(name: str, found: Claim, recipes: Container[str]) -> str:
    """Name of a row in tables, with its training seeds."""
    if name not in recipes:
        return name
    seeds = sorted(set(found.training_seeds.values()))
    return f"{name} ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else name


def ranked(against: Mapping[str, Against]) -> list[str]:
    """Opponents, those that are saved on least first."""
    return sorted(
        against, key=lambda other: (against[other].these_markets or against[other].first).mean
    )


def gain(cell: PairedGain) -> str:
    """Text of a gain with its interval and, where it is open or a loss, the word for that."""
    return f"{spelt(cell, '+')}{CALLED[called(cell)]}"


def figure_name(name: str) -> str:
    """File name of the picture of a policy's gains."""
    return (
        "gains-"
        + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()
    )


def gains_figure(name: str, found: Claim, recipes: Container[str]) -> Figure:
    """Picture of a policy's gains on every strategy, one panel a market."""
    against = {other: found.against[other] for other in ranked(found.against)}
    panels = {
        market: {other: row.by_market[market] for other, row in against.items()}
        for market in found.markets
    }
    if len(panels) > 1:
        panels = {
            POOLED: {other: row.view("these_markets") for other, row in against.items()},
            **panels,
        }
    return evaluation_figures.gains_by_place(
        panels, label(name, found, recipes), figure_name(name), called
    )
