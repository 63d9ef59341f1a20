"""The gate: a process of its own that holds the venue session, the limits and the kill latch for trading sessions."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
