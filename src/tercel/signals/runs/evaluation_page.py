"""Figures of an evaluation as tables and as an HTML page."""

from collections.abc import Mapping
from typing import Any

from tercel.core.estimate import Estimate
from tercel.core.report import palette
from tercel.core.report.cells import NOTHING
from tercel.core.report.figures import draw_whisker
from tercel.core.report.formatting import format_interval, format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, name_rows, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.models.skill import skill_sentence
from tercel.signals.panel.leak import leak_table
from tercel.signals.runs.evaluation import EvaluatedSignals

Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows, for a terminal and a page."""


def tables(result: EvaluatedSignals) -> tuple[Table, ...]:
    """Tables of an evaluation: skill, gain of each source, calibration, leak check, intervals if any."""
    ics = [
        (
            name,
            format_interval(ic, digits=4),
            format_number(ic.t if ic else None, 1),
            ic.dates if ic else NOTHING,
        )
        for name, ic in result.ic.items()
    ]
    adds: list[tuple[Any, ...]] = [
        (name, format_interval(contribution.adds, digits=4), contribution.dates)
        for name, contribution in result.ablation.items()
    ] or [("none: it takes two sources, and a forecast with one or without it", NOTHING, NOTHING)]
    shares = result.calibration
    within = [
        (name, format_interval(Estimate.of(shares[name]), digits=3))
        for name in ("within_1_sd", "within_1.645_sd")
    ]
    years = [
        (year, format_number(coverage.coverage, 3), format_number(coverage.width_sd, 2))
        for year, coverage in (result.interval or {}).items()
    ]
    return (
        (
            f"out of sample, {result.dates} dates",
            ("forecast", "rank IC, 95 %", "t", "dates"),
            ics,
        ),
        ("what each source adds to the IC, 95 %", ("source", "adds", "dates"), adds),
        (
            "calibration: slope 1, .577 and .950 are right for ranks",
            ("", "value"),
            [("slope", format_number(shares["slope"], 3)), *within],
        ),
        ("leak check", *leak_table(result.leak)),
        *(
            (("90 % interval of predict, by year", ("year", "inside", "half of it, sd"), years),)
            if years
            else ()
        ),
    )


def evaluate_page(result: EvaluatedSignals) -> str:
    """HTML page of the figures of `signals evaluate`."""
    skill, added, shares, leak, *years = (
        plain_table(heads, rows, prose=True) for _, heads, rows in tables(result)
    )
    adds = {name: contribution.adds for name, contribution in result.ablation.items()}
    adds_text = "The fusion's IC less that of a fusion without the source, over the dates when it forecast. "
    slope = (
        "Slope of outcomes on forecasts: 1 is right. Labels are ranks: .577 of them lie within one standard "
        "deviation, .950 within 1.645."
    )
    adds_text = adds_text + " ".join(f"{warning}." for warning in result.warnings)
    skilled = skill_sentence(result.fused)
    sections = [
        Section("Skill", result.note, skill, [interval_figure("ic", "rank IC", result.ic)]),
        Section(
            "What each source adds",
            adds_text,
            added,
            [interval_figure("adds", "IC added", adds)] if adds else [],
        ),
        Section("Calibration", slope, shares + "".join(years)),
        Section("Leak check", html=leak),
    ]
    return render_page(
        "Signals, out of sample",
        skilled,
        sections,
        {"rows": result.rows},
        "printed by: tercel signals evaluate",
    )


def interval_figure(name: str, label: str, rows: Mapping[str, Estimate | None]) -> Figure:
    """Figure of a dot and its interval per row; rows that are None or not measured are left out."""
    drawn_rows = {key: row for key, row in rows.items() if row}
    with sketch(0.8 + 0.35 * max(1, len(drawn_rows)), PAGE) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=palette.INK.token, linewidth=1)
        for position, row in enumerate(drawn_rows.values()):
            draw_whisker(panel, position, row, palette.SERIES[1].token)
        name_rows(panel, list(drawn_rows))
        panel.set_xlabel(f"{label}, 95 % interval")
    forecasts = "; ".join(f"{key} {row.mean:.4f}" for key, row in drawn_rows.items())
    return finish_figure(drawing, name, f"{label}: {forecasts}.", "Dots: means over dates.")
