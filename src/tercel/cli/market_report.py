"""The score of a market as a page: verdict first, then the pictures, then every figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tercel.cli.market_score import (
    cell,
    distance_table,
    dynamics_table,
    gate_table,
    given_table,
    impact_rows,
    passed,
)
from tercel.core.report.svg import Figure, Section, render
from tercel.core.report.tables import plain_table
from tercel.market.score import figures
from tercel.market.score.realism import ScoreDraw


def write(
    folder: Path, drawn: ScoreDraw, card: dict[str, Any], impact_figures: Sequence[Figure] = ()
) -> Path:
    """Write ``report.html`` into `folder` (made if need be) and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(drawn, card, impact_figures), encoding="utf-8")
    return path


def page(drawn: ScoreDraw, card: dict[str, Any], impact_figures: Sequence[Figure] = ()) -> str:
    """The whole page, with figures of the impact card where it was measured."""
    gates = card["gates"]
    failed = [name.replace("_", " ") for name, gate in gates.items() if not gate["passed"]]
    facts = {
        "model": card["model"],
        "calibrated on": _some(card["calibrated_on"]),
        "scored on": _some(card["scored_on"]),
        "paths a day": card["seeds"],
        "classifier AUC": f"{cell(card['classifier_auc'])} (real against real {cell(card['classifier_auc_real'])})",
        "judged": "yes" if card["judged"] else "no",
    }
    lead = (
        f"Mean L1 distance {cell(card['mean_l1'])} to tape it has not seen, where another real day is "
        f"{cell(card['floor_mean_l1'])} away and the days calibrated on, pooled, "
        f"{cell(card['pooled_floor_mean_l1'])}. {passed(gates, ' of ')} gates passed"
        + (f"; missed: {', '.join(failed)}." if failed else ".")
    )
    sections = [
        Section(
            "Distances and floors",
            html=plain_table(*distance_table(card)),
            figures=[figures.floors(card["distances"])],
        ),
        Section(
            "Gates",
            "What marginal laws do not show.",
            html=plain_table(*gate_table(card)),
            figures=[figures.moves(drawn)],
        ),
        Section(
            "Dynamics", "How it moves, and what lasts.", html=plain_table(*dynamics_table(card))
        ),
        Section("Laws", figures=[figures.laws(drawn)]),
        Section("Memory", figures=[figures.memories(drawn)]),
        Section(
            "Given the spread, and the time of day",
            html=plain_table(*given_table(card)),
            figures=[figures.conditionals(drawn)],
        ),
        Section(
            "Impact",
            "" if any(card["impact"].values()) else "Not measured in this score.",
            html=plain_table(("", "mean [95 %]"), impact_rows(card))
            if any(card["impact"].values())
            else "",
            figures=impact_figures,
        ),
    ]
    if card["notes"]:
        sections.append(Section("Notes", card["notes"]))
    return render(f"How real is {card['preset']}?", lead, sections, facts, "tercel market score")


def _some(days: Sequence[str]) -> str:
    return ", ".join(days) if len(days) <= 3 else f"{days[0]} to {days[-1]} ({len(days)} days)"
