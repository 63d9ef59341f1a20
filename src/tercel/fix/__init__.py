"""FIX 4.2 and 4.4: any acceptor as a venue (`profiles`); what an acceptor says is in the distribution tercel-exchange."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
