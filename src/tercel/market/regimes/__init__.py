"""Regimes: named states of a market that switch within an episode."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
