"""The big table as Markdown, and the figure of what a policy saves on every strategy in every market."""

from collections.abc import Iterator, Mapping

from studies.big_table.table import BigTable
from studies.markdown import markdown_table
from tercel.core.report import format_interval
from tercel.lab.evaluation import Claim
from tercel.lab.evaluation.pipeline import (
    POOLED,
    ScenarioCell,
    claim_lines,
    figure_name,
    format_gain,
    rank_opponents,
    row_label,
)

IMAGE = "figures"
"""Folder of the figure, beside the page."""


def markdown(result: BigTable) -> str:
    """The whole table as Markdown: the claim, the gains, the schedules, a table for each regime."""
    text = [_preamble(result), *_notes(result)]
    for name, found in result.claims.items():
        said = claim_lines(name, found, result.comparisons)
        text += [
            "",
            f"### What {row_label(name, found, result.recipes)} saves",
            "",
            *(f"- {line}" for line in said),
        ]
        text += ["", f"![What {name} saves on every strategy]({IMAGE}/{figure_name(name)}.svg)", ""]
        text += _gains(name, found)
    text += _schedules(result)
    for regime in result.cells:
        titles = heads(result, regime)
        text += ["", f"### Shortfall, {regime}", "", *markdown_table(titles, lines(result, regime))]
    return "\n".join(text) + "\n"


def _preamble(result: BigTable) -> str:
    return (
        f"Bps of the order's value; {result.episodes:,} paired episodes a cell, base seeds "
        f"{', '.join(map(str, result.seeds))}. Gains: mean [95 % interval] of what a policy saves, after Benjamini "
        f"and Hochberg over all {result.comparisons:,} comparisons: above zero, or as it says *open* or *WORSE*. "
        "Shortfalls: mean ± half of the 95 % interval; * the cheapest rule of the cell, chosen on these "
        "very episodes (which flatters it). Rows of several training seeds are means over them, the seeds being a "
        "level of the interval."
    )


def _notes(result: BigTable) -> list[str]:
    return ["", *(f"- {note}" for note in result.notes)] if result.notes else []


# -- gains ------------------------------------------------------------------------------------------------------------


def _gains(name: str, found: Claim) -> list[str]:
    """What a policy saves on each strategy: over all markets and in each; the hardest strategy first."""
    pooled = [POOLED] if len(found.markets) > 1 else []
    rows = []
    for other in rank_opponents(found.against):
        row = found.against[other]
        cells = [row.gain_in_view("these_markets") for _ in pooled] + [
            row.by_market[one] for one in found.markets
        ]
        rows.append([other, *map(format_gain, cells)])
    return markdown_table([f"{name} saves on", *pooled, *found.markets], rows)


# -- schedules --------------------------------------------------------------------------------------------------------


def _schedules(result: BigTable) -> Iterator[str]:
    """Ratios to the schedules and differences of risk, a line for each market."""
    for name, claim in result.claims.items():
        rows = {market: found[name] for market, found in result.schedules.items() if name in found}
        if not rows:
            continue
        others = list(next(iter(rows.values())).is_bps)
        yield from ["", f"### {row_label(name, claim, result.recipes)} beside the schedules", ""]
        titles = [
            f"{what} {other}"
            for other in others
            for what in ("shortfall as a share of", "its mean, bps:")
        ]
        titles += [f"standard deviation over {other}'s, bps" for other in others]
        lined = []
        for market, found in rows.items():
            cells: list[str] = []
            for other in others:
                ratio = found.is_bps[other]
                cells += (
                    ["", ""]
                    if ratio is None
                    else [format_interval(ratio), format_interval(ratio.denominator)]
                )
            lined.append(
                [
                    market,
                    *cells,
                    *(
                        format_interval(found.timing_risk_bps[other], signed=True)
                        for other in others
                    ),
                ]
            )
        yield from markdown_table(["market", *titles], lined)


# -- shortfalls -------------------------------------------------------------------------------------------------------


def heads(result: BigTable, regime: str) -> list[str]:
    """Headings of one regime's table."""
    return ["strategy", *result.cells[regime]]


def lines(result: BigTable, regime: str) -> Iterator[tuple[str, ...]]:
    """Lines of one regime: policies, then what is written, cheapest first; last, savings on the cheapest written."""
    row = result.cells[regime]
    for name in result.policies:
        yield (
            row_label(name, result.claims[name], result.recipes),
            *(_cost(cell, name) for cell in row.values()),
        )
    for name in sorted(result.baselines, key=lambda name: _mean(row, name)):
        yield name, *(_cost(cell, name) for cell in row.values())
    for name in result.policies:
        yield (
            f"{name} saves on the cheapest written",
            *(format_gain(cell.paired[name][cell.best_baseline]) for cell in row.values()),
        )


def _mean(row: Mapping[str, ScenarioCell], name: str) -> float:
    return sum(cell.is_bps[name].mean for cell in row.values())


def _cost(cell: ScenarioCell, name: str) -> str:
    one = cell.is_bps[name]
    half = ""
    if one.ci_low is not None and one.ci_high is not None:
        half = f" ± {(one.ci_high - one.ci_low) / 2:.2f}"
    return f"{one.mean:.2f}{half}{' *' if name == cell.best_baseline else ''}"
