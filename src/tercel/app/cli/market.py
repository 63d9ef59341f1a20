"""`tercel market ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli import market_impact
from tercel.app.cli.shared import AsJson, Lake, check_date, listed_dates, told

market_app = typer.Typer(name="market", help="Simulated markets: calibrate one from tape.", no_args_is_help=True)


@market_app.callback()
def _room() -> None:
    """Keep `calibrate` a command of its own, though it is the only one."""


@market_app.command("calibrate")
def calibrate_market(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM")],
    days: Annotated[str, typer.Option(help="Days to calibrate on, separated by commas.", metavar="D,D,...")],
    name: Annotated[str, typer.Option(help="Name of the market.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="File to write (.json); run on it with `tercel run --market FILE`.")],
    date: Annotated[str, typer.Option(help="Date of this calibration, for the card.", metavar="YYYY-MM-DD")],
    held_out: Annotated[
        str, typer.Option(help="Days to judge the fit on, separated by commas.", metavar="D,D,...")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Calibrate a zero-intelligence market from tape; its card says how well it fits days it has not seen."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import preset

        made = preset.make(
            lake, symbol, days=listed_dates(days), held_out=listed_dates(held_out), name=name, out=out, date=date
        )
        preset.show(made, out, as_json)


market_impact.add_to(market_app)
