"""ccxt.pro in one thread with its own event loop; messages are handed over in the order of receipt."""

import asyncio
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known
from tercel.core.extras import needed
from tercel.feeds.ccxt_messages import ShownBooks, kinds_of, prints

NEEDED: Final = ("watchOrderBook", "watchTrades", "fetchMyTrades", "fetchBalance")
"""What an exchange has to offer."""
FIRST_S, LONGEST_S = 0.1, 5.0
"""Pause before a stream is begun again: the first, and the longest."""
OPEN_S: Final = 30.0
_LOOK_S: Final = 0.05
_SUBSCRIBED_S: Final = 0.2
"""How long a subscription has after its connection is open; what it misses is found by a question."""
_CLOSE_S: Final = 3.0


def made_of(
    name: str, key: Mapping[str, str], urls: Mapping[str, str], only: Sequence[str], sandbox: bool
) -> Any:
    """An exchange of ccxt.pro, not connected.

    Parameters
    ----------
    name : str
    key : mapping of str to str
        By ccxt's names of its parts.
    urls : mapping of str to str
        In place of ccxt's, as `urls_of` names them.
    only : sequence of str
        URLs to leave in place; none: all.
    sandbox : bool

    Raises
    ------
    ConfigError
        ccxt is missing, does not know the exchange or a sandbox of it.
    """
    pro = needed("ccxt.pro", "ccxt")
    check_known(name, tuple(pro.exchanges), said=f"the exchange {name}")
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
    made = getattr(pro, name)({**key, "options": options})
    if missing := [one for one in NEEDED if made.has.get(one) is not True]:
        raise ConfigError(
            f"an exchange with {', '.join(NEEDED)}", f"{name} has no {missing[0]}", "choose another"
        )
    # exact; and nothing is withdrawn
    made.number = str
    made.has["fetchCurrencies"] = False
    made.logger = logging.Logger("ccxt", logging.CRITICAL + 1)  # its own would show keys
    if sandbox:
        if not made.urls.get("test"):
            raise ConfigError(
                f"a sandbox of {name}",
                "none that ccxt knows",
                'write net = "production" and stage = "live", or watch it with stage = "shadow"',
            )
        made.set_sandbox_mode(True)
    known = dict(urls_of(made.urls["api"]))
    for one in urls:
        check_known(one, tuple(known), said=f"the URL {one} of {name}")
    others = {
        one: made.implode_hostname(url)
        for one, url in (known | dict(urls)).items()
        if one in (only or known)
    }
    made.urls["api"] = others.pop("", None) or {}
    for one, url in others.items():
        *tables, last = one.split(".")
        at = made.urls["api"]
        for table in tables:
            at = at.setdefault(table, {})
        at[last] = url
    return made


def urls_of(urls: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """URLs of ccxt by their names, with dots.

    >>> dict(urls_of({"public": "https://a.example", "ws": {"spot": "wss://b.example"}}))
    {'public': 'https://a.example', 'ws.spot': 'wss://b.example'}
    """
    for name, url in urls.items() if isinstance(urls, Mapping) else [("", urls)]:
        if isinstance(url, str):
            yield f"{at}{name}", url
        elif url:
            yield from urls_of(url, f"{at}{name}.")


class CcxtStreams:
    """Streams of one exchange; each is begun again when it breaks.

    `came` holds what was received: ("own", (trades, orders)), ("market", a message of Binance's), ("up", why not),
    ("refused", why), ("lost", why market data broke), and what else was said.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
    selector : selectors.BaseSelector
        Is woken when something has come.
    now_ms : callable
    why : callable
        What an error says, without secrets.
    allow : callable
        Asked, with the URL, before each connection, and before one that a redirect would lead to: raises where none may
        be made.
    """

    def __init__(
        self,
        exchange: Any,
        selector: selectors.BaseSelector,
        now_ms: Callable[[], int],
        why: Callable[[Exception], str],
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.exchange = exchange
        self._selector = selector
        self.now_ms = now_ms
        self._why = why
        self.came: deque[tuple[str, Any]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._standing: dict[str, bool] = {}
        self._own: tuple[list[Any], list[Any]] = [], []
        self._books = ShownBooks()
        self._begun = self._closed = False
        self._here, self._there = socket.socketpair()
        for one in (self._here, self._there):
            one.setblocking(False)
        selector.register(self._here, selectors.EVENT_READ)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self._fault(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name="ccxt", daemon=True)
        self._thread.start()
        self.loop.call_soon_threadsafe(self._guard, allow)

    # -- called from the owner's thread ------------------------------------------------------------------------------
    def run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Run something in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def watch(self, name: str, symbol: str) -> None:
        """Watch market data of a symbol, by ccxt's name of it."""
        for made in (self._book_of(name, symbol), self._trades_of(name, symbol)):
            self.loop.call_soon_threadsafe(self._start, made)

    def whole(self, name: str) -> None:
        """Show a book whole with its next change."""
        self.loop.call_soon_threadsafe(self._books.lose, name)

    def awake(self) -> None:
        """Watch own orders, if that is not begun; and wait for what comes from now on."""
        if not self._begun:
            self._begun = True
            self.loop.call_soon_threadsafe(self._begin)
        with suppress(OSError):
            while self._here.recv(4096):
                pass

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._closed:
            return
        self._closed = True

        async def end() -> None:
            for one in self._tasks:
                one.cancel()
            await self.exchange.close()

        with suppress(Exception):
            self.run(end()).result(_CLOSE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_CLOSE_S)
        if not self.loop.is_running():
            self.loop.close()
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(self._here)
        self._here.close()
        self._there.close()

    # -- in the loop --------------------------------------------------------------------------------------------------
    def say(self, kind: str, said: Any) -> None:
        """Hand something over."""
        self.came.append((kind, said))
        with suppress(OSError):
            self._there.send(b".")

    def _guard(self, allow: Callable[[str], object]) -> None:
        """Have the exchange's connector, which all its requests and streams share, ask before it connects."""
        self.exchange.open()
        connector = self.exchange.tcp_connector
        connect = connector._create_connection

        async def asked(request: Any, *more: Any) -> Any:
            allow(str(request.url))
            return await connect(request, *more)

        connector._create_connection = asked

    def _fault(self, context: Mapping[str, Any]) -> None:
        """Something of ccxt's failed: nothing is printed, it may hold a signed URL. Streams are started again."""
        for one in (
            list(self.exchange.clients.values()) if "handle" in context and not self._closed else ()
        ):
            with suppress(Exception):
                one.on_error(context["exception"])

    def _start(self, made: Any) -> None:
        self._tasks.append(self.loop.create_task(made))

    def _begin(self) -> None:
        """Own orders and trades by stream where there is one; without any, questions tell all."""
        for at, name, call in (
            (0, "watchMyTrades", self.exchange.watch_my_trades),
            (1, "watchOrders", self.exchange.watch_orders),
        ):
            if self.exchange.has.get(name) is True:
                self._standing[name] = False
                self._start(self._watched(name, call, lambda rows, at=at: self._mine(at, rows)))  # type: ignore[misc]
        if not self._standing:
            self.say("up", "")

    def _mine(self, at: int, rows: Sequence[Any]) -> None:
        """What one message says of an order and of its trade is delivered at once."""
        self._own[at].extend(rows)
        self.loop.call_soon(self._tell)

    def _tell(self) -> None:
        own = self._own
        self._own = ([], [])
        if any(own):
            self.say("own", own)

    async def _watched(
        self, name: str, call: Callable[[], Awaitable[Any]], take: Callable[[Any], None]
    ) -> None:
        """Take what a stream brings, and begin again after a pause when it breaks."""
        wait = FIRST_S
        while True:
            task = asyncio.ensure_future(call())
            try:
                await self._opened(task)
                self._notify_state(name, "")
                while True:
                    take(await task)
                    wait = FIRST_S
                    task = asyncio.ensure_future(call())
            except Exception as error:
                task.cancel()
                why = self._why(error)
                if "AuthenticationError" in kinds_of(error):
                    self.say("refused", why)
                self._notify_state(name, why)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_S)

    async def _opened(self, task: "asyncio.Future[Any]") -> None:
        """Wait until a stream's connection is open, and its subscription had time to arrive."""
        until = self.loop.time() + OPEN_S
        while not task.done():
            await asyncio.sleep(_LOOK_S)
            lines = [one for one in self.exchange.clients.values() if str(one.url).startswith("ws")]
            if lines and not any(one.closed() for one in lines):
                await asyncio.wait([task], timeout=_SUBSCRIBED_S)
                break
            if self.loop.time() > until:
                raise TimeoutError(f"no connection within {OPEN_S:g} s")
        if task.done():
            task.result()

    def _notify_state(self, name: str, why: str) -> None:
        """Reports that a stream is up, or why it broke."""
        if name in self._standing:
            was, self._standing[name] = all(self._standing.values()), not why
            if why or all(self._standing.values()) > was:
                self.say("up", why)
        elif why:
            self._books.lose(name)
            self.say("lost", why)

    async def _book_of(self, name: str, symbol: str) -> None:
        def take(book: Mapping[str, Any]) -> None:
            for one in self._books.messages(name, book, self.now_ms()):
                self.say("market", one)

        await self._watched(name, lambda: self.exchange.watch_order_book(symbol), take)

    async def _trades_of(self, name: str, symbol: str) -> None:
        def take(rows: Sequence[Mapping[str, Any]]) -> None:
            for one in prints(name, rows, self.now_ms()):
                self.say("market", one)

        await self._watched(name, lambda: self.exchange.watch_trades(symbol), take)
