"""Public names of ``import tercel``: markets, policies, training, judging, results."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
