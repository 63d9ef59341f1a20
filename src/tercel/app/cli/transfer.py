"""`tercel market transfer`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError

DEFAULT_MARKETS = ("csco", "csco-santa-fe")


def transfer(
    train_in: Annotated[
        list[str] | None,
        typer.Option("--train", help="Market to train in; may be given several times.", metavar="NAME"),
    ] = None,
    judge_in: Annotated[
        list[str] | None,
        typer.Option("--judge", help="Market to judge in besides those trained in; several.", metavar="NAME"),
    ] = None,
    tape: Annotated[Path | None, typer.Option(help="Judge on the later days of this lake too.", metavar="LAKE")] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = None,
    impact: Annotated[
        str, typer.Option(help="Impact on the tape: square_root, propagator or none.", metavar="LAW")
    ] = "square_root",
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: proves the road, not the agents.")] = False,
    seed: Seed = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of trainings and results; what is finished there is not done again.")
    ] = Path("runs/transfer"),
    as_json: AsJson = False,
) -> None:
    """Train agents in several markets, judge each in all of them and on tape: what the choice of market does."""
    with told(as_json, "what is finished is kept; the same command goes on"):
        if (tape is None) != (symbol is None):
            raise ConfigError("--tape and --symbol together", "one of the two", "give both, or neither")
        from tercel.app.commands.market_transfer import transfer as body

        code = body(
            train_in=train_in or DEFAULT_MARKETS,
            judge_in=judge_in or (),
            lake=tape,
            symbol=symbol,
            impact=impact,
            quick=quick,
            seed=seed,
            out=out,
            as_json=as_json,
        )
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel market`."""
    app.command("transfer")(transfer)
