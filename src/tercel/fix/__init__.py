"""FIX 4.2 and 4.4, both sides: an acceptor before any venue, and any other acceptor as a venue (`profiles`)."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
