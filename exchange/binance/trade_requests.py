"""Requests of an account: orders, cancels, questions, balances."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from exchange.binance.engine import BinanceExchange, OrderRequest, TradingAccount
from exchange.binance.limits import DAY_MS, RateUsage
from exchange.binance.order import BinanceOrder, own_trade
from exchange.binance.params import Params, page, within
from exchange.binance.symbols import PREVENTION
from exchange.binance.words import (
    NO_SUCH_PREVENTION,
    UNKNOWN_ORDER,
    UNSUPPORTED,
    BinanceError,
    BinanceOrderType,
    BinanceSide,
    SelfTradePrevention,
    ServerCode,
    TimeInForce,
    missing_either,
    missing_parameter,
    ms,
    not_valid,
    order_rejection,
    unexpected_parameter,
)
from tercel.core import ONE
from tercel.venues.binance_venue import ErrorCode, Status, format_amount

ORDER_PARAMS: Final = (
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
)
REPLACE_PARAMS: Final = (
    *ORDER_PARAMS,
    "cancelReplaceMode",
    "cancelNewClientOrderId",
    "cancelOrigClientOrderId",
    "cancelOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
)
_NOT_HERE: Final = {
    "icebergQty": "Iceberg orders are not supported for this symbol.",
    "trailingDelta": "Trailing stop orders are not supported for this symbol.",
    "pegPriceType": "Pegged orders are not supported for this symbol.",
}
_RESTRICTIONS: Final = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")


class Shape(StrEnum):
    """How much the answer to a new order says."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class ReplaceMode(StrEnum):
    """What a cancel that fails means for the new order."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class TradeRequests:
    """Answers to requests with a key.

    Parameters
    ----------
    engine : BinanceExchange
    usage : RateUsage
    """

    def __init__(self, engine: BinanceExchange, usage: RateUsage) -> None:
        self.engine = engine
        self.usage = usage
        self.wallet: dict[str, tuple[Any, tuple[str, ...]]] = {
            "account/apiRestrictions": (self.restrictions, ()),
            "asset/tradeFee": (self.fees, ("symbol",)),
            "capital/config/getall": (self.coins, ()),
            "margin/allPairs": (self.nothing, ()),
            "margin/isolated/allPairs": (self.nothing, ()),
            "spot/delist-schedule": (self.nothing, ()),
        }
        """Of /sapi/v1, what clients ask for when they begin."""

    # -- new orders ---------------------------------------------------------------------------------------------------

    def parse_order(self, params: Params) -> OrderRequest:
        """A new order of its parameters.

        Raises
        ------
        BinanceError
            What is missing, of no use, or not on offer.
        """
        for name in ("symbol", "side", "type"):
            params.require(name)
        rules = self.engine.rules[self._symbol(params)]
        side = (
            params.choice("side", BinanceSide, ServerCode.INVALID_SIDE, "Invalid side.")
            or BinanceSide.BUY
        )
        kind = (
            params.choice(
                "type", BinanceOrderType, ServerCode.INVALID_ORDER_TYPE, "Invalid orderType."
            )
            or BinanceOrderType.LIMIT
        )
        tif = params.choice(
            "timeInForce", TimeInForce, ServerCode.INVALID_TIF, "Invalid timeInForce."
        )
        if kind in UNSUPPORTED:
            raise order_rejection(UNSUPPORTED[kind])
        for name, msg in _NOT_HERE.items():
            if name in params and params.text(name) not in ("0", "0.0", "0.00000000"):
                raise order_rejection(msg)
        if "stopPrice" in params:
            raise unexpected_parameter("stopPrice")
        prevention = params.choice(
            "selfTradePreventionMode",
            SelfTradePrevention,
            ErrorCode.ORDER_REJECTED,
            NO_SUCH_PREVENTION,
        )
        self._check_parameters(params, kind, tif)
        quote_qty = params.amount("quoteOrderQty")
        ticks = 0
        lots = rules.lots(params.amount("quantity")) if "quantity" in params else 0
        if "price" in params:
            ticks = rules.ticks(params.amount("price"))
        if not lots and not quote_qty:
            raise not_valid("quoteOrderQty")
        labels = {
            name: value
            for name in ("strategyId", "strategyType")
            if (value := params.whole_number(name)) is not None
        }
        if labels.get("strategyType", 1_000_000) < 1_000_000:
            raise BinanceError(
                ServerCode.BAD_STRATEGY_TYPE, "`strategyType` was less than 1000000."
            )
        shape(params, kind)
        name = params.client_id("newClientOrderId")
        return OrderRequest(
            rules,
            side,
            kind,
            tif or TimeInForce.GTC,
            lots,
            ticks,
            quote_qty,
            name,
            labels,
            prevention or PREVENTION,
        )

    @staticmethod
    def _check_parameters(params: Params, kind: BinanceOrderType, tif: TimeInForce | None) -> None:
        """Which parameters a kind of order has."""
        if kind is BinanceOrderType.MARKET:
            if tif is not None:
                raise unexpected_parameter("timeInForce")
            if "price" in params:
                raise unexpected_parameter("price")
            if ("quantity" in params) == ("quoteOrderQty" in params):
                if "quantity" in params:
                    raise unexpected_parameter("quoteOrderQty")
                raise missing_either("quantity", "quoteOrderQty")
            return
        if kind is BinanceOrderType.LIMIT and tif is None:
            raise missing_parameter("timeInForce")
        if kind is BinanceOrderType.LIMIT_MAKER and tif is not None:
            raise unexpected_parameter("timeInForce")
        for name in ("quantity", "price"):
            if name not in params:
                raise missing_parameter(name)
        if "quoteOrderQty" in params:
            raise unexpected_parameter("quoteOrderQty")

    def place(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order`, POST."""
        request = self.parse_order(params)
        self.usage.order(account.name)
        return self._place(account, request, params)

    def _place(
        self, account: TradingAccount, request: OrderRequest, params: Params
    ) -> dict[str, Any]:
        order = self.engine.place(account, request)
        if order.status is Status.FILLED:
            self.usage.record_fill(account.name)
        wanted = shape(params, request.kind)
        return (
            order.ack()
            if wanted is Shape.ACK
            else order.result()
            if wanted is Shape.RESULT
            else order.full()
        )

    def test(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order/test`."""
        rates = params.flag("computeCommissionRates")
        self.engine.check(account, self.parse_order(params))
        if not rates:
            return {}
        rates_here = {
            "maker": format_amount(self.engine.maker),
            "taker": format_amount(self.engine.taker),
        }
        zero = format_amount(0)
        return {
            "standardCommissionForOrder": rates_here,
            "specialCommissionForOrder": {"maker": zero, "taker": zero},
            "taxCommissionForOrder": {"maker": zero, "taker": zero},
            "discount": _discount(),
        }

    # -- cancels ------------------------------------------------------------------------------------------------------

    def _order_key(
        self, params: Params, number: str = "orderId", name: str = "origClientOrderId"
    ) -> tuple[int | None, str]:
        if number not in params and name not in params:
            raise missing_either(number, name)
        return params.whole_number(number), params.text(name)

    def _symbol(self, params: Params) -> str:
        params.require("symbol")
        if (symbol := params.symbol()) not in self.engine.rules:
            raise BinanceError(ErrorCode.BAD_SYMBOL, "Invalid symbol.")
        return symbol

    def cancel(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order`, DELETE."""
        symbol = self._symbol(params)
        order_key = self._order_key(params)
        return self.engine.cancel(
            account, symbol, *order_key, params.client_id("newClientOrderId"), _restriction(params)
        )

    def cancel_all(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`openOrders`, DELETE."""
        symbol = self._symbol(params)
        open_orders = [order for order in account.living.values() if order.rules.symbol == symbol]
        if not open_orders:
            raise BinanceError(ErrorCode.CANCEL_REJECTED, UNKNOWN_ORDER)
        canceled = []
        for order in open_orders:
            if order.open:  # others may have gone with the one before
                canceled.append(self.engine.cancel(account, symbol, order.order_id, "", ""))
        return canceled

    def replace(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order/cancelReplace`: the filters are asked before anything is cancelled."""
        params.require("cancelReplaceMode")
        mode = params.choice("cancelReplaceMode", ReplaceMode, *_wrong("cancelReplaceMode"))
        exceeded = params.text("orderRateLimitExceededMode") or "DO_NOTHING"
        if exceeded not in ("DO_NOTHING", "CANCEL_ONLY"):
            raise not_valid("orderRateLimitExceededMode")
        request = self.parse_order(params)
        symbol = self._symbol(params)
        number, name = self._order_key(params, "cancelOrderId", "cancelOrigClientOrderId")
        new_name = params.client_id("cancelNewClientOrderId")
        restriction = _restriction(params)
        limited: BinanceError | None = None
        try:
            self.usage.order(account.name)
        except BinanceError as error:
            if exceeded == "DO_NOTHING":
                raise
            limited = error
        cancel, failed = self._try_request(
            lambda: self.engine.cancel(account, symbol, number, name, new_name, restriction)
        )
        parts = {
            "cancelResult": "FAILURE" if failed else "SUCCESS",
            "newOrderResult": "NOT_ATTEMPTED",
        }
        if limited is not None and (not failed or mode is ReplaceMode.ALLOW_FAILURE):
            placed = limited.body
            refused = True
        elif failed and mode is ReplaceMode.STOP_ON_FAILURE:
            data = parts | {"cancelResponse": cancel, "newOrderResponse": None}
            status = 429 if limited else 400
            raise BinanceError(ServerCode.FAILED, "Order cancel-replace failed.", status, data)
        else:
            placed, refused = self._try_request(lambda: self._place(account, request, params))
        parts["newOrderResult"] = "FAILURE" if refused else "SUCCESS"
        data = parts | {"cancelResponse": cancel, "newOrderResponse": placed}
        if failed and refused:
            raise BinanceError(ServerCode.FAILED, "Order cancel-replace failed.", 400, data)
        if failed or refused:
            status = 409 if limited is None or mode is ReplaceMode.ALLOW_FAILURE else 429
            raise BinanceError(
                ServerCode.PARTLY_FAILED, "Order cancel-replace partially failed.", status, data
            )
        return data

    @staticmethod
    def _try_request(attempt: Any) -> tuple[dict[str, Any], bool]:
        """What was done, or the error; whether it failed."""
        try:
            return attempt(), False
        except BinanceError as error:
            return error.body, True

    def amend(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order/amend/keepPriority`."""
        symbol, (number, name) = self._symbol(params), self._order_key(params)
        params.require("newQty")
        order = self.engine.find(account, symbol, number, name)
        if order is None:
            raise BinanceError(ErrorCode.AMEND_REJECTED, UNKNOWN_ORDER)
        lots = order.rules.lots(params.amount("newQty"))
        return self.engine.amend(account, order, lots, params.client_id("newClientOrderId"))

    def amendments(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`order/amendments`."""
        symbol = self._symbol(params)
        number = params.require("orderId") and params.whole_number("orderId")
        first = params.whole_number("fromExecutionId")
        limit = params.row_limit("limit", 500, 1000)
        order = self.engine.query(account, symbol, int(number or 0), "")
        return [
            amendment for amendment in order.amendments if amendment["executionId"] >= (first or 0)
        ][:limit]

    # -- questions ----------------------------------------------------------------------------------------------------

    def order(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`order`, GET."""
        return self.engine.query(account, self._symbol(params), *self._order_key(params)).query()

    def open_orders(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`openOrders`, GET."""
        symbol = self._symbol(params) if "symbol" in params else ""
        return [
            order.query() for order in account.living.values() if symbol in ("", order.rules.symbol)
        ]

    def all_orders(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`allOrders`."""
        symbol = self._symbol(params)
        limit = params.row_limit("limit", 500, 1000)
        first = params.whole_number("orderId")
        start, end = _span(params)
        orders: list[BinanceOrder] = [
            order
            for order in account.orders.values()
            if order.rules.symbol == symbol
            and (first is None or order.order_id >= first)
            and within(order.ns, start, end)
        ]
        return [order.query() for order in page(orders, limit, first, start)]

    def my_trades(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`myTrades`."""
        symbol = self._symbol(params)
        limit = params.row_limit("limit", 500, 1000)
        number = params.whole_number("orderId")
        first = params.whole_number("fromId")
        start, end = _span(params)
        if (first is not None or number is not None) and (start is not None or end is not None):
            raise BinanceError(
                ServerCode.BAD_COMBINATION, "Combination of optional parameters invalid."
            )
        fills = [
            fill
            for fill in account.fills
            if fill.symbol == symbol
            and (number is None or fill.order_id == number)
            and (first is None or fill.trade >= first)
            and within(fill.ns, start, end)
        ]
        return [
            own_trade(fill, self.engine.rules[symbol]) for fill in page(fills, limit, first, start)
        ]

    def account(self, account: TradingAccount, params: Params) -> dict[str, Any]:
        """`account`."""
        rows = account.balances.rows(
            list(dict.fromkeys([*self.engine.assets, *account.balances.free]))
        )
        if params.flag("omitZeroBalances"):
            rows = [
                row
                for row in rows
                if row["free"] != format_amount(0) or row["locked"] != format_amount(0)
            ]
        maker = self.engine.maker
        taker = self.engine.taker
        return {
            "makerCommission": maker * 10_000 // ONE,
            "takerCommission": taker * 10_000 // ONE,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": format_amount(maker),
                "taker": format_amount(taker),
                "buyer": format_amount(0),
                "seller": format_amount(0),
            },
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": ms(account.update_ns),
            "accountType": "SPOT",
            "balances": rows,
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def commission(self, _account: TradingAccount, params: Params) -> dict[str, Any]:
        """`account/commission`."""
        symbol = self._symbol(params)
        none = format_amount(0)
        rates = {
            "maker": format_amount(self.engine.maker),
            "taker": format_amount(self.engine.taker),
            "buyer": none,
            "seller": none,
        }
        nothing: Mapping[str, str] = dict.fromkeys(rates, none)
        return {
            "symbol": symbol,
            "standardCommission": rates,
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": _discount(),
        }

    def fees(self, _account: TradingAccount, params: Params) -> list[dict[str, str]]:
        """`/sapi/v1/asset/tradeFee`: of a symbol, or of all."""
        symbols = [self._symbol(params)] if "symbol" in params else list(self.engine.rules)
        rates = {
            "makerCommission": format_amount(self.engine.maker),
            "takerCommission": format_amount(self.engine.taker),
        }
        return [{"symbol": symbol} | rates for symbol in symbols]

    def order_count(self, account: TradingAccount, _params: Params) -> list[dict[str, Any]]:
        """`rateLimit/order`."""
        return self.usage.order_rows(account.name)

    def prevented_matches(self, account: TradingAccount, params: Params) -> list[dict[str, Any]]:
        """`myPreventedMatches`: of a symbol, of one order or number."""
        symbol = self._symbol(params)
        limit = params.row_limit("limit", 500, 1000)
        number = params.whole_number("preventedMatchId")
        order = params.whole_number("orderId")
        first = params.whole_number("fromPreventedMatchId") or 0
        matches = [
            match
            for match in account.prevented
            if match.rules.symbol == symbol
            and number in (None, match.number)
            and order in (None, match.taker, match.maker)
            and match.number >= first
        ]
        return [match.row() for match in matches[:limit]]

    @staticmethod
    def nothing(_account: TradingAccount, _params: Params) -> list[Any]:
        """Pairs with margin, symbols to be delisted, lists of orders, allocations: none."""
        return []

    def coins(self, account: TradingAccount, _params: Params) -> list[dict[str, Any]]:
        """Assets, without networks to draw or pay in by."""
        held = account.balances
        return [
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "free": format_amount(held.free[asset]),
                "locked": format_amount(held.locked[asset]),
                "freeze": "0",
                "ipoable": "0",
                "ipoing": "0",
                "isLegalMoney": False,
                "storage": "0",
                "trading": True,
                "withdrawing": "0",
                "networkList": [],
            }
            for asset in self.engine.assets
        ]

    def restrictions(self, _account: TradingAccount, _params: Params) -> dict[str, Any]:
        """`/sapi/v1/account/apiRestrictions`: the rights of the key; there are no withdrawals here."""
        return {
            "ipRestrict": False,
            "createTime": ms(self.engine.began_ns + self.engine.offset_ns),
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": True,
            "enablePortfolioMarginTrading": False,
        }


def shape(params: Params, kind: BinanceOrderType) -> Shape:
    """`newOrderRespType`: FULL for market and limit orders, else ACK."""
    chosen = params.choice("newOrderRespType", Shape, *_wrong("newOrderRespType"))
    return chosen or (Shape.ACK if kind is BinanceOrderType.LIMIT_MAKER else Shape.FULL)


def _wrong(name: str) -> tuple[ErrorCode | ServerCode, str]:
    return ServerCode.INVALID_PARAMETER, not_valid(name).msg


def _restriction(params: Params) -> str:
    text = params.text("cancelRestrictions")
    if text not in ("", *_RESTRICTIONS):
        raise BinanceError(ServerCode.INVALID_CANCEL_RESTRICTIONS, "Invalid cancelRestrictions")
    return text


def _span(params: Params) -> tuple[int | None, int | None]:
    """`startTime` and `endTime`, a day apart at most."""
    start = params.time_ms("startTime")
    end = params.time_ms("endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise BinanceError(
            ServerCode.MORE_THAN_XX_HOURS, "More than 24 hours between startTime and endTime."
        )
    return start, end


def _discount() -> dict[str, Any]:
    """Nothing is paid in BNB here."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": format_amount(0),
    }
