"""Runs of `tercel signals`: configurations, panels on disk, training walked forward, checks for leaks."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
