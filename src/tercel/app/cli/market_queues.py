"""`tercel market queues`."""

from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, check_date, told


def queues(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol of a tape of single orders.", metavar="SYM")],
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")],
    wait_s: Annotated[float, typer.Option(help="Seconds that each order waits.", min=1.0, max=3600.0)] = 30.0,
    lots: Annotated[int, typer.Option(help="Lots of each order.", min=1, max=10**6)] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare the queue models of level tapes with the true queue: own passive orders' fills on one real day."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import market_queues

        market_queues.run(lake, symbol, date, wait_s, lots, as_json)


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("queues")(queues)
