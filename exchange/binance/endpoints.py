"""Requests of REST and of the WebSocket API: their names, weights, security and answers; one way in for both.

Source: `rest-api.md` and `web-socket-api.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exchange.binance.accounts import ApiKey
from exchange.binance.engine import BinanceExchange, TradingAccount
from exchange.binance.limits import RateUsage
from exchange.binance.market_requests import MarketRequests
from exchange.binance.params import Params
from exchange.binance.trade_requests import ORDER_PARAMS, REPLACE_PARAMS, TradeRequests
from exchange.binance.words import (
    AHEAD_MS,
    DEFAULT_WINDOW_MS,
    SIGNED,
    BinanceError,
    Security,
    missing_parameter,
    ms,
)
from tercel.venues.binance_venue import SIGNATURE, ErrorCode, depth_weight

Weight = int | Callable[[Params], int]
_TIMED: Final = ("recvWindow", "timestamp", SIGNATURE, "apiKey")


@dataclass(frozen=True)
class Endpoint:
    """A request: its name in both APIs ("" where one has it not), and who may ask."""

    method: str
    path: str
    call: str
    weight: Weight
    security: Security
    answer: Callable[..., Any]
    reads: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Method and path of REST."""
        return self.method, self.path


def _symbol_weight(
    single: int, everything: int, several: Callable[[int], int] | None = None
) -> Callable[[Params], int]:
    """Weight of a request about one symbol, several, or all."""

    def weigh(params: Params) -> int:
        if "symbol" in params:
            return single
        if "symbols" in params:
            count = str(params.values["symbols"]).count(",") + 1
            return several(count) if several else everything
        return everything

    return weigh


def _depth(params: Params) -> int:
    text = str(params.values.get("limit", "100"))
    return depth_weight(int(text)) if text.isdecimal() and len(text) < 9 else depth_weight(100)


def _ticker_weight(count: int) -> int:
    return 2 if count <= 20 else 40 if count <= 100 else 80


def endpoints(market: MarketRequests, trade: TradeRequests) -> list[Endpoint]:
    """Every request that is served."""
    none = Security.NONE
    user = Security.USER_DATA
    orders = Security.TRADE
    span = ("startTime", "endTime", "limit")
    some = ("symbol", "symbols", "symbolStatus")
    kline = ("symbol", "interval", "timeZone", *span)
    named = ("symbol", "orderId", "origClientOrderId")

    def data(
        path: str, call: str, weight: Weight, answer: Callable[..., Any], *reads: str
    ) -> Endpoint:
        return Endpoint("GET", f"/api/v3/{path}", call, weight, none, answer, reads)

    def mine(
        method: str, path: str, call: str, weight: Weight, answer: Callable[..., Any], *reads: str
    ) -> Endpoint:
        return Endpoint(
            method,
            f"/api/v3/{path}",
            call,
            weight,
            user if method == "GET" else orders,
            answer,
            reads,
        )

    return [
        data("ping", "ping", 1, market.ping),
        data("time", "time", 1, market.time),
        data(
            "exchangeInfo",
            "exchangeInfo",
            20,
            market.exchange_info,
            *some,
            "permissions",
            "showPermissionSets",
        ),
        data("depth", "depth", _depth, market.depth, "symbol", "limit", "symbolStatus"),
        data("trades", "trades.recent", 25, market.trades, "symbol", "limit"),
        data(
            "historicalTrades", "trades.historical", 25, market.trades, "symbol", "limit", "fromId"
        ),
        data("aggTrades", "trades.aggregate", 4, market.aggregates, "symbol", "fromId", *span),
        data("klines", "klines", 2, market.klines, *kline),
        data("uiKlines", "uiKlines", 2, market.klines, *kline),
        data("avgPrice", "avgPrice", 2, market.average, "symbol"),
        data(
            "ticker/24hr",
            "ticker.24hr",
            _symbol_weight(2, 80, _ticker_weight),
            market.day,
            *some,
            "type",
        ),
        data(
            "ticker/tradingDay",
            "ticker.tradingDay",
            _symbol_weight(4, 200, lambda n: min(4 * n, 200)),
            market.trading_day,
            *some,
            "type",
            "timeZone",
        ),
        data("ticker/price", "ticker.price", _symbol_weight(2, 4), market.price, *some),
        data("ticker/bookTicker", "ticker.book", _symbol_weight(2, 4), market.book, *some),
        data(
            "ticker",
            "ticker",
            _symbol_weight(4, 200, lambda n: min(4 * n, 200)),
            market.window,
            *some,
            "windowSize",
            "type",
        ),
        mine("POST", "order", "order.place", 1, trade.place, *ORDER_PARAMS),
        mine(
            "POST",
            "order/test",
            "order.test",
            lambda p: 20 if "computeCommissionRates" in p else 1,
            trade.test,
            *ORDER_PARAMS,
            "computeCommissionRates",
        ),
        mine("GET", "order", "order.status", 4, trade.order, *named),
        mine(
            "DELETE",
            "order",
            "order.cancel",
            1,
            trade.cancel,
            *named,
            "newClientOrderId",
            "cancelRestrictions",
        ),
        mine(
            "POST", "order/cancelReplace", "order.cancelReplace", 1, trade.replace, *REPLACE_PARAMS
        ),
        mine(
            "PUT",
            "order/amend/keepPriority",
            "order.amend.keepPriority",
            4,
            trade.amend,
            *named,
            "newClientOrderId",
            "newQty",
        ),
        mine(
            "GET",
            "openOrders",
            "openOrders.status",
            _symbol_weight(6, 80),
            trade.open_orders,
            "symbol",
        ),
        mine("DELETE", "openOrders", "openOrders.cancelAll", 1, trade.cancel_all, "symbol"),
        mine("GET", "allOrders", "allOrders", 20, trade.all_orders, "symbol", "orderId", *span),
        mine("GET", "account", "account.status", 20, trade.account, "omitZeroBalances"),
        mine(
            "GET",
            "myTrades",
            "myTrades",
            lambda p: 5 if "orderId" in p else 20,
            trade.my_trades,
            "symbol",
            "orderId",
            "fromId",
            *span,
        ),
        mine("GET", "rateLimit/order", "account.rateLimits.orders", 40, trade.order_count),
        mine("GET", "account/commission", "account.commission", 20, trade.commission, "symbol"),
        mine("GET", "openOrderList", "openOrderLists.status", 6, trade.nothing),
        mine("GET", "allOrderList", "allOrderLists", 20, trade.nothing, "fromId", *span),
        mine(
            "GET",
            "myPreventedMatches",
            "myPreventedMatches",
            lambda p: 20 if "orderId" in p else 2,
            trade.prevented_matches,
            "symbol",
            "preventedMatchId",
            "orderId",
            "fromPreventedMatchId",
            "limit",
        ),
        mine(
            "GET",
            "myAllocations",
            "myAllocations",
            20,
            trade.nothing,
            "symbol",
            "orderId",
            "fromAllocationId",
            *span,
        ),
        mine(
            "GET",
            "order/amendments",
            "order.amendments",
            4,
            trade.amendments,
            "symbol",
            "orderId",
            "fromExecutionId",
            "limit",
        ),
        *(
            Endpoint("GET", f"/sapi/v1/{path}", "", 1, user, *handler)
            for path, handler in trade.wallet.items()
        ),
    ]


class RequestDesk:
    """Takes requests in, whichever way they came.

    Parameters
    ----------
    engine : BinanceExchange
    usage : RateUsage
    keys : sequence of ApiKey
    wall_ms : callable
        The time of day. A timestamp is in time if it is so by this clock or by the market's.
    """

    def __init__(
        self,
        engine: BinanceExchange,
        usage: RateUsage,
        keys: Sequence[ApiKey],
        wall_ms: Callable[[], int],
    ) -> None:
        self.engine = engine
        self.usage = usage
        self._wall_ms = wall_ms
        self.keys = {key.name: key for key in keys}
        served = endpoints(MarketRequests(engine, usage), TradeRequests(engine, usage))
        self.by_path = {endpoint.key: endpoint for endpoint in served}
        self.by_call = {endpoint.call: endpoint for endpoint in served if endpoint.call}

    def key(self, name: str) -> ApiKey:
        """A key by its name.

        Raises
        ------
        BinanceError
            -2014, -2015.
        """
        if not name or not name.isascii() or not name.isalnum():
            raise BinanceError(ErrorCode.BAD_API_KEY, "API-key format invalid.", 401)
        if name not in self.keys:
            raise BinanceError(
                ErrorCode.REJECTED_KEY, "Invalid API-key, IP, or permissions for action.", 401
            )
        return self.keys[name]

    def check_signature(self, key: ApiKey, params: Params, payload: str) -> None:
        """Check timestamp and signature.

        Raises
        ------
        BinanceError
            -1102, -1021, -1022.
        """
        self.check_timestamp(params)
        if SIGNATURE not in params:
            raise missing_parameter(SIGNATURE)
        if not key.verify(payload, params.text(SIGNATURE)):
            raise BinanceError(
                ErrorCode.INVALID_SIGNATURE, "Signature for this request is not valid."
            )

    def check_timestamp(self, params: Params) -> None:
        """Check a timestamp.

        Raises
        ------
        BinanceError
            -1102, -1021.
        """
        if "timestamp" not in params:
            raise missing_parameter("timestamp")
        stamp = params.time_ms("timestamp") or 0
        window = params.window_ms(DEFAULT_WINDOW_MS)
        lags = [now - stamp for now in (self._wall_ms(), ms(self.engine.now_ns))]
        if not any(-AHEAD_MS < lag <= window for lag in lags):
            if all(lag <= -AHEAD_MS for lag in lags):
                msg = "Timestamp for this request was 1000ms ahead of the server's time."
                raise BinanceError(ErrorCode.INVALID_TIMESTAMP, msg)
            msg = "Timestamp for this request is outside of the recvWindow."
            raise BinanceError(ErrorCode.INVALID_TIMESTAMP, msg)

    def answer(
        self,
        endpoint: Endpoint,
        params: Params,
        key: ApiKey | None,
        extra_params: Sequence[str] = (),
    ) -> Any:
        """The answer to a request that was let in; `extra_params`: parameters that its API reads besides.

        Raises
        ------
        BinanceError
        """
        params.allow(
            (*endpoint.reads, *(_TIMED if endpoint.security in SIGNED else ()), *extra_params)
        )
        if endpoint.security is Security.NONE or key is None:
            return endpoint.answer(params)
        return endpoint.answer(self.account(key), params)

    def account(self, key: ApiKey) -> TradingAccount:
        """Account of a key."""
        return self.engine.account(key.account)

    def weight(self, endpoint: Endpoint, values: Mapping[str, Any]) -> int:
        """Weight of a request."""
        return (
            endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(Params(values))
        )
