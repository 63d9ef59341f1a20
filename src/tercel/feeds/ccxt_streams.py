"""ccxt.pro in one thread with its own event loop; messages are handed over in the order of receipt.

Answers, errors, books, trades and orders of ccxt as Binance messages; changes of a book are numbered here.

A trade of `watch_trades`, as ccxt unifies it, and its message::

    {"id": "3735683259", "symbol": "BTC/USDT", "timestamp": 1723161255342, "side": "sell", "price": 61837.63,
        "amount": 0.02}
    {"e": "trade", "s": "BTCUSDT", "E": 1723161255342, "T": 1723161255342, "t": 3735683259, "m": True,
        "p": "61837.63", "q": "0.02"}
"""

import asyncio
import logging
import re
import selectors
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known
from tercel.core.extras import needed

REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER = -2010, -2011, -2013
STATUSES: Final[Mapping[str, str]] = {
    "closed": "FILLED",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
"""Binance's words for how an order ended; of any other it is NEW, which is no end."""
Said = Mapping[str, Any]
Message = dict[str, Any]
"""A message or an answer in Binance's fields."""
_ORDER_S: Final = 1.0
"""Longest wait of a trade for the name of its order, seconds."""
_MOST_WIRES: Final = 20_000
_LEAST_ID: Final = 9
_CODE: Final = re.compile(r'"code":\s*"?(-[0-9]{4})\b')
_SAID: Final = re.compile(r'"msg":\s*"([^"]*)"')
_QUERY: Final = re.compile(r"\?[^\s\"']*")


def number_of(name: Any) -> int:
    """An exchange's name of an order or a trade as a number; one of digits is itself.

    >>> number_of("1234"), number_of("OABC-7") > 10**20
    (1234, True)
    """
    said = str(name)
    if said.isascii() and said.isdigit() and said[0] != "0" and len(said) <= 20:
        return int(said)
    return int.from_bytes(b"\1" + said.encode().rjust(_LEAST_ID, b"\0"), "big")


def name_of(number: int) -> str:
    """An exchange's name of an order by its number, as `number_of` makes it."""
    if number < 10**20:
        return str(number)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")[1:].lstrip(b"\0").decode()


def plain(value: Any) -> str:
    """A number of ccxt as it was written, without an exponent.

    >>> plain(1e-05), plain("0.10"), plain(None)
    ('0.00001', '0.10', '0')
    """
    return (
        value
        if isinstance(value, str)
        else "0"
        if value is None
        else format(Decimal(repr(value)), "f")
    )


def kinds_of(error: Exception) -> set[str]:
    """Names of an error's classes: ccxt itself need not be there.

    >>> sorted(kinds_of(KeyError("id")) - {"object", "BaseException"})
    ['Exception', 'KeyError', 'LookupError']
    """
    return {one.__name__ for one in type(error).__mro__}


def refusal(
    method: str, error: Exception, text: str, coded: bool, wait_s: float, now_ms: int
) -> Message:
    """An error in Binance's words; one that does not say that nothing was done is a fault of the server.

    Parameters
    ----------
    method : str
    error : Exception
    text : str
        What it says, without secrets.
    coded : bool
        Whether codes in it are Binance's.
    wait_s : float
        How long an exchange that had too many requests wants to be left alone.
    now_ms : int
    """
    kinds, text = kinds_of(error), _QUERY.sub("", text or type(error).__name__)
    found, said, data = _CODE.search(text), _SAID.search(text), None
    code, status = int(found[1]) if found is not None and coded else 0, 500
    if not code and "OrderNotFound" in kinds:
        code = CANCEL_REJECTED if method == "order.cancel" else NO_SUCH_ORDER
    if "DuplicateOrderId" in kinds:
        code, text = REJECTED, f"duplicate: {text}"
    if kinds & {"RateLimitExceeded", "DDoSProtection"}:
        later_ms = now_ms + round(wait_s * 1000)
        status, data = (
            418 if " 418 " in text else 429,
            {"serverTime": now_ms, "retryAfter": later_ms},
        )
    elif "ExchangeError" in kinds:
        status = 400
    elif " 404 " in text and not method.startswith("order."):
        status = 404
    return {
        "status": status,
        "error": {"code": code, "msg": said[1] if said else text[:300], "data": data},
    }


def market_entry(market: Said, mode: int, amends: bool) -> Message:
    """A market as `exchangeInfo` lists it; steps in significant digits (mode 3) are none."""
    info, steps, filters = market.get("info"), market["precision"], list[Message]()
    for kind, what, step, least, most in (
        ("PRICE_FILTER", "price", "tickSize", "minPrice", "maxPrice"),
        ("LOT_SIZE", "amount", "stepSize", "minQty", "maxQty"),
        ("NOTIONAL", "cost", "", "minNotional", "maxNotional"),
    ):
        limits, size = market["limits"].get(what) or {}, steps.get(what)
        exact = (
            "0"
            if size is None or mode == 3
            else plain(size)
            if mode == 4
            else f"{Decimal(10) ** -int(size):f}"
        )
        fields = {least: limits.get("min"), most: limits.get("max"), step: exact}
        filters.append({"filterType": kind, "applyMinToMarket": True} | fields)
    modes = info.get("allowedSelfTradePreventionModes") if isinstance(info, Mapping) else None
    return {
        "symbol": market["id"],
        "baseAsset": market["base"],
        "quoteAsset": market["quote"],
        "filters": filters,
        "status": "HALT" if market.get("active") is False else "TRADING",
        "amendAllowed": amends,
        "allowedSelfTradePreventionModes": modes or ["NONE"],
    }


def account_row(fields: Said, market: Said) -> Message:
    """Balances, and the rates of a market's fees."""
    rows = list[dict[str, str]]()
    for name, total in fields["total"].items():
        free = fields[name].get("free")
        rows.append({"asset": name, "free": plain(total if free is None else free)})
        rows[-1]["locked"] = plain(None if free is None else fields[name].get("used"))
    return {
        "balances": rows,
        "commissionRates": {one: plain(market.get(one)) for one in ("maker", "taker")},
    }


def order_row(order: Said, asked: Said, now_ms: int) -> Message:
    """An order as the answer to a request."""
    status, filled = STATUSES.get(str(order.get("status")), "NEW"), plain(order.get("filled"))
    if (
        status == "FILLED"
        and order.get("amount")
        and Decimal(filled) < Decimal(plain(order["amount"]))
    ):
        status = "EXPIRED"  # over, and not all of it was done
    stamps = [order.get(one) for one in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp")]
    ms = next((int(one) for one in stamps if one), now_ms)
    fills = [
        trade_row(one, now_ms)
        for one in order.get("trades") or ()
        if one.get("id") and one.get("price")
    ]
    wires = (
        order.get("clientOrderId"),
        asked.get("newClientOrderId"),
        asked.get("origClientOrderId"),
    )
    return {
        "symbol": asked["symbol"],
        "orderId": number_of(order["id"]),
        "status": status,
        "executedQty": filled,
        "clientOrderId": next((str(one) for one in wires if one), ""),
        "origQty": plain(order.get("amount")),
        "price": plain(order.get("price")),
        "side": str(order.get("side")).upper(),
        "fills": fills,
        "time": ms,
        "updateTime": ms,
        "transactTime": ms,
    }


def trade_row(trade: Said, now_ms: int) -> Message:
    """An own trade."""
    fee, number = trade.get("fee") or {}, number_of(trade["id"])
    return {
        "id": number,
        "tradeId": number,
        "orderId": number_of(trade["order"] or 0),
        "price": plain(trade["price"]),
        "qty": plain(trade["amount"]),
        "commission": plain(fee.get("cost")),
        "commissionAsset": fee.get("currency") or "",
        "isMaker": trade.get("takerOrMaker") == "maker",
        "time": int(trade["timestamp"] or now_ms),
    }


class OwnOrders:
    """Own orders and trades as `executionReport`s; a trade whose order has no name here yet waits for it a moment.

    Parameters
    ----------
    unified : mapping of str to str
        ccxt's names of symbols.

    >>> own = OwnOrders({"X": "X/Y"})
    >>> trade = {"id": "7", "order": "3", "symbol": "X/Y", "price": "1", "amount": "2", "timestamp": 1000}
    >>> own.reports([trade], [], 0, 0.0)
    []
    >>> own.answered({"id": 1, "status": 200, "result": {"orderId": 3, "clientOrderId": "a", "status": "NEW"}})
    >>> [(one["i"], one["t"], one["c"]) for one in own.reports([], [], 0, 0.0)]
    [(3, 7, 'a')]
    """

    def __init__(self, unified: Mapping[str, str]) -> None:
        self._unified = unified
        self._wires: dict[int, str] = {}
        """Our name of an order by its number."""
        self._cancels: dict[Any, tuple[int, str]] = {}
        """Request and our name of the cancel that is on its way, by the order's number or name."""
        self._trades: list[tuple[float, Said]] = []

    def asked(self, number: int, method: str, params: Said) -> None:
        """A request leaves."""
        if method == "order.cancel" and "newClientOrderId" in params:
            key = params.get("orderId") or params["origClientOrderId"]
            self._cancels[key] = number, params["newClientOrderId"]

    def answered(self, message: Said) -> None:
        """A request was answered: an order has a name, a cancel is over."""
        row = message.get("result")
        row = row if isinstance(row, dict) else {}
        if "orderId" in row:
            self._named(row["orderId"], str(row.get("clientOrderId") or ""))
        if message["status"] == 400 or row.get("status") == "CANCELED":
            self._cancels = {
                key: one for key, one in self._cancels.items() if one[0] != message["id"]
            }

    def _named(self, number: int, wire: str) -> None:
        if wire:
            self._wires.setdefault(number, wire)
            if len(self._wires) > _MOST_WIRES:
                del self._wires[next(iter(self._wires))]

    def reports(
        self, trades: Sequence[Said], orders: Sequence[Said], now_ms: int, now_s: float
    ) -> list[Said]:
        """Received reports: trades first, since an order's end counts them."""
        names, found, waiting = (
            {symbol: name for name, symbol in self._unified.items()},
            list[Said](),
            self._trades,
        )
        rows = [
            order_row(one, {"symbol": names[one["symbol"]]}, now_ms)
            for one in orders
            if one["symbol"] in names
        ]
        for row in rows:
            self._named(row["orderId"], row["clientOrderId"])
        self._trades = []
        for until, one in waiting + [
            (now_s + _ORDER_S, one) for one in trades if one["symbol"] in names
        ]:
            row = trade_row(one, now_ms)
            wire = self._wires.get(row["orderId"])
            if wire is None and now_s < until:
                self._trades.append((until, one))
                continue
            fields = {
                "x": "TRADE",
                "X": "",
                "c": wire or "",
                "C": "",
                "z": "0",
                "t": row["id"],
                "L": row["price"],
            }
            fields |= {
                "l": row["qty"],
                "n": row["commission"],
                "N": row["commissionAsset"],
                "m": row["isMaker"],
            }
            found.append(_report(names[one["symbol"]], row["orderId"], row["time"], fields))
        for row in rows:
            wire, cancel, number = row["clientOrderId"], (0, ""), row["orderId"]
            if row["status"] == "CANCELED":
                cancel = self._cancels.pop(number, self._cancels.pop(wire, cancel))
            fields = {
                "x": row["status"],
                "X": row["status"],
                "c": cancel[1] or wire,
                "C": wire,
                "z": row["executedQty"],
            }
            found.append(_report(row["symbol"], number, row["updateTime"], fields))
        return found


def _report(symbol: str, number: int, ms: int, fields: Said) -> Said:
    return {
        "e": "executionReport",
        "E": ms,
        "T": ms,
        "s": symbol,
        "i": number,
        "r": "NONE",
        **fields,
    }


class ShownBooks:
    """Books that ccxt keeps whole: as a snapshot once, then as what changed.

    >>> books = ShownBooks()
    >>> book = {"bids": [[9.5, 2.0]], "asks": [], "timestamp": 1000}
    >>> [message.get("lastUpdateId", message.get("u")) for message in books.messages("X", book, 0)]
    [1, 2]
    >>> book["bids"] = []
    >>> next(books.messages("X", book, 0))["b"]
    [['9.5', '0']]
    """

    def __init__(self) -> None:
        self._books: dict[str, tuple[dict[Any, Any], ...]] = {}
        self._count = 0

    def lose(self, name: str) -> None:
        """Show a book whole the next time."""
        self._books.pop(name, None)

    def messages(self, name: str, book: Mapping[str, Any], now_ms: int) -> Iterator[Message]:
        """Messages of a book: its changes since the last call, or a snapshot at first."""
        now = tuple({row[0]: row[1] for row in book[side]} for side in ("bids", "asks"))
        was, self._books[name] = self._books.get(name), now
        about = {"s": name, "E": int(book.get("timestamp") or now_ms)}
        if was is None:
            self._count += 1
            bids, asks = (
                [[plain(price), plain(size)] for price, size in side.items()] for side in now
            )
            yield about | {"lastUpdateId": self._count, "bids": bids, "asks": asks}
        self._count += 1
        changes = list[list[list[str]]]()
        for before, after in zip(was or now, now, strict=True):
            gone = [[plain(price), "0"] for price in before.keys() - after.keys()]
            changes.append(
                gone + [[plain(p), plain(n)] for p, n in after.items() if before.get(p) != n]
            )
        yield about | {
            "e": "depthUpdate",
            "U": self._count,
            "u": self._count,
            "b": changes[0],
            "a": changes[1],
        }


def prints(name: str, rows: Sequence[Mapping[str, Any]], now_ms: int) -> Iterator[Message]:
    """Public trades; one without a number cannot be distinguished from an own one, and is passed over.

    >>> row = {"id": "7", "timestamp": 1000, "side": "sell", "price": "9.5", "amount": "2"}
    >>> next(prints("X", [row, row | {"id": "a-b"}], 0))
    {'e': 'trade', 's': 'X', 'E': 1000, 'T': 1000, 't': 7, 'm': True, 'p': '9.5', 'q': '2'}
    """
    for one in rows:
        if str(one.get("id") or "").isdigit():
            ms, sold = int(one["timestamp"] or now_ms), one["side"] == "sell"
            fields = {
                "e": "trade",
                "s": name,
                "E": ms,
                "T": ms,
                "t": number_of(one["id"]),
                "m": sold,
            }
            yield fields | {"p": plain(one["price"]), "q": plain(one["amount"])}


NEEDED: Final = ("watchOrderBook", "watchTrades", "fetchMyTrades", "fetchBalance")
"""Required features of an exchange."""
FIRST_S, LONGEST_S = 0.1, 5.0
"""Pause before a stream is begun again: the first, and the longest."""
OPEN_S: Final = 30.0
_LOOK_S: Final = 0.05
_SUBSCRIBED_S: Final = 0.2
"""Time for a subscription after its connection is open, seconds; missed reports are queried."""
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
    ("refused", why), ("lost", why market data broke), and other messages.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
    selector : selectors.BaseSelector
        Is woken when something has come.
    now_ms : callable
    why : callable
        Text of an error, without secrets.
    allow : callable
        Called with the URL before each connection, also before one of a redirect: raises if none may be made.
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
        """Start the available streams of own orders and trades; without any, they are queried."""
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
        """Deliver rows of an order and of its trade in one message together."""
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
