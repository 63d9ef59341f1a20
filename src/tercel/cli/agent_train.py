"""`tercel agent train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from tercel.cli.machine import stopped
from tercel.cli.shared import JsonRequest
from tercel.cli.terminal import hand_over, say
from tercel.core.errors import ConfigError

if TYPE_CHECKING:
    from tercel.api.training import TrainingRun


@dataclass(frozen=True)
class Train(JsonRequest):
    """What is asked of `tercel agent train`."""

    interrupted: ClassVar[str] = "what is trained so far is kept; --resume RUN goes on"

    config: Annotated[
        Path | None, typer.Argument(help="TOML file of the training.", metavar="CONFIG")
    ] = None
    preset: Annotated[
        str | None, typer.Option(help="A shipped configuration in its place.", metavar="NAME")
    ] = None
    algo: Annotated[
        str | None,
        typer.Option(help="Another learner: ppo, dqn, or sb3_ppo and its like.", metavar="ALGO"),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of everything that is drawn (default: 1).", min=0, max=2**31 - 1, metavar="S"
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder; runs/agents/NAME-SEED if not given.", metavar="DIR"),
    ] = None
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder.", metavar="RUN")
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            help="Act on a Ray cluster: its address, auto, or local. Extra \\[scale].",
            metavar="ADDRESS",
        ),
    ] = None
    workers: Annotated[
        int | None, typer.Option(help="Workers on it; one a core if not given.", min=1, metavar="N")
    ] = None
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="(--resume) Run the own reward and observation that the run's folder names.",
        ),
    ] = False


def train(request: Train) -> None:
    """Train an agent: from a configuration to a policy with its card."""
    if request.workers is not None and request.ray is None:
        raise ConfigError(
            "--workers with --ray",
            "--workers alone",
            "add --ray local, or the address of a cluster",
        )
    run = _asked(request)
    with stopped() as stop:
        result = run.train(
            progress=True, stop=lambda: bool(stop), cluster=request.ray, workers=request.workers
        )
    if not result["done"]:
        trusted = " --trust" if run.config.own_code else ""
        raise KeyboardInterrupt(
            f"`tercel agent train --resume {run.folder}{trusted}` goes on at {result['frames']:,} decisions"
        )
    found = {**result, "folder": str(run.folder), "report": str(run.report(result))}
    hand_over(found, request.as_json, lambda: _show(run, found))


def _asked(request: Train) -> "TrainingRun":
    """The training that is meant: a new one, or that of a folder."""
    from tercel.api.training import TrainingRun
    from tercel.lab.learning.agent.config import preset_names

    config, preset, resume = request.config, request.preset, request.resume
    if resume is not None:
        if any(one is not None for one in (config, preset, request.out, request.algo)):
            raise ConfigError(
                "--resume alone: the run knows the rest", "more beside it", "leave it out"
            )
        begun = TrainingRun.resumed(resume, trust=request.trust, seed=request.seed)
        if request.ray is not None and not begun.config.learner.shards:
            raise ConfigError(
                "a run with learner.shards to go on with on a cluster",
                f"{resume} was begun without: its results would change",
                "go on without --ray",
            )
        return begun
    if (config is None) == (preset is None):
        raise ConfigError(
            "a configuration file or --preset NAME",
            "neither" if config is None else "both",
            f"presets: {', '.join(preset_names())}",
        )
    return TrainingRun.of_file(
        config or str(preset),
        algorithm=request.algo or "",
        seed=1 if request.seed is None else request.seed,
        out=request.out,
        sharded=request.ray is not None,
        workers=request.workers,
    )


def _show(run: "TrainingRun", found: dict[str, Any]) -> None:
    """Say what came of it."""
    from tercel.lab.learning.agent.report import unlearned

    best, nothing = found["best"], unlearned(found)
    gained = (
        f"{best['is_bps']:.2f} bps, {found['rule']} {best['rule_bps']:.2f}, gain {best['gain']:+.2f} +- "
        f"{best['se']:.2f} (one s.e., validation, best of {found['looks']} validation checks)"
    )
    say(f"{run.config.name}: {nothing or gained}")
    say(f"policy   {found['policy']}")
    say(f"report   {found['report']}")
    if not nothing:
        say(f"judge it with `tercel agent evaluate {run.folder}`")
    say("trade it:")
    say(run.how_to_trade())
