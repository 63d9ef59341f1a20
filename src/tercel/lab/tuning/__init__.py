"""Tuning: search for a rule's parameters on training episodes, in parallel jobs, and its validation."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
