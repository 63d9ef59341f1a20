"""Forecasts of the next seconds, in the decision path."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
