"""The six kinds of public event that flow models are made of and scored on."""

from typing import Final

LIMIT_IN_SPREAD: Final = 0
"""A limit order better than its own side's best."""
LIMIT_AT_BEST: Final = 1
LIMIT_DEEPER: Final = 2
CANCEL_AT_BEST: Final = 3
"""Lots withdrawn from the best price of their side."""
CANCEL_DEEPER: Final = 4
MARKET: Final = 5
"""Executions of one stamp and one aggressor side, together."""

KINDS: Final = 6
NAMES: Final = (
    "limit in spread",
    "limit at best",
    "limit deeper",
    "cancel at best",
    "cancel deeper",
    "market",
)
