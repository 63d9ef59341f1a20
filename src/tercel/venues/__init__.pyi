from tercel.venues.address import connect as connect
from tercel.venues.address import mark_of as mark_of
from tercel.venues.address import refuse_money as refuse_money
from tercel.venues.binance_venue.keys import ApiSigner as ApiSigner
from tercel.venues.exchange.shadow import ShadowRules as ShadowRules
from tercel.venues.exchange.shadow import ShadowVenue as ShadowVenue
from tercel.venues.money import why_money as why_money

__all__ = [
    "ApiSigner",
    "ShadowRules",
    "ShadowVenue",
    "connect",
    "mark_of",
    "refuse_money",
    "why_money",
]
