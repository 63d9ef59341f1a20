"""`tercel replicate nevmyvaka`: studies on recorded days, which are not shipped."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.replicate_known import ROOT, listed_seeds
from tercel.app.cli.shared import AsJson, told
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
        chosen = listed_seeds(seeds)
        if lake is None or not symbol:
            given = f"--lake {lake or '(none)'} --symbol {symbol or '(none)'}"
            raise ConfigError("recorded days: --lake DIR --symbol SYM", given, REMEDY)
        from tercel.app.commands import replicate_nevmyvaka

        replicate_nevmyvaka.run(lake, symbol, train, shares, episodes, chosen, out, as_json)
