"""Requests of ours against those that ccxt makes, of the version that is installed, and those that it recorded.

What ccxt recorded are data of theirs: `ts/src/test/static/request/binance.json` of ccxt/ccxt, looked for as
`$TERCEL_PEERS/ccxt/binance.json`; where it is not, that test is skipped.
"""

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tercel.core import orders as o
from tercel.feeds.binance_messages import DepthDiff
from tercel.fix.memory import OrderMemory
from tercel.fix.profiles.model import NamesTable
from tercel.venues.binance_venue.account import (
    AccountWatch,
    AssetLedger,
    LogonFacts,
    clock_of,
    hear_account,
    past,
    symbols_of,
)
from tercel.venues.binance_venue.api import symbol_of
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.rest import WeightBudget
from tercel.venues.binance_venue.terms import BinanceTerms
from tercel.venues.binance_venue.tracker import OrderTracker
from tercel.venues.binance_venue.venue import BinanceVenue

ROOT = Path(__file__).resolve().parents[3]
FILE = (
    Path(os.environ.get("TERCEL_PEERS", ROOT.parent / "shared" / "peers")) / "ccxt" / "binance.json"
)
Request = tuple[str, str, dict[str, Any]]
"""Verb and path of REST, and parameters."""
REST = {
    "order.place": ("POST", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "depth": ("GET", "/api/v3/depth"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
}
"""Where REST has what the WebSocket API calls so. Source: `web-socket-api.md`, `rest-api.md`."""
DIFFER = {
    "createOrder": {"selfTradePreventionMode"},
    "cancelOrder": {"newClientOrderId"},
    "editOrder": {"selfTradePreventionMode", "cancelRestrictions"},
}
"""What we say and ccxt does not: how to trade with ourselves, a cancel's own name, and that nothing may be filled."""
OPEN = {"limit", "startTime"}
"""What ccxt mostly left open when it recorded, and the desk says always."""
PLAIN = [{}, {"postOnly": True}, {"timeInForce": "IOC"}]
"""Of what ccxt recorded, what the desk can ask for."""
SAID = {"signature", "timestamp", "recvWindow", "apiKey"}
MARKET = "LTC/USDT"
SINCE = 1_700_000_000_000


class Recorded(ApiChannel):
    """A channel that keeps what is asked, and who waits for it."""

    def __init__(self) -> None:
        super().__init__(None, WeightBudget(), lambda: 0, 5000)  # type: ignore[arg-type]
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.heard: Callable[[ApiAnswer], object]

    def ask(
        self, method: str, params: Any, weight: int, then: Callable[[ApiAnswer], object], **_: Any
    ) -> None:
        self.asked.append((method, dict(params)))
        self.heard = then

    @property
    def last(self) -> Request:
        """The last request: verb, path and parameters."""
        method, params = self.asked[-1]
        return *REST[method], params


class RecordedRest:
    """REST that keeps what is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.last: Request = ("", "", {})

    def ask(
        self,
        path: str,
        weight: int,
        params: Any = None,
        *,
        signed: bool = False,
        method: str = "GET",
    ) -> Any:
        was, self.last = self.last, (method, path, dict(params or {}))
        return self.answer if not was[0] else []

    def close(self) -> None:
        pass


class Desk:
    """A desk's orders in one symbol, over a channel that only keeps."""

    def __init__(self, market: str = MARKET, post_only: bool = False) -> None:
        self.name, self.channel = market.replace("/", ""), Recorded()
        base, quote = market.split("/")
        self.entry = {
            "symbol": self.name, "baseAsset": base, "quoteAsset": quote,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0.00001"},
            ],
        }  # fmt: skip
        found = symbol_of(self.entry)
        memory = OrderMemory(NamesTable())
        self.tracker = OrderTracker(
            {self.name: found}, memory, AssetLedger(), lambda report, *_: report
        )
        self.inquiry = FateInquiry(self.channel, self.tracker, lambda _: None, lambda ns: ns)
        self.books = {self.name: StreamedBook(found)}
        self.orders = OrderEntry(
            self.channel,
            self.tracker,
            self.inquiry,
            self.books,
            lambda _: None,
            lambda ns: ns,
            post_only=post_only,
        )

    def new(self, side: str, price: Any, amount: Any, ioc: bool, name: str = "n") -> None:
        """Send an order."""
        tif = o.Tif.IOC if price is None or ioc else o.Tif.DAY
        where = name, self.name, 1 if side == "buy" else -1
        self.orders.send(o.NewOrder(*where, lots_of(amount), ticks_of(price), tif, "a", "p", 0))

    def working(self, number: str, name: str, side: str = "buy") -> None:
        """An order works that the venue calls by a number; "": it has said none."""
        self.new(side, "50", "0.2", False, name)
        if number:
            self.tracker.assign_number(self.tracker.by_name[name], int(number))


def lots_of(amount: Any) -> int:
    return round(Decimal(str(amount)) / Decimal("0.00001"))


def ticks_of(price: Any) -> int | None:
    return None if price is None else round(Decimal(str(price)) / Decimal("0.01"))


# -- ours, by what ccxt is asked for ----------------------------------------------------------------------------------
def create_order(
    market: str, kind: str, side: str, amount: Any, price: Any = None, words: Any = None
) -> Request:
    words = words or {}
    desk = Desk(market, bool(words.get("postOnly")))
    name = words.get("clientOrderId", "n")
    desk.new(
        side, None if kind == "market" else price, amount, words.get("timeInForce") == "IOC", name
    )
    return desk.channel.last


def named(number: str, words: Any) -> str:
    return "n" if number else str(words["clientOrderId"])


def cancel_order(number: str, market: str, words: Any = None) -> Request:
    desk, name = Desk(market), named(number, words)
    desk.working(number, name)
    desk.orders.send(o.CancelOrder("c", name, desk.name, 1, "a", 0))
    return desk.channel.last


def edit_order(
    number: str, market: str, kind: str, side: str, amount: Any, price: Any, words: Any = None
) -> Request:
    desk = Desk(market)
    desk.working(number, "n", side)
    at = ticks_of(price)
    assert at is not None
    name, sign = (words or {}).get("clientOrderId", "r"), 1 if side == "buy" else -1
    desk.orders.send(o.ReplaceOrder(name, "n", desk.name, sign, lots_of(amount), at, "a", "p", 0))
    return desk.channel.last


def asked_about(number: str, market: str, words: Any = None) -> Desk:
    desk, name = Desk(market), named(number, words)
    desk.working(number, name)
    desk.inquiry.about(desk.tracker.by_name[name])
    desk.inquiry.turn()
    return desk


def fetch_order(number: str, market: str, words: Any = None) -> Request:
    return asked_about(number, market, words).channel.last


def fetch_order_trades(number: str, market: str, *_: Any) -> Request:
    """An order is found to be filled whose trades never came."""
    desk = asked_about(number, market)
    row = {"orderId": int(number), "executedQty": "0.2", "status": "FILLED", "clientOrderId": "n"}
    desk.channel.heard(ApiAnswer(row, None, "", 0, 0))
    return desk.channel.last


def fetch_my_trades(
    market: str, since: Any = None, limit: Any = None, words: Any = None
) -> Request:
    if "orderId" in (words or {}):
        return fetch_order_trades(words["orderId"], market)
    path, name, first = "/api/v3/myTrades", market.replace("/", ""), (words or {}).get("fromId")
    rest = RecordedRest([{"id": int(first or 1) - 1}] * (1000 if first else 0))
    list(past(rest, path, name, since, "id", "fromId"))
    return rest.last


def fetch_orders(market: str, since: Any = None, *_: Any) -> Request:
    rest = RecordedRest([])
    list(past(rest, "/api/v3/allOrders", market.replace("/", ""), since, "orderId", "orderId"))
    return rest.last


def fetch_balance(*_: Any) -> Request:
    """At logon by REST, and from then on by the WebSocket API: the same."""
    desk, rest = Desk(), RecordedRest({"balances": []})
    hear_account(rest, LogonFacts())
    watch = AccountWatch(desk.channel, AssetLedger(), desk.books, print, lambda ns: ns, print)  # type: ignore[arg-type]
    watch._account_s = 0.0
    watch.turn(False)
    assert desk.channel.last == rest.last
    return rest.last


def fetch_order_book(market: str, limit: int = 1000) -> Request:
    desk = Desk(market)
    terms = BinanceTerms(depth=limit)
    venue = SimpleNamespace(
        _terms=terms, budget=WeightBudget(), _books=desk.books, _channel=desk.channel
    )
    book = desk.books[desk.name]
    book._sync.waiting.append(DepthDiff(1, 1, 0, 0, 0, (), ()))
    BinanceVenue._ask_book(venue, desk.name, book, 0.0)  # type: ignore[arg-type]
    return desk.channel.last


def fetch_time() -> Request:
    rest = RecordedRest({"serverTime": 0})
    rest.ask = lambda path, weight, **_: setattr(rest, "last", ("GET", path, {})) or rest.answer  # type: ignore[method-assign, func-returns-value]
    clock_of(rest, lambda: 0, lambda: 0, 1000.0)
    return rest.last


def fetch_markets() -> Request:
    rest = RecordedRest({"symbols": [Desk().entry]})
    symbols_of(rest, (), WeightBudget())
    return rest.last


OURS: dict[str, Callable[..., Request]] = {
    "createOrder": create_order, "cancelOrder": cancel_order, "editOrder": edit_order, "fetchOrder": fetch_order,
    "fetchOrderTrades": fetch_order_trades, "fetchMyTrades": fetch_my_trades, "fetchOrders": fetch_orders,
    "fetchBalance": fetch_balance, "fetchOrderBook": fetch_order_book, "fetchTime": fetch_time,
    "fetchMarkets": fetch_markets,
}  # fmt: skip
"""What the desk asks for where ccxt has such a call. `fetchOpenOrders` has none: each order is asked about."""


def same(value: Any) -> Any:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return str(value)


def plain(params: Any, but: set[str]) -> dict[str, Any]:
    return {key: same(value) for key, value in dict(params).items() if key not in but}


# -- those that ccxt makes --------------------------------------------------------------------------------------------
class AskedError(Exception):
    """A request would leave."""


def theirs(method: str, words: tuple[Any, ...]) -> Request:
    """The request of the ccxt that is installed: nothing leaves."""
    ccxt = pytest.importorskip("ccxt")
    about = {"fetchMargins": False, "crossMarginPairsData": [], "isolatedMarginPairsData": []}
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, **about}
    made = ccxt.binance(
        {"apiKey": "k" * 64, "secret": "s" * 64, "options": options, "enableRateLimit": False}
    )
    made.has["fetchCurrencies"] = False

    def fetch(url: str, verb: str = "GET", headers: Any = None, body: Any = None) -> None:
        raise AskedError(verb, url, body)

    made.fetch = fetch
    if method != "fetchMarkets":
        listed = {
            "permissions": ["SPOT"],
            "isSpotTradingAllowed": True,
            "status": "TRADING",
            "orderTypes": ["LIMIT", "MARKET"],
        }
        made.set_markets([made.parse_market(Desk().entry | listed)])
    with pytest.raises(AskedError) as caught:
        getattr(made, method)(*words)
    verb, url, body = caught.value.args
    parts = urlsplit(url)
    return verb, parts.path, dict(parse_qsl(parts.query) + parse_qsl(body or ""))


CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("createOrder", (MARKET, "limit", "buy", "0.2", "50", {"clientOrderId": "me"})),
    (
        "createOrder",
        (MARKET, "limit", "sell", "0.2", "50", {"clientOrderId": "me", "postOnly": True}),
    ),
    (
        "createOrder",
        (
            MARKET,
            "limit",
            "sell",
            "0.00001",
            "50.01",
            {"clientOrderId": "me", "timeInForce": "IOC"},
        ),
    ),
    ("createOrder", (MARKET, "market", "buy", "0.2", None, {"clientOrderId": "me"})),
    ("cancelOrder", ("465138", MARKET)),
    ("cancelOrder", ("", MARKET, {"clientOrderId": "me"})),
    ("editOrder", ("465138", MARKET, "limit", "buy", "0.2", "51", {"clientOrderId": "me"})),
    ("fetchOrder", ("465138", MARKET)),
    ("fetchOrder", ("", MARKET, {"clientOrderId": "me"})),
    ("fetchMyTrades", (MARKET, None, 1000, {"orderId": "465138"})),
    ("fetchMyTrades", (MARKET, SINCE, 1000)),
    ("fetchMyTrades", (MARKET, None, 1000, {"fromId": "8"})),
    ("fetchOrders", (MARKET, SINCE, 1000)),
    ("fetchBalance", ()),
    ("fetchOrderBook", (MARKET, 1000)),
    ("fetchTime", ()),
    ("fetchMarkets", ()),
]


@pytest.mark.parametrize(
    ("method", "words"), CALLS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(CALLS)]
)
def test_requests_are_those_that_ccxt_makes(method: str, words: tuple[Any, ...]) -> None:
    verb, path, params = theirs(method, words)
    made = OURS[method](*words)
    more = DIFFER.get(method, set())
    assert made[:2] == (verb, path)
    assert more <= made[2].keys()
    assert plain(made[2], SAID | more) == plain(params, SAID)


# -- those that ccxt recorded -----------------------------------------------------------------------------------------
def fits(case: Any) -> bool:
    """Whether the desk can ask for what a call of ccxt asked for: spot, one symbol, nothing but what is plain."""
    words = [one for one in case["input"] if isinstance(one, dict)]
    named = [one for one in case["input"] if isinstance(one, str) and "/" in one]
    spot = urlsplit(case["url"]).path.startswith("/api/v3/") and not any(
        ":" in one for one in named
    )
    return spot and all(one in PLAIN for one in words) and "weird" not in case["description"]


def test_requests_are_those_that_ccxt_recorded() -> None:
    if not FILE.is_file():
        pytest.skip(f"no requests of ccxt in {FILE}")
    told, compared = json.loads(FILE.read_text()), set[str]()
    for method in OURS.keys() & told["methods"].keys():
        but = {*told["skipKeys"], *SAID, *DIFFER.get(method, set()), *OPEN}
        for case in filter(fits, told["methods"][method]):
            url = urlsplit(case["url"])
            wanted = plain(parse_qsl(url.query) + parse_qsl(case.get("output") or ""), but)
            if "quoteOrderQty" in wanted:
                continue  # by money: the desk orders lots
            _, path, made = OURS[method](*case["input"])
            assert (path, plain(made, but)) == (url.path, wanted), case["description"]
            compared.add(method)
    asked = {"fetchOrder", "fetchOrderTrades", "fetchMyTrades", "fetchOrders", "fetchBalance"}
    assert compared >= {"createOrder", "cancelOrder", *asked}
