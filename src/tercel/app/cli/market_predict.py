"""`tercel market predict`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import PRESET, AsJson, Lake, PresetsSymbol, Seed, listed_dates, page_folder, told
from tercel.app.output import check_folder


def predict(
    preset: Annotated[str, PRESET],
    lake: Lake,
    date: Annotated[
        list[str],
        typer.Option(help="Days that the market was not calibrated on; may be given again.", metavar="D[,D...]"),
    ],
    symbol: PresetsSymbol = "",
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="Written strategies (all: every one), or policies as in `tercel agent evaluate`; may be given again. "
            "Default: all.",
            metavar="NAME[,NAME...]",
        ),
    ] = None,
    episodes: Annotated[
        int, typer.Option(help="Simulated orders; on tape all that fit.", min=2, max=1_000_000, metavar="N")
    ] = 1_000,
    seed: Seed = 1,
    share: Annotated[
        float, typer.Option(help="The order, as a share of the volume expected in half an hour.", metavar="X")
    ] = 0.1,
    impact: Annotated[
        str, typer.Option(help="Law of impact on tape: square_root, propagator, none.", metavar="LAW")
    ] = "square_root",
    out: Annotated[Path | None, page_folder("prediction")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Keep correlations, signs and days in the preset file's card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask whether simulation predicts tape: the same strategies in a market and on its held-out days."""
    with told(as_json):
        check_folder(out)
        listed = listed_dates(",".join(date))
        from tercel.app.commands import market_predict as command

        command.run(
            preset, lake, symbol=symbol, dates=listed, strategies=strategy or ("all",), episodes=episodes, seed=seed,
            share=share, impact=impact, out=out, write=write, as_json=as_json,
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("predict")(predict)
