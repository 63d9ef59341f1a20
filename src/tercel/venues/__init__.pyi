from tercel.venues.address import (
    TRADER as TRADER,
    connect as connect,
    mark_of as mark_of,
    refuse_money as refuse_money,
)
from tercel.venues.binance_venue.terms import ApiSigner as ApiSigner
from tercel.venues.exchange.shadow import (
    ShadowRules as ShadowRules,
    ShadowVenue as ShadowVenue,
    preset_markets as preset_markets,
    recorded_market as recorded_market,
)
from tercel.venues.hosts import LOOPBACK as LOOPBACK, bind as bind, why_money as why_money

__all__ = [
    "LOOPBACK",
    "TRADER",
    "ApiSigner",
    "ShadowRules",
    "ShadowVenue",
    "bind",
    "connect",
    "mark_of",
    "preset_markets",
    "recorded_market",
    "refuse_money",
    "why_money",
]
