"""A market's realism card printed as tables and written as an HTML page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tercel.cli.market_score_tables import (
    LESSON_COLUMNS,
    cell,
    distance_table,
    dynamics_table,
    gate_table,
    given_table,
    impact_rows,
    lesson_cells,
    passed_text,
    prediction_rows,
)
from tercel.cli.output import print_table, say
from tercel.core.report.tables import plain_table

if TYPE_CHECKING:
    from tercel.core.report.svg import Figure
    from tercel.market.score.card import ScoreCard, ScoreDraw


def show(card: "ScoreCard") -> None:
    """Print a market's realism card as tables."""
    from tercel.market.score.stored_scores import stored_lessons, stored_prediction
    from tercel.signals.flow.carry import describe_carry

    lessons = stored_lessons(card.teaches)
    if prediction := stored_prediction(card.prediction):
        print_table("does it predict tape?", ["", "value"], prediction_rows(prediction))
    if lessons:
        rows = list(zip(LESSON_COLUMNS, lesson_cells(lessons), strict=True))
        print_table("what it teaches, simulated / tape", ["", "value"], rows)
    title = f"{card.preset} ({card.model}) on {', '.join(card.scored_on)}"
    print_table(f"{title}: distance to real tape", *distance_table(card))
    level = (
        f"; at equal level of the days {passed_text(card.gates_level, ' of ')}"
        if card.gates_level
        else ""
    )
    print_table(
        f"gates: {passed_text(card.gates, ' of ')} passed{level}",
        *gate_table(card),
        ["calibrated on"],
        left_aligned=["passed", "at equal level"],
    )
    if level:
        say("by model: simulated over the days calibrated on; by day: those over the days scored")
    if card.dynamics:
        within_bar = [
            abs(figure.train - figure.real) <= figure.bar
            for figure in card.dynamics.values()
            if figure.train is not None
        ]
        train_text = (
            f"; by the days calibrated on {sum(within_bar)} of {len(within_bar)}"
            if within_bar
            else ""
        )
        print_table(
            f"dynamics: {passed_text(card.dynamics, ' of ')} passed{train_text}",
            *dynamics_table(card),
            ["calibrated on", "bar", "interval"],
            left_aligned=["passed"],
        )
    if card.conditional:
        print_table("L1 given the spread, and given the half hour", *given_table(card))
    facts = [
        ["classifier AUC, simulated against real", cell(card.classifier_auc)],
        ["classifier AUC, real against real", cell(card.classifier_auc_real)],
        *([f"impact: {name}", text] for name, text in impact_rows(card)),
        ["the bars apply (default model, two hours each)", "yes" if card.judged else "no"],
    ]
    print_table("and", ["", "value"], facts)
    for note in [*card.notes, describe_carry(lessons)]:
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
        Section(
            "Distances and floors",
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
