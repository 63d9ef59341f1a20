"""Requests that anybody may make: times, rules, the book, trades, klines, tickers."""

import re
from collections.abc import Callable
from typing import Any, Final

from exchange.binance.engine import BinanceExchange
from exchange.binance.limits import RateUsage
from exchange.binance.params import Params, page, within
from exchange.binance.public import PublicMarket
from exchange.binance.symbols import AVERAGE_MINUTES
from exchange.binance.words import (
    INTERVALS,
    BinanceError,
    ServerCode,
    missing_either,
    ms,
    not_valid,
)
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
        params.require("symbol")
        return self._market(params.symbol())

    def _market(self, symbol: str) -> PublicMarket:
        if symbol not in self.engine.markets:
            raise BinanceError(ErrorCode.BAD_SYMBOL, "Invalid symbol.")
        return self.engine.markets[symbol]

    def _select_markets(self, params: Params) -> list[PublicMarket]:
        """Markets of `symbol` or `symbols`, all of them where neither is there."""
        if "symbol" in params and "symbols" in params:
            raise BinanceError(
                ServerCode.TOO_MANY_PARAMETERS,
                "Too many parameters; expected '1' and received '2'.",
            )
        if "symbol" in params:
            chosen = [self.market(params)]
        else:
            chosen = [self._market(symbol) for symbol in params.text_list("symbols")] or list(
                self.engine.markets.values()
            )
        if "symbolStatus" in params:
            wanted = params.text("symbolStatus")
            if wanted not in ("TRADING", "HALT", "BREAK"):
                raise BinanceError(ServerCode.INVALID_SYMBOL_STATUS, "Invalid symbolStatus.")
            fitting = [market for market in chosen if status(market) == wanted]
            if "symbol" in params and not fitting:
                msg = "The symbol's status does not match the requested symbolStatus."
                raise BinanceError(ServerCode.STATUS_MISMATCH, msg)
            chosen = fitting
        return chosen

    def _each(self, params: Params, tell: Callable[[PublicMarket], dict[str, Any]]) -> Any:
        rows = [tell(market) for market in self._select_markets(params)]
        return rows[0] if "symbol" in params else rows

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
        chosen = self._select_markets(params)
        text = params.text("permissions")
        if text and "SPOT" not in (
            params.text_list("permissions") if text.startswith("[") else [text]
        ):
            chosen = []
        sets = params.flag("showPermissionSets", True)
        symbols = [
            market.rules.info(status(market)) | ({} if sets else {"permissionSets": []})
            for market in chosen
        ]
        return {
            "timezone": "UTC",
            "serverTime": ms(self.engine.now_ns),
            "rateLimits": self.usage.limits.to_rows(),
            "exchangeFilters": [],
            "symbols": symbols,
        }

    # -- the book and trades ------------------------------------------------------------------------------------------

    def depth(self, params: Params) -> dict[str, Any]:
        """`depth`."""
        self._match_status(params)
        return self.market(params).depth(params.row_limit("limit", 100, 5000))

    def _match_status(self, params: Params) -> None:
        if "symbolStatus" in params:
            self._select_markets(params)

    def trades(self, params: Params) -> list[dict[str, Any]]:
        """`trades` and `historicalTrades`."""
        market = self.market(params)
        trades = market.some_trades(
            params.row_limit("limit", 500, 1000), params.whole_number("fromId")
        )
        return [market.trade_row(trade) for trade in trades]

    def aggregates(self, params: Params) -> list[dict[str, Any]]:
        """`aggTrades`."""
        market = self.market(params)
        first = params.whole_number("fromId")
        limit = params.row_limit("limit", 500, 1000)
        start = params.time_ms("startTime")
        end = params.time_ms("endTime")
        if first is not None and (start is not None or end is not None):
            raise BinanceError(
                ServerCode.BAD_COMBINATION, "Combination of optional parameters invalid."
            )
        chosen = [
            trade
            for trade in market.trades
            if (first is None or trade.aggregate >= first) and within(trade.ns, start, end)
        ]
        return page(market.aggregates(chosen), limit, first, start)

    def klines(self, params: Params) -> list[list[Any]]:
        """`klines` and `uiKlines`."""
        market = self.market(params)
        interval = params.require("interval")
        if interval not in INTERVALS:
            raise BinanceError(ServerCode.BAD_INTERVAL, "Invalid interval.")
        shift = _zone(params)
        limit = params.row_limit("limit", 500, 1000)
        start = params.time_ms("startTime")
        end = params.time_ms("endTime")
        all_bars = market.bars.zone_bars(interval, self.engine.now_ns, shift)
        bars = [bar for bar in all_bars if within(bar.open_ns, start, end)]
        return [bar.row(market.rules) for bar in page(bars, limit, start)]

    def average(self, params: Params) -> dict[str, Any]:
        """`avgPrice`."""
        price, last = self.market(params).average_price(self.engine.now_ns)
        return {"mins": AVERAGE_MINUTES, "price": price, "closeTime": last}

    # -- tickers ------------------------------------------------------------------------------------------------------

    def day(self, params: Params) -> Any:
        """`ticker/24hr`."""
        mini = _mini(params)
        return self._each(params, lambda market: market.day(self.engine.now_ns, mini))

    def trading_day(self, params: Params) -> Any:
        """`ticker/tradingDay`: since midnight."""
        _either(params)
        shift = _zone(params)
        mini = _mini(params)
        now = self.engine.now_ns

        def tell(market: PublicMarket) -> dict[str, Any]:
            bar = market.bars.zone_bars("1d", now, shift)[-1]
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
        length = int(size[:-1]) * seconds * NS_PER_SECOND
        mini = _mini(params)
        return self._each(params, lambda market: market.ticker(self.engine.now_ns, length, mini))

    def price(self, params: Params) -> Any:
        """`ticker/price`."""
        return self._each(
            params,
            lambda market: {
                "symbol": market.rules.symbol,
                "price": market.rules.price(market.last()),
            },
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
        raise missing_either("symbol", "symbols")


def _zone(params: Params) -> int:
    """Seconds east of UTC of `timeZone`: hours, or hours and minutes, from -12:00 to +14:00."""
    match = _ZONE.fullmatch(params.text("timeZone") or "0")
    if match is None:
        raise not_valid("timeZone")
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    if match[1] == "-":
        seconds = -seconds
    if not -12 * 3600 <= seconds <= 14 * 3600:
        raise not_valid("timeZone")
    return seconds
