"""`tercel venue serve`: a simulated exchange for other processes on this machine, in FIX or in Binance's words."""

import time
from typing import TYPE_CHECKING

import typer

from tercel.cli.machine import end_on_termination
from tercel.cli.request import add
from tercel.cli.terminal import hand_over, say
from tercel.cli.venue_request import BINANCE, FIX, HOST, KEPT, Serve
from tercel.core.errors import ConfigError
from tercel.core.heap import freeze

if TYPE_CHECKING:
    from tercel.venues.exchange import SimulatedExchange

venue_app = typer.Typer(
    name="venue", help="Places to trade: serve a simulated exchange.", no_args_is_help=True
)


@venue_app.callback()
def _room() -> None:
    """Keep `serve` a command of its own, though it is the only one."""


def serve(request: Serve) -> None:
    """Serve a simulated exchange until Ctrl-C, over FIX or in Binance's words: a market that reacts, a recorded day."""
    if request.tape is not None and request.market:
        raise ConfigError("either --market or --tape", "both", "leave one out")
    if request.tape is None and (request.symbol or request.date):
        raise ConfigError(
            "--symbol and --date with --tape", "no --tape", "name the lake with --tape LAKE"
        )
    if request.api not in (FIX, BINANCE):
        raise ConfigError(f"--api {FIX} or {BINANCE}", f"--api {request.api}", "name one of them")
    if request.api == BINANCE:
        from tercel.cli.venue_binance import serve_until_stopped

        serve_until_stopped(request)
        return
    from tercel.venues.exchange import EntryLatency, SimulatedExchange

    latency = EntryLatency("constant", round(request.latency_ms * 1e6))
    keep = None if request.store is None else request.store / KEPT
    exchange = SimulatedExchange(
        request.markets(), latency=latency, run=f"{time.time_ns() // 10**9:x}-", keep=keep
    )
    with request.served(exchange) as server:
        end_on_termination()
        freeze()
        _announce(request, exchange, server.port)
        while not server.wait(1.0):  # it raises what the venue died of
            pass


def _announce(request: Serve, exchange: "SimulatedExchange", port: int) -> None:
    """Where it is, at once: whoever started it waits for this line."""
    speed = request.speed or 0.0

    def show() -> None:
        moves = f"{speed:g} s of it in a second" if speed else "stepped by its clients"
        say(
            f"{', '.join(exchange.instruments)} at FIX 4.4 on {HOST}:{port}, {moves}; Ctrl-C ends it"
        )

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
