"""`tercel agent sweep`: settings searched on validation episodes alone, and how many variants were tried."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli import AsJson, Seed, hand_over, progress, say, stopped

if TYPE_CHECKING:
    from studies.sweep.search import AgentSweep, Trial


@dataclass(frozen=True)
class SweepSettings:
    """What is asked of `tercel agent sweep`."""

    interrupted: ClassVar[str] = "trials that ended are kept; --resume continues"

    config: Annotated[
        Path,
        typer.Argument(help="TOML file of a training with \\[sweep.ranges].", metavar="CONFIG"),
    ]
    trials: Annotated[
        int | None,
        typer.Option(help="Trials in all; those of the file if not given.", min=1, metavar="N"),
    ] = None
    timeout: Annotated[
        float | None, typer.Option(help="No new trial after so many seconds.", min=0.0, metavar="S")
    ] = None
    storage: Annotated[
        str,
        typer.Option(
            help="Database of trials, sqlite:///FILE; in the folder if not given.", metavar="URL"
        ),
    ] = ""
    seed: Seed = 1
    out: Annotated[
        Path | None, typer.Option(help="Folder; runs/sweeps/NAME-SEED if not given.", metavar="DIR")
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in that folder.")
    ] = False
    as_json: AsJson = False


def sweep(request: SweepSettings) -> None:
    """Search settings on validation episodes alone: trials, the best configuration, how many variants were tried."""
    from studies.sweep.search import AgentSweep, keep, refuse_other, write_page
    from tercel.lab.learning.agent import read_config
    from tercel.lab.learning.agent.learner import refuse_settings

    plan = read_config(request.config)
    refuse_settings(plan, str(request.config))
    folder = request.out or Path("runs/sweeps") / f"{plan.name}-{request.seed}"
    refuse_other(folder, plan, request.seed, request.resume)
    job = AgentSweep(plan, folder, request.seed, request.storage, resume=request.resume)
    keep(folder, plan, request.seed)
    with stopped() as stop:
        _run(job, request.trials or plan.sweep.trials, request.timeout, stop)
    result = job.result()
    page = write_page(job, result)
    if stop:
        raise KeyboardInterrupt(
            f"`tercel agent sweep {request.config} --resume` continues after {result['trials']} trials"
        )

    def show() -> None:
        best = result["best"]
        say(
            f"{result['trials']} trials: {result['complete']} complete, {result['cut_short']} cut short"
        )
        if best is not None:
            gain = f"gain {best['gain']:+.2f} +- {best['se']:.2f} bps (one s.e., validation)"
            say(f"best     trial {best['trial']}: {gain}")
            say(f"config   {result['config']} ({result['variants']} variants tried)")
        say(f"report   {page}")

    hand_over({**result, "folder": str(folder), "report": str(page)}, request.as_json, show)


def _run(job: "AgentSweep", wanted: int, timeout: float | None, stop: list[bool]) -> None:
    """Trials until there are enough, the time is up or Ctrl-C comes."""
    began = time.monotonic()
    frames = (job.config.sweep.frames or job.config.learner.frames) * job.config.sweep.seeds
    with progress(now=True) as bars:
        bar = bars.add_task(
            f"sweep {job.config.name}", total=wanted, completed=job.sweep.finished, now=""
        )

        def on_row(trial: "Trial", metrics: Mapping[str, float]) -> None:
            bars.update(bar, completed=trial.number + min(metrics["frames"] / frames, 1.0))

        while job.sweep.finished < wanted and not stop:
            if timeout is not None and time.monotonic() - began > timeout:
                say(f"time is up after {job.sweep.finished} of {wanted} trials")
                break
            job.trial(on_row, lambda: bool(stop))
            best = job.sweep.best()
            shown = f"best {best.value:+.2f} bps on the rule" if best else ""
            bars.update(bar, completed=job.sweep.finished, now=shown)
