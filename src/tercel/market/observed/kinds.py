"""The six kinds of public event that flow models are made of and scored on."""

from typing import Final

LIMIT_IN_SPREAD, LIMIT_AT_BEST, LIMIT_DEEPER, CANCEL_AT_BEST, CANCEL_DEEPER, MARKET = range(6)
KINDS: Final = 6
NAMES: Final = (
    "limit in spread",
    "limit at best",
    "limit deeper",
    "cancel at best",
    "cancel deeper",
    "market",
)
