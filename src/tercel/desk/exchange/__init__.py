"""The simulated exchange: a reactive or recorded market with client orders of several accounts in it."""

from tercel.desk.exchange.exchange import SimulatedExchange
from tercel.desk.exchange.market import EntryLatency, MarketSpec, RegimeChange

__all__ = ["EntryLatency", "MarketSpec", "RegimeChange", "SimulatedExchange"]
