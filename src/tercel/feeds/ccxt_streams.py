"""Streams of ccxt.pro in one thread with its own event loop; messages are handed over in the order of receipt."""

import asyncio
import selectors
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

from tercel.feeds.ccxt_events import BookChanges, public_trades
from tercel.feeds.ccxt_messages import Message, kinds_of

FIRST_S = 0.1
LONGEST_S = 5.0
"""Pause before a stream is begun again: the first, and the longest."""
OPEN_S: Final = 30.0
_POLL_S: Final = 0.05
_SUBSCRIBED_S: Final = 0.2
"""Time for a subscription after its connection is open, seconds; missed reports are queried."""
_CLOSE_S: Final = 3.0


class CcxtStreams:
    """Watches the streams of one exchange in its own thread; each is started again when it breaks.

    `received` holds what was received: ("own", (trades, orders)), ("market", a message of Binance's), ("up", why not),
    ("refused", why), ("lost", why market data broke), and other messages.

    Public methods but `hand_over` are called from the owner's thread; all others run in the loop's.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
    selector : selectors.BaseSelector
        Is woken when something has come.
    now_ms : callable
    describe_error : callable
        Returns the text of an error, without secrets.
    allow : callable
        Called with the URL before each connection, also before one of a redirect: raises if none may be made.
    """

    def __init__(
        self,
        exchange: Any,
        selector: selectors.BaseSelector,
        now_ms: Callable[[], int],
        describe_error: Callable[[Exception], str],
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.exchange = exchange
        self._selector = selector
        self.now_ms = now_ms
        self._describe_error = describe_error
        self.received: deque[tuple[str, Any]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._standing: dict[str, bool] = {}
        self._own: tuple[list[Any], list[Any]] = [], []
        self._books = BookChanges()
        self._begun = self._closed = False
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
        selector.register(self._receiver, selectors.EVENT_READ)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self._restart_streams(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name="ccxt", daemon=True)
        self._thread.start()
        self.loop.call_soon_threadsafe(self._guard, allow)

    def run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Run a coroutine in the streams' event loop, in its thread; returns its future at once."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def watch(self, name: str, symbol: str) -> None:
        """Start watching book and trades of a symbol, under our name and ccxt's symbol."""
        for call, messages_of in (
            (self.exchange.watch_order_book, self._books.messages),
            (self.exchange.watch_trades, public_trades),
        ):
            take = partial(self._hand_over_market, name, messages_of)
            stream = self._watch_stream(name, partial(call, symbol), take)
            self.loop.call_soon_threadsafe(self._start, stream)

    def resend_book(self, name: str) -> None:
        """Forget the symbol's book, so that its next change comes with the whole book; nothing is sent now."""
        self.loop.call_soon_threadsafe(self._books.lose, name)

    def watch_own_orders(self) -> None:
        """Start watching own orders and trades, the first time it is called; always drain the wake-up socket."""
        if not self._begun:
            self._begun = True
            self.loop.call_soon_threadsafe(self._start_own_streams)
        with suppress(OSError):
            while self._receiver.recv(4096):
                pass

    def close(self) -> None:
        """Close all connections and end the thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True

        async def end() -> None:
            """Cancel all streams and close the exchange's connections."""
            for task in self._tasks:
                task.cancel()
            await self.exchange.close()

        with suppress(Exception):
            self.run(end()).result(_CLOSE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_CLOSE_S)
        if not self.loop.is_running():
            self.loop.close()
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(self._receiver)
        self._receiver.close()
        self._sender.close()

    def hand_over(self, kind: str, payload: Any) -> None:
        """Append a message to `received` and wake the owner's selector."""
        self.received.append((kind, payload))
        with suppress(OSError):
            self._sender.send(b".")

    def _hand_over_market(
        self, name: str, messages_of: Callable[[str, Any, int], Iterator[Message]], part: Any
    ) -> None:
        """Hand over the "market" messages of a symbol's new book or trades."""
        for message in messages_of(name, part, self.now_ms()):
            self.hand_over("market", message)

    def _guard(self, allow: Callable[[str], object]) -> None:
        """Make the exchange's connector call `allow` with the URL before it connects; an error of `allow` prevents that."""
        self.exchange.open()
        connector = self.exchange.tcp_connector
        connect = connector._create_connection

        async def check_and_connect(request: Any, *more: Any) -> Any:
            """Call `allow` with the request's URL, then connect."""
            allow(str(request.url))
            return await connect(request, *more)

        connector._create_connection = check_and_connect

    def _restart_streams(self, context: Mapping[str, Any]) -> None:
        """On an error in a callback of the event loop: fail all clients of the exchange, so that their streams start again.

        Nothing is printed, as the error may hold a signed URL.
        """
        for client in (
            list(self.exchange.clients.values()) if "handle" in context and not self._closed else ()
        ):
            with suppress(Exception):
                client.on_error(context["exception"])

    def _start(self, coroutine: Any) -> None:
        """Start a coroutine as a task that is cancelled at the end."""
        self._tasks.append(self.loop.create_task(coroutine))

    def _start_own_streams(self) -> None:
        """Start the exchange's streams of own orders and trades; if it has neither, hand over "up" at once."""
        for index, name, call in (
            (0, "watchMyTrades", self.exchange.watch_my_trades),
            (1, "watchOrders", self.exchange.watch_orders),
        ):
            if self.exchange.has.get(name) is True:
                self._standing[name] = False
                collect = partial(self._collect_own, index)
                self._start(self._watch_stream(name, call, collect))
        if not self._standing:
            self.hand_over("up", "")

    def _collect_own(self, index: int, rows: Sequence[Any]) -> None:
        """Collect rows of own trades (index 0) or orders (1), to be handed over together in the loop's next turn."""
        self._own[index].extend(rows)
        self.loop.call_soon(self._deliver_own)

    def _deliver_own(self) -> None:
        """Hand over the collected own trades and orders."""
        own_rows = self._own
        self._own = ([], [])
        if any(own_rows):
            self.hand_over("own", own_rows)

    async def _watch_stream(
        self, name: str, call: Callable[[], Awaitable[Any]], take: Callable[[Any], None]
    ) -> None:
        """Pass each answer of `call` to `take`, for ever; begin again after a pause when it breaks, and hand over that it did."""
        wait = FIRST_S
        while True:
            task = asyncio.ensure_future(call())
            try:
                await self._await_connection(task)
                self._notify_state(name, "")
                while True:
                    take(await task)
                    wait = FIRST_S
                    task = asyncio.ensure_future(call())
            except Exception as error:
                task.cancel()
                reason = self._describe_error(error)
                if "AuthenticationError" in kinds_of(error):
                    self.hand_over("refused", reason)
                self._notify_state(name, reason)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_S)

    async def _await_connection(self, task: "asyncio.Future[Any]") -> None:
        """Wait until a stream's connection is open and its subscription had time to arrive; TimeoutError after 30 s."""
        until = self.loop.time() + OPEN_S
        while not task.done():
            await asyncio.sleep(_POLL_S)
            clients = [
                client
                for client in self.exchange.clients.values()
                if str(client.url).startswith("ws")
            ]
            if clients and not any(client.closed() for client in clients):
                await asyncio.wait([task], timeout=_SUBSCRIBED_S)
                break
            if self.loop.time() > until:
                raise TimeoutError(f"no connection within {OPEN_S:g} s")
        if task.done():
            task.result()

    def _notify_state(self, name: str, reason: str) -> None:
        """Hand over how a stream is, `reason` "" for up: of own streams "up" once all are or why not; of a book only its loss."""
        if name in self._standing:
            was_up = all(self._standing.values())
            self._standing[name] = not reason
            if reason or all(self._standing.values()) > was_up:
                self.hand_over("up", reason)
        elif reason:
            self._books.lose(name)
            self.hand_over("lost", reason)
