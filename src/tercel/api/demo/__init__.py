"""The desk's demo: a simulated exchange with planted regimes and news, and desks run again and again on its seeds."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
