"""`tercel venue ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told

venue_app = typer.Typer(name="venue", help="Places to trade: serve a simulated exchange.", no_args_is_help=True)


@venue_app.callback()
def _room() -> None:
    """Keep `serve` a command of its own, though it is the only one."""


@venue_app.command()
def serve(
    market: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset market, by name or as a .json file; may be given several times (default: csco-santa-fe).",
            metavar="NAME",
        ),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Replay a day of this lake instead of a preset.", metavar="LAKE")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="Day of the tape (default: its last).", metavar="YYYY-MM-DD")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port of the native protocol, 0: any that is free (default: 7401 without --fix-port).",
            min=0,
            max=65535,
            metavar="P",
        ),
    ] = None,
    fix_port: Annotated[
        int | None, typer.Option(help="Port of FIX 4.4 (needs the extra \\[fix]).", min=1, max=65535, metavar="P")
    ] = None,
    fix_login: Annotated[
        list[str] | None,
        typer.Option(help="CompID that may log on over FIX; may be given several times (TRADER).", metavar="ID"),
    ] = None,
    fix_store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of FIX sequence numbers: sessions outlive a restart, though the exchange itself begins anew.",
            metavar="DIR",
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            help="Seconds of the exchange in a second of real time; 0: stepped, its clock moves when a client asks.",
            min=0.0,
            max=1e6,
            metavar="X",
        ),
    ] = 0.0,
    latency_ms: Annotated[
        float, typer.Option(help="Time from a client's hand to the book, milliseconds.", min=0.0, max=1e6, metavar="MS")
    ] = 0.0,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Serve a simulated exchange on this machine until Ctrl-C: a market that reacts, or a recorded day."""
    with told(as_json, "the exchange is closed"):
        from tercel.app.commands.venue import serve as body

        body(market, tape, symbol, date, port, fix_port, fix_login, fix_store, speed, latency_ms, seed, as_json)
