"""Requests that anybody may make: times, rules, the book, trades, klines, tickers."""

import re
from collections.abc import Callable
from typing import Any, Final

from exchange.binance.engine import BinanceExchange
from exchange.binance.limits import RateUsage
from exchange.binance.params import Params, page, within
from exchange.binance.public import PublicMarket
from exchange.binance.symbols import AVERAGE_MINUTES
from exchange.binance.words import INTERVALS, BinanceError, ServerCode, either, ms, not_valid
from tercel.core import BUY, NS_PER_SECOND, SELL
from tercel.venues.binance_venue import ErrorCode

_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")
_WINDOW: Final = {"m": (60, 59), "h": (3600, 23), "d": (86_400, 7)}
"""Seconds of a unit of `windowSize`, and the most of it."""


class MarketRequests:
    """Answers to requests without a key.

    Parameters
    ----------
    engine : BinanceExchange
    usage : RateUsage
    """

    def __init__(self, engine: BinanceExchange, usage: RateUsage) -> None:
        self.engine = engine
        self.usage = usage

    def market(self, params: Params) -> PublicMarket:
        """The market of `symbol`, which has to be there.

        Raises
        ------
        BinanceError
            -1102, -1121.
        """
        params.needed("symbol")
        return self._market(params.symbol())

    def _market(self, symbol: str) -> PublicMarket:
        if symbol not in self.engine.markets:
            raise BinanceError(ErrorCode.BAD_SYMBOL, "Invalid symbol.")
        return self.engine.markets[symbol]

    def _chosen(self, params: Params) -> list[PublicMarket]:
        """Markets of `symbol` or `symbols`, all of them where neither is there."""
        if "symbol" in params and "symbols" in params:
            raise BinanceError(
                ServerCode.TOO_MANY_PARAMETERS,
                "Too many parameters; expected '1' and received '2'.",
            )
        if "symbol" in params:
            chosen = [self.market(params)]
        else:
            chosen = [self._market(one) for one in params.several("symbols")] or list(
                self.engine.markets.values()
            )
        if "symbolStatus" in params:
            wanted = params.text("symbolStatus")
            if wanted not in ("TRADING", "HALT", "BREAK"):
                raise BinanceError(ServerCode.INVALID_SYMBOL_STATUS, "Invalid symbolStatus.")
            fitting = [one for one in chosen if status(one) == wanted]
            if "symbol" in params and not fitting:
                msg = "The symbol's status does not match the requested symbolStatus."
                raise BinanceError(ServerCode.STATUS_MISMATCH, msg)
            chosen = fitting
        return chosen

    def _each(self, params: Params, tell: Callable[[PublicMarket], dict[str, Any]]) -> Any:
        found = [tell(one) for one in self._chosen(params)]
        return found[0] if "symbol" in params else found

    # -- general ------------------------------------------------------------------------------------------------------

    def ping(self, _params: Params) -> dict[str, Any]:
        """`ping`."""
        return {}

    def time(self, _params: Params) -> dict[str, Any]:
        """`time`."""
        return {"serverTime": ms(self.engine.now_ns)}

    def exchange_info(self, params: Params) -> dict[str, Any]:
        """`exchangeInfo`."""
        if "permissions" in params and ("symbol" in params or "symbols" in params):
            raise BinanceError(
                ServerCode.BAD_COMBINATION, "Combination of optional parameters invalid."
            )
        chosen = self._chosen(params)
        text = params.text("permissions")
        if text and "SPOT" not in (
            params.several("permissions") if text.startswith("[") else [text]
        ):
            chosen = []
        sets = params.flag("showPermissionSets", True)
        symbols = [
            one.rules.info(status(one)) | ({} if sets else {"permissionSets": []}) for one in chosen
        ]
        return {
            "timezone": "UTC",
            "serverTime": ms(self.engine.now_ns),
            "rateLimits": self.usage.limits.words(),
            "exchangeFilters": [],
            "symbols": symbols,
        }

    # -- the book and trades ------------------------------------------------------------------------------------------

    def depth(self, params: Params) -> dict[str, Any]:
        """`depth`."""
        self._match_status(params)
        return self.market(params).depth(params.integer("limit", 100, 5000))

    def _match_status(self, params: Params) -> None:
        if "symbolStatus" in params:
            self._chosen(params)

    def trades(self, params: Params) -> list[dict[str, Any]]:
        """`trades` and `historicalTrades`."""
        market = self.market(params)
        found = market.some_trades(params.integer("limit", 500, 1000), params.whole("fromId"))
        return [market.trade_row(one) for one in found]

    def aggregates(self, params: Params) -> list[dict[str, Any]]:
        """`aggTrades`."""
        market = self.market(params)
        first, limit = params.whole("fromId"), params.integer("limit", 500, 1000)
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        if first is not None and (start is not None or end is not None):
            raise BinanceError(
                ServerCode.BAD_COMBINATION, "Combination of optional parameters invalid."
            )
        chosen = [
            one
            for one in market.trades
            if (first is None or one.aggregate >= first) and within(one.ns, start, end)
        ]
        return page(market.aggregates(chosen), limit, first, start)

    def klines(self, params: Params) -> list[list[Any]]:
        """`klines` and `uiKlines`."""
        market, interval = self.market(params), params.needed("interval")
        if interval not in INTERVALS:
            raise BinanceError(ServerCode.BAD_INTERVAL, "Invalid interval.")
        shift = _zone(params)
        limit = params.integer("limit", 500, 1000)
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        found = market.bars.zoned(interval, self.engine.now_ns, shift)
        bars = [one for one in found if within(one.open_ns, start, end)]
        return [one.row(market.rules) for one in page(bars, limit, start)]

    def average(self, params: Params) -> dict[str, Any]:
        """`avgPrice`."""
        price, last = self.market(params).average_price(self.engine.now_ns)
        return {"mins": AVERAGE_MINUTES, "price": price, "closeTime": last}

    # -- tickers ------------------------------------------------------------------------------------------------------

    def day(self, params: Params) -> Any:
        """`ticker/24hr`."""
        mini = _mini(params)
        return self._each(params, lambda one: one.day(self.engine.now_ns, mini))

    def trading_day(self, params: Params) -> Any:
        """`ticker/tradingDay`: since midnight."""
        _either(params)
        shift, mini, now = _zone(params), _mini(params), self.engine.now_ns

        def tell(market: PublicMarket) -> dict[str, Any]:
            bar = market.bars.zoned("1d", now, shift)[-1]
            figures = market.statistics(bar, now, mini)
            return figures | {"openTime": ms(bar.open_ns), "closeTime": ms(bar.close_ns - 1)}

        return self._each(params, tell)

    def window(self, params: Params) -> Any:
        """`ticker`: a rolling window."""
        _either(params)
        size = params.text("windowSize", r"^[0-9]{1,2}[mhd]$") or "1d"
        seconds, most = _WINDOW[size[-1]]
        if not 1 <= int(size[:-1]) <= most:
            raise not_valid("windowSize")
        length, mini = int(size[:-1]) * seconds * NS_PER_SECOND, _mini(params)
        return self._each(params, lambda one: one.ticker(self.engine.now_ns, length, mini))

    def price(self, params: Params) -> Any:
        """`ticker/price`."""
        return self._each(
            params, lambda one: {"symbol": one.rules.symbol, "price": one.rules.price(one.last())}
        )

    def book(self, params: Params) -> Any:
        """`ticker/bookTicker`."""

        def tell(market: PublicMarket) -> dict[str, Any]:
            rules, (bid, bids), (ask, asks) = market.rules, market.best(BUY), market.best(SELL)
            return {
                "symbol": rules.symbol,
                "bidPrice": rules.price(bid),
                "bidQty": rules.quantity(bids),
                "askPrice": rules.price(ask),
                "askQty": rules.quantity(asks),
            }

        return self._each(params, tell)


def status(market: PublicMarket) -> str:
    """Status of a symbol."""
    return "HALT" if market.halted else "TRADING"


def _mini(params: Params) -> bool:
    kind = params.text("type") or "FULL"
    if kind not in ("FULL", "MINI"):
        raise BinanceError(ServerCode.INVALID_TICKER_TYPE, "Invalid ticker type.")
    return kind == "MINI"


def _either(params: Params) -> None:
    if "symbol" not in params and "symbols" not in params:
        raise either("symbol", "symbols")


def _zone(params: Params) -> int:
    """Seconds east of UTC of `timeZone`: hours, or hours and minutes, from -12:00 to +14:00."""
    found = _ZONE.fullmatch(params.text("timeZone") or "0")
    if found is None:
        raise not_valid("timeZone")
    seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
    if found[1] == "-":
        seconds = -seconds
    if not -12 * 3600 <= seconds <= 14 * 3600:
        raise not_valid("timeZone")
    return seconds
