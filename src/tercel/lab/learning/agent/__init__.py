"""Training an agent: its configuration, its markets, its run folder, what became of it."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
