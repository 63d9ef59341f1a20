"""`tercel limits ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told

limits_app = typer.Typer(
    name="limits", help="Hard pre-trade limits: check a file, stress the gate.", no_args_is_help=True
)


@limits_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="Limit file (TOML).", metavar="FILE.toml")],
    as_json: AsJson = False,
) -> None:
    """Print the limits as they are understood; exit 2 where the file cannot be obeyed to the letter."""
    with told(as_json):
        from tercel.app.commands import limits

        limits.check(file, as_json)


@limits_app.command("show-default")
def show_default() -> None:
    """Print the packaged limit file with every key explained, to start one's own from: > limits.toml."""
    with told():
        from tercel.app.commands import limits

        limits.show_default()


@limits_app.command("stress")
def stress(
    actions: Annotated[int, typer.Option(help="Random actions.", min=1, max=10**9, metavar="N")] = 1_000_000,
    seed: Seed = 1,
    plant: Annotated[str, typer.Option(hidden=True, help="Give the gate one limit that is off by a step.")] = "",
    as_json: AsJson = False,
) -> None:
    """Storm the gate with random actions beside an auditor that recomputes every limit; exit 1 on any breach."""
    with told(as_json):
        from tercel.app.commands import limits

        raise typer.Exit(limits.stress(actions, seed, plant, as_json))
