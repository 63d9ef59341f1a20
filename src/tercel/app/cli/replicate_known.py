"""`tercel replicate almgren-chriss|deep-hedging`: studies whose answer is known."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, listed_seeds, told

Train = Annotated[bool, typer.Option("--train", help="Train the agents again, three seeds; they go into --out.")]
Seeds = Annotated[str, typer.Option(help="Base seeds of evaluation, separated by commas.", metavar="S[,S...]")]
ROOT = Path("runs") / "replications"


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel replicate`."""
    app.command("almgren-chriss")(almgren_chriss)
    app.command("deep-hedging")(deep_hedging)


def almgren_chriss(
    train: Train = False,
    episodes: Annotated[int, typer.Option(help="Price paths for each seed.", min=100, max=10_000_000)] = 100_000,
    seeds: Seeds = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and trained policies.")] = ROOT / "almgren-chriss",
    as_json: AsJson = False,
) -> None:
    """Almgren and Chriss (2000): the worked numbers, and the efficient frontier by an agent's risk aversion."""
    with told(as_json):
        from tercel.app.commands import replicate_almgren_chriss

        replicate_almgren_chriss.run(train, episodes, listed_seeds(seeds), out, as_json)


def deep_hedging(
    train: Train = False,
    episodes: Annotated[int, typer.Option(help="Price paths for each seed.", min=1000, max=10_000_000)] = 50_000,
    seeds: Seeds = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and trained policies.")] = ROOT / "deep-hedging",
    as_json: AsJson = False,
) -> None:
    """Buehler et al. (2019) in small: expected shortfall of an option under costs, against the closed-form delta."""
    with told(as_json):
        from tercel.app.commands import replicate_deep_hedging

        replicate_deep_hedging.run(train, episodes, listed_seeds(seeds), out, as_json)
