"""Other exchanges as a venue, by ccxt: `ccxt:EXCHANGE[:NET or FILE]`, with requests and answers in Binance's format.

The file, as the Binance adapter has it:

net = "testnet"                  # the exchange's sandbox by ccxt; or "production"
symbols = ["BTCUSDT"]            # as the exchange itself names them; left out: every spot symbol that trades
[key]
api_key = { env = "BINANCE_KEY" }
secret = { env = "BINANCE_SECRET" }
password = { file = "passphrase" }         # where the exchange has one; mode 600
[urls]                           # instead of ccxt's, by the names in its `urls["api"]`, with dots
public = "http://127.0.0.1:8080/api/v3"
"ws.spot" = "ws://127.0.0.1:8080/ws"
"""

import asyncio
import json
import selectors
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.toml import TomlTable
from tercel.feeds.ccxt_streams import (
    CcxtStreams,
    OwnOrders,
    account_row,
    made_of,
    market_entry,
    name_of,
    order_row,
    refusal,
    trade_row,
    urls_of,
)
from tercel.fix.profiles.model import Secret
from tercel.venues.binance_venue.account import AnswersRest
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import SETTLE_MS, ApiAnswer, ApiChannel
from tercel.venues.binance_venue.links import Event, SpotLinks
from tercel.venues.binance_venue.rest import RequestRefusedError, seconds_of
from tercel.venues.binance_venue.terms import ApiSigner, SpotTerms, check_url
from tercel.venues.binance_venue.tracker import ENDS
from tercel.venues.binance_venue.venue import BinanceVenue

NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": ("public", "private", "sapi", "ws.spot", "ws.ws-api.spot")
}
"""Exchanges that passed the conformance kit, and those URLs that spot markets need: others are dropped."""


class CcxtKeySection(TomlTable):
    """[key]: where the key is and its secret; left out: in the variables EXCHANGE_KEY and EXCHANGE_SECRET."""

    api_key: Secret | None = None
    secret: Secret | None = None
    password: Secret | None = None
    """A third part that some exchanges ask for."""


class CcxtTerms(SpotTerms):
    """A venue by ccxt."""

    READER = "a ccxt venue"

    key: CcxtKeySection = CcxtKeySection()
    urls: dict[str, str] = Field(default={})

    def check(self) -> Iterable[Secret | None]:
        """See `SpotTerms`."""
        check_urls(self.urls)
        return self.key.api_key, self.key.secret, self.key.password


class CcxtKey(ApiSigner):
    """A key by whose parts, as ccxt names them, ccxt signs; shown nowhere.

    Parameters
    ----------
    exchange : str
    terms : CcxtTerms
    folder : Path
        Where its secrets' files begin.

    Raises
    ------
    ConfigError
        Secrets that are not there, or that others may read.
    """

    def __init__(self, exchange: str, terms: CcxtTerms, folder: Path) -> None:
        key, prefix = terms.key, exchange.upper()
        said = {
            "apiKey": key.api_key or Secret(env=f"{prefix}_KEY"),
            "password": key.password,
            "secret": key.secret or Secret(env=f"{prefix}_SECRET"),
        }
        self.parts = {
            name: one.read(f"the {name}", folder) for name, one in said.items() if one is not None
        }
        self.kind = "ccxt"
        self._secrets = tuple(part for one in self.parts.values() for part in one.splitlines())


def exchange_of(
    name: str, terms: CcxtTerms, folder: Path, key: Mapping[str, str] | None = None
) -> Any:
    """An exchange of ccxt.pro, not connected, whose URLs are those that may be used.

    Raises
    ------
    ConfigError
        See `made_of`; or a URL leaves this machine without TLS.
    """
    made = made_of(
        name, key or {}, terms.urls, NAMED.get(name, ()), terms.net == "testnet" and not terms.urls
    )
    made.enableRateLimit = (
        name not in NAMED
    )  # their weights are counted here, and no order waits behind a question
    made.options["recvWindow"] = terms.recv_window_ms
    if terms.ca:
        made.cafile = str(folder / terms.ca)
    check_urls(dict(urls_of(made.urls["api"])))
    return made


def check_urls(urls: Mapping[str, str]) -> None:
    """Refuse a URL that is not TLS, unless it stays on this machine.

    >>> check_urls({"public": "https://a.example", "ws.spot": "ws://127.0.0.1:8080"})

    Raises
    ------
    ConfigError
    """
    for name, url in urls.items():
        kind = "ws" if name.split(".")[0] == "ws" else "http"
        check_url(f"urls.{name}", url, f"{kind}s", kind)


def urls_at(exchange: str, name: str, near: Path | None = None) -> list[str]:
    """URLs that an exchange of ccxt has by these terms, all that it could send an order or a key to."""
    urls = exchange_of(exchange, *CcxtTerms.named(name, near)).urls["api"]
    return [url for _, url in urls_of(urls)]


CALL_S: Final = 10.0
"""Time-out of a request, queueing included, seconds."""
_PAGE: Final = 1000
Asked = Mapping[str, Any]


class CcxtCalls:
    """Requests of one exchange; all of it runs in the loop of ccxt.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
    clean : callable
        Takes secrets out of a text.
    now_ms : callable
    """

    def __init__(
        self, exchange: Any, clean: Callable[[str], str], now_ms: Callable[[], int]
    ) -> None:
        self.exchange = exchange
        self._clean = clean
        self.now_ms = now_ms
        self.named = exchange.id in NAMED
        if self.named:
            exchange.nonce = now_ms  # stamps of requests, by the exchange's clock
        self.by_name = self.named or self.has("fetchOrderWithClientOrderId")
        """Whether an order can be queried by the own name."""
        self.unified: dict[str, str] = {}
        """ccxt's name of a symbol by the exchange's."""

    def has(self, what: str) -> bool:
        """Whether the exchange offers a method of ccxt's, by itself."""
        return self.exchange.has.get(what) is True

    async def message(self, number: int, method: str, asked: Asked) -> dict[str, Any]:
        """The answer to a request, as the WebSocket API of Binance would give it."""
        name = method.rpartition("/")[2].replace(".", "_").lower()
        try:
            async with asyncio.timeout(CALL_S):
                result = await getattr(self, f"_on_{name}")(asked)
        except Exception as error:  # whatever it is, the request may have been carried out
            return {"id": number, **self.refusal(method, error)}
        return {"id": number, "status": 200, "result": result}

    def refusal(self, method: str, error: Exception) -> dict[str, Any]:
        """An error of ccxt in Binance's words, without secrets."""
        wait_s = seconds_of(str((self.exchange.last_response_headers or {}).get("Retry-After", "")))
        return refusal(method, error, self._clean(str(error)), self.named, wait_s, self.now_ms())

    def why(self, error: Exception) -> str:
        """Text of an error, without secrets."""
        return str(self.refusal("", error)["error"]["msg"])

    # -- questions ----------------------------------------------------------------------------------------------------
    async def _on_time(self, _: Asked) -> Any:
        return {
            "serverTime": int(await self.exchange.fetch_time())
            if self.has("fetchTime")
            else self.now_ms()
        }

    async def _on_exchangeinfo(self, asked: Asked) -> Any:
        names = asked.get("symbols", ())
        names = json.loads(names) if isinstance(names, str) else names
        markets = (await self.exchange.load_markets(bool(self.unified))).values()
        spot = {str(one["id"]): one for one in markets if one.get("spot")}
        self.unified |= {name: str(one["symbol"]) for name, one in spot.items()}
        mode, answer = (
            self.exchange.precisionMode,
            [one for name, one in spot.items() if not names or name in names],
        )
        return {"symbols": [market_entry(one, mode, self.named) for one in answer]}

    async def _on_apirestrictions(self, _: Asked) -> Any:
        if "sapi" not in self.exchange.urls["api"]:
            raise LookupError("none: 404 ")
        return await self.exchange.sapi_get_account_apirestrictions()

    async def _on_account(self, _: Asked) -> Any:
        market = self.exchange.market(next(iter(self.unified.values())))
        return account_row(await self.exchange.fetch_balance(), market)

    _on_account_status = _on_account

    # -- orders -------------------------------------------------------------------------------------------------------
    async def _on_order_place(self, asked: Asked) -> Any:
        more, mode = {"clientOrderId": asked["newClientOrderId"]}, asked["selfTradePreventionMode"]
        more |= {"timeInForce": "IOC"} if asked.get("timeInForce") == "IOC" else {}
        more |= {"postOnly": True} if asked["type"] == "LIMIT_MAKER" else {}
        more |= {"selfTradePreventionMode": mode} if mode != "NONE" else {}
        what = (
            self.unified[asked["symbol"]],
            "market" if asked["type"] == "MARKET" else "limit",
            asked["side"].lower(),
            asked["quantity"],
            asked.get("price"),
        )
        return order_row(await self.exchange.create_order(*what, more), asked, self.now_ms())

    async def _on_order_cancel(self, asked: Asked) -> Any:
        name, more = name_of(asked.get("orderId", 0)), dict[str, str]()
        if "orderId" not in asked and self.by_name:
            name, more = "", {"clientOrderId": asked["origClientOrderId"]}
        elif "orderId" not in asked:
            name = str((await self._order(asked))["id"])
        answer = await self.exchange.cancel_order(name, self.unified[asked["symbol"]], more)
        row = order_row(answer, asked, self.now_ms())
        return row if row["status"] in ENDS else await self._on_order_status(asked)

    async def _on_order_amend_keeppriority(self, asked: Asked) -> Any:
        """Amend an order; of tested exchanges alone, as ccxt has no method for it."""
        return await self.exchange.request(
            "order/amend/keepPriority", ["private"], "PUT", dict(asked)
        )

    async def _on_order_status(self, asked: Asked) -> Any:
        return order_row(await self._order(asked), asked, self.now_ms())

    async def _order(self, asked: Asked) -> Any:
        symbol, wire = self.unified[asked["symbol"]], asked.get("origClientOrderId", "")
        name = name_of(asked["orderId"]) if "orderId" in asked else ""
        if self.has("fetchOrder") and (name or self.by_name):
            return await self.exchange.fetch_order(
                name, symbol, {} if name else {"clientOrderId": wire}
            )
        for one in await self._listed(symbol, None, {}):
            if name == str(one["id"]) or (wire and one.get("clientOrderId") == wire):
                return one
        from ccxt import OrderNotFound

        raise OrderNotFound(name or wire)

    async def _listed(self, symbol: str, since: int | None, more: Asked) -> list[Any]:
        if self.has("fetchOrders"):
            return list(await self.exchange.fetch_orders(symbol, since, _PAGE, more))
        return [
            *await self.exchange.fetch_open_orders(symbol),
            *await self.exchange.fetch_closed_orders(symbol, since),
        ]

    async def _on_allorders(self, asked: Asked) -> Any:
        answer = await self._listed(
            self.unified[asked["symbol"]],
            asked.get("startTime"),
            {"orderId": asked["orderId"]} if "orderId" in asked else {},
        )
        return [order_row(one, asked, self.now_ms()) for one in answer]

    async def _on_mytrades(self, asked: Asked) -> Any:
        more = {one: asked[one] for one in ("orderId", "fromId") if one in asked and self.named}
        symbol, since = self.unified[asked["symbol"]], asked.get("startTime")
        answer = await self.exchange.fetch_my_trades(symbol, since, _PAGE, more)
        rows = [trade_row(one, self.now_ms()) for one in answer]
        return [one for one in rows if one["orderId"] == asked.get("orderId", one["orderId"])]


class CcxtLinks(CcxtStreams):
    """Streams of one exchange, and its answers.

    Parameters
    ----------
    calls : CcxtCalls
    selector : selectors.BaseSelector
        Is woken when something has come.
    heard : callable
        Takes answers to requests.
    lost : callable
        Called when market data broke, with why.
    allow : callable
        As `FixLink` has it.
    """

    def __init__(
        self,
        calls: CcxtCalls,
        selector: selectors.BaseSelector,
        heard: Callable[[Mapping[str, Any]], object],
        lost: Callable[[str], object],
        allow: Callable[[str], object],
    ) -> None:
        self._calls = calls
        self._heard = heard
        self._lost = lost
        self._orders = OwnOrders(calls.unified)
        self.followed: list[str] = []
        self.refusal = ""
        self.why = "it is not open yet"
        self.up = False
        super().__init__(calls.exchange, selector, calls.now_ms, calls.why, allow)

    def ask(self, number: int, method: str, params: Mapping[str, Any]) -> "Future[dict[str, Any]]":
        """Send a request; its answer is heard by `poll` where it has a number."""

        async def asked() -> dict[str, Any]:
            answer = await self._calls.message(number, method, params)
            if number:
                self.say("answer", answer)
            return answer

        self._orders.asked(number, method, params)
        return self.run(asked())

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""
        if name not in self.followed:
            self.followed.append(name)
            self.watch(name, self._calls.unified[name])

    def renew(self, name: str) -> None:
        """Leave the stream of a book, where ccxt can: it is begun again."""
        if self._calls.has("unWatchOrderBook"):
            self.run(self.exchange.un_watch_order_book(self._calls.unified[name]))

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""
        self.awake()
        trades, orders, market, was = list[Event](), list[Event](), list[Event](), self.up
        while self.came and self.up >= was:  # a break is seen before what mended it
            kind, said = self.came.popleft()
            if kind == "answer":
                self._orders.answered(said)
                self._heard(said)
            elif kind == "up":
                self.up = said == ""
                self.why = said
            elif kind == "refused":
                self.refusal = said
            elif kind == "lost":
                self._lost(said)
            elif kind == "own":
                trades += said[0]
                orders += said[1]
            else:
                market.append(said)
        return self._orders.reports(trades, orders, self.now_ms(), time.monotonic()), market


class CcxtChannel(ApiChannel):
    """Requests by ccxt's REST: cancel and new order in one is no word of ccxt's."""

    swaps = False
    settle_ms = SETTLE_MS + round(CALL_S * 1000)
    links: CcxtLinks

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        weight: int,
        then: Callable[[ApiAnswer], object],
        *,
        signed: bool = True,
        orders: bool = False,
        urgent: bool = False,
    ) -> None:
        """See `ApiChannel.ask`."""
        self.links.ask(
            self._begun(method, weight, then, self.now_ms(), orders, urgent), method, params
        )


class CcxtRest:
    """Requests at logon.

    Parameters
    ----------
    links : CcxtLinks
    exchange : str
    """

    def __init__(self, links: CcxtLinks, exchange: str) -> None:
        self._links = links
        self._exchange = exchange

    def ask(
        self, path: str, weight: int, params: Mapping[str, Any] | None = None, **_: object
    ) -> Any:
        """See `BinanceRest.ask`."""
        answer = self._links.ask(0, path, params or {}).result(2 * CALL_S)
        if (error := answer.get("error")) is None:
            return answer["result"]
        if error["code"] or answer["status"] == 404:
            raise RequestRefusedError(path, error["code"], error["msg"], answer["status"])
        raise VenueError(
            f"{self._exchange} to answer {path}",
            error["msg"],
            "check its URLs, the key and its secret; ask again",
        )

    def close(self) -> None:
        """The links close all."""


FIRST_S, LONGEST_S = 1.0, 60.0
"""Seconds between two questions about an order that works: soon after a link came up, and at last."""
_WITHOUT: Final[Mapping[str, str]] = {
    "watchOrders": "no stream of own orders: they are queried every second",
    "watchMyTrades": "no stream of own trades: they are queried when an order reports a fill",
    "fetchTime": "no clock: that of this machine is taken for the exchange's",
    "fetchOrder": "no query of one order: it is searched in lists",
}


def lacks_of(exchange: Any) -> list[str]:
    """Features that an exchange of ccxt lacks, and their substitutes.

    >>> class Poor:
    ...     id, has = "poor", {"fetchOrder": True, "fetchTime": True}
    >>> lacks_of(Poor)[0]
    'no stream of own orders: they are queried every second'
    """
    found = [text for name, text in _WITHOUT.items() if exchange.has.get(name) is not True]
    if exchange.id not in NAMED:
        found.append(
            "no change of an order in its place: it is cancelled, and sent again with less priority"
        )
        if not exchange.has.get("fetchOrderWithClientOrderId"):
            found.append("no query by own names of orders: they are searched in lists")
    return [*found, "no cancel on disconnect: open orders stay open when the link breaks"]


def standing(name: str) -> str:
    """Whether an exchange passed the conformance kit, for people.

    >>> standing("binance"), standing("kraken")
    ('passed the conformance kit', 'experimental: it has not passed the kit')
    """
    return (
        "passed the conformance kit" if name in NAMED else "experimental: it has not passed the kit"
    )


class CcxtVenue(BinanceVenue):
    """An exchange by ccxt: parameters and errors as in `BinanceVenue`; missing features are reported at logon.

    Parameters
    ----------
    exchange : str
        As ccxt names it.
    terms : CcxtTerms
    more
        As `BinanceVenue` has them.
    """

    def __init__(self, exchange: str, terms: CcxtTerms, *more: Any, **named: Any) -> None:
        self.exchange = exchange
        self._ask_s = 0.0
        self._wait_s = FIRST_S
        super().__init__(terms, *more, **named)
        self._say(
            o.LinkStatus(
                True,
                self._stamp(0),
                "; ".join([f"ccxt:{exchange} {standing(exchange)}", *self.lacks]),
            )
        )

    def _reach(
        self, terms: SpotTerms, folder: Path
    ) -> tuple[str, AnswersRest, ApiChannel, SpotLinks]:
        assert isinstance(terms, CcxtTerms)
        key = CcxtKey(self.exchange, terms, folder)
        made = exchange_of(self.exchange, terms, folder, key.parts)
        self.lacks = lacks_of(made)
        calls = CcxtCalls(made, key.clean, self._now_ms)
        channel = CcxtChannel(key, self.budget, self._now_ms, terms.recv_window_ms)
        self._ccxt = channel.links = CcxtLinks(
            calls, self._selector, channel.receive, self._book_lost, self._allow
        )
        self._polled = not (calls.has("watchOrders") and calls.has("watchMyTrades"))
        name = f"ccxt:{self.exchange}:{terms.net}" if not terms.urls else f"ccxt:{self.exchange}"
        return name, CcxtRest(self._ccxt, self.exchange), channel, self._ccxt

    def _came_up(self) -> None:
        super()._came_up()
        self._ask_s = time.monotonic() + FIRST_S
        self._wait_s = FIRST_S

    def _turn(self) -> None:
        """Besides what the Binance adapter does, request working orders' status, rarely where a stream reports them."""
        super()._turn()
        if self.up and time.monotonic() >= self._ask_s:
            self._wait_s = FIRST_S if self._polled else min(2 * self._wait_s, LONGEST_S)
            self._ask_s = time.monotonic() + self._wait_s
            for order in self.tracker.mine(""):
                if order not in self.inquiry.open:
                    self.inquiry.about(order)

    def _ask_book(self, name: str, book: StreamedBook, now_s: float) -> None:
        book.ask(now_s)
        self._ccxt.whole(name)
