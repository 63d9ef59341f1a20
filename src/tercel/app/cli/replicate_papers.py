"""`tercel replicate nevmyvaka|ning`: studies on recorded days, which are not shipped."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.replicate_known import ROOT
from tercel.app.cli.shared import AsJson, listed_seeds, told
from tercel.core.errors import ConfigError

Recorded = Annotated[Path | None, typer.Option("--lake", help="Folder of the tape lake.", metavar="DIR")]
Train = Annotated[bool, typer.Option("--train", help="Learn on the earlier days, into --out, and judge that.")]
REMEDY = (
    "import days with `tercel data import` and name them; simulated ones, of `tercel market simulate csco --days 6 "
    "--out LAKE`, prove the road"
)


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel replicate`."""
    app.command("nevmyvaka")(nevmyvaka)
    app.command("ning")(ning)


def nevmyvaka(
    lake: Recorded = None,
    symbol: Annotated[str, typer.Option(help="Symbol of the lake.", metavar="SYM")] = "",
    train: Train = False,
    shares: Annotated[int, typer.Option(help="(--train) Shares of the order.", min=1, max=10_000_000)] = 5000,
    episodes: Annotated[int, typer.Option(help="Judged orders at most, for each setting.", min=2)] = 1_000_000,
    seeds: Annotated[
        str, typer.Option(help="Sets of judged windows; each after the first is shifted by it.", metavar="S[,S...]")
    ] = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and learned tables.")] = ROOT / "nevmyvaka",
    as_json: AsJson = False,
) -> None:
    """Nevmyvaka, Feng and Kearns (2006): time and inventory, then market variables, against submit and leave."""
    with told(as_json, "tables that are finished are kept; the same command goes on"):
        chosen, days = listed_seeds(seeds), recorded(lake, symbol)
        from tercel.app.commands import replicate_nevmyvaka

        replicate_nevmyvaka.run(days, symbol, train, shares, episodes, chosen, out, as_json)


def ning(
    lake: Recorded = None,
    symbol: Annotated[str, typer.Option(help="Symbol of the lake.", metavar="SYM")] = "",
    train: Train = False,
    shares: Annotated[int, typer.Option(help="(--train) Shares of the order.", min=5, max=10_000_000)] = 20_000,
    seeds: Annotated[
        str, typer.Option(help="Seeds of fresh random walks and of resampling.", metavar="S[,S...]")
    ] = "1",
    out: Annotated[Path, typer.Option(help="Folder for the figure and learned networks.")] = ROOT / "ning",
    as_json: AsJson = False,
) -> None:
    """Ning, Lin and Jaimungal (2018): double DQN over TWAP, at the mid as published, and by taking on later days."""
    with told(as_json):
        chosen, days = listed_seeds(seeds), recorded(lake, symbol)
        from tercel.app.commands import replicate_ning

        replicate_ning.run(days, symbol, train, shares, chosen, out, as_json)


def recorded(lake: Path | None, symbol: str) -> Path:
    """The lake that was named.

    Raises
    ------
    ConfigError
        None was, or no symbol.
    """
    if lake is None or not symbol:
        given = f"--lake {lake or '(none)'} --symbol {symbol or '(none)'}"
        raise ConfigError("recorded days: --lake DIR --symbol SYM", given, REMEDY)
    return lake
