"""`tercel replicate cheridito-weiss`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.replicate_known import ROOT
from tercel.app.cli.shared import AsJson, listed_seeds, told


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel replicate`."""
    app.command("cheridito-weiss")(cheridito_weiss)


def cheridito_weiss(
    train: Annotated[
        bool, typer.Option("--train", help="Tune and learn again, three seeds, instead of judging what is shipped.")
    ] = False,
    episodes: Annotated[int, typer.Option(help="Judged episodes of each task.", min=2, max=10_000_000)] = 10_000,
    seeds: Annotated[
        str, typer.Option(help="Base seeds of the judged episodes, which are split evenly.", metavar="S[,S...]")
    ] = "1,2,3",
    out: Annotated[
        Path, typer.Option(help="(--train) Folder of what is learned; what is finished there is not done again.")
    ] = ROOT / "cheridito-weiss",
    quick: Annotated[
        bool, typer.Option("--quick", help="(--train) A smoke run: proves the road, not the agents.")
    ] = False,
    figures: Annotated[
        Path | None, typer.Option(help="Draw the figure into this folder.", exists=True, file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cheridito and Weiss (2025): selling with market and limit orders in six simulated tasks."""
    with told(as_json, "what is finished is kept; the same command goes on"):
        judged = listed_seeds(seeds)
        from tercel.app.commands.replicate_cheridito_weiss import replicate

        code = replicate(
            again=train, episodes=episodes, seeds=judged, out=out, quick=quick, figures=figures, as_json=as_json
        )
        raise typer.Exit(code)
