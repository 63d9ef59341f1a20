"""Dealers that answer requests for quote (RFQ): quotes, winners, information leakage, and fits to recorded requests."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
