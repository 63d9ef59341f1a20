"""`tercel market fills`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, Seed, listed_dates, told


def fills(
    preset: Annotated[
        str, typer.Argument(help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET")
    ],
    lake: Lake,
    dates: Annotated[
        list[str], typer.Option("--date", help="Days of tape, separated by commas or given again.", metavar="D[,D...]")
    ],
    symbol: Annotated[str, typer.Option(help="Symbol on the tape. Default: the preset's.", metavar="SYM")] = "",
    venue: Annotated[str, typer.Option(help="Venue on the tape, where several have the symbol.", metavar="VENUE")] = "",
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1, max=1000, metavar="N")] = 5,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for fills.html and fills.json.", metavar="DIR")] = None,
    as_json: AsJson = False,
) -> None:
    """Do resting orders fill as on tape? Fill curves, mark-outs, returns and cancels beside simulated days."""
    with told(as_json):
        listed = listed_dates(",".join(dates))
        from tercel.app.commands import market_fills as command

        command.run(
            preset, lake, symbol, dates=listed, venue=venue, simulated_days=days, seed=seed, out=out, as_json=as_json
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("fills")(fills)
