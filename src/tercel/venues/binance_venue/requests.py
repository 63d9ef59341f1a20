"""Binance's requests and their answers as `SpotApi` has them: over the WebSocket API, and over REST."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.venues.binance_venue.api import (
    MS,
    TradedSymbol,
    format_amount,
    parse_amount,
    parse_signed_amount,
    symbol_of,
)
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.rest import PAGE, BinanceRest
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

PATHS: Final[Mapping[str, str]] = {
    "time": "/api/v3/time",
    "exchangeInfo": "/api/v3/exchangeInfo",
    "apiRestrictions": "/sapi/v1/account/apiRestrictions",
    "account.status": "/api/v3/account",
    "allOrders": "/api/v3/allOrders",
    "myTrades": "/api/v3/myTrades",
}
"""Queries that are waited for, over REST."""
SWAP: Final = "order.cancelReplace"
AMEND_WEIGHT: Final = 4
QUERY_WEIGHT: Final = 20
ORDER_WEIGHT: Final = 4
TRADES_WEIGHT: Final = 5
Item = TypeVar("Item", SpotOrder, SpotTrade)
Message = Mapping[str, Any]
"""A JSON object of Binance."""


class BinanceApi:
    """`SpotApi` over Binance's WebSocket API and, for what is waited for, REST.

    Parameters
    ----------
    channel : ApiChannel
    rest : BinanceRest
    """

    swaps = True

    def __init__(self, channel: ApiChannel, rest: BinanceRest) -> None:
        self.channel = channel
        self._rest = rest

    def place(self, request: OrderRequest) -> Call[SpotOrder]:
        """Place a new order."""
        return Call("order.place", 1, order_params(request), read_order, is_order=True)

    def cancel(self, order: OrderKey, name: str) -> Call[SpotOrder]:
        """Cancel an order under a name of ours ("": none)."""
        params = key_params(order) | ({"newClientOrderId": name} if name else {})
        return Call("order.cancel", 1, params, read_order, is_order=True)

    def amend(self, order: OrderKey, name: str, quantity: int) -> Call[SpotOrder]:
        """Reduce an order in its place, under a new name."""
        params = amend_params(order, name, quantity)
        return Call("order.amend.keepPriority", AMEND_WEIGHT, params, read_amendment, is_order=True)

    def swap(self, order: OrderKey, request: OrderRequest) -> Call[SpotSwap]:
        """Cancel an order that has not traded, and place another."""
        params = order_params(request) | (
            {"cancelOrderId": order.number}
            if order.number
            else {"cancelOrigClientOrderId": order.name}
        )
        modes = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelRestrictions": "ONLY_NEW"}
        return Call(SWAP, 1, params | modes, read_swap, is_order=True)

    def order(self, order: OrderKey) -> Call[SpotOrder]:
        """State of an order."""
        return Call("order.status", ORDER_WEIGHT, key_params(order), read_order)

    def orders(self, symbol: str, since_ms: int, first: int) -> Call[Sequence[SpotOrder]]:
        """A page of orders since a time or, where `first` is above 0, from that number on."""
        begin = {"orderId": first} if first else {"startTime": since_ms}
        params = {"symbol": symbol, **begin, "limit": PAGE}
        return Call("allOrders", QUERY_WEIGHT, params, partial(read_list, read_order))

    def trades(
        self, symbol: str, since_ms: int, first: int, order: int = 0
    ) -> Call[Sequence[SpotTrade]]:
        """A page of own executions, likewise; of one order, by its number: the latest, or from `first` at or above 0 on."""
        begin = {"fromId": first} if first > 0 else {"startTime": since_ms}
        if order:
            begin = {"orderId": order} | ({"fromId": first} if first >= 0 else {})
        params = {"symbol": symbol, **begin, "limit": PAGE}
        return Call(
            "myTrades",
            TRADES_WEIGHT if order else QUERY_WEIGHT,
            params,
            partial(read_list, read_trade),
        )

    def account(self) -> Call[SpotAccount]:
        """Balances and fee rates."""
        return Call("account.status", QUERY_WEIGHT, {}, read_account)

    def permissions(self) -> Call[KeyPermissions]:
        """Permissions of the API key."""
        return Call("apiRestrictions", 1, {}, read_permissions)

    def markets(self, symbols: Sequence[str]) -> Call[SpotMarkets]:
        """Status and filters of symbols; of all where none is named."""
        params = {"symbols": list(symbols)} if symbols else {}
        return Call("exchangeInfo", QUERY_WEIGHT, params, read_markets, is_signed=False)

    def time(self) -> Call[object]:
        """The venue's time, ms."""
        return Call("time", 1, {}, read_time, is_signed=False)

    def send(
        self, call: Call[Row], reply: Callable[[ApiAnswer[Row]], object], urgent: bool = False
    ) -> None:
        """Send a request over the WebSocket API: `reply` is called once, later."""

        def read_refusal(answer: ApiAnswer[Row]) -> object:
            """Reply with the halves of a swap that a refusal reports."""
            data = answer.error.data if answer.error is not None else None
            return reply(answer if answer.succeeded else replace(answer, result=call.read(data)))

        self.channel.ask(
            call.method,
            call.work,
            call.weight,
            read_refusal if call.method == SWAP else reply,
            call.read,
            signed=call.is_signed,
            orders=call.is_order,
            urgent=urgent,
        )

    def wait(self, call: Call[Row]) -> Row:
        """Send a query over REST and wait for its answer."""
        path = PATHS[call.method]
        return call.read(self._rest.ask(path, call.weight, call.work, signed=call.is_signed))


def order_params(request: OrderRequest) -> dict[str, Any]:
    """Parameters of a new order's request.

    >>> order_params(OrderRequest("A", "n", 1, 10**8, None, False, False, "NONE"))["type"]
    'MARKET'
    """
    kind = "LIMIT_MAKER" if request.post_only and not request.is_ioc else "LIMIT"
    params: dict[str, Any] = {
        "symbol": request.symbol,
        "side": "BUY" if request.side > 0 else "SELL",
        "type": "MARKET" if request.price is None else kind,
        "quantity": format_amount(request.quantity),
    }
    if request.price is not None:
        params["price"] = format_amount(request.price)
        if kind == "LIMIT":
            params["timeInForce"] = "IOC" if request.is_ioc else "GTC"
    return params | {
        "newClientOrderId": request.name,
        "newOrderRespType": "FULL",
        "selfTradePreventionMode": request.self_trade,
    }


def key_params(order: OrderKey) -> dict[str, Any]:
    """Parameters that identify an order: its symbol, and its number or else its name."""
    reference = {"orderId": order.number} if order.number else {"origClientOrderId": order.name}
    return {"symbol": order.symbol, **reference}


def amend_params(order: OrderKey, name: str, quantity: int) -> dict[str, Any]:
    """Parameters of an amendment's request."""
    return key_params(order) | {"newClientOrderId": name, "newQty": format_amount(quantity)}


def read_order(row: Message) -> SpotOrder:
    """An order from its row in any answer.

    Raises
    ------
    VenueError, KeyError, ValueError, TypeError, AttributeError
        What cannot be read; so of all readers here.
    """
    ms = int(row.get("updateTime") or row.get("transactTime") or row["time"])
    common = {"orderId": row["orderId"], "time": ms, "isMaker": False}
    return SpotOrder(
        int(row["orderId"]),
        str(row.get("clientOrderId") or ""),
        str(row["status"]),
        parse_amount(row["executedQty"], "a quantity"),
        ms * MS,
        parse_amount(row["origQty"], "a quantity") if "origQty" in row else None,
        parse_amount(row.get("price") or 0, "a price"),
        {"BUY": 1, "SELL": -1}.get(str(row.get("side")), 0),
        tuple(
            read_trade({**common, "id": fill["tradeId"], **fill}) for fill in row.get("fills") or ()
        ),
        str(row.get("expiryReason") or ""),
    )


def read_amendment(row: Message) -> SpotOrder:
    """Number (0: not said) and time of an amended order."""
    amended = row.get("amendedOrder") or {}
    return SpotOrder(int(amended.get("orderId", 0)), "", "", 0, int(row["transactTime"]) * MS)


def read_swap(data: Any) -> SpotSwap:
    """Halves of a cancel and new order, of an answer or of a refusal; empty for something else."""
    parts = data if isinstance(data, Mapping) else {}
    placed, canceled = (
        half if isinstance(half := parts.get(f"{name}Response"), Mapping) else {}
        for name in ("newOrder", "cancel")
    )
    failure = placed or canceled
    return SpotSwap(
        read_order(placed) if "orderId" in placed else None,
        read_order({"executedQty": 0, **canceled}) if "orderId" in canceled else None,
        int(failure.get("code", 0)),
        str(failure.get("msg", "")),
    )


def read_trade(row: Message) -> SpotTrade:
    """An execution from its row."""
    return SpotTrade(
        parse_amount(row["id"], "a trade's number") // ONE,
        int(row["orderId"]),
        parse_amount(row["price"], "a price"),
        parse_amount(row["qty"], "a quantity"),
        parse_signed_amount(row.get("commission") or 0, "a commission"),
        str(row.get("commissionAsset") or ""),
        int(row["time"]) * MS,
        bool(row["isMaker"]),
    )


def read_list(read: Callable[[Message], Item], rows: Any) -> Sequence[Item]:
    """Orders or executions from their rows; VenueError for something else."""
    if not isinstance(rows, list):
        raise VenueError("a list of rows", repr(rows)[:80], "check that the URL is Binance's")
    return [read(row) for row in rows]


def read_balances(
    rows: Sequence[Message], asset: str = "asset", free: str = "free", locked: str = "locked"
) -> dict[str, int]:
    """Balances, free and locked together, by asset; the rows' keys are given.

    >>> read_balances([{"asset": "USDT", "free": "10.00", "locked": "0.5"}])
    {'USDT': 1050000000}
    """
    return {
        str(row[asset]): parse_amount(row[free], f"free {row[asset]}")
        + parse_amount(row[locked], f"locked {row[asset]}")
        for row in rows
    }


def read_account(answer: Message) -> SpotAccount:
    """Balances and fee rates from an account's answer."""
    rates = answer.get("commissionRates") or {}
    return SpotAccount(
        read_balances(answer["balances"]),
        parse_amount(rates.get("maker", 0), "a maker fee"),
        parse_amount(rates.get("taker", 0), "a taker fee"),
        answer.get("canTrade") is not False,
    )


def read_markets(answer: Message) -> SpotMarkets:
    """Symbols, and the limit of request weight, from `exchangeInfo`."""
    symbols = dict[str, TradedSymbol]()
    unreadable = dict[str, VenueError]()
    for entry in answer["symbols"]:
        try:
            symbol = symbol_of(entry)
            symbols[symbol.symbol] = symbol
        except VenueError as error:
            unreadable[str(entry.get("symbol"))] = error
    limits = [
        int(limit["limit"]) // int(limit["intervalNum"])
        for limit in answer.get("rateLimits", ())
        if limit.get("rateLimitType") == "REQUEST_WEIGHT" and limit.get("interval") == "MINUTE"
    ]
    return SpotMarkets(symbols, unreadable, limits[-1] if limits else 0)


def read_permissions(answer: Message) -> KeyPermissions:
    """Permissions of an API key."""
    return KeyPermissions(
        answer.get("enableWithdrawals") is not False,
        answer.get("enableSpotAndMarginTrading") is not False,
    )


def read_time(answer: Any) -> object:
    """The venue's time, ms, as it says it; None where it does not."""
    return answer.get("serverTime") if isinstance(answer, Mapping) else None
