"""`tercel trade experiment`: a desk without each arrow of its loop, and with each agent alone, over seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from tercel.cli.shared import AsJson
from tercel.core.errors import ConfigError
from tercel.core.report.terminal import hand_over, say
from tercel.core.written import write_whole

HOLDS = " (holds 0)"


@dataclass(frozen=True)
class Experiment:
    """What is asked of `tercel trade experiment`."""

    interrupted: ClassVar[str] = "what is finished is kept; the same command goes on"

    config: Annotated[Path | None, typer.Argument(help="The desk's file.", metavar="CONFIG.toml")] = None
    demo: Annotated[bool, typer.Option("--demo", help="The packaged desk.")] = False
    ablate: Annotated[bool, typer.Option("--ablate", help="Run it without each arrow of the loop (minutes).")] = False
    freeze: Annotated[bool, typer.Option("--freeze", help="Run it with each agent alone (minutes).")] = False
    seeds: Annotated[int, typer.Option(help="So many, from the file's on.", min=2, max=10_000)] = 32
    seed: Annotated[int | None, typer.Option(help="The first one.", min=0, max=2**31 - 1)] = None
    rounds: Annotated[
        int | None, typer.Option(help="So many rounds (default: the file's).", min=1, max=10_000, metavar="N")
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder of the results (default: under runs/).", metavar="DIR")] = (
        None
    )
    as_json: AsJson = False


def experiment(request: Experiment) -> None:
    """Run a desk on its simulated exchange again and again: what each arrow is worth, what each agent costs alone."""
    if request.demo == (request.config is not None):
        raise ConfigError("a desk's file or --demo", "both" if request.demo else "neither", "give one of the two")
    if not (request.ablate or request.freeze):
        raise ConfigError("--ablate, --freeze or both", "neither", "add one of them")
    from studies.desk.page import page
    from studies.desk.variants import experiments
    from tercel.api.demo.config import described

    typed = {"desk.seed": request.seed, "desk.rounds": request.rounds}
    config, _ = described(request.config, {key: value for key, value in typed.items() if value is not None})
    out = request.out or Path("runs") / f"desk-{config.desk.name}-{config.desk.seed}"
    out.mkdir(parents=True, exist_ok=True)
    found, alone = experiments(config, out, request.seeds, ablate=request.ablate, freeze=request.freeze)
    report = out / "experiments.html"
    write_whole(report, page(config, found, alone))
    hand_over({"out": out, "report": report, **found}, request.as_json, lambda: _show(found, report))


def _show(found: dict[str, Any], report: Path) -> None:
    from studies.desk.experiment import DESK

    for name, cell in found.get("ablation", {}).items():
        say(f"value of {name.removesuffix('_bps'):<9} {_cell(cell)}")
    for name, cell in found.get("frozen", {}).get("cost_bps", {}).items():
        whose = "the desk" if name == DESK else f"{name} alone"
        say(f"cost of {whose}: {_cell(cell).removesuffix(HOLDS)}")
    for name, cell in found.get("frozen", {}).get("desk_saves_bps", {}).items():
        say(f"the desk saves against {name} alone: {_cell(cell)}")
    say(f"report: {report}")


def _cell(cell: dict[str, float | None]) -> str:
    mean, low, high = cell["mean"], cell["ci_low"], cell["ci_high"]
    if mean is None or low is None or high is None:
        return "one seed: no interval" if mean is None else f"{mean:+.2f} bps (one seed: no interval)"
    verdict = "" if low > 0 or high < 0 else HOLDS
    return f"{mean:+.2f} bps [{low:+.2f}, {high:+.2f}]{verdict}"
