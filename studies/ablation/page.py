"""An ablation as a page: what each idea is worth, and how each variant learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.ablation.evaluation import RULE
from studies.ablation.figures import Curve, curves, differences
from studies.ablation.trainings import Run
from studies.ablation.variants import WHOLE
from tercel.core.report import Section, render_page
from tercel.lab.evaluation import read_metrics
from tercel.lab.learning.agent.run_folder import CHECKS

PAGE: Final = "report.html"


def write_page(out: Path, result: Mapping[str, Any], runs: Mapping[str, Sequence[Run]]) -> Path:
    """Write the page and its pictures, as SVG, into `out`, and say where the page is."""
    rows = [row for row in result["rows"] if row.get("difference_bps") is not None]
    tried = [row for row in rows if row["name"] != RULE]
    learned = {
        row["name"]: [curve_of(run) for run in runs[row["name"]]]
        for row in result["rows"]
        if "changes" in row
    }
    learned = {
        name: one for name, one in learned.items() if name == WHOLE or runs[name] != runs[WHOLE]
    }
    first, second = [differences(rows)], [curves(learned, WHOLE)]
    for figure in (*first, *second):
        figure.save(out)
    sections = [
        Section("Each idea tried", result["said"], figures=first),
        Section(
            "Learning",
            "Looks at the greedy policy on episodes neither trained on nor judged.",
            figures=second,
        ),
        Section("What each variant is", facts={row["name"]: row["says"] for row in result["rows"]}),
    ]
    called = [row for row in tried if row["called"] in ("more expensive", "cheaper")]
    lead = (
        f"{len(tried)} variants of {result['recipe']}, {len(called)} of them significantly different: "
        + (
            ", ".join(f"{row['name']} {row['difference_bps']['mean']:+.2f} bps" for row in called)
            or "none"
        )
    )
    facts = {
        "markets": ", ".join(result["markets"]),
        "episodes": f"{result['episodes']:,}",
        "training seeds": ", ".join(map(str, result["seeds"])),
        "decisions a training": f"{result['frames']:,}",
    }
    path = out / PAGE
    text = render_page(
        f"Ablation of {result['recipe']}", lead + ".", sections, facts, "tercel agent ablate"
    )
    path.write_text(text, encoding="utf-8")
    return path


def curve_of(run: Run) -> Curve:
    """Frames and mean cost of a training's looks at its latest weights."""
    rows = [row for row in read_metrics(run.folder / CHECKS) if not row.get("averaged")]
    return np.array([row["frames"] for row in rows]), np.array([row["is_bps"] for row in rows])
