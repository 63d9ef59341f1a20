"""Page of a sweep: its course, where good settings lie, which of them matter."""

from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.report.page import Section, render
from tercel.core.report.sweep_figures import history, importance, parallel
from tercel.lab.learning.agent.sweep import AgentSweep
from tercel.lab.learning.sweep import Range

UNIT = "gain on the rule, bps"


def write_page(sweep: AgentSweep, result: dict[str, Any]) -> Path:
    """Write ``report.html`` into the sweep's folder and say where it is."""
    path = sweep.folder / "report.html"
    path.write_text(page(sweep, result), encoding="utf-8")
    return path


def page(sweep: AgentSweep, result: dict[str, Any]) -> str:
    """Page of a sweep."""
    rows = sweep.sweep.rows()
    complete = [row for row in rows if row.how == "complete"]
    values = np.array([row.value for row in rows])
    sections = [
        Section(
            "Trials",
            "The greedy policy's paired gain on the rule over validation episodes, which are neither trained on nor "
            "judged; of each trial the best check. A trial below the median of those before is cut short.",
            figures=[history(values, np.array([row.how == "complete" for row in rows]), UNIT)],
        )
    ]
    if complete:
        log = {key: isinstance(kind, Range) and kind.log for key, kind in sweep.sweep.space.items()}
        settings = {key: [row.values[key] for row in complete] for key in sweep.sweep.space}
        figures = [parallel(settings, log, np.array([row.value for row in complete]), UNIT)]
        sections.append(Section("Where the good ones lie", figures=figures))
    if result["importance"]:
        text = "Share of each setting in telling the better trials from the rest (PED-ANOVA). With few trials, a hint."
        sections.append(Section("What matters", text, figures=[importance(result["importance"])]))
    best = result["best"]
    if best:
        sections.append(
            Section("The best", facts={key: str(value) for key, value in best["settings"].items()})
        )
    lead = (
        f"{result['trials']} trials, {result['complete']} complete, {result['cut_short']} cut short, "
        f"{result['failed']} failed. "
        + (
            f"The best gains {best['gain']:.2f} +- {best['se']:.2f} bps (one standard error) on validation episodes; "
            f"it is the best of {result['variants']} variants, which `tercel agent evaluate` corrects for."
            if best
            else "None is complete."
        )
    )
    return render(
        f"Sweep of {result['name']}", lead, sections, {"seed": result["seed"]}, "tercel agent sweep"
    )
