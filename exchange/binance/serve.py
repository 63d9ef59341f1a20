"""Binance's REST, WebSocket API, market and user streams on loopback, over one exchange: Starlette and uvicorn.

One event loop owns the exchange. The market advances by a pace; a request is answered at the moment in which it arrives.
"""

import asyncio
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Self

from exchange.binance.accounts import ApiKey, strip_signature
from exchange.binance.connections import ApiConnection, StreamConnection, encode_json
from exchange.binance.endpoints import Endpoint, RequestDesk
from exchange.binance.engine import BinanceExchange
from exchange.binance.limits import RateLimits, RateUsage
from exchange.binance.params import Params, query_pairs
from exchange.binance.streams import Streams
from exchange.binance.symbols import decimal
from exchange.binance.words import (
    SIGNED,
    BinanceError,
    Security,
    ServerCode,
    ms,
    not_valid,
    unsupported_operation,
    wants_microseconds,
)
from tercel import TercelError
from tercel.core import NS_PER_SECOND, PROOF_PATH, Closing, ConfigError, Pace, simulation_proof
from tercel.venues import LOOPBACK, bind
from tercel.venues.binance_venue import format_amount

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

API_PATH: Final = "/ws-api/v3"
LISTEN_PATH: Final = "/api/v3/userDataStream"
DEPOSIT_PATH: Final = "/tercel/v1/deposit"
"""Not Binance's: money that comes or goes by somebody else's hand."""
_TURN_S: Final = 0.005
_WAITING: Final = 20_000
"""Messages that wait for a slow listener before it is cut off."""
_LISTEN_KEY_MS: Final = 3_600_000
_IDLE_S: Final = 120
"""How long a REST connection may be idle: longer than clients keep one, so that no order meets a closing one."""
_PONG_S: Final = 60
"""How long a PONG may take."""


@dataclass(eq=False)
class _Link:
    """A WebSocket, and what is to be sent."""

    socket: "WebSocket"
    queue: asyncio.Queue[str | None]
    micro: bool
    """Whether times are in microseconds."""

    def say(self, text: str) -> None:
        with suppress(asyncio.QueueFull):
            self.queue.put_nowait(text)
        if self.queue.full():
            self.cut()

    def cut(self) -> None:
        """It is sent no more than what waits, and closed."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    async def send(self) -> None:
        """Send until it is cut off."""
        while (text := await self.queue.get()) is not None:
            await self.socket.send_text(text)
        await self.socket.close(1008)


class BinanceServer(Closing):
    """A server of Binance's APIs; see :func:`serve_binance`."""

    def __init__(
        self,
        engine: BinanceExchange,
        keys: Sequence[ApiKey],
        port: int,
        pace: Pace,
        limits: RateLimits,
        latency_s: float,
        wall_ns: Callable[[], int],
        listen_keys: bool,
    ) -> None:
        self.engine = engine
        self._pace = pace
        self._latency_s = latency_s
        self._wall_ns = wall_ns
        self._gives_listen_keys = listen_keys
        self.usage = RateUsage(limits, self._wall_ms)
        self.desk = RequestDesk(engine, self.usage, keys, self._wall_ms)
        self.streams = Streams(engine)
        self.socket: socket.socket = bind(port)
        self.port = int(self.socket.getsockname()[1])
        self.error: BaseException | None = None
        """What ended the service, if not a person."""
        self.requests = 0
        self._listeners: list[StreamConnection] = []
        self._sessions: list[ApiConnection] = []
        self._listen_keys: dict[str, tuple[str, int]] = {}
        self._server: uvicorn.Server = self._make_server()
        self._ended = Event()
        self._ended.set()

    @property
    def url(self) -> str:
        """Base URL of REST."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base URL of streams, before `/ws` and `/stream`."""
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def ws_api_url(self) -> str:
        """URL of the WebSocket API."""
        return self.ws_url + API_PATH

    def _make_server(self) -> "uvicorn.Server":
        try:
            import uvicorn
            import websockets  # noqa: F401
        except ImportError as error:
            self.socket.close()
            raise ConfigError(
                "the packages uvicorn, starlette and websockets",
                str(error),
                "pip install 'tercel[trade]'",
            ) from None
        config = uvicorn.Config(
            self._app(),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            lifespan="on",
            timeout_keep_alive=_IDLE_S,
            ws_ping_timeout=_PONG_S,
        )
        return uvicorn.Server(config)

    def _app(self) -> "Starlette":
        from starlette.applications import Starlette
        from starlette.routing import Route, WebSocketRoute

        methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        return Starlette(
            routes=[
                WebSocketRoute(API_PATH, self._api),
                WebSocketRoute("/ws", self._stream),
                WebSocketRoute("/ws/{names:path}", self._stream),
                WebSocketRoute("/stream", self._stream),
                Route(PROOF_PATH, self._answer_proof),
                Route("/{path:path}", self._http, methods=methods),
            ],
            lifespan=self._life,
        )

    def _wall_ms(self) -> int:
        return ms(self._wall_ns())

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Serve in a thread, from now on."""
        self._ended.clear()
        Thread(target=self._run, daemon=True).start()
        return self

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self.socket])
        finally:
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, by itself, within a time; `error` then has what it died of."""
        return self._ended.wait(seconds)

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._ended.wait()
        self.socket.close()

    @asynccontextmanager
    async def _life(self, _app: "Starlette") -> Any:
        task = asyncio.create_task(self._run_clock())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run_clock(self) -> None:
        """Let the market go on."""
        try:
            while True:
                self._advance()
                await asyncio.sleep(_TURN_S)
        except (TercelError, OSError) as error:  # a disk that is full
            self.error = error
            self._server.should_exit = True

    def _advance(self) -> None:
        """Advance the market to now, and send what streams have of it."""
        self.engine.advance(self._pace.now_ns)
        self._send_events()

    def _send_events(self) -> None:
        """Streams tell of what has been."""
        for name, answer in self.streams.flow():
            text = encode_json(answer)
            for listener in self._listeners:
                listener.send_event(name, answer, text)
        events = self.engine.pending_events
        self.engine.pending_events = []
        for account, event in events:
            for session in self._sessions:
                session.send_account_event(account, event)
            for listener in self._listeners:
                listener.send_account_event(account, event)

    # -- REST ---------------------------------------------------------------------------------------------------------

    @staticmethod
    async def _answer_proof(request: "Request") -> "Response":
        return _response(
            simulation_proof("binance", request.query_params.get("nonce", "")), 200, {}
        )

    async def _http(self, request: "Request") -> "Response":
        self.requests += 1
        query = request.scope["query_string"].decode("latin-1")
        body = (await request.body()).decode(errors="replace")
        address = request.client.host if request.client else LOOPBACK
        headers: dict[str, str] = {}
        status = 200
        answer = None
        micro = False
        try:
            micro = wants_microseconds(request.headers.get("X-MBX-TIME-UNIT", ""))
            answer = await self._rest(
                request.method, request.url.path, query, body, address, request, headers
            )
        except BinanceError as error:
            status = error.status
            answer = error.body
            if error.retry_ms:
                headers["Retry-After"] = str(max(error.retry_ms - self._wall_ms(), 0) // 1000 + 1)
        used = str(self.usage.used_weight(address))
        headers |= {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        return _response(encode_json(answer, micro), status, headers)

    async def _rest(
        self,
        method: str,
        path: str,
        query: str,
        body: str,
        address: str,
        request: "Request",
        headers: dict[str, str],
    ) -> Any:
        """The answer to a request."""
        name = request.headers.get("X-MBX-APIKEY", "")
        if path in (LISTEN_PATH, DEPOSIT_PATH):
            self.usage.ask(address, 2)
            values = Params(query_pairs(query, body))
            if path == DEPOSIT_PATH and method == "POST":
                return self._deposit(self.desk.key(name).account, values)
            return self._listen_key(method, self.desk.key(name).account, values)
        endpoint = self.desk.by_path.get((method, path))
        if endpoint is None:
            raise unsupported_operation(
                405 if any(key[1] == path for key in self.desk.by_path) else 404
            )
        pairs = query_pairs(query, body)
        self.usage.ask(address, self.desk.weight(endpoint, pairs))
        params = Params(pairs)
        key = None
        if endpoint.security is not Security.NONE:
            key = self.desk.key(name)
            if endpoint.security in SIGNED:
                self.desk.check_signature(
                    key, params, strip_signature(query) + strip_signature(body)
                )
        return await self._answer(endpoint, params, key, headers)

    async def _answer(
        self, endpoint: Endpoint, params: Params, key: ApiKey | None, headers: dict[str, str]
    ) -> Any:
        if self._latency_s and endpoint.security is Security.TRADE:
            await asyncio.sleep(self._latency_s)
        self._advance()
        try:
            return self.desk.answer(endpoint, params, key)
        finally:
            if key is not None and endpoint.call in ("order.place", "order.cancelReplace"):
                ten, day = self.usage.orders(key.account)
                headers |= {"X-MBX-ORDER-COUNT-10S": str(ten), "X-MBX-ORDER-COUNT-1D": str(day)}

    def _deposit(self, account: str, params: Params) -> dict[str, str]:
        asset = params.require("asset")
        text = params.require("amount")
        if asset not in self.engine.assets:
            raise not_valid("asset")
        amount = decimal("amount", text.removeprefix("-")) * (-1 if text.startswith("-") else 1)
        if self.engine.account(account).balances.free[asset] + amount < 0:
            raise not_valid("amount")
        self.engine.deposit(account, asset, amount)
        return {
            "asset": asset,
            "free": format_amount(self.engine.account(account).balances.free[asset]),
        }

    def _listen_key(self, method: str, account: str, params: Params) -> dict[str, str]:
        if not self._gives_listen_keys:
            raise unsupported_operation(410)
        until = self._wall_ms() + _LISTEN_KEY_MS
        if method == "POST":
            params.allow(())
            mine = (
                listen_key for listen_key, (name, _) in self._listen_keys.items() if name == account
            )
            listen = next(mine, "") or secrets.token_hex(32)
            self._listen_keys[listen] = account, until
            return {"listenKey": listen}
        if method not in ("PUT", "DELETE"):
            raise unsupported_operation(405)
        params.allow(("listenKey",))
        listen = params.require("listenKey")
        if self._listen_keys.get(listen, ("", 0))[0] != account:
            raise BinanceError(ServerCode.INVALID_LISTEN_KEY, "This listenKey does not exist.")
        if method == "PUT":
            self._listen_keys[listen] = account, until
        else:
            del self._listen_keys[listen]
        return {}

    # -- WebSockets ---------------------------------------------------------------------------------------------------

    async def _stream(self, ws: "WebSocket") -> None:
        if (link := await self._accept(ws)) is None:
            return
        combined = ws.url.path == "/stream"
        names = ws.query_params.get("streams", "") if combined else ws.path_params.get("names", "")
        listed = [
            name for name in names.replace(" ", "+").split("/") if name
        ]  # @+08:00, though + is a blank in a query
        connection = StreamConnection(
            self.streams, link.say, self._account_of_key, combined, link.micro
        )
        connection.listen(listed)
        self._listeners.append(connection)
        recent_ns: deque[int] = deque(maxlen=self.usage.limits.messages)

        def handle(text: str) -> None:
            now = self._wall_ns()
            if len(recent_ns) == recent_ns.maxlen and now - recent_ns[0] < NS_PER_SECOND:
                link.cut()
            else:
                recent_ns.append(now)
                connection.handle_message(text)

        try:
            await self._serve_texts(link, handle)
        finally:
            self._listeners.remove(connection)
            connection.close()

    def _account_of_key(self, key: str) -> str:
        account, until = self._listen_keys.get(key, ("", 0))
        return account if until > self._wall_ms() else ""

    async def _api(self, ws: "WebSocket") -> None:
        address = ws.client.host if ws.client else LOOPBACK
        try:
            self.usage.ask(address, 2)
        except BinanceError:
            await ws.close(1008)
            return
        if (link := await self._accept(ws)) is None:
            return
        answer = ws.query_params.get("returnRateLimits", "true").lower() != "false"
        connection = ApiConnection(
            self.desk, link.say, address, answer, link.micro, connected=ms(self.engine.now_ns)
        )
        self._sessions.append(connection)

        def handle(text: str) -> None:
            self.requests += 1
            self._advance()
            connection.handle_request(text)
            self._send_events()

        try:
            await self._serve_texts(link, handle, self._latency_s)
        finally:
            self._sessions.remove(connection)

    @staticmethod
    async def _accept(ws: "WebSocket") -> _Link | None:
        """None: refused."""
        try:
            micro = wants_microseconds(ws.query_params.get("timeUnit", ""))
        except BinanceError:
            await ws.close(1008)
            return None
        await ws.accept()
        return _Link(ws, asyncio.Queue(_WAITING), micro)

    @staticmethod
    async def _serve_texts(link: _Link, handle: Any, latency_s: float = 0.0) -> None:
        """Heed every text until either side goes."""
        from starlette.websockets import WebSocketDisconnect

        async def receive() -> None:
            while True:
                text = await link.socket.receive_text()
                if latency_s:
                    await asyncio.sleep(latency_s)
                handle(text)

        tasks = [asyncio.create_task(receive()), asyncio.create_task(link.send())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None and not isinstance(
                    error, WebSocketDisconnect | KeyError | RuntimeError
                ):
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _response(text: str, status: int, headers: dict[str, str]) -> "Response":
    from starlette.responses import Response

    return Response(text, status, headers, media_type="application/json")


def serve_binance(
    engine: BinanceExchange,
    keys: Sequence[ApiKey],
    *,
    pace: Pace,
    port: int = 0,
    limits: RateLimits | None = None,
    latency_s: float = 0.0,
    wall_ns: Callable[[], int] = time.time_ns,
    listen_keys: bool = False,
) -> BinanceServer:
    """Binance's APIs over an exchange; ``start`` the server, ``close`` it.

    Parameters
    ----------
    engine : BinanceExchange
        Used by the server's loop alone from now on.
    keys : sequence of ApiKey
        Who may trade.
    pace : Pace
        How time passes as clients see it; it has begun.
    port : int
        0: any that is free.
    limits : RateLimits, optional
    latency_s : float
        Time from the arrival of an order to the book.
    wall_ns : callable
        The time of day, ns since 1970.
    listen_keys : bool
        Whether `userDataStream` gives listen keys, as Binance did until 20 February 2026; else it answers 410.

    Raises
    ------
    ConfigError
        The port is taken, or a package is missing.
    """
    return BinanceServer(
        engine, keys, port, pace, limits or RateLimits(), latency_s, wall_ns, listen_keys
    )
