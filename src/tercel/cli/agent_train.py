"""`tercel agent train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.shared import AsJson


@dataclass(frozen=True)
class Train:
    """What is asked of `tercel agent train`."""

    interrupted: ClassVar[str] = "what is trained so far is kept; --resume RUN goes on"

    config: Annotated[Path | None, typer.Argument(help="TOML file of the training.", metavar="CONFIG")] = None
    preset: Annotated[str | None, typer.Option(help="A shipped configuration in its place.", metavar="NAME")] = None
    algo: Annotated[
        str | None, typer.Option(help="Another learner: ppo, dqn, or sb3_ppo and its like.", metavar="ALGO")
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of everything that is drawn (default: 1).", min=0, max=2**31 - 1, metavar="S"),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/agents/NAME-SEED if not given.", metavar="DIR")] = (
        None
    )
    resume: Annotated[Path | None, typer.Option(help="Go on with this run folder.", metavar="RUN")] = None
    ray: Annotated[
        str | None,
        typer.Option(help="Act on a Ray cluster: its address, auto, or local. Extra \\[scale].", metavar="ADDRESS"),
    ] = None
    workers: Annotated[int | None, typer.Option(help="Workers on it; one a core if not given.", min=1, metavar="N")] = (
        None
    )
    trust: Annotated[
        bool, typer.Option("--trust", help="(--resume) Run the own reward and observation that the run's folder names.")
    ] = False
    as_json: AsJson = False


def train(request: Train) -> None:
    """Train an agent: from a configuration to a policy with its card."""
    from tercel.cli.commands.agent_train import train as body

    body(request)
