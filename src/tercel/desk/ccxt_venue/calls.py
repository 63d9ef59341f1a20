"""What Binance's words ask for, asked of an exchange by ccxt, and its answers in those words."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from tercel.desk.binance.words import ErrorCode, Status
from tercel.desk.binance_venue.rest import BANNED, seconds_of
from tercel.desk.binance_venue.symbols import TRADING
from tercel.desk.binance_venue.working import ENDS
from tercel.desk.ccxt_venue.terms import NAMED
from tercel.feeds.ccxt_messages import number_of, plain

CALL_S: Final = 10.0
"""How long a request may wait for its turn and its answer."""
STATUSES: Final[Mapping[str, str]] = {
    "closed": Status.FILLED, "canceled": Status.CANCELED, "expired": Status.EXPIRED, "rejected": Status.REJECTED,
}  # fmt: skip
_CODE: Final = re.compile(r'"code":\s*"?(-[0-9]{4})\b')
_SAID: Final = re.compile(r'"msg":\s*"([^"]*)"')
_QUERY: Final = re.compile(r"\?[^\s\"']*")
_PAGE: Final = 1000
_KEPT: Final = 20_000
Asked = Mapping[str, Any]


def name_of(number: int) -> str:
    """An exchange's name of an order by its number, as `number_of` makes it."""
    if number < 10**20:
        return str(number)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")[1:].lstrip(b"\0").decode()


def kinds_of(error: Exception) -> set[str]:
    """Names of an error's classes: ccxt itself need not be there.

    >>> sorted(kinds_of(KeyError("id")) - {"object", "BaseException"})
    ['Exception', 'KeyError', 'LookupError']
    """
    return {one.__name__ for one in type(error).__mro__}


class CcxtCalls:
    """Requests of one exchange; all of it runs in the loop of ccxt.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
    clean : callable
        Takes secrets out of a text.
    now_ms : callable
    """

    def __init__(self, exchange: Any, clean: Callable[[str], str], now_ms: Callable[[], int]) -> None:
        self.exchange, self._clean, self.now_ms = exchange, clean, now_ms
        self.named = exchange.id in NAMED
        if self.named:
            exchange.nonce = now_ms  # stamps of requests, by the exchange's clock
        self.by_name = self.named or self.has("fetchOrderWithClientOrderId")
        """Whether an order can be asked about by our name."""
        self.unified: dict[str, str] = {}
        """ccxt's name of a symbol by the exchange's."""
        self.wires: dict[str, str] = {}
        """Our name of an order by the exchange's."""
        self.cancels: dict[str, str] = {}
        """Our name of the cancel of an order that is on its way, by the exchange's name of the order or by ours."""

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
        """An error of ccxt in Binance's words; one that does not say that nothing was done is a fault of the server."""
        kinds, text = kinds_of(error), _QUERY.sub("", self._clean(str(error) or type(error).__name__))
        found, said, data = _CODE.search(text), _SAID.search(text), None
        code, status = int(found[1]) if found is not None and self.named else 0, 500
        if not code and "OrderNotFound" in kinds:
            code = int(ErrorCode.CANCEL_REJECTED if method == "order.cancel" else ErrorCode.NO_SUCH_ORDER)
        if "DuplicateOrderId" in kinds:
            code, text = int(ErrorCode.ORDER_REJECTED), f"duplicate: {text}"
        if kinds & {"RateLimitExceeded", "DDoSProtection"}:
            wait, now = seconds_of((self.exchange.last_response_headers or {}).get("Retry-After", "")), self.now_ms()
            status, data = BANNED if " 418 " in text else 429, {"serverTime": now, "retryAfter": now + int(wait * 1000)}
        elif "ExchangeError" in kinds:
            status = 400
        elif " 404 " in text and not method.startswith("order."):
            status = 404
        return {"status": status, "error": {"code": code, "msg": said[1] if said else text[:300], "data": data}}

    # -- questions ----------------------------------------------------------------------------------------------------
    async def _on_time(self, _: Asked) -> Any:
        return {"serverTime": int(await self.exchange.fetch_time()) if self.has("fetchTime") else self.now_ms()}

    async def _on_exchangeinfo(self, asked: Asked) -> Any:
        names = asked.get("symbols", ())
        names = json.loads(names) if isinstance(names, str) else names
        markets = (await self.exchange.load_markets(bool(self.unified))).values()
        spot = {str(one["id"]): one for one in markets if one.get("spot")}
        self.unified = {name: str(one["symbol"]) for name, one in spot.items()}
        return {"symbols": [self._entry(one) for name, one in spot.items() if not names or name in names]}

    def _entry(self, market: Asked) -> dict[str, Any]:
        """A market as `exchangeInfo` would list it."""
        info, steps, filters = market.get("info"), market["precision"], list[dict[str, Any]]()
        for kind, what, step, least, most in (
            ("PRICE_FILTER", "price", "tickSize", "minPrice", "maxPrice"),
            ("LOT_SIZE", "amount", "stepSize", "minQty", "maxQty"),
            ("NOTIONAL", "cost", "", "minNotional", "maxNotional"),
        ):
            limits = market["limits"].get(what) or {}
            told = {least: limits.get("min"), most: limits.get("max"), step: self._step(steps.get(what))}
            filters.append({"filterType": kind, "applyMinToMarket": True} | told)
        modes = info.get("allowedSelfTradePreventionModes") if isinstance(info, Mapping) else None
        return {
            "symbol": market["id"], "baseAsset": market["base"], "quoteAsset": market["quote"], "filters": filters,
            "status": "HALT" if market.get("active") is False else TRADING, "amendAllowed": self.named,
            "allowedSelfTradePreventionModes": modes or ["NONE"],
        }  # fmt: skip

    def _step(self, value: Any) -> str:
        mode = self.exchange.precisionMode  # 2: decimals; 3: digits, which are no step; 4: a step
        return "0" if value is None or mode == 3 else plain(value) if mode == 4 else f"{Decimal(10) ** -int(value):f}"

    async def _on_apirestrictions(self, _: Asked) -> Any:
        if "sapi" not in self.exchange.urls["api"]:
            raise LookupError("none: 404 ")
        return await self.exchange.sapi_get_account_apirestrictions()

    async def _on_account(self, _: Asked) -> Any:
        told, rows = await self.exchange.fetch_balance(), list[dict[str, str]]()
        for name, total in told["total"].items():
            free = told[name].get("free")
            rows.append({"asset": name, "free": plain(total if free is None else free)})
            rows[-1]["locked"] = plain(None if free is None else told[name].get("used"))
        market = self.exchange.market(next(iter(self.unified.values())))
        return {"balances": rows, "commissionRates": {one: plain(market.get(one)) for one in ("maker", "taker")}}

    _on_account_status = _on_account

    # -- orders -------------------------------------------------------------------------------------------------------
    async def _on_order_place(self, asked: Asked) -> Any:
        more, mode = {"clientOrderId": asked["newClientOrderId"]}, asked["selfTradePreventionMode"]
        more |= {"timeInForce": "IOC"} if asked.get("timeInForce") == "IOC" else {}
        more |= {"postOnly": True} if asked["type"] == "LIMIT_MAKER" else {}
        more |= {"selfTradePreventionMode": mode} if mode != "NONE" else {}
        kind = "market" if asked["type"] == "MARKET" else "limit"
        what = self.unified[asked["symbol"]], kind, asked["side"].lower(), asked["quantity"], asked.get("price")
        order = await self.exchange.create_order(*what, more)
        self.wire(str(order["id"]), asked["newClientOrderId"])
        return self.row(order, asked)

    async def _on_order_cancel(self, asked: Asked) -> Any:
        name, more = name_of(asked.get("orderId", 0)), {}
        key = name if "orderId" in asked else asked["origClientOrderId"]
        if "newClientOrderId" in asked:
            self.cancels[key] = asked["newClientOrderId"]
        if "orderId" not in asked and self.by_name:
            name, more = "", {"clientOrderId": key}
        elif "orderId" not in asked:
            name = str((await self._order(asked))["id"])
        try:
            row = self.row(await self.exchange.cancel_order(name, self.unified[asked["symbol"]], more), asked)
        except Exception as error:
            if "ExchangeError" in kinds_of(error):
                self.cancels.pop(key, None)
            raise
        return row if row["status"] in ENDS else self.row(await self._order(asked), asked)

    async def _on_order_amend_keeppriority(self, asked: Asked) -> Any:
        """Of named exchanges alone: ccxt has no word for it."""
        return await self.exchange.request("order/amend/keepPriority", ["private"], "PUT", dict(asked))

    async def _on_order_status(self, asked: Asked) -> Any:
        return self.row(await self._order(asked), asked)

    async def _order(self, asked: Asked) -> Any:
        symbol, wire = self.unified[asked["symbol"]], asked.get("origClientOrderId", "")
        name = name_of(asked["orderId"]) if "orderId" in asked else ""
        if self.has("fetchOrder") and (name or self.by_name):
            return await self.exchange.fetch_order(name, symbol, {} if name else {"clientOrderId": wire})
        for one in await self._listed(symbol, None, {}):
            if name == str(one["id"]) or (wire and one.get("clientOrderId") == wire):
                return one
        from ccxt import OrderNotFound

        raise OrderNotFound(name or wire)

    async def _listed(self, symbol: str, since: int | None, more: Asked) -> list[Any]:
        if self.has("fetchOrders"):
            return list(await self.exchange.fetch_orders(symbol, since, _PAGE, more))
        return [*await self.exchange.fetch_open_orders(symbol), *await self.exchange.fetch_closed_orders(symbol, since)]

    async def _on_allorders(self, asked: Asked) -> Any:
        more = {"orderId": asked["orderId"]} if "orderId" in asked else {}
        told = await self._listed(self.unified[asked["symbol"]], asked.get("startTime"), more)
        return [self.row(one, asked) for one in told]

    async def _on_mytrades(self, asked: Asked) -> Any:
        more = {one: asked[one] for one in ("orderId", "fromId") if one in asked and self.named}
        symbol, since = self.unified[asked["symbol"]], asked.get("startTime")
        told = [self.trade(one) for one in await self.exchange.fetch_my_trades(symbol, since, _PAGE, more)]
        return [one for one in told if one["orderId"] == asked.get("orderId", one["orderId"])]

    # -- rows ---------------------------------------------------------------------------------------------------------
    def wire(self, name: str, wire: str) -> None:
        """Our name of an order is known."""
        if wire:
            self.wires[name] = wire
            if len(self.wires) > _KEPT:
                del self.wires[next(iter(self.wires))]

    def row(self, order: Asked, asked: Asked) -> dict[str, Any]:
        """An order of ccxt as a row of Binance's."""
        status, filled = STATUSES.get(str(order.get("status")), Status.NEW), plain(order.get("filled"))
        if status == Status.FILLED and order.get("amount") and Decimal(filled) < Decimal(plain(order["amount"])):
            status = Status.EXPIRED  # over, and not all of it was done
        stamps = [order.get(one) for one in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp")]
        ms = next((int(one) for one in stamps if one), self.now_ms())
        fills = [self.trade(one) for one in order.get("trades") or () if one.get("id") and one.get("price")]
        wires = order.get("clientOrderId"), asked.get("newClientOrderId"), asked.get("origClientOrderId")
        return {
            "symbol": asked["symbol"], "orderId": number_of(order["id"]), "status": status, "executedQty": filled,
            "clientOrderId": next((str(one) for one in wires if one), ""), "origQty": plain(order.get("amount")),
            "price": plain(order.get("price")), "side": str(order.get("side")).upper(), "fills": fills,
            "time": ms, "updateTime": ms, "transactTime": ms,
        }  # fmt: skip

    def trade(self, trade: Asked) -> dict[str, Any]:
        """A trade of ours."""
        fee, number = trade.get("fee") or {}, number_of(trade["id"])
        return {
            "id": number, "tradeId": number, "orderId": number_of(trade["order"] or 0), "price": plain(trade["price"]),
            "qty": plain(trade["amount"]), "commission": plain(fee.get("cost")),
            "commissionAsset": fee.get("currency") or "", "isMaker": trade.get("takerOrMaker") == "maker",
            "time": int(trade["timestamp"] or self.now_ms()),
        }  # fmt: skip
