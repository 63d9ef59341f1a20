"""A symbol's scale and filters: decimals of the API to ticks and lots and back, in whole numbers of 1e-8.

A tick is the symbol's `tickSize`, a lot its `stepSize`. Source: `filters.md`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from exchange.binance.words import (
    BinanceError,
    BinanceOrderType,
    SelfTradePrevention,
    ServerCode,
    filter_failure,
    illegal_characters,
)
from tercel.core import MOST_LOTS, ONE, ConfigError, Listing
from tercel.venues.binance_venue import format_amount

QUOTES: Final = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
"""Assets that a symbol's name may end in."""
COIN_QUOTES: Final = ("BTC", "ETH", "BNB")
"""Quote assets of which an order need not be worth five."""
NUMBER: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
MOST_TICKS: Final = 2**29 - 1
MOST_ORDERS: Final = 200
"""Open orders of an account in a symbol."""
PREVENTION: Final = SelfTradePrevention.EXPIRE_MAKER
"""Mode of an order that names none."""
UP = 5
DOWN = (1, 5)
"""PERCENT_PRICE: from a fifth to five times the average."""
AVERAGE_MINUTES: Final = 5


def decimal(name: str, text: str) -> int:
    """A decimal of the API in 1e-8.

    Raises
    ------
    BinanceError
        Something else, or more than eight decimals.

    >>> decimal("price", "0.1"), decimal("quantity", "12")
    (10000000, 1200000000)
    """
    if not re.fullmatch(NUMBER, text):
        raise illegal_characters(name, NUMBER)
    integer_part, _, part = text.partition(".")
    if len(part.rstrip("0")) > 8:
        raise BinanceError(ServerCode.BAD_PRECISION, f"Parameter '{name}' has too much precision.")
    return int(integer_part) * ONE + int(part[:8].ljust(8, "0"))


@dataclass(frozen=True)
class SymbolRules:
    """Scale and filters of a symbol.

    Parameters
    ----------
    symbol, base, quote : str
    instrument : str
        Its name at the exchange behind.
    tick, lot : int
        1e-8 of the quote and of the base asset.
    least_notional : int
        1e-8 of the quote asset.
    """

    symbol: str
    base: str
    quote: str
    instrument: str
    tick: int
    lot: int
    least_notional: int = 5 * ONE

    @property
    def unit(self) -> int:
        """Value of a lot at a price of one tick, 1e-8 of the quote asset."""
        return self.tick * self.lot // ONE

    def price(self, ticks: int) -> str:
        """A price as the API writes it."""
        return format_amount(ticks * self.tick)

    def quantity(self, lots: int) -> str:
        """A quantity as the API writes it."""
        return format_amount(lots * self.lot)

    def lots(self, value: int) -> int:
        """A quantity in lots.

        Raises
        ------
        BinanceError
            LOT_SIZE.
        """
        lots, rest = divmod(value, self.lot)
        if rest or not 1 <= lots <= MOST_LOTS:
            raise filter_failure("LOT_SIZE")
        return lots

    def ticks(self, value: int) -> int:
        """A price in ticks.

        Raises
        ------
        BinanceError
            PRICE_FILTER.
        """
        ticks, rest = divmod(value, self.tick)
        if rest or not 1 <= ticks <= MOST_TICKS:
            raise filter_failure("PRICE_FILTER")
        return ticks

    def check_limit(self, ticks: int, lots: int, average: int) -> None:
        """The filters of a priced order; `average` is the mean price of the last minutes, ticks.

        Raises
        ------
        BinanceError
            PERCENT_PRICE or NOTIONAL.
        """
        if ticks > average * UP or ticks * DOWN[1] < average * DOWN[0]:
            raise filter_failure("PERCENT_PRICE")
        self.check_value(ticks * lots)

    def check_value(self, value: int) -> None:
        """NOTIONAL of so many ticks x lots."""
        if value * self.unit < self.least_notional:
            raise filter_failure("NOTIONAL")

    def filters(self) -> list[dict[str, Any]]:
        """As `exchangeInfo` has them."""
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": format_amount(self.tick),
                "maxPrice": self.price(MOST_TICKS),
                "tickSize": format_amount(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": format_amount(self.lot),
                "maxQty": self.quantity(MOST_LOTS),
                "stepSize": format_amount(self.lot),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": format_amount(self.lot),
                "maxQty": self.quantity(MOST_LOTS),
                "stepSize": format_amount(self.lot),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": format_amount(self.least_notional),
                "applyMinToMarket": True,
                "maxNotional": format_amount(MOST_LOTS * MOST_TICKS * self.unit),
                "applyMaxToMarket": False,
                "avgPriceMins": AVERAGE_MINUTES,
            },
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": str(UP),
                "multiplierDown": f"{DOWN[0] / DOWN[1]:g}",
                "avgPriceMins": AVERAGE_MINUTES,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MOST_ORDERS},
        ]

    def info(self, status: str) -> dict[str, Any]:
        """Its entry of `exchangeInfo`."""
        return {
            "symbol": self.symbol,
            "status": status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": [
                BinanceOrderType.LIMIT,
                BinanceOrderType.LIMIT_MAKER,
                BinanceOrderType.MARKET,
            ],
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": PREVENTION,
            "allowedSelfTradePreventionModes": list(SelfTradePrevention),
        }


def rules_of(listing: Listing, lot: int = 0) -> SymbolRules:
    """The rules of an instrument as an exchange lists it: `BTCUSDT` is BTC in USDT, `CSCO` is traded as `CSCOUSDT`.

    Parameters
    ----------
    listing : Listing
    lot : int
        1e-8 of the base asset in a lot; 0: the listing's lot counts whole shares.

    Raises
    ------
    ConfigError
        A tick or lot that eight decimals do not hold.

    >>> found = rules_of(Listing("CSCO", 0.01, 1))
    >>> found.symbol, found.base, found.price(1516), found.quantity(3), format_amount(found.unit)
    ('CSCOUSDT', 'CSCO', '15.16000000', '3.00000000', '0.01000000')
    >>> rules_of(Listing("ETHBTC", 1e-6, 1), 10**6).filters()[3]["minNotional"]
    '0.00010000'
    """
    name = listing.instrument.upper()
    quote = next((asset for asset in QUOTES if name.endswith(asset) and name != asset), "")
    base, quote = (
        (name.removesuffix(quote), quote) if quote else (re.sub("[^A-Z0-9]", "", name), QUOTES[0])
    )
    tick = round(listing.tick * ONE)
    lot = lot or listing.lot * ONE
    if not tick or abs(tick - listing.tick * ONE) > 1e-6 or tick * lot % ONE:
        received = f"tick {listing.tick}, lot {listing.lot} of {listing.instrument}"
        raise ConfigError(
            "a tick, a lot and their product of at most eight decimals",
            received,
            "serve another market",
        )
    least = ONE // 10_000 if quote in COIN_QUOTES else 5 * ONE
    return SymbolRules(base + quote, base, quote, listing.instrument, tick, lot, least)
