"""Live trading: parent and child orders, the gateway, the journal, recovery, trading states."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
