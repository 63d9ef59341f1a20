"""`tercel data record ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, check_date, told

record_app = typer.Typer(help="Record live feeds into a lake, one command per feed.", no_args_is_help=True)


@record_app.command("itch")
def record_itch(
    lake: Lake,
    port: Annotated[int, typer.Option(help="UDP port to listen on.", min=1, max=65_535, metavar="PORT")],
    group: Annotated[str | None, typer.Option(help="Multicast group to join.", metavar="ADDR")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; with --group, of the interface.", metavar="ADDR")
    ] = "0.0.0.0",
    request: Annotated[
        str | None, typer.Option(help="Request server that gives missing messages again.", metavar="HOST:PORT")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbols, separated by commas (default: all).")] = None,
    date: Annotated[
        str | None, typer.Option(help="Day of the feed (default: today in New York).", metavar="YYYY-MM-DD")
    ] = None,
    capture: Annotated[
        Path | None, typer.Option(help="File of accepted messages (default: in LAKE/captures).", metavar="FILE")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a capture, after a stop or a kill.")] = False,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long (default: at the end of the session).", min=0.0)
    ] = None,
    silence: Annotated[float, typer.Option(help="Give up after so many seconds without a packet.", min=0.1)] = 30.0,
    patience: Annotated[
        float, typer.Option(help="Give up when missing messages stay away for so many seconds.", min=0.1)
    ] = 10.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record ITCH over MoldUDP64: gaps are asked for again, what is accepted survives a kill, tapes come at the end."""
    with told(as_json, "accepted messages are in the capture; --resume goes on"):
        check_date(date)
        from tercel.app.commands import record_itch as command

        asked = command.Asked(
            port, group, host, request, lake, symbol, date, capture, resume, seconds, silence, patience, replace
        )
        command.record_itch(asked, as_json)
