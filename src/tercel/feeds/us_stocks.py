"""What the feeds of US stocks share: timezone, hours, and Nasdaq's name and rule of hidden executions."""

import re
from datetime import date as calendar_date
from typing import Final

from tercel.core.vocabulary import NS_PER_SECOND

TIMEZONE: Final = "America/New_York"
_HALF_DAYS: Final = re.compile("(07-03|12-24) .|11-2[3-9] 5")
"""Month, day and weekday of days to 13:00: eves of holidays, and the Friday after Thanksgiving."""
VENUE: Final = "NASDAQ"
HIDDEN_SIDE_MASKED_FROM: Final = "2014-07-14"
"""Date from which Nasdaq does not tell the side of hidden executions."""


def session_ns(date: str) -> tuple[int, int]:
    """Market hours of a trading day, YYYY-MM-DD, ns after midnight: 9:30 to 16:00, on a half day to 13:00.

    >>> [close // (3600 * NS_PER_SECOND) for _, close in map(session_ns, ("2024-11-29", "2024-12-02"))]
    [13, 16]
    """
    is_half = _HALF_DAYS.fullmatch(f"{calendar_date.fromisoformat(date):%m-%d %w}")
    return 34_200 * NS_PER_SECOND, (46_800 if is_half else 57_600) * NS_PER_SECOND
