"""A market's realism card printed as a table and written as an HTML page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tercel.cli.market_score_tables import (
    cell,
    distance_table,
    dynamics_table,
    gate_table,
    given_table,
    impact_rows,
    passed_text,
    row_table,
)
from tercel.cli.output import print_table, say
from tercel.core.report.tables import plain_table

if TYPE_CHECKING:
    from tercel.core.report.svg import Figure
    from tercel.market.score.card import ScoreCard, ScoreDraw


def show(card: "ScoreCard") -> None:
    """Print a market's realism card: one table, and what its columns say."""
    from tercel.market.score.stored_scores import stored_lessons
    from tercel.signals.flow.carry import describe_carry

    title = f"{card.preset} ({card.model}) on {', '.join(card.scored_on)}"
    print_table(title, *row_table(card), wraps=["measure"])
    if card.ceilings is None:
        say(
            "No ceiling is known: too little was recorded, or the tape on the card was kept without."
        )
    else:
        say(
            f"The ceiling is what recorded days reach against each other ({card.ceilings.units}); ± is how far they are apart."
        )
    say(
        "The share says how near the market comes to the ceiling: counts and correlations over it, it over distances; a market "
        "beyond it has 100 %."
    )
    if not card.judged:
        say(
            "Read single checks with care: the model is not queue_reactive, or has less than two hours on either side."
        )
    say("Intervals and the days calibrated on are in the report (--out) and in JSON (--json).")
    for note in [*card.notes, describe_carry(stored_lessons(card.teaches))]:
        say(f"note: {note}")


def write_page(
    folder: Path,
    score_draw: "ScoreDraw",
    card: "ScoreCard",
    impact_figures: Sequence["Figure"] = (),
) -> Path:
    """Write a realism card as ``report.html`` into `folder` (made if needed); return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(score_draw, card, impact_figures), encoding="utf-8")
    return path


def page(
    score_draw: "ScoreDraw", card: "ScoreCard", impact_figures: Sequence["Figure"] = ()
) -> str:
    """HTML page of a realism card: verdict first, then tables and figures, with those of the impact card if measured."""
    from tercel.core.report.page import Section, render_page  # matplotlib only for a page
    from tercel.market.score import figures

    gates = card.gates
    failed = [name.replace("_", " ") for name, gate in gates.items() if not gate.passed]
    facts = {
        "model": card.model,
        "calibrated on": _days_text(card.calibrated_on),
        "scored on": _days_text(card.scored_on),
        "paths a day": card.seeds,
        "classifier AUC": f"{cell(card.classifier_auc)} (real against real {cell(card.classifier_auc_real)})",
        "judged": "yes" if card.judged else "no",
    }
    lead = (
        f"Mean L1 distance {cell(card.mean_l1)} to tape it has not seen, where another real day is "
        f"{cell(card.floor_mean_l1)} away and the days calibrated on, pooled, "
        f"{cell(card.pooled_floor_mean_l1)}. {passed_text(gates, ' of ')} gates passed"
        + (f"; missed: {', '.join(failed)}." if failed else ".")
    )
    sections = [
        Section("Card", "The worst three first.", html=plain_table(*row_table(card))),
        Section(
            "Distances and ceilings",
            html=plain_table(*distance_table(card)),
            figures=[figures.distance_figure(card.distances)],
        ),
        Section(
            "Gates",
            "What marginal laws do not show.",
            html=plain_table(*gate_table(card)),
            figures=[figures.response_figure(score_draw)],
        ),
        Section(
            "Dynamics", "How it moves, and what lasts.", html=plain_table(*dynamics_table(card))
        ),
        Section("Laws", figures=[figures.histogram_figure(score_draw)]),
        Section("Memory", figures=[figures.autocorrelation_figure(score_draw)]),
        Section(
            "Given the spread, and the time of day",
            html=plain_table(*given_table(card)),
            figures=[figures.conditional_figure(score_draw)],
        ),
        Section(
            "Impact",
            "" if any(card.impact.values()) else "Not measured in this score.",
            html=plain_table(("", "mean [95 %]"), impact_rows(card))
            if any(card.impact.values())
            else "",
            figures=impact_figures,
        ),
    ]
    if card.notes:
        sections.append(Section("Notes", card.notes))
    return render_page(f"How real is {card.preset}?", lead, sections, facts, "tercel market score")


def _days_text(days: Sequence[str]) -> str:
    """Dates as text: all of up to three, else the first, the last and the number."""
    return ", ".join(days) if len(days) <= 3 else f"{days[0]} to {days[-1]} ({len(days)} days)"
