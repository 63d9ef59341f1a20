"""`tercel agent train`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.shared import AsJson, Seed, reported


def train(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Argument(help="TOML file of the training.", metavar="CONFIG")] = None,
    preset: Annotated[str | None, typer.Option(help="A shipped configuration in its place.", metavar="NAME")] = None,
    algo: Annotated[
        str | None, typer.Option(help="Another learner: ppo, dqn, or sb3_ppo and its like.", metavar="ALGO")
    ] = None,
    seed: Seed = 1,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/agents/NAME-SEED if not given.", metavar="DIR")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run folder.", metavar="RUN")] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Act on a Ray cluster: its address, auto, or local. Extra \\[scale].", metavar="ADDRESS"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Workers on it; one a core if not given.", min=1, metavar="N")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="(--resume) Run the own reward and observation that the run's folder names.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train an agent: from a configuration to a policy with its card."""
    with reported(as_json, "what is trained so far is kept; --resume RUN goes on"):
        from tercel.cli.commands.agent_train import train as body

        source = ctx.get_parameter_source("seed")
        typed = source is not None and source.name != "DEFAULT"
        code = body(
            config=config, preset=preset, algo=algo, seed=seed if typed else None, out=out, resume=resume,
            as_json=as_json, ray=ray, workers=workers, trust=trust,
        )  # fmt: skip
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
    app.command()(train)
