"""`tercel venue serve`: a simulated exchange for other processes on this machine, in FIX or in Binance's words."""

import time
from pathlib import Path
from typing import Final

from exchange.commands import BINANCE, Serve
from exchange.dealers import DealerVenue, mid_of
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, serve_fix
from tercel.cli import end_on_termination, hand_over, say
from tercel.core import MonotonicClock, Pace, Venue, freeze_heap
from tercel.fix import Secret
from tercel.market.dealers import load_panel
from tercel.venues import TRADER
from tercel.venues.exchange import EntryLatency, SimulatedExchange

HOST: Final = "127.0.0.1"
FOLDER: Final = "exchange"
"""What the exchange keeps, in the folder of `--store`."""


def serve(request: Serve) -> None:
    """Serve until Ctrl-C."""
    if request.api == BINANCE:
        from exchange.serve_binance import serve_until_stopped

        serve_until_stopped(request)
        return
    latency = EntryLatency("constant", round(request.latency_ms * 1e6))
    keep = None if request.store is None else request.store / FOLDER
    exchange = SimulatedExchange(
        request.markets(), latency=latency, run=f"{time.time_ns() // 10**9:x}-", keep=keep
    )
    venue: Venue = exchange
    if request.dealers is not None:
        panel = load_panel(request.dealers)
        run = f"{time.time_ns() // 10**9:x}-"
        mid = mid_of(exchange)
        life_s = request.quote_seconds
        venue = DealerVenue(exchange, panel, mid, seed=request.seed, life_s=life_s, run=run)
    with _open_server(request, venue) as server:
        end_on_termination()
        freeze_heap()
        _announce(request, exchange, server.port)
        while not server.wait(1.0):  # it raises what the venue died of
            pass


def _open_server(request: Serve, exchange: Venue) -> FixServer:
    login_parts = [text.partition("=") for text in request.login or [TRADER]]
    password = ""
    if request.password_file is not None:
        password = Secret(file=str(request.password_file)).read(
            "the password of every login", Path.cwd()
        )
    logins = [
        Login(name, begin=begin or "FIX.4.4", password=password) for name, _, begin in login_parts
    ]
    pace = Pace(MonotonicClock(), request.speed) if request.speed else None
    return serve_fix(exchange, request.port, logins, store=request.store, pace=pace, host=HOST)


def _announce(request: Serve, exchange: SimulatedExchange, port: int) -> None:
    """Its address, at once: the starting process waits for this line."""
    speed = request.speed or 0.0

    def show() -> None:
        moves = f"{speed:g} s of it in a second" if speed else "stepped by its clients"
        say(
            f"{', '.join(exchange.instruments)} at FIX 4.4 on {HOST}:{port}, {moves}; Ctrl-C ends it"
        )

    address = {
        "host": HOST,
        "port": port,
        "instruments": exchange.instruments,
        "stepped": not speed,
        "speed": speed or None,
        "began_ns": exchange.now_ns,
    }
    hand_over(address, request.as_json, show)
