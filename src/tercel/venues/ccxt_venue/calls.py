"""Requests in the format of Binance's API, carried out by ccxt's methods, and their answers in that format."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tercel.feeds.ccxt_messages import (
    account_row,
    error_answer,
    market_entry,
    name_of,
    order_row,
    trade_row,
)
from tercel.venues.binance_venue.rest import seconds_of
from tercel.venues.binance_venue.working_order import ENDS
from tercel.venues.ccxt_venue.terms import CONFORMANT

CALL_S: Final = 10.0
"""Time-out of a request, queueing included, seconds."""
_PAGE: Final = 1000
Params = Mapping[str, Any]


class CcxtCalls:
    """Requests of one exchange, carried out in ccxt's event loop.

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
        """Set up for an exchange; a conformant one's requests are stamped by `now_ms`."""
        self.exchange = exchange
        self._clean = clean
        self.now_ms = now_ms
        self.is_conformant = exchange.id in CONFORMANT
        if self.is_conformant:
            exchange.nonce = now_ms  # stamps of requests, by the exchange's clock
        self.by_name = self.is_conformant or self.has("fetchOrderWithClientOrderId")
        """Whether an order can be queried by the own name."""
        self.unified: dict[str, str] = {}
        """ccxt's name of a symbol by the exchange's."""

    def has(self, method: str) -> bool:
        """Whether the exchange itself offers a method of ccxt's."""
        return self.exchange.has.get(method) is True

    async def answer(self, number: int, method: str, params: Params) -> dict[str, Any]:
        """Carry out a request by ccxt: the answer, errors included, as the WebSocket API of Binance would give it."""
        name = method.rpartition("/")[2].replace(".", "_").lower()
        try:
            async with asyncio.timeout(CALL_S):
                result = await getattr(self, f"_on_{name}")(params)
        except Exception as error:  # whatever it is, the request may have been carried out
            return {"id": number, **self.refusal(method, error)}
        return {"id": number, "status": 200, "result": result}

    def refusal(self, method: str, error: Exception) -> dict[str, Any]:
        """An error of ccxt as Binance's error answer, without secrets."""
        wait_s = seconds_of(str((self.exchange.last_response_headers or {}).get("Retry-After", "")))
        return error_answer(
            method, error, self._clean(str(error)), self.is_conformant, wait_s, self.now_ms()
        )

    def error_text(self, error: Exception) -> str:
        """Text of an error, without secrets."""
        return str(self.refusal("", error)["error"]["msg"])

    async def _on_time(self, _: Params) -> Any:
        """Time of the exchange, ms: `time`."""
        return {
            "serverTime": int(await self.exchange.fetch_time())
            if self.has("fetchTime")
            else self.now_ms()
        }

    async def _on_exchangeinfo(self, params: Params) -> Any:
        """Spot symbols with their filters: `exchangeInfo`."""
        names = params.get("symbols", ())
        names = json.loads(names) if isinstance(names, str) else names
        markets = (await self.exchange.load_markets(bool(self.unified))).values()
        spot = {str(market["id"]): market for market in markets if market.get("spot")}
        self.unified |= {name: str(market["symbol"]) for name, market in spot.items()}
        mode = self.exchange.precisionMode
        answer = [market for name, market in spot.items() if not names or name in names]
        return {"symbols": [market_entry(market, mode, self.is_conformant) for market in answer]}

    async def _on_apirestrictions(self, _: Params) -> Any:
        """Permissions of the API key: `apiRestrictions`, where the exchange has them."""
        if "sapi" not in self.exchange.urls["api"]:
            raise LookupError("none: 404 ")
        return await self.exchange.sapi_get_account_apirestrictions()

    async def _on_account(self, _: Params) -> Any:
        """Balances and fee rates: `account`."""
        market = self.exchange.market(next(iter(self.unified.values())))
        return account_row(await self.exchange.fetch_balance(), market)

    _on_account_status = _on_account

    async def _on_order_place(self, params: Params) -> Any:
        """Place an order: `order.place`."""
        extras = {"clientOrderId": params["newClientOrderId"]}
        mode = params["selfTradePreventionMode"]
        extras |= {"timeInForce": "IOC"} if params.get("timeInForce") == "IOC" else {}
        extras |= {"postOnly": True} if params["type"] == "LIMIT_MAKER" else {}
        extras |= {"selfTradePreventionMode": mode} if mode != "NONE" else {}
        order_arguments = (
            self.unified[params["symbol"]],
            "market" if params["type"] == "MARKET" else "limit",
            params["side"].lower(),
            params["quantity"],
            params.get("price"),
        )
        return order_row(
            await self.exchange.create_order(*order_arguments, extras), params, self.now_ms()
        )

    async def _on_order_cancel(self, params: Params) -> Any:
        """Cancel an order: `order.cancel`."""
        name = name_of(params.get("orderId", 0))
        extras = dict[str, str]()
        if "orderId" not in params and self.by_name:
            name = ""
            extras = {"clientOrderId": params["origClientOrderId"]}
        elif "orderId" not in params:
            name = str((await self._fetch_order(params))["id"])
        answer = await self.exchange.cancel_order(name, self.unified[params["symbol"]], extras)
        row = order_row(answer, params, self.now_ms())
        return row if row["status"] in ENDS else await self._on_order_status(params)

    async def _on_order_amend_keeppriority(self, params: Params) -> Any:
        """Amend an order; of tested exchanges alone, as ccxt has no method for it."""
        return await self.exchange.request(
            "order/amend/keepPriority", ["private"], "PUT", dict(params)
        )

    async def _on_order_status(self, params: Params) -> Any:
        """Status of an order: `order.status`."""
        return order_row(await self._fetch_order(params), params, self.now_ms())

    async def _fetch_order(self, params: Params) -> Any:
        """An order of ccxt by its number or own name, searched in lists where the exchange has no query for it."""
        symbol = self.unified[params["symbol"]]
        client_id = params.get("origClientOrderId", "")
        name = name_of(params["orderId"]) if "orderId" in params else ""
        if self.has("fetchOrder") and (name or self.by_name):
            return await self.exchange.fetch_order(
                name, symbol, {} if name else {"clientOrderId": client_id}
            )
        for row in await self._fetch_orders(symbol, None, {}):
            if name == str(row["id"]) or (client_id and row.get("clientOrderId") == client_id):
                return row
        from ccxt import OrderNotFound

        raise OrderNotFound(name or client_id)

    async def _fetch_orders(self, symbol: str, since: int | None, extras: Params) -> list[Any]:
        """First page of a symbol's open and closed orders since a time (ms); `extras` only where the exchange has fetchOrders."""
        if self.has("fetchOrders"):
            return list(await self.exchange.fetch_orders(symbol, since, _PAGE, extras))
        return [
            *await self.exchange.fetch_open_orders(symbol),
            *await self.exchange.fetch_closed_orders(symbol, since),
        ]

    async def _on_allorders(self, params: Params) -> Any:
        """Orders of a symbol: `allOrders`."""
        answer = await self._fetch_orders(
            self.unified[params["symbol"]],
            params.get("startTime"),
            {"orderId": params["orderId"]} if "orderId" in params else {},
        )
        return [order_row(row, params, self.now_ms()) for row in answer]

    async def _on_mytrades(self, params: Params) -> Any:
        """Own trades of a symbol: `myTrades`."""
        extras = {
            key: params[key]
            for key in ("orderId", "fromId")
            if key in params and self.is_conformant
        }
        symbol = self.unified[params["symbol"]]
        since = params.get("startTime")
        answer = await self.exchange.fetch_my_trades(symbol, since, _PAGE, extras)
        rows = [trade_row(trade, self.now_ms()) for trade in answer]
        return [row for row in rows if row["orderId"] == params.get("orderId", row["orderId"])]
