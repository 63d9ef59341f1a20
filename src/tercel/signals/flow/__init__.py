"""Forecasts of the next seconds: learned from recorded days, judged on others."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
