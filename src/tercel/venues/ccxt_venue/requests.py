"""`SpotApi` by ccxt: each request is a method of ccxt's, carried out in its event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Concatenate, Final, ParamSpec

from tercel.core.errors import VenueError
from tercel.feeds.ccxt_messages import account_row, market_entry, name_of, order_row, trade_row
from tercel.venues.binance_venue.api import format_amount
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.requests import (
    AMEND_WEIGHT,
    ORDER_WEIGHT,
    QUERY_WEIGHT,
    TRADES_WEIGHT,
    amend_params,
    read_account,
    read_amendment,
    read_markets,
    read_order,
    read_permissions,
    read_trade,
)
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.binance_venue.spot_api import (
    Call,
    KeyPermissions,
    OrderKey,
    OrderRequest,
    Row,
    SpotAccount,
    SpotMarkets,
    SpotOrder,
    SpotSwap,
    SpotTrade,
)
from tercel.venues.binance_venue.working_order import ENDS
from tercel.venues.ccxt_venue.exchange import CcxtExchange
from tercel.venues.ccxt_venue.links import CcxtLinks

CALL_S: Final = 10.0
"""Time-out of a request, queueing included, seconds."""
CANCEL: Final = "order.cancel"
_PAGE: Final = 1000
Args = ParamSpec("Args")
Params = Mapping[str, Any]


def spot_call(
    method: str, weight: int, is_order: bool = False
) -> Callable[
    [Callable[Concatenate["CcxtApi", Args], Awaitable[Row]]],
    Callable[Concatenate["CcxtApi", Args], Call[Row]],
]:
    """Decorator: makes a coroutine function a method that returns a `Call` of it."""

    def decorate(
        function: Callable[Concatenate["CcxtApi", Args], Awaitable[Row]],
    ) -> Callable[Concatenate["CcxtApi", Args], Call[Row]]:
        """The method; what the coroutine returns is the answer, read."""

        def build(api: "CcxtApi", /, *args: Args.args, **kwargs: Args.kwargs) -> Call[Row]:
            """A call of the coroutine function with these arguments."""
            work = partial(function, api, *args, **kwargs)
            return Call(method, weight, work, lambda row: row, is_order)

        return build

    return decorate


class CcxtApi:
    """`SpotApi` over ccxt's REST; a cancel and a new order are two requests.

    Parameters
    ----------
    exchange : CcxtExchange
    channel : ApiChannel
    links : CcxtLinks
    """

    swaps = False

    def __init__(self, exchange: CcxtExchange, channel: ApiChannel, links: CcxtLinks) -> None:
        self._exchange = exchange
        self.channel = channel
        self._links = links

    def swap(self, order: OrderKey, request: OrderRequest) -> Call[SpotSwap]:
        """Raise NotImplementedError: `swaps` is False."""
        raise NotImplementedError

    def send(
        self, call: Call[Row], reply: Callable[[ApiAnswer[Row]], object], urgent: bool = False
    ) -> None:
        """Send a request: `reply` is called once, later, by the links' `poll`."""
        number = self.channel.register_request(
            call.method,
            call.weight,
            reply,
            call.read,
            orders=call.is_order,
            urgent=urgent,
            stamp=self.channel.now_ms(),
        )
        if call.method == CANCEL:
            _, order, name = call.work.args
            self._links.own_orders.note_cancel(number, order, name)
        self._links.run(self._answer(number, call))

    def wait(self, call: Call[Row]) -> Row:
        """Send a query and wait for its answer."""
        answer = self._links.run(self._answer(0, call)).result(2 * CALL_S)
        if (error := answer.get("error")) is None:
            return call.read(answer["result"])
        if error["code"] or answer["status"] == HTTPStatus.NOT_FOUND:
            raise RequestRefusedError(call.method, error["code"], error["msg"], answer["status"])
        raise VenueError(
            f"{self._exchange.pro.id} to answer {call.method}",
            error["msg"],
            "check its URLs, the key and its secret; ask again",
        )

    async def _answer(self, number: int, call: Call[Any]) -> dict[str, Any]:
        """Carry out a request: its result or, as the WebSocket API of Binance would give it, its error. One with a number
        is queued for `poll`, too."""
        answer: dict[str, Any] = {"id": number, "status": 200}
        try:
            async with asyncio.timeout(CALL_S):
                answer["result"] = await call.work()
        except Exception as error:  # whatever it is, the request may have been carried out
            answer |= self._exchange.refusal(call.method, error)
        if number:
            self._links.hand_over("answer", answer)
        return answer

    @spot_call("time", 1)
    async def time(self) -> object:
        """Time of the exchange, ms."""
        return (
            int(await self._exchange.pro.fetch_time())
            if self._exchange.has("fetchTime")
            else self._exchange.now_ms()
        )

    @spot_call("exchangeInfo", QUERY_WEIGHT)
    async def markets(self, symbols: Sequence[str]) -> SpotMarkets:
        """Spot symbols with their filters; of all where none is named."""
        markets = (await self._exchange.pro.load_markets(bool(self._exchange.unified))).values()
        spot = {str(market["id"]): market for market in markets if market.get("spot")}
        self._exchange.unified |= {name: str(market["symbol"]) for name, market in spot.items()}
        mode = self._exchange.pro.precisionMode
        entries = [
            market_entry(market, mode, self._exchange.is_conformant)
            for name, market in spot.items()
            if not symbols or name in symbols
        ]
        return read_markets({"symbols": entries})

    @spot_call("apiRestrictions", 1)
    async def permissions(self) -> KeyPermissions:
        """Permissions of the API key, where the exchange has them."""
        if "sapi" not in self._exchange.pro.urls["api"]:
            raise LookupError("none: 404 ")
        return read_permissions(await self._exchange.pro.sapi_get_account_apirestrictions())

    @spot_call("account.status", QUERY_WEIGHT)
    async def account(self) -> SpotAccount:
        """Balances and fee rates."""
        market = self._exchange.pro.market(next(iter(self._exchange.unified.values())))
        return read_account(account_row(await self._exchange.pro.fetch_balance(), market))

    @spot_call("order.place", 1, is_order=True)
    async def place(self, request: OrderRequest) -> SpotOrder:
        """Place an order."""
        extras: dict[str, Any] = {"clientOrderId": request.name}
        mode = request.self_trade
        is_limit = request.price is not None
        extras |= {"timeInForce": "IOC"} if request.is_ioc and is_limit else {}
        extras |= (
            {"postOnly": True} if request.post_only and is_limit and not request.is_ioc else {}
        )
        extras |= {"selfTradePreventionMode": mode} if mode != "NONE" else {}
        order = await self._exchange.pro.create_order(
            self._exchange.unified[request.symbol],
            "limit" if is_limit else "market",
            "buy" if request.side > 0 else "sell",
            format_amount(request.quantity),
            None if request.price is None else format_amount(request.price),
            extras,
        )
        return self._read_order(order, request.symbol, request.name)

    @spot_call(CANCEL, 1, is_order=True)
    async def cancel(self, order: OrderKey, name: str) -> SpotOrder:
        """Cancel an order under a name of ours ("": none)."""
        number = name_of(order.number)
        extras = dict[str, str]()
        if not order.number and self._exchange.by_name:
            number = ""
            extras = {"clientOrderId": order.name}
        elif not order.number:
            number = str((await self._fetch_order(order))["id"])
        answer = await self._exchange.pro.cancel_order(
            number, self._exchange.unified[order.symbol], extras
        )
        row = self._read_order(answer, order.symbol, name or order.name)
        return row if row.status in ENDS else await self._state(order)

    @spot_call("order.amend.keepPriority", AMEND_WEIGHT, is_order=True)
    async def amend(self, order: OrderKey, name: str, quantity: int) -> SpotOrder:
        """Amend an order; of tested exchanges alone, as ccxt has no method for it."""
        return read_amendment(
            await self._exchange.pro.request(
                "order/amend/keepPriority",
                ["private"],
                "PUT",
                amend_params(order, name, quantity),
            )
        )

    @spot_call("order.status", ORDER_WEIGHT)
    async def order(self, order: OrderKey) -> SpotOrder:
        """State of an order."""
        return await self._state(order)

    async def _state(self, order: OrderKey) -> SpotOrder:
        """State of an order, under our name where the exchange does not say it."""
        name = "" if order.number else order.name
        return self._read_order(await self._fetch_order(order), order.symbol, name)

    def _read_order(self, order: Any, symbol: str, name: str) -> SpotOrder:
        """State of an order of ccxt; `name` is ours, where that has none."""
        return read_order(order_row(order, symbol, name, self._exchange.now_ms()))

    async def _fetch_order(self, order: OrderKey) -> Any:
        """An order of ccxt by its number or own name, searched in lists where the exchange has no query for it."""
        symbol = self._exchange.unified[order.symbol]
        client_id = "" if order.number else order.name
        name = name_of(order.number) if order.number else ""
        if self._exchange.has("fetchOrder") and (name or self._exchange.by_name):
            return await self._exchange.pro.fetch_order(
                name, symbol, {} if name else {"clientOrderId": client_id}
            )
        for row in await self._fetch_orders(symbol, None, {}):
            if name == str(row["id"]) or (client_id and row.get("clientOrderId") == client_id):
                return row
        from ccxt import OrderNotFound

        raise OrderNotFound(name or client_id)

    async def _fetch_orders(self, symbol: str, since: int | None, extras: Params) -> list[Any]:
        """First page of a symbol's open and closed orders since a time (ms); `extras` only where the exchange has fetchOrders."""
        if self._exchange.has("fetchOrders"):
            return list(await self._exchange.pro.fetch_orders(symbol, since, _PAGE, extras))
        return [
            *await self._exchange.pro.fetch_open_orders(symbol),
            *await self._exchange.pro.fetch_closed_orders(symbol, since),
        ]

    @spot_call("allOrders", QUERY_WEIGHT)
    async def orders(self, symbol: str, since_ms: int, first: int) -> Sequence[SpotOrder]:
        """A page of orders of a symbol since a time or, where `first` is above 0, from that number on."""
        rows = await self._fetch_orders(
            self._exchange.unified[symbol],
            None if first else since_ms,
            {"orderId": first} if first else {},
        )
        return [self._read_order(row, symbol, "") for row in rows]

    @spot_call("myTrades", TRADES_WEIGHT)
    async def trades(
        self, symbol: str, since_ms: int, first: int, order: int = 0
    ) -> Sequence[SpotTrade]:
        """A page of own trades of a symbol, likewise; of one order, by its number, or (0) of all."""
        extras = {"orderId": order} if order else {}
        extras |= {"fromId": first} if first > 0 or (order and first == 0) else {}
        answer = await self._exchange.pro.fetch_my_trades(
            self._exchange.unified[symbol],
            None if order or first > 0 else since_ms,
            _PAGE,
            extras if self._exchange.is_conformant else {},
        )
        rows = [read_trade(trade_row(trade, self._exchange.now_ms())) for trade in answer]
        return [row for row in rows if order in (0, row.order)]
