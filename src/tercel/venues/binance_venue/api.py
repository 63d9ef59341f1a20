"""Binance's API as a client uses it: error codes, statuses, weights, decimals, signed payloads, symbols with filters.

A REST request signs its query string and body as they are sent, one after the other, without the signature; a request
of the WebSocket API its parameters in order of their names. A lot is LOT_SIZE's step, a tick PRICE_FILTER's; numbers
come as strings or numbers, and finer than 1e-8 they are refused:

    {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
      {"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000.00","tickSize":"0.01"},
      {"filterType":"LOT_SIZE","minQty":"0.00001","maxQty":"9000.0","stepSize":"0.00001"}, ...]}

Source: binance-spot-api-docs at a5e0bc3, `rest-api.md`, `web-socket-api.md`, `enums.md`, `errors.md`, `filters.md`.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE, PLACES, format_decimal
from tercel.core.link.price_scale import PriceScale
from tercel.core.link.shown_book import scaled_listing
from tercel.core.vocabulary import MOST_LOTS

SIGNATURE: Final = "signature"
LONGEST_WINDOW_MS: Final = 60_000
MS: Final = 1_000_000
"""Nanoseconds of a millisecond."""


TRADING: Final = "TRADING"
_PLAIN_DECIMAL: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?")
_LONGEST_NUMBER: Final = 40


class ErrorCode(IntEnum):
    """Error codes that a client acts on (`errors.md`)."""

    UNAUTHORIZED = -1002
    TOO_MANY_REQUESTS = -1003
    TIMEOUT = -1007
    INVALID_MESSAGE = -1013
    TOO_MANY_ORDERS = -1015
    UNSUPPORTED_OPERATION = -1020
    INVALID_TIMESTAMP = -1021
    INVALID_SIGNATURE = -1022
    BAD_SYMBOL = -1121
    ORDER_REJECTED = -2010
    CANCEL_REJECTED = -2011
    NO_SUCH_ORDER = -2013
    BAD_API_KEY = -2014
    REJECTED_KEY = -2015
    SUBSCRIPTION_ACTIVE = -2035
    AMEND_REJECTED = -2038


class Status(StrEnum):
    """Order status."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


def depth_weight(limit: int) -> int:
    """Request weight of a depth request of `limit` levels.

    >>> [depth_weight(n) for n in (100, 101, 1000, 5000)]
    [5, 25, 50, 250]
    """
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def format_amount(value: int) -> str:
    """An amount in 1e-8 as the API's decimal text.

    >>> format_amount(10_000_000), format_amount(-5)
    ('0.10000000', '-0.00000005')
    """
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // ONE}.{value % ONE:08d}"


def hmac_signer(secret: str) -> Callable[[str], str]:
    """A function that signs a payload: HMAC-SHA256 by a secret, in hexadecimal.

    >>> payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    >>> secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    >>> hmac_signer(secret)(payload + "&timestamp=1499827319559")
    'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71'
    """
    base = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(payload: str) -> str:
        """HMAC-SHA256 of a payload, in hexadecimal."""
        digest = base.copy()
        digest.update(payload.encode())
        return digest.hexdigest()

    return sign


def sorted_payload(params: Mapping[str, Any]) -> str:
    """Text that a request of the WebSocket API signs: `name=value` in order of names, without the signature.

    >>> sorted_payload({"symbol": "A", "apiKey": "k", "signature": "s", "recvWindow": 100, "flag": True})
    'apiKey=k&flag=true&recvWindow=100&symbol=A'
    """
    return "&".join(
        f"{name}={payload_text(value)}"
        for name, value in sorted(params.items())
        if name != SIGNATURE
    )


def payload_text(value: Any) -> str:
    """A JSON value as text of a payload: true and false in lower case, a list as JSON."""
    return (
        json.dumps(value, separators=(",", ":")) if isinstance(value, bool | list) else str(value)
    )


def parse_amount(value: Any, name: str) -> int:
    """A non-negative number of the API, string or number, as a whole number of 1e-8; `name` is for errors.

    Raises
    ------
    VenueError
        No number at or above zero, or finer than 1e-8.

    >>> parse_amount("0.10", "a price"), parse_amount(12, "a price"), parse_amount("1e-5", "a price")
    (10000000, 1200000000, 1000)
    """
    literal = str(value) if not isinstance(value, bool) else ""
    if _PLAIN_DECIMAL.fullmatch(literal):
        head, _, fraction = literal.partition(".")
        if not fraction[PLACES:].strip("0"):
            return int(head) * ONE + int(fraction[:PLACES].ljust(PLACES, "0"))
    try:
        number = (
            Decimal(literal).scaleb(PLACES) if len(literal) <= _LONGEST_NUMBER else Decimal("NaN")
        )
        amount = int(number)
    except (InvalidOperation, ValueError, OverflowError):
        number = Decimal("NaN")
        amount = 0
    if number != amount or amount < 0 or amount >= 10**28:
        raise VenueError(
            f"{name} of {PLACES} decimals at most", repr(value)[:60], "see what the venue answered"
        )
    return amount


def parse_signed_amount(value: Any, name: str) -> int:
    """An amount in 1e-8 that may be below zero, as a rebate is.

    >>> parse_signed_amount("-0.5", "a fee")
    -50000000
    """
    literal = str(value)
    return parse_amount(literal.removeprefix("-"), name) * (-1 if literal.startswith("-") else 1)


@dataclass(frozen=True)
class TradedSymbol:
    """A traded symbol: its assets, scale and filters, in 1e-8; 0 for no such filter.

    Parameters
    ----------
    symbol, base, quote, status : str
    tick, lot : int
        1e-8 of the quote and of the base asset.
    quantities, takes : (int, int)
        Least and most of an order, and of a market order.
    prices : (int, int)
    values : (int, int)
        Least and most notional; `market_value`: whether the least holds for market orders.
    percent : (int, int, int, int)
        PERCENT_PRICE: least and most part of the mean price that a buy, and that a sell, may be at.
    most_orders : int
    amends : bool
    modes : tuple of str
        Self-trade prevention, the default first.
    """

    symbol: str
    base: str
    quote: str
    status: str
    tick: int
    lot: int
    quantities: tuple[int, int]
    takes: tuple[int, int]
    prices: tuple[int, int]
    values: tuple[int, int]
    market_value: bool
    percent: tuple[int, int, int, int]
    most_orders: int
    amends: bool
    modes: tuple[str, ...]

    @property
    def scale(self) -> PriceScale:
        """Ticks and lots to decimals and back."""
        return self._listed[1]

    def listing(self, maker_rate: int = 0, taker_rate: int = 0) -> o.Listing:
        """Listing of the symbol; fee rates in 1e-8 of the traded value."""
        return replace(
            self._listed[0], maker_rate=maker_rate, taker_rate=taker_rate, currency=self.quote
        )

    @cached_property
    def _listed(self) -> tuple[o.Listing, PriceScale]:
        """Listing and price scale of the symbol."""
        return scaled_listing(self.symbol, format_decimal(self.tick), format_decimal(self.lot))

    @property
    def rules(self) -> tuple[Any, ...]:
        """Properties that may not change while orders are counted in ticks and lots."""
        return self.tick, self.lot, self.base, self.quote

    def refusal(self, new: o.NewOrder | o.ReplaceOrder, mean: int) -> str:
        """Reason why an order would fail a filter; "" if it passes all known ones.

        Parameters
        ----------
        new : NewOrder or ReplaceOrder
        mean : int
            Estimate of the mean price of the last minutes, 1e-8; 0: unknown, filters on it are skipped.
        """
        if self.status != TRADING:
            return f"{self.symbol} is {self.status}: it does not trade"
        market = new.price is None
        if not 1 <= new.lots < MOST_LOTS:
            return f"LOT_SIZE: {new.lots} lots, where 1 to {MOST_LOTS - 1:,} are"
        qty = new.lots * self.lot
        least, most = self.takes if market else self.quantities
        if qty < least or (most and qty > most):
            bounds = f"{format_decimal(least)} to {format_decimal(most)}"
            return f"LOT_SIZE: a quantity of {format_decimal(qty)}, where {bounds} may be"
        value = qty * mean // ONE
        if new.price is not None:
            price = new.price * self.tick
            if (
                not 1 <= new.price < MOST_LOTS
                or price < self.prices[0]
                or (self.prices[1] and price > self.prices[1])
            ):
                least, most = self.prices
                bounds = f"{format_decimal(least)} to {format_decimal(most)}"
                return f"PRICE_FILTER: a price of {format_decimal(price)}, where {bounds} may be"
            low, high = self.percent[:2] if new.side > 0 else self.percent[2:]
            if mean and ((high and price * ONE > mean * high) or price * ONE < mean * low):
                return f"PERCENT_PRICE: a price of {format_decimal(price)}, where the market is at {format_decimal(mean)}"
            value = qty * price // ONE
        if value and (value < self.values[0] and (self.market_value or not market)):
            return f"NOTIONAL: a value of {format_decimal(value)}, where {format_decimal(self.values[0])} is the least"
        if value and self.values[1] and value > self.values[1] and not market:
            return f"NOTIONAL: a value of {format_decimal(value)}, where {format_decimal(self.values[1])} is the most"
        return ""


def symbol_of(entry: Mapping[str, Any]) -> TradedSymbol:
    """A symbol with its filters from its entry in `exchangeInfo`; raises VenueError for one without a tick or lot.

    Raises
    ------
    VenueError
        What cannot be traded in ticks and lots.
    """
    name = str(entry.get("symbol", ""))
    filters: dict[str, Mapping[str, Any]] = {
        str(symbol_filter.get("filterType")): symbol_filter
        for symbol_filter in entry.get("filters", ())
    }

    def number(kind: str, key: str, default_value: int = 0) -> int:
        """A filter's value in 1e-8; `default_value` where the symbol lacks it."""
        value = filters.get(kind, {}).get(key)
        return default_value if value is None else parse_amount(value, f"{kind}.{key} of {name}")

    def pair(kind: str, least: str, most: str) -> tuple[int, int]:
        """Two values of one filter in 1e-8, 0 where missing."""
        return number(kind, least), number(kind, most)

    tick = number("PRICE_FILTER", "tickSize")
    lot = number("LOT_SIZE", "stepSize")
    if not name or not tick or not lot:
        raise VenueError(
            "a symbol with a tick and a lot",
            f"{name or 'none'}: {tick}, {lot}",
            "trade another symbol",
        )
    least, most = pair("LOT_SIZE", "minQty", "maxQty")
    takes = pair("MARKET_LOT_SIZE", "minQty", "maxQty")
    kind = "NOTIONAL" if "NOTIONAL" in filters else "MIN_NOTIONAL"
    low, high = pair("PERCENT_PRICE", "multiplierDown", "multiplierUp")
    sided = "PERCENT_PRICE_BY_SIDE"
    percent = (low, high, low, high)
    if sided in filters:
        percent = (
            *pair(sided, "bidMultiplierDown", "bidMultiplierUp"),
            *pair(sided, "askMultiplierDown", "askMultiplierUp"),
        )
    default = str(entry.get("defaultSelfTradePreventionMode") or "NONE")
    modes = [str(mode) for mode in entry.get("allowedSelfTradePreventionModes") or [default]]
    value = filters.get(kind, {})
    return TradedSymbol(
        symbol=name,
        base=str(entry.get("baseAsset", "")),
        quote=str(entry.get("quoteAsset", "")),
        status=str(entry.get("status", TRADING)),
        tick=tick,
        lot=lot,
        quantities=(least, most),
        takes=(max(takes[0], least), takes[1] or most),
        prices=pair("PRICE_FILTER", "minPrice", "maxPrice"),
        values=pair(kind, "minNotional", "maxNotional"),
        market_value=bool(value.get("applyMinToMarket", value.get("applyToMarket", False))),
        percent=percent,
        most_orders=int(filters.get("MAX_NUM_ORDERS", {}).get("maxNumOrders", 0)),
        amends=bool(entry.get("amendAllowed", False)),
        modes=(default, *(mode for mode in modes if mode != default)),
    )
