"""Tapes as flows of orders: what came, when, and how the book stood just before it."""

from tercel.market.observed.observe import Observed, observe

__all__ = ["Observed", "observe"]
