"""Body of `tercel agent sweep`: read the ranges, run trials with a bar, write the best configuration and the page."""

import json
import time
from pathlib import Path
from typing import Any

from tercel.app.commands.agent_train import stopped
from tercel.app.job.agent_config import AgentConfig, parse, read_config
from tercel.app.job.agent_guards import SWEEP
from tercel.app.job.agent_learner import refuse_settings
from tercel.app.job.agent_sweep import AgentSweep
from tercel.app.job.agent_sweep_report import write_page
from tercel.app.output import print_json, progress_console, say
from tercel.core.errors import ConfigError
from tercel.core.written import write_whole
from tercel.learning.port import Metrics
from tercel.learning.sweep import Trial

RUNS = Path("runs/sweeps")


def sweep(
    *,
    config: Path,
    trials: int | None,
    timeout: float | None,
    storage: str,
    seed: int,
    out: Path | None,
    resume: bool,
    as_json: bool,
) -> int:
    """Search and tell; the exit code.

    Raises
    ------
    ConfigError
        Ranges that cannot be searched, or a folder that holds another sweep.
    """
    told = read_config(config)
    refuse_settings(told, str(config))
    folder = out or RUNS / f"{told.name}-{seed}"
    wanted = trials or told.sweep.trials
    _check(folder, told, seed, resume)
    job = AgentSweep(told, folder, seed, storage, resume=resume)
    _keep(folder, told, seed)
    with stopped() as stop:
        _run(job, wanted, timeout, stop)
    result = job.result()
    page = write_page(job, result)
    if stop:
        said = f"`tercel agent sweep {config} --resume` goes on after {result['trials']} trials"
        raise KeyboardInterrupt(said)
    if as_json:
        print_json({**result, "folder": str(folder), "report": str(page)})
        return 0
    best = result["best"]
    say(f"{result['trials']} trials: {result['complete']} complete, {result['cut_short']} cut short")
    if best is not None:
        say(f"best     trial {best['trial']}: gain {best['gain']:+.2f} +- {best['se']:.2f} bps (one s.e., validation)")
        say(f"config   {result['config']} ({result['variants']} variants tried)")
    say(f"report   {page}")
    return 0


def _check(folder: Path, told: AgentConfig, seed: int, resume: bool) -> None:
    """Refuse a folder of another sweep, one that is there already, and a resume of nothing."""
    path = folder / SWEEP
    if not path.exists():
        if resume:
            raise ConfigError("a sweep that was begun", f"no {path}", "start it without --resume")
        return
    if not resume:
        raise ConfigError("a new folder", f"{folder} holds a sweep", "go on with it: --resume; or name another --out")
    if _without_trials(json.loads(path.read_text())) != _without_trials(_told(told, seed)):
        raise ConfigError("the configuration and the seed of the sweep", f"others than {path}", "name another --out")


def _told(told: AgentConfig, seed: int) -> dict[str, Any]:
    dumped: dict[str, Any] = json.loads(json.dumps({"seed": seed, **told.model_dump(mode="json")}))
    return dumped


def _without_trials(told: dict[str, Any]) -> dict[str, Any]:
    """More trials are more of the same."""
    return {**told, "sweep": {**told.get("sweep", {}), "trials": 0}}


def _keep(folder: Path, told: AgentConfig, seed: int) -> None:
    parse({key: value for key, value in _told(told, seed).items() if key != "seed"}, SWEEP)
    write_whole(folder / SWEEP, json.dumps(_told(told, seed), indent=1) + "\n")


def _run(job: AgentSweep, wanted: int, timeout: float | None, stop: list[bool]) -> None:
    """Trials until there are enough, the time is up or Ctrl-C comes."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    began = time.monotonic()
    frames = (job.config.sweep.frames or job.config.learner.frames) * job.config.sweep.seeds
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[best]}"), TimeElapsedColumn())
    with Progress(*columns, console=progress_console()) as progress:
        bar = progress.add_task(f"sweep {job.config.name}", total=wanted, completed=job.sweep.finished, best="")

        def on_row(trial: Trial, metrics: Metrics) -> None:
            progress.update(bar, completed=trial.number + min(metrics["frames"] / frames, 1.0))

        while job.sweep.finished < wanted and not stop:
            if timeout is not None and time.monotonic() - began > timeout:
                say(f"time is up after {job.sweep.finished} of {wanted} trials")
                break
            job.trial(on_row, lambda: bool(stop))
            best = job.sweep.best()
            shown = f"best {best.value:+.2f} bps on the rule" if best else ""
            progress.update(bar, completed=job.sweep.finished, best=shown)
