from tercel.venues.address import TRADER as TRADER
from tercel.venues.address import connect as connect
from tercel.venues.address import mark_of as mark_of
from tercel.venues.address import refuse_money as refuse_money
from tercel.venues.binance_venue.api_key import ApiSigner as ApiSigner
from tercel.venues.exchange.shadow import ShadowRules as ShadowRules
from tercel.venues.exchange.shadow import ShadowVenue as ShadowVenue
from tercel.venues.exchange.named_markets import preset_markets as preset_markets
from tercel.venues.exchange.named_markets import recorded_market as recorded_market
from tercel.venues.hosts import LOOPBACK as LOOPBACK
from tercel.venues.hosts import bind as bind
from tercel.venues.address_proof import why_money as why_money

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
