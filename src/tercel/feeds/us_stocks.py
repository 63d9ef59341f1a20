"""What the feeds of US stocks share: timezone, hours, and Nasdaq's name and rule of hidden executions."""

from typing import Final

from tercel.core.vocabulary import NS_PER_SECOND

TIMEZONE: Final = "America/New_York"
SESSION_NS: Final = (34_200 * NS_PER_SECOND, 57_600 * NS_PER_SECOND)
"""Usual market hours, 9:30 to 16:00, ns after midnight."""
VENUE: Final = "NASDAQ"
HIDDEN_SIDE_MASKED_FROM: Final = "2014-07-14"
"""Date from which Nasdaq does not tell the side of hidden executions."""
