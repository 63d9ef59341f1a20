"""``tercel venue serve``: a simulated exchange for other processes on this machine."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.app.machine import WallClock
from tercel.app.output import print_json, say
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.market.flow import preset as presets
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.source import reactive
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.wire import RemoteVenue, WireServer

HOST = "127.0.0.1"
PORT = 7401
LOGIN = "TRADER"


@dataclass(frozen=True)
class _Fix:
    """How a venue is served over FIX."""

    logins: list[str]
    store: Path | None
    clock: WallClock | None
    speed: float

    def serve(self, venue: Any, port: int) -> Any:
        """Begin to."""
        try:
            from tercel.venues.fix.server import serve_fix
        except ImportError as error:
            raise ConfigError("the extra [fix]", f"no module {error.name}", "pip install 'tercel[fix]'") from None
        return serve_fix(venue, port, self.logins, store=self.store, clock=self.clock, speed=self.speed)


def serve(
    market: Sequence[str] | None,
    tape: Path | None,
    symbol: str | None,
    date: str | None,
    port: int | None,
    fix_port: int | None,
    fix_login: Sequence[str] | None,
    fix_store: Path | None,
    speed: float,
    latency_ms: float,
    seed: int,
    as_json: bool,
) -> None:
    """Serve until Ctrl-C (or SIGTERM)."""
    if tape is not None and market:
        raise ConfigError("either --market or --tape", "both", "leave one out")
    if tape is None and (symbol or date):
        raise ConfigError("--symbol and --date with --tape", "no --tape", "name the lake with --tape LAKE")
    if fix_store is not None and fix_port is None:
        raise ConfigError("--fix-store with --fix-port", "no --fix-port", "name the port, or leave --fix-store out")
    markets = _on_tape(tape, symbol, date, seed) if tape else _presets(market or [presets.DEFAULT], seed)
    latency = EntryLatency("constant", round(latency_ms * 1e6))
    exchange = SimulatedExchange(markets, latency=latency, run=f"{time.time_ns() // 10**9:x}-")
    clock = WallClock() if speed else None
    fix = _Fix(list(fix_login or [LOGIN]), fix_store, clock, speed or 1.0)
    with ExitStack() as stack:
        native: WireServer | None = None
        if port is not None or fix_port is None:
            native = WireServer(exchange, HOST, PORT if port is None else port, clock=clock, speed=speed or 1.0)
            stack.callback(native.close)
        if fix_port is not None and native is None:
            stack.callback(fix.serve(exchange, fix_port).close)
        _on_termination()
        if native is not None and fix_port is not None:
            stack.enter_context(_gateway(native, fix_port, fix))
        _tell(exchange, native, fix_port, speed, as_json)
        if native is not None and fix_port is None:
            native.run()
        while True:
            time.sleep(1)


@contextmanager
def _gateway(native: WireServer, port: int, fix: _Fix) -> Iterator[None]:
    """FIX beside the native protocol: one more client of the native server, which runs in a thread of its own."""
    over = threading.Event()
    thread = threading.Thread(target=native.run, args=(over.is_set,), daemon=True)
    thread.start()
    try:
        with closing(RemoteVenue(*native.address)) as venue, closing(fix.serve(venue, port)):
            yield
    finally:
        over.set()
        thread.join(5)


def _presets(names: Sequence[str], seed: int) -> dict[str, MarketSpec]:
    """One instrument for each preset, under its symbol."""
    markets: dict[str, MarketSpec] = {}
    for name in names:
        preset = presets.load(name)
        instrument = preset.symbol if preset.symbol not in markets else preset.name
        if instrument in markets:
            raise ConfigError("every market once", f"{name} twice", "name each preset once")
        spec = MarketSpec(reactive(preset), seed, index=len(markets), volume_per_s=preset.volume_per_s)
        markets[instrument] = spec
    return markets


def _on_tape(tape: Path, symbol: str | None, date: str | None, seed: int) -> dict[str, MarketSpec]:
    """A recorded day, from its opening."""
    lake = Lake(tape)
    if symbol is None:
        raise ConfigError("--symbol with --tape", "none", f"name one; `tercel data list --lake {tape}` shows them")
    days = list(lake.days(symbol))
    chosen = date or (days[-1] if days else "")
    if chosen not in days:
        raise UnknownNameError(
            f"a day of {symbol} in {tape}", repr(chosen), f"use one of {', '.join(days) or '(none)'}"
        )
    source, (day,) = replay(lake, symbol, [chosen])
    if source.worlds_k[0, QUEUE]:
        raise ConfigError(
            "a tape of single orders", f"level totals in {symbol} {chosen}",
            "an exchange shows its clients orders: serve a day of an order-level feed",
        )  # fmt: skip
    # the last world at or before the opening
    at = max(int((day.world_ns <= day.open_ns).sum()) - 1, 0)
    spec = MarketSpec(
        source, seed, world=int(day.world[at]), began_ns=max(day.open_ns, int(day.world_ns[at])),
        first_row=int(day.world_row[at]), last_row=day.last_row,
    )  # fmt: skip
    return {symbol: spec}


def _on_termination() -> None:
    """Being told to end is no different from Ctrl-C."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def _tell(
    exchange: SimulatedExchange, native: WireServer | None, fix_port: int | None, speed: float, as_json: bool
) -> None:
    """Where it is, at once: whoever started it waits for this line."""
    port = native.address[1] if native else None
    if as_json:
        print_json(
            {
                "host": HOST,
                "port": port,
                "fix_port": fix_port,
                "instruments": exchange.instruments,
                "stepped": not speed,
                "speed": speed or None,
                "began_ns": exchange.now_ns,
            }
        )
        return
    ways = [f"{HOST}:{port}"] if native else []
    ways += [f"FIX 4.4 on {HOST}:{fix_port}"] if fix_port else []
    moves = f"{speed:g} s of it in a second" if speed else "stepped by its clients"
    say(f"{', '.join(exchange.instruments)} at {' and '.join(ways)}, {moves}; Ctrl-C ends it")
