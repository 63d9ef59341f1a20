"""Tapes as event flows: each public event with the book just before it."""

from tercel.market.observed.observe import Observed, observe

__all__ = ["Observed", "observe"]
