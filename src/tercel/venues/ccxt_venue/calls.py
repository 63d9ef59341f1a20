"""What Binance's words ask for, asked of an exchange by ccxt, and its answers in those words."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tercel.feeds.ccxt_messages import (
    account_row,
    market_entry,
    name_of,
    order_row,
    refusal,
    trade_row,
)
from tercel.venues.binance_venue.rest import seconds_of
from tercel.venues.binance_venue.tracker import ENDS
from tercel.venues.ccxt_venue.terms import NAMED

CALL_S: Final = 10.0
"""How long a request may wait for its turn and its answer."""
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
        """Whether an order can be asked about by our name."""
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
        """What an error says, without secrets."""
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
        mode, told = (
            self.exchange.precisionMode,
            [one for name, one in spot.items() if not names or name in names],
        )
        return {"symbols": [market_entry(one, mode, self.named) for one in told]}

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
        kind = "market" if asked["type"] == "MARKET" else "limit"
        what = (
            self.unified[asked["symbol"]],
            kind,
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
        told = await self.exchange.cancel_order(name, self.unified[asked["symbol"]], more)
        row = order_row(told, asked, self.now_ms())
        return row if row["status"] in ENDS else await self._on_order_status(asked)

    async def _on_order_amend_keeppriority(self, asked: Asked) -> Any:
        """Of named exchanges alone: ccxt has no word for it."""
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
        more = {"orderId": asked["orderId"]} if "orderId" in asked else {}
        told = await self._listed(self.unified[asked["symbol"]], asked.get("startTime"), more)
        return [order_row(one, asked, self.now_ms()) for one in told]

    async def _on_mytrades(self, asked: Asked) -> Any:
        more = {one: asked[one] for one in ("orderId", "fromId") if one in asked and self.named}
        symbol, since = self.unified[asked["symbol"]], asked.get("startTime")
        told = await self.exchange.fetch_my_trades(symbol, since, _PAGE, more)
        rows = [trade_row(one, self.now_ms()) for one in told]
        return [one for one in rows if one["orderId"] == asked.get("orderId", one["orderId"])]
