"""`tercel market fills`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import PRESET, AsJson, Lake, PresetsSymbol, Seed, Venue, listed_dates, page_folder, told
from tercel.app.output import check_folder


def fills(
    preset: Annotated[str, PRESET],
    lake: Lake,
    dates: Annotated[
        list[str], typer.Option("--date", help="Days of tape, separated by commas or given again.", metavar="D[,D...]")
    ],
    symbol: PresetsSymbol = "",
    venue: Venue = "",
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=1000, metavar="N")] = 5,
    seed: Seed = 1,
    out: Annotated[Path | None, page_folder("fills")] = None,
    as_json: AsJson = False,
) -> None:
    """Do resting orders fill as on tape? Fill curves, mark-outs, returns and cancels beside simulated days."""
    with told(as_json):
        check_folder(out)
        listed = listed_dates(",".join(dates))
        from tercel.app.commands import market_fills as command

        command.run(
            preset, lake, symbol, dates=listed, venue=venue, simulated_days=days, seed=seed, out=out, as_json=as_json
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("fills")(fills)
