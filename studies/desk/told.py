"""What a desk's experiments came to: for the object of its run, its page, and the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from studies.desk.experiment import DESK, DeskRun, arrows, freezes, levels, mean_paths, worth
from studies.desk.variants import run_variants
from tercel.api import cost_through_rounds, scenario_of, share_of_flow
from tercel.cli import Experiments
from tercel.core.report import Section, paired_differences, plain_table
from tercel.desk.engine import DeskConfig

ARROWS: Final = "The same desk on the same markets and orders, without one arrow of the loop; positive: the arrow saves."
ALONE: Final = "The same orders worked by the desk, and by one agent with all the flow. The dotted line is the planted change."
HOLDS: Final = " (holds 0)"


def experiments(
    config: DeskConfig, folder: Path, seeds: int, *, ablate: bool, freeze: bool
) -> Experiments:
    """A desk without each arrow of its loop, and with each agent alone, over so many seeds from its own.

    Its figures are `ablation` and `frozen`; what was not asked for is not there.
    """
    simulated = config.with_desk(venue="simulated", pace="stepped")
    each, found, sections = (
        range(config.desk.seed, config.desk.seed + seeds),
        dict[str, Any](),
        list[Section](),
    )
    if ablate:
        runs = run_variants(
            arrows(simulated), each, folder / "ablation.jsonl", "with and without arrows"
        )
        values = worth(runs)
        found["ablation"] = {f"{name}_bps": cell.to_json() for name, cell in values.items()}
        drawn = paired_differences(values, "without it", "arrows")
        sections.append(Section("Value of each arrow", ARROWS, figures=[drawn]))
    if freeze:
        runs = run_variants(
            freezes(simulated), each, folder / "frozen.jsonl", "desk and frozen agents"
        )
        found["frozen"] = {
            "cost_bps": {name: cell.to_json() for name, cell in levels(runs).items()},
            "desk_saves_bps": {name: cell.to_json() for name, cell in worth(runs).items()},
            **mean_paths(runs),
        }
        sections.append(_recovery(config, found["frozen"], runs))
    return Experiments(found, sections, _lines(found))


def _recovery(config: DeskConfig, frozen: Mapping[str, Any], runs: Sequence[DeskRun]) -> Section:
    paths: dict[str, list[tuple[float, ...]]] = {}
    for run in runs:
        paths.setdefault(run.variant, []).append(run.cost_path)
    markets = scenario_of(config).instrument.values()
    changes = [change.at_round for market in markets for change in market.change]
    shares = frozen["share_path"]
    path = [
        (n * 60_000_000_000, "mean over seeds", {agent: shares[agent][n] for agent in shares})
        for n in range(config.desk.rounds)
    ]
    rows = [
        [name, cell["mean"], cell["ci_low"], cell["ci_high"]]
        for name, cell in frozen["cost_bps"].items()
    ]
    return Section(
        "The desk and each agent alone",
        ALONE,
        html=plain_table(["desk", "cost, bps", "low", "high"], rows),
        figures=[
            cost_through_rounds(paths, at_round=min(changes) if changes else None),
            share_of_flow(path, "shares_mean"),
        ],
    )


def _lines(found: Mapping[str, Any]) -> list[str]:
    """A line for each value and each cost."""
    frozen = found.get("frozen", {"cost_bps": {}, "desk_saves_bps": {}})
    worth_of = [
        f"value of {name.removesuffix('_bps'):<9} {_cell(cell)}"
        for name, cell in found.get("ablation", {}).items()
    ]
    costs = [
        f"cost of {'the desk' if name == DESK else f'{name} alone'}: {_cell(cell).removesuffix(HOLDS)}"
        for name, cell in frozen["cost_bps"].items()
    ]
    saves = [
        f"the desk saves against {name} alone: {_cell(cell)}"
        for name, cell in frozen["desk_saves_bps"].items()
    ]
    return worth_of + costs + saves


def _cell(cell: Mapping[str, float | None]) -> str:
    mean, low, high = cell["mean"], cell["ci_low"], cell["ci_high"]
    if mean is None or low is None or high is None:
        return (
            "one seed: no interval" if mean is None else f"{mean:+.2f} bps (one seed: no interval)"
        )
    verdict = "" if low > 0 or high < 0 else HOLDS
    return f"{mean:+.2f} bps [{low:+.2f}, {high:+.2f}]{verdict}"
