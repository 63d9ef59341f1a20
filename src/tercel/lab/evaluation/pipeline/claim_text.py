"""A claim in words and as a picture: what a page, a terminal and the big table say of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from tercel.core.report import evaluation_figures
from tercel.core.report.svg import Figure
from tercel.core.report.tables import spelt
from tercel.lab.evaluation.claims import called

POOLED_WORDS = {
    "any_markets": "for markets drawn like these",
    "these_markets": "over these markets",
    "by_market": "in this market",
}
CALLED = {"better": "", "worse": " WORSE", "open": " open"}
POOLED = "all markets"


def claimed(result: Mapping[str, Any], name: str) -> Iterator[str]:
    """The claim in lines: against how many, with how much power, and where anything was lost."""
    found = result["claims"][name]
    seeds = sorted(set(found["training_seeds"].values()))
    field = f"{len(found['markets'])} markets x {' or '.join(map(str, seeds))} training seeds"
    for key, verdict_line in found["verdict"].items():
        where = found["markets"][0] if key == "by_market" else f"{POOLED_WORDS[key]} ({field})"
        yield f"{name}, {where}: {verdict_line}; exploratory, corrected for {result['comparisons']:,} comparisons."
        cells = [
            next(iter(row["by_market"].values())) if key == "by_market" else row[key]
            for row in found["against"].values()
        ]
        powers = [cell["power"] for cell in cells if cell["power"] is not None]
        if powers:
            yield (
                f"{name}, {where}: the minimum detectable effect is {min(powers):.2f} to {max(powers):.2f} bps, by the "
                "opponent (80 % power)."
            )
    for kind, words in (("by_market", "market"), ("by_regime", "regime")):
        if kind not in found["lowest"] or (kind == "by_market" and len(found["markets"]) < 2):
            continue
        low = found["lowest"][kind]
        yield (
            f"{name} by {words}: {low['below_0']} of {low['parts']:,} means are below 0; least against "
            f"{low['against']} in {low['in']}, {spelt(low, '+')} bps."
        )
    lost: dict[str, list[str]] = {}
    for cell in found["worse"]:
        lost.setdefault(cell["in"], []).append(f"{cell['against']} {spelt(cell, '+')}")
    for where, there in lost.items():
        yield f"{name}, after the correction, is dearer in {where} than {', '.join(there)}."
    if not lost:
        parts = "market, regime or market in a regime" if found["lowest"].get("by_regime") else "market"
        yield f"{name}, after the correction, is significantly dearer than no strategy in any {parts}."


def label(result: Mapping[str, Any], name: str) -> str:
    """A row's name in tables, with its training seeds."""
    found = result["claims"].get(name)
    if found is None or name not in result["recipes"]:
        return name
    seeds = sorted(set(found["training_seeds"].values()))
    return f"{name} ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else name


def ranked(against: Mapping[str, Any]) -> list[str]:
    """Opponents, those that are saved on least first."""

    def mean(other: str) -> float:
        row = against[other]
        return float((row["these_markets"] or next(iter(row["by_market"].values())))["mean"])

    return sorted(against, key=mean)


def gain(cell: Mapping[str, Any]) -> str:
    """A gain with its interval and, where it is not significant or is a loss, the word for that."""
    return f"{spelt(cell, '+')}{CALLED[called(cell)]}"


def figure_name(name: str) -> str:
    """Of the picture of a policy's gains."""
    return "gains-" + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()


def gains_figure(result: Mapping[str, Any], name: str) -> Figure:
    """What a policy saves on every strategy, a panel for each market."""
    found = result["claims"][name]
    against = {other: found["against"][other] for other in ranked(found["against"])}
    panels = {
        market: {other: row["by_market"][market] for other, row in against.items()} for market in found["markets"]
    }
    if len(panels) > 1:
        panels = {POOLED: {other: row["these_markets"] for other, row in against.items()}, **panels}
    return evaluation_figures.gains_by_place(panels, label(result, name), figure_name(name), called)
