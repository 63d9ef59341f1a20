"""`tercel market event-study`, `tercel market metaorders` and `tercel market replenishment`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, Seed, Symbol, Venue, listed_dates, page_folder, told
from tercel.app.output import check_folder

if TYPE_CHECKING:
    from tercel.market.observed import Observed

Dates = Annotated[str, typer.Option(help="Days, separated by commas. Default: all of the lake.", metavar="D[,D...]")]
LeaveOut = Annotated[str, typer.Option(help="Days to leave out, separated by commas.", metavar="D[,D...]")]


def event_study(
    lake: Lake,
    symbol: Symbol,
    date: Dates = "",
    leave_out: LeaveOut = "",
    venue: Venue = "",
    out: Annotated[Path | None, page_folder("event_study")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What size on show really does: large limit orders beside matched usual ones, and a placebo."""
    with told(as_json):
        check_folder(out)
        from tercel.app.commands import market_event_study as command

        command.run(symbol, _days(lake, symbol, date, leave_out, venue), out=out, seed=seed, as_json=as_json)


def metaorders(
    lake: Lake,
    symbol: Symbol,
    date: Dates = "",
    leave_out: LeaveOut = "",
    venue: Venue = "",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Impact of metaorders proxied from public trades: Y and delta, with intervals over days."""
    with told(as_json):
        from tercel.app.commands import market_metaorders as command

        command.run(symbol, _days(lake, symbol, date, leave_out, venue), seed=seed, as_json=as_json)


def _days(lake: Path, symbol: str, date: str, leave_out: str, venue: str) -> Mapping[str, "Observed"]:
    dates, without = listed_dates(date), listed_dates(leave_out)
    from tercel.app.commands.market_days import observed_days

    return observed_days(lake, symbol, dates, without, venue)


def replenishment(
    preset: Annotated[
        str, typer.Argument(help="Market whose days and hours are read, by name or as a .json file.", metavar="PRESET")
    ],
    lake: Lake,
    as_json: AsJson = False,
) -> None:
    """How long until lots that a market order took are added again, on the days a market was calibrated on."""
    with told(as_json):
        from tercel.app.commands import market_replenishment as command

        command.run(preset, lake, as_json)


def add_to(market_app: typer.Typer) -> None:
    """Hang the commands under `tercel market`."""
    for command in (event_study, metaorders, replenishment):
        market_app.command()(command)
