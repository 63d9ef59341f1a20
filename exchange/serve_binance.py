"""`tercel venue serve --api binance`: an exchange that any bot with a base URL can log on to, and its report."""

import secrets
import signal
import time
from typing import Any

from exchange.binance import opened as o
from exchange.binance.accounts import ApiKey
from exchange.binance.engine import BinanceExchange
from exchange.binance.limits import RateLimits
from exchange.binance.report import expired_rows, venue_report
from exchange.binance.serve import BinanceServer, serve_binance
from exchange.commands import CRYPTO, Serve
from tercel.cli import check_folder, end_on_termination, hand_over, say
from tercel.core import ConfigError, MonotonicClock, Pace, freeze_heap
from tercel.fix import ed25519_key
from tercel.venues import TRADER


def serve_until_stopped(request: Serve) -> None:
    """Serve until Ctrl-C; then write the report."""
    speed = 1.0 if request.speed is None else request.speed
    check_folder(request.out)
    request.out.mkdir(
        parents=True, exist_ok=True
    )  # who cannot write there hears it now, not at the end
    markets = request.markets()
    if request.tape is None:
        lots = o.lots_of_presets(request.market or [CRYPTO])
    else:
        lots = o.lots_of_lake(request.tape, next(iter(markets)), request.date)
    wall = time.time_ns() if speed == 1.0 or request.tape is None else None
    engine = o.open_exchange(markets, lots, wall_ns=wall, fee=round(request.fee_bps * 10_000))
    pace = Pace(MonotonicClock(), speed)
    pace.begin(engine.now_ns)
    o.endow(engine, TRADER, request.balance or ())
    key = _key(request)
    server = serve_binance(
        engine,
        [key],
        pace=pace,
        port=request.port,
        limits=RateLimits(orders=request.order_limit),
        latency_s=request.latency_ms / 1e3,
        listen_keys=request.listen_keys,
    )
    end_on_termination()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell lets what runs in its background ignore it
    try:
        freeze_heap()
        server.start()
        _announce(request, server, key, speed)
        while not server.wait(0.2):
            pass
    except KeyboardInterrupt:  # from the first line on, an end with a report
        pass
    finally:
        server.close()
    _report(request, engine)
    if server.error is not None:
        raise server.error


def _key(request: Serve) -> ApiKey:
    name = secrets.token_hex(32)
    if request.public_key is None:
        return ApiKey(name, TRADER, secret=secrets.token_hex(32))
    try:
        pem = request.public_key.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a public key in {request.public_key}", f"{error}", "name another file"
        ) from None
    ed25519_key(
        pem, str(request.public_key), private=False
    )  # another one is refused now, not at the first request
    return ApiKey(name, TRADER, public=pem)


def _announce(request: Serve, server: BinanceServer, key: ApiKey, speed: float) -> None:
    """Its address, at once: the starting process waits for this line."""
    symbols = list(server.engine.rules)

    address_text = f"{', '.join(symbols)} in Binance's words at {server.url}, {speed:g} s of it in a second; Ctrl-C ends it"

    def show() -> None:
        say(address_text)
        say(
            f"streams: {server.ws_url}/ws, {server.ws_url}/stream; WebSocket API: {server.ws_api_url}"
        )
        say(f"key: {key.name}\nsecret: {key.secret or '(of the Ed25519 key that was named)'}")

    address: dict[str, Any] = {
        "url": server.url,
        "ws_url": server.ws_url,
        "ws_api_url": server.ws_api_url,
        "key": key.name,
        "secret": key.secret or None,
        "symbols": symbols,
    }
    hand_over(address, request.as_json, show)
    if request.as_json:
        say(address_text)


def _report(request: Serve, engine: BinanceExchange) -> None:
    say("\nthe exchange is closed; the report is being written ...")
    report = venue_report(engine, o.twin(engine, request.markets()), TRADER, request.out)
    for symbol, figures in report["symbols"].items():
        moved = figures["impact"]["moved_bps"].get("+60s")
        after = (
            ""
            if moved is None
            else f"; a minute after a fill they had moved the price by {moved:.2f} bps"
        )
        say(f"{symbol}: {figures['orders']:,} orders, {figures['fills']:,} fills{after}")
    for orders, quantity, reasons in expired_rows(report["symbols"]):
        say(f"{orders} of them expired with a quantity of {quantity} left: {reasons}")
    sentences = (report["costs"] or {}).get(
        "sentences", [report.get("why_no_costs", "no fills: no costs")]
    )
    for sentence in sentences[:2]:  # the others, of fills to look at, are in the report
        say(sentence)
    say(f"report: {request.out / 'report.json'}")
