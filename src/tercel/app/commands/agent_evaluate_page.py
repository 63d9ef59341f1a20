"""The page of an evaluation: one file that fetches nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tercel.app.commands import agent_adapted
from tercel.app.commands.agent_claims import claimed, gains_figure
from tercel.app.commands.agent_evaluate_shown import closing, headliners, shown, verdicts
from tercel.app.job.contest.held import Contest
from tercel.core.written import write_whole
from tercel.evaluation.claims import called
from tercel.report import contest_figures, figures
from tercel.report.page import Section, render
from tercel.report.tables import plain_table, verdict_sentence

MOST_DRAWN = 14
"""Rows of the distribution figure."""


def write_page(path: Path, contest: Contest, result: Mapping[str, Any], footer: str) -> None:
    """Write the page, whole or not at all."""
    first = headliners(result)
    best = result["best_baseline"]
    lead = " ".join(verdict_sentence(name, result["paired"][name][best], best, called=called) for name in first)
    sections = [
        Section("The judged table", html=replace(shown(result), notes=()).html()),
        _verdicts(result, first),
        _costs(contest, result, first),
        *(_forest(result, name, number) for number, name in enumerate(first)),
        *_claims(result, first),
        *_places(result, first),
        *_sensitivity(result, first),
        *_adaptation(result, first),
        _questions(result),
        _method(result),
    ]
    facts = {
        "market": result["market"],
        "episodes": result["episodes"],
        "episode seeds": ", ".join(map(str, result["evaluation_seeds"])),
        "best written strategy": best,
    }
    text = render(title(result, first), lead, sections, facts, footer)
    write_whole(path, text)


def title(result: Mapping[str, Any], first: list[str]) -> str:
    """Who is judged against how many written strategies, random not counted.

    >>> kinds = {"mine": "learned", "pov": "baseline", "twap_take": "baseline", "random": "random"}
    >>> title({"kinds": kinds}, ["mine"])
    'mine against 2 written strategies'
    """
    count = sum(kind == "baseline" for kind in result["kinds"].values())
    against = f"{', '.join(first)} against " if first else ""
    return f"{against}{count} written strateg{'y' if count == 1 else 'ies'}"


def _verdicts(result: Mapping[str, Any], first: list[str]) -> Section:
    said = [line for name in first for line in verdicts(result, name)]
    return Section("Verdicts", [*said, *closing(result)])


def _ranked(result: Mapping[str, Any]) -> list[str]:
    return sorted(result["strategies"], key=lambda name: float(result["strategies"][name]["is_bps"]["mean"]))


def _costs(contest: Contest, result: Mapping[str, Any], first: list[str]) -> Section:
    scores = contest.scores(contest.main)
    names = _ranked(result)
    told = {name: {key: cell for key, cell in result["strategies"][name].items() if cell is not None} for name in names}
    drawn = [*first, *(name for name in names if name not in first)][:MOST_DRAWN]
    spread = {name: scores.mean(name) for name in names if name in drawn}
    return Section(
        "What it cost", figures=[figures.decomposition(told), figures.cost_distributions(spread, "distribution")]
    )


def _forest(result: Mapping[str, Any], name: str, number: int) -> Section:
    """Gains against every opponent, from the hardest to the easiest."""
    row = result["paired"][name]
    ranked = dict(sorted(row.items(), key=lambda item: float(item[1]["mean"])))
    figure = figures.paired_differences(
        {f"against {other}": cell for other, cell in ranked.items()}, "the opponent", f"forest-{number}", called=called
    )
    return Section(f"{name} against each", figures=[figure])


def _claims(result: Mapping[str, Any], first: list[str]) -> Iterator[Section]:
    """Gains on every strategy, pooled and in each market, where there are several."""
    if len(result["by_market"]) > 1:
        drawn = [gains_figure(result, name) for name in first]
        yield Section("In every market", [line for name in first for line in claimed(result, name)], figures=drawn)


def _places(result: Mapping[str, Any], first: list[str]) -> Iterator[Section]:
    for key, title in (("by_market", "By market"), ("by_regime", "By regime")):
        parts = {part: cell for part, cell in result[key].items() if cell.get("paired")}
        if len(parts) > 1:
            yield _map(result, parts, first, title, key)
    thirds = {
        f"{third} {axis}": cell
        for axis, row in result["by_liquidity"].items()
        for third, cell in row.items()
        if cell.get("paired")
    }
    if thirds:
        yield _map(result, thirds, first, "By liquidity at arrival", "by-liquidity")


def _map(result: Mapping[str, Any], parts: Mapping[str, Any], first: list[str], title: str, key: str) -> Section:
    drawn = []
    for number, name in enumerate(first):
        opponents = [other for other in _ranked(result) if other in result["paired"][name]]
        table = {other: {part: cell["paired"][name][other] for part, cell in parts.items()} for other in opponents}
        drawn.append(contest_figures.gain_map(table, name, called, f"{key.replace('_', '-')}-{number}"))
    rows = [(part, cell["episodes"], *_told(cell, result, first)) for part, cell in parts.items()]
    heads = ("", "episodes", *(f"{name} against {result['best_baseline']}, adjusted p" for name in first))
    return Section(title, html=plain_table(heads, rows), figures=drawn)


def _told(cell: Mapping[str, Any], result: Mapping[str, Any], first: list[str]) -> list[str]:
    said = []
    for name in first:
        one = cell["paired"][name][result["best_baseline"]]
        adjusted = one["p_adjusted"]
        p = "" if adjusted is None else f", p {adjusted:.3g}"
        said.append(f"{one['mean']:+.2f}{p}")
    return said


def _sensitivity(result: Mapping[str, Any], first: list[str]) -> Iterator[Section]:
    drawn = []
    for number, (axis, row) in enumerate(result["sensitivity"].items()):
        names = list(next(iter(row.values()))["is_bps"])
        costs = {name: {value: cell["is_bps"][name] for value, cell in row.items()} for name in names}
        drawn.append(contest_figures.condition_curves(costs, axis, f"sensitivity-{number}", first))
    if drawn:
        yield Section("Under other conditions", figures=drawn)


def _adaptation(result: Mapping[str, Any], first: list[str]) -> Iterator[Section]:
    found = result["adaptation"]
    if not found:
        return
    names = list(next(iter(found.values()))["is_bps"])
    costs = {name: {regime: cell["is_bps"][name] for regime, cell in found.items()} for name in names}
    figure = contest_figures.condition_curves(costs, "regime that begins half-way", "adaptation", first)
    rows = list(agent_adapted.rows(result))
    table = plain_table(agent_adapted.HEADINGS, rows) if rows else ""
    yield Section("A regime that begins half-way through the order", html=table, figures=[figure])


def _questions(result: Mapping[str, Any]) -> Section:
    """Tails, odds and bets in figures."""
    rows = [
        (
            name,
            float(result["cvar95_bps"][name]["mean"]),
            float(result["price_move_beta"][name]["mean"]),
            result["by_side"][name].get("buy"),
            result["by_side"][name].get("sell"),
        )
        for name in _ranked(result)
    ]
    heads = ("strategy", "mean of the dearest 5 %, bps", "slope on the adverse move", "buys, bps", "sells, bps")
    return Section("Tails, and bets on the trend", html=plain_table(heads, rows))


def _method(result: Mapping[str, Any]) -> Section:
    said = [
        "Every strategy met the same episodes; differences are paired, intervals are bootstrapped over clusters of "
        "episodes, training seeds being a level of their own.",
        f"All {result['comparisons']} comparisons on this page were corrected together after Benjamini and Hochberg.",
        "A score is deflated by the best that as many variants without merit would have shown, after Bailey and Lopez "
        "de Prado: SR* = sd (0.423 z(1 - 1/N) + 0.577 z(1 - 1/(N e))), SR the mean paired gain over its standard "
        "deviation, sd that of a ratio's sampling error.",
        "The best written strategy was chosen on episodes that are not judged here.",
    ]
    return Section("How it was judged", said)
