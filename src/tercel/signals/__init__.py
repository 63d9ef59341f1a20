"""Forecasts: point-in-time panels, labels, models, fusion, purged validation, risk."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
