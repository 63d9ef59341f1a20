"""ccxt.pro in one thread with a loop of its own: what it hears is handed over in the order in which it came."""

import asyncio
import selectors
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from tercel.core.errors import VenueError
from tercel.desk.binance.words import Status
from tercel.desk.binance_venue.channel import SETTLE_MS, ApiAnswer, ApiChannel
from tercel.desk.binance_venue.links import FIRST_S, LONGEST_S, Event
from tercel.desk.binance_venue.rest import RequestRefusedError
from tercel.desk.ccxt_venue.calls import CALL_S, CcxtCalls, kinds_of
from tercel.feeds.ccxt_messages import ShownBooks, prints

OPEN_S: Final = 30.0
_LOOK_S: Final = 0.05
_SUBSCRIBED_S: Final = 0.2
"""How long a subscription has after its connection is open; what it misses is found by a question."""
_ORDER_S: Final = 1.0
"""How long a trade waits for the name of its order."""
_CLOSE_S: Final = 3.0


class CcxtLinks:
    """Streams of one exchange.

    Parameters
    ----------
    calls : CcxtCalls
    selector : selectors.BaseSelector
        Is woken when something has come.
    heard : callable
        Takes answers to requests.
    lost : callable
        Called when market data broke, with why.
    """

    def __init__(
        self, calls: CcxtCalls, selector: selectors.BaseSelector,
        heard: Callable[[Mapping[str, Any]], object], lost: Callable[[str], object],
    ) -> None:  # fmt: skip
        self._calls, self._heard, self._lost = calls, heard, lost
        self._exchange, self._selector = calls.exchange, selector
        self.followed: list[str] = []
        self.refusal, self.why, self.up = "", "it is not open yet", False
        self._came: deque[tuple[str, Any]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._standing: dict[str, bool] = {}
        self._orders: list[Mapping[str, Any]] = []
        self._trades: list[tuple[float, Mapping[str, Any]]] = []
        self._books = ShownBooks()
        self._begun = self._closed = False
        self._here, self._there = socket.socketpair()
        for one in (self._here, self._there):
            one.setblocking(False)
        selector.register(self._here, selectors.EVENT_READ)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, told: self._fault(told))
        self._thread = threading.Thread(target=self._loop.run_forever, name="ccxt", daemon=True)
        self._thread.start()

    # -- from the thread of the venue ---------------------------------------------------------------------------------
    def ask(self, number: int, method: str, params: Mapping[str, Any]) -> "Future[dict[str, Any]]":
        """Send a request; its answer is heard by `poll` where it has a number."""

        async def asked() -> dict[str, Any]:
            answer = await self._calls.message(number, method, params)
            if number:
                self._say("answer", answer)
                self._pass_on()
            return answer

        return asyncio.run_coroutine_threadsafe(asked(), self._loop)

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""
        if name not in self.followed:
            self.followed.append(name)
            for made in (self._book_of, self._trades_of):
                self._loop.call_soon_threadsafe(self._start, made(name))

    def whole(self, name: str) -> None:
        """Show a book whole with its next change."""
        self._loop.call_soon_threadsafe(self._books.lose, name)

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""
        if not self._begun:
            self._begun = True
            self._loop.call_soon_threadsafe(self._begin)
        with suppress(OSError):
            while self._here.recv(4096):
                pass
        user: list[Event] = []
        market: list[Event] = []
        was = self.up
        while self._came and self.up >= was:  # a break is seen before what mended it
            kind, said = self._came.popleft()
            if kind == "answer":
                self._heard(said)
            elif kind == "up":
                self.up, self.why = said == "", said
            elif kind == "refused":
                self.refusal = said
            elif kind == "lost":
                self._lost(said)
            else:
                (user if kind == "user" else market).append(said)
        return user, market

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._closed:
            return
        self._closed = True

        async def end() -> None:
            for one in self._tasks:
                one.cancel()
            await self._exchange.close()

        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(_CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)
        if not self._loop.is_running():
            self._loop.close()
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(self._here)
        self._here.close()
        self._there.close()

    # -- in the loop --------------------------------------------------------------------------------------------------
    def _say(self, kind: str, said: Any) -> None:
        self._came.append((kind, said))
        with suppress(OSError):
            self._there.send(b".")

    def _fault(self, told: Mapping[str, Any]) -> None:
        """Something of ccxt's failed: nothing is printed, it may hold a signed URL. Streams are begun anew."""
        for one in list(self._exchange.clients.values()) if "handle" in told and not self._closed else ():
            with suppress(Exception):
                one.on_error(told["exception"])

    def _start(self, made: Any) -> None:
        self._tasks.append(self._loop.create_task(made))

    def _begin(self) -> None:
        """Own orders and trades by stream where there is one; without any, questions tell all."""
        for name, call, take in (
            ("watchOrders", self._exchange.watch_orders, self._own_orders),
            ("watchMyTrades", self._exchange.watch_my_trades, self._own_trades),
        ):
            if self._calls.has(name):
                self._standing[name] = False
                self._start(self._watched(name, call, take))
        if not self._standing:
            self._say("up", "")

    async def _watched(self, name: str, call: Callable[[], Awaitable[Any]], take: Callable[[Any], None]) -> None:
        """Take what a stream brings, and begin again after a pause when it breaks."""
        wait = FIRST_S
        while True:
            task = asyncio.ensure_future(call())
            try:
                await self._opened(task)
                self._stands(name, "")
                while True:
                    take(await task)
                    wait = FIRST_S
                    task = asyncio.ensure_future(call())
            except Exception as error:
                task.cancel()
                why = str(self._calls.refusal(name, error)["error"]["msg"]) or type(error).__name__
                if "AuthenticationError" in kinds_of(error):
                    self._say("refused", why)
                self._stands(name, why)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_S)

    async def _opened(self, task: "asyncio.Future[Any]") -> None:
        """Wait until a stream's connection is open, and its subscription had time to arrive."""
        until = self._loop.time() + OPEN_S
        while not task.done():
            await asyncio.sleep(_LOOK_S)
            lines = [one for one in self._exchange.clients.values() if str(one.url).startswith("ws")]
            if lines and not any(one.closed() for one in lines):
                await asyncio.wait([task], timeout=_SUBSCRIBED_S)
                break
            if self._loop.time() > until:
                raise TimeoutError(f"no connection within {OPEN_S:g} s")
        if task.done():
            task.result()

    def _stands(self, name: str, why: str) -> None:
        """A stream stands, or broke."""
        if name in self._standing:
            was, self._standing[name] = all(self._standing.values()), not why
            if why or all(self._standing.values()) > was:
                self._say("up", why)
        elif why:
            self._books.lose(name)
            self._say("lost", why)

    # -- own orders ---------------------------------------------------------------------------------------------------
    def _own_orders(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for one in rows:
            self._calls.wire(str(one["id"]), str(one.get("clientOrderId") or ""))
        self._orders += rows
        self._loop.call_soon(self._pass_on)

    def _own_trades(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._trades += [(self._loop.time() + _ORDER_S, one) for one in rows]
        self._loop.call_soon(self._pass_on)
        self._loop.call_later(_ORDER_S, self._pass_on)

    def _pass_on(self) -> None:
        """Trades first, since an order's end counts them; one whose order has no name yet waits for it."""
        names = {symbol: name for name, symbol in self._calls.unified.items()}
        wires, now = self._calls.wires, self._loop.time()
        trades, self._trades = self._trades, []
        for until, one in trades:
            if str(one["order"]) not in wires and now < until:
                self._trades.append((until, one))
            elif one["symbol"] in names:
                row, wire = self._calls.trade(one), wires.get(str(one["order"]), "")
                told = {"x": "TRADE", "X": "", "c": wire, "C": "", "z": "0", "t": row["id"], "L": row["price"]}
                told |= {"l": row["qty"], "n": row["commission"], "N": row["commissionAsset"], "m": row["isMaker"]}
                self._say("user", self._event(names[one["symbol"]], row["orderId"], row["time"], told))
        orders, self._orders = self._orders, []
        for one in orders:
            if one["symbol"] not in names:
                continue
            row, cancels = self._calls.row(one, {"symbol": names[one["symbol"]]}), self._calls.cancels
            wire, over = str(row["clientOrderId"]), row["status"] == Status.CANCELED
            cancel = (cancels.pop(str(one["id"]), "") or cancels.pop(wire, "")) if over else ""
            told = {"x": row["status"], "X": row["status"], "c": cancel or wire, "C": wire, "z": row["executedQty"]}
            self._say("user", self._event(row["symbol"], row["orderId"], row["updateTime"], told))

    @staticmethod
    def _event(symbol: str, number: int, ms: int, told: Mapping[str, Any]) -> Event:
        return {"e": "executionReport", "E": ms, "T": ms, "s": symbol, "i": number, "r": "NONE", **told}

    # -- market data --------------------------------------------------------------------------------------------------
    async def _book_of(self, name: str) -> None:
        def take(book: Mapping[str, Any]) -> None:
            for one in self._books.messages(name, book, self._calls.now_ms()):
                self._say("market", one)

        await self._watched(name, lambda: self._exchange.watch_order_book(self._calls.unified[name]), take)

    async def _trades_of(self, name: str) -> None:
        def take(rows: Sequence[Mapping[str, Any]]) -> None:
            for one in prints(name, rows, self._calls.now_ms()):
                self._say("market", one)

        await self._watched(name, lambda: self._exchange.watch_trades(self._calls.unified[name]), take)


class CcxtChannel(ApiChannel):
    """Requests by ccxt's REST: cancel and new order in one is no word of ccxt's."""

    swaps = False
    settle_ms = SETTLE_MS + round(CALL_S * 1000)
    links: CcxtLinks

    def ask(
        self, method: str, params: Mapping[str, Any], weight: int, then: Callable[[ApiAnswer], object], *,
        signed: bool = True, orders: bool = False,
    ) -> None:  # fmt: skip
        """See `ApiChannel.ask`."""
        self.links.ask(self._begun(method, weight, then, self.now_ms(), orders), method, params)


class CcxtRest:
    """What is asked at logon.

    Parameters
    ----------
    links : CcxtLinks
    exchange : str
    """

    def __init__(self, links: CcxtLinks, exchange: str) -> None:
        self._links, self._exchange = links, exchange

    def ask(
        self, path: str, weight: int, params: Mapping[str, Any] | None = None, *, signed: bool = False,
        method: str = "GET",
    ) -> Any:  # fmt: skip
        """See `BinanceRest.ask`."""
        told = self._links.ask(0, path, params or {}).result(2 * CALL_S)
        if (error := told.get("error")) is None:
            return told["result"]
        if error["code"] or told["status"] == 404:
            raise RequestRefusedError(path, error["code"], error["msg"], told["status"])
        remedy = "check its URLs, the key and its secret; ask again"
        raise VenueError(f"{self._exchange} to answer {path}", error["msg"], remedy)

    def close(self) -> None:
        """The links close all."""
