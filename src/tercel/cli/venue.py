"""`tercel venue serve`: a simulated exchange for other processes on this machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.machine import WallClock, end_on_termination
from tercel.cli.request import add
from tercel.cli.shared import AsJson, Seed, TapesSymbol
from tercel.core.errors import ConfigError
from tercel.report.terminal import hand_over, say

if TYPE_CHECKING:
    from tercel.core.ports import Venue
    from tercel.venues.exchange import SimulatedExchange
    from tercel.venues.fix.server import FixServer
    from tercel.venues.pace import Pace
    from tercel.venues.wire import WireServer

venue_app = typer.Typer(name="venue", help="Places to trade: serve a simulated exchange.", no_args_is_help=True)
HOST = "127.0.0.1"
PORT = 7401


@venue_app.callback()
def _room() -> None:
    """Keep `serve` a command of its own, though it is the only one."""


@dataclass(frozen=True)
class Serve:
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
        int | None,
        typer.Option(
            help="Port of the native protocol, 0: any that is free (default: 7401 without --fix-port).",
            min=0,
            max=65535,
            metavar="P",
        ),
    ] = None
    fix_port: Annotated[
        int | None,
        typer.Option(
            help="Port of FIX 4.4, and of FIX 4.2 for logins that ask for it; 0: any that is free.",
            min=0,
            max=65535,
            metavar="P",
        ),
    ] = None
    fix_login: Annotated[
        list[str] | None,
        typer.Option(
            help="CompID that may log on over FIX, ID=FIX.4.2 with that version; may be given several times (TRADER).",
            metavar="ID",
        ),
    ] = None
    fix_store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of FIX sequence numbers: sessions outlive a restart, though the exchange itself begins anew.",
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
    as_json: AsJson = False

    @property
    def pace(self) -> "Pace | None":
        """What moves the exchange; nothing where clients do."""
        from tercel.venues.pace import Pace

        return Pace(WallClock(), self.speed) if self.speed else None

    def serve_fix(self, venue: "Venue", port: int) -> "FixServer":
        """Begin to serve a venue over FIX."""
        from tercel.venues.fix.desk import Login
        from tercel.venues.fix.server import serve_fix

        parted = [text.partition("=") for text in self.fix_login or ["TRADER"]]
        logins = [Login(name, begin=begin or "FIX.4.4") for name, _, begin in parted]
        return serve_fix(venue, port, logins, store=self.fix_store, pace=self.pace, host=HOST)


def serve(request: Serve) -> None:
    """Serve a simulated exchange on this machine until Ctrl-C: a market that reacts, or a recorded day."""
    if request.tape is not None and request.market:
        raise ConfigError("either --market or --tape", "both", "leave one out")
    if request.tape is None and (request.symbol or request.date):
        raise ConfigError("--symbol and --date with --tape", "no --tape", "name the lake with --tape LAKE")
    if request.fix_store is not None and request.fix_port is None:
        raise ConfigError("--fix-store with --fix-port", "no --fix-port", "name the port, or leave --fix-store out")
    from tercel.venues.exchange import EntryLatency, SimulatedExchange
    from tercel.venues.exchange.named import preset_markets, recorded_market
    from tercel.venues.wire import WireServer

    if request.tape is None:
        markets = preset_markets(request.market or (), request.seed)
    else:
        markets = recorded_market(request.tape, request.symbol, request.date, request.seed)
    latency = EntryLatency("constant", round(request.latency_ms * 1e6))
    exchange = SimulatedExchange(markets, latency=latency, run=f"{time.time_ns() // 10**9:x}-")
    with ExitStack() as stack:
        native: WireServer | None = None
        if request.port is not None or request.fix_port is None:
            port = PORT if request.port is None else request.port
            native = WireServer(exchange, HOST, port, pace=request.pace)
            stack.callback(native.close)
        fix: FixServer | None = None
        if request.fix_port is not None and native is None:
            fix = stack.enter_context(request.serve_fix(exchange, request.fix_port))
        end_on_termination()
        if native is not None and request.fix_port is not None:
            fix = stack.enter_context(gateway(request, native, request.fix_port))
        _announce(request, exchange, native, fix)
        if fix is None and native is not None:
            native.run()
        while fix is not None and not fix.wait(1.0):  # it raises what the venue died of
            pass


@contextmanager
def gateway(request: Serve, native: "WireServer", port: int) -> "Iterator[FixServer]":
    """FIX beside the native protocol: one more client of the native server, which runs in a thread of its own."""
    from tercel.venues.wire import RemoteVenue

    over = threading.Event()
    thread = threading.Thread(target=native.run, args=(over.is_set,), daemon=True)
    thread.start()
    try:
        with closing(RemoteVenue(*native.address)) as venue, request.serve_fix(venue, port) as fix:
            yield fix
    finally:
        over.set()
        thread.join(5)


def _announce(
    request: Serve, exchange: "SimulatedExchange", native: "WireServer | None", fix: "FixServer | None"
) -> None:
    """Where it is, at once: whoever started it waits for this line."""
    port, fix_port, speed = native.address[1] if native else None, fix.port if fix else None, request.speed

    def show() -> None:
        ways = [f"{HOST}:{port}"] if native else []
        ways += [f"FIX 4.4 on {HOST}:{fix_port}"] if fix_port else []
        moves = f"{speed:g} s of it in a second" if speed else "stepped by its clients"
        say(f"{', '.join(exchange.instruments)} at {' and '.join(ways)}, {moves}; Ctrl-C ends it")

    found = {
        "host": HOST,
        "port": port,
        "fix_port": fix_port,
        "instruments": exchange.instruments,
        "stepped": not speed,
        "speed": speed or None,
        "began_ns": exchange.now_ns,
    }
    hand_over(found, request.as_json, show)


add(venue_app, serve)
