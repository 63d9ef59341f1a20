"""Forecasts of the mid for the next seconds, used in decisions."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
