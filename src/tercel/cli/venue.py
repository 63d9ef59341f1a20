"""`tercel venue serve`: a simulated exchange for other processes on this machine."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.machine import end_on_termination
from tercel.cli.request import add
from tercel.cli.shared import JsonRequest, Seed, TapesSymbol
from tercel.cli.terminal import hand_over, say
from tercel.core.errors import ConfigError
from tercel.core.machine import WallClock

if TYPE_CHECKING:
    from tercel.desk.exchange import SimulatedExchange
    from tercel.fix.server import FixServer

venue_app = typer.Typer(name="venue", help="Places to trade: serve a simulated exchange.", no_args_is_help=True)
HOST = "127.0.0.1"
PORT = 9878


@venue_app.callback()
def _room() -> None:
    """Keep `serve` a command of its own, though it is the only one."""


@dataclass(frozen=True)
class Serve(JsonRequest):
    """What is asked of `tercel venue serve`."""

    interrupted: ClassVar[str] = "the exchange is closed"

    market: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset market, by name or as a .json file; may be given several times (default: csco-santa-fe).",
            metavar="NAME",
        ),
    ] = None
    tape: Annotated[
        Path | None, typer.Option(help="Replay a day of this lake instead of a preset.", metavar="LAKE")
    ] = None
    symbol: TapesSymbol = None
    date: Annotated[str | None, typer.Option(help="Day of the tape (default: its last).", metavar="YYYY-MM-DD")] = None
    port: Annotated[
        int,
        typer.Option(
            help="Port of FIX 4.4, and of FIX 4.2 for logins that ask for it; 0: any that is free.",
            min=0,
            max=65535,
            metavar="P",
        ),
    ] = PORT
    login: Annotated[
        list[str] | None,
        typer.Option(
            help="CompID that may log on, ID=FIX.4.2 with that version; may be given several times (TRADER).",
            metavar="ID",
        ),
    ] = None
    password_file: Annotated[
        Path | None,
        typer.Option(help="Every login says the word in this file, which is its owner's (mode 0600).", metavar="FILE"),
    ] = None
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of sequence numbers: sessions outlive a restart, though the exchange itself begins anew.",
            metavar="DIR",
        ),
    ] = None
    speed: Annotated[
        float,
        typer.Option(
            help="Seconds of the exchange in a second of real time; 0: stepped, its clock moves when a client asks.",
            min=0.0,
            max=1e6,
            metavar="X",
        ),
    ] = 0.0
    latency_ms: Annotated[
        float, typer.Option(help="Time from a client's hand to the book, milliseconds.", min=0.0, max=1e6, metavar="MS")
    ] = 0.0
    seed: Seed = 1

    def served(self, exchange: "SimulatedExchange") -> "FixServer":
        """Begin to serve an exchange."""
        from tercel.core.pace import Pace
        from tercel.desk.address import TRADER
        from tercel.fix.desk import Login
        from tercel.fix.profiles.secrets import Secret
        from tercel.fix.server import serve_fix

        parted = [text.partition("=") for text in self.login or [TRADER]]
        word = ""
        if self.password_file is not None:
            word = Secret(file=str(self.password_file)).read("the password of every login", Path.cwd())
        logins = [Login(name, begin=begin or "FIX.4.4", password=word) for name, _, begin in parted]
        pace = Pace(WallClock(), self.speed) if self.speed else None
        return serve_fix(exchange, self.port, logins, store=self.store, pace=pace, host=HOST)


def serve(request: Serve) -> None:
    """Serve a simulated exchange on this machine over FIX until Ctrl-C: a market that reacts, or a recorded day."""
    if request.tape is not None and request.market:
        raise ConfigError("either --market or --tape", "both", "leave one out")
    if request.tape is None and (request.symbol or request.date):
        raise ConfigError("--symbol and --date with --tape", "no --tape", "name the lake with --tape LAKE")
    from tercel.desk.exchange import EntryLatency, SimulatedExchange
    from tercel.desk.exchange.named import preset_markets, recorded_market

    if request.tape is None:
        markets = preset_markets(request.market or (), request.seed)
    else:
        markets = recorded_market(request.tape, request.symbol, request.date, request.seed)
    latency = EntryLatency("constant", round(request.latency_ms * 1e6))
    exchange = SimulatedExchange(markets, latency=latency, run=f"{time.time_ns() // 10**9:x}-")
    with request.served(exchange) as server:
        end_on_termination()
        _announce(request, exchange, server.port)
        while not server.wait(1.0):  # it raises what the venue died of
            pass


def _announce(request: Serve, exchange: "SimulatedExchange", port: int) -> None:
    """Where it is, at once: whoever started it waits for this line."""
    speed = request.speed

    def show() -> None:
        moves = f"{speed:g} s of it in a second" if speed else "stepped by its clients"
        say(f"{', '.join(exchange.instruments)} at FIX 4.4 on {HOST}:{port}, {moves}; Ctrl-C ends it")

    found = {
        "host": HOST,
        "port": port,
        "instruments": exchange.instruments,
        "stepped": not speed,
        "speed": speed or None,
        "began_ns": exchange.now_ns,
    }
    hand_over(found, request.as_json, show)


add(venue_app, serve)
