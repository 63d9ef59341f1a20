"""The simulated exchange: a reactive or recorded market with client orders of several accounts in it."""

from tercel.venues.exchange.exchange import SimulatedExchange
from tercel.venues.exchange.market_spec import EntryLatency, MarketSpec, RegimeChange

__all__ = ["EntryLatency", "MarketSpec", "RegimeChange", "SimulatedExchange"]
