"""Venues of orders: simulated and real exchanges, each behind the port `Venue`."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
