"""Tapes as event flows: each public event with the book just before it."""

from tercel.market.observed.event_columns import (
    CANCEL_AT_BEST,
    CANCEL_DEEPER,
    LIMIT_AT_BEST,
    LIMIT_DEEPER,
    LIMIT_IN_SPREAD,
    MARKET,
)
from tercel.market.observed.observe import Observed, observe, split_at_breaks

__all__ = [
    "CANCEL_AT_BEST",
    "CANCEL_DEEPER",
    "LIMIT_AT_BEST",
    "LIMIT_DEEPER",
    "LIMIT_IN_SPREAD",
    "MARKET",
    "Observed",
    "observe",
    "split_at_breaks",
]
