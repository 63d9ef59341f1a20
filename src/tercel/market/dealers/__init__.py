"""Dealers who answer requests for quote (RFQ): what they quote, who trades, what a request leaks, and fits to history."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
