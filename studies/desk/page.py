"""The page of a desk's experiments: the value of each arrow, the desk and each agent alone."""

from collections.abc import Sequence
from typing import Any, Final

from studies.desk.experiment import DeskRun
from tercel.api.demo.config import DemoConfig
from tercel.api.desk_figures import cost_through_rounds, share_of_flow
from tercel.core.report.figures import paired_differences
from tercel.core.report.page import Section, render
from tercel.core.report.tables import plain_table

ARROWS: Final = (
    "The same desk on the same markets and orders, without one arrow of the loop; positive: the arrow saves."
)
ALONE: Final = (
    "The same orders worked by the desk, and by one agent with all the flow. The dotted line is the planted change."
)


def page(config: DemoConfig, found: dict[str, Any], alone: Sequence[DeskRun]) -> str:
    """One HTML page of what experiments came to."""
    sections = []
    if "ablation" in found:
        arrows = {key.removesuffix("_bps"): row for key, row in found["ablation"].items()}
        drawn = paired_differences(arrows, "without it", "arrows")
        sections.append(Section("Value of each arrow", ARROWS, figures=[drawn]))
    if "frozen" in found:
        sections.append(_recovery(config, found["frozen"], alone))
    lead = "Every variant meets the same markets, orders and news of a seed; differences are paired."
    return render(f"Experiments with desk {config.desk.name}", lead, sections)


def _recovery(config: DemoConfig, frozen: dict[str, Any], runs: Sequence[DeskRun]) -> Section:
    paths: dict[str, list[tuple[float, ...]]] = {}
    for run in runs:
        paths.setdefault(run.variant, []).append(run.cost_path)
    changes = [change.at_round for instrument in config.instrument for change in instrument.change]
    shares = frozen["share_path"]
    path = [
        (n * 60_000_000_000, "mean over seeds", {agent: shares[agent][n] for agent in shares})
        for n in range(config.desk.rounds)
    ]
    rows = [[name, cell["mean"], cell["ci_low"], cell["ci_high"]] for name, cell in frozen["cost_bps"].items()]
    return Section(
        "The desk and each agent alone",
        ALONE,
        html=plain_table(["desk", "cost, bps", "low", "high"], rows),
        figures=[
            cost_through_rounds(paths, at_round=min(changes) if changes else None),
            share_of_flow(path, "shares_mean"),
        ],
    )
