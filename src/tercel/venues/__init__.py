"""Where orders go: exchanges of our own and other people's, each behind the port `Venue`."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
