"""`tercel market facts` and `tercel market sanity`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, Seed, Symbol, listed_dates, told

Markets = Annotated[list[str], typer.Argument(help="Markets, by name or as .json files.", metavar="MARKET...")]


def facts(
    markets: Markets,
    lake: Lake,
    symbol: Symbol,
    date: Annotated[str, typer.Option(help="Days, separated by commas.", metavar="D,D,...")],
    as_json: AsJson = False,
) -> None:
    """Cont's stylised facts and those of order flow, one by one: real days beside simulated ones."""
    with told(as_json):
        dates = listed_dates(date)
        from tercel.app.commands import market_facts as command

        code = command.facts(
            lake=lake, symbol=symbol, dates=dates, presets=markets, seeds=command.SEEDS, as_json=as_json
        )
        raise typer.Exit(code)


def sanity(
    markets: Markets,
    days: Annotated[int, typer.Option(help="Days of each market.", min=1, metavar="N")] = 1000,
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the days; what is done is not run again.")] = Path("runs/sanity"),
    as_json: AsJson = False,
) -> None:
    """Let markets run free for many days: does one run away, dry up, or lose its volatility? Exit 1 if one does."""
    with told(as_json, "the days that are done are kept; the same command goes on"):
        from tercel.app.commands import market_facts as command

        raise typer.Exit(command.sanity(presets=markets, days=days, seed=seed, out=out, as_json=as_json))


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel market`."""
    app.command("facts")(facts)
    app.command("sanity")(sanity)
