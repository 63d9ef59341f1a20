"""Texts of reasons and of costs with their intervals in the report of a desk's day."""

from typing import Final

from tercel.api.desk.day_money import ParentCosts
from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import format_number

MOST: Final = 160
"""Characters of a reason or an alert that are shown."""


def one_line(text: object, most: int = MOST) -> str:
    r"""Text on one line: white space collapsed, unprintable characters replaced, cut to `most` characters.

    >>> one_line("runaway\r\nBcc: x"), one_line("a\u202eb"), one_line("long", 3)
    ('runaway Bcc: x', 'a?b', 'lo…')
    """
    joined = " ".join(str(text).split())
    clean = "".join(letter if letter.isprintable() else "?" for letter in joined)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def format_bps(costs: ParentCosts) -> str:
    """A mean cost in bps with its 95 % interval.

    >>> format_bps(ParentCosts(9, 1.26, -0.31, 2.8, 0, 0)), format_bps(ParentCosts(0, None, None, None, 0, 0))
    ('1.3 (-0.3 to 2.8)', '–')
    """
    mean, low, high = (
        format_number(value, 1, thousands=True)
        for value in (costs.is_bps, costs.low_bps, costs.high_bps)
    )
    return mean if NOTHING in (mean, low, high) else f"{mean} ({low} to {high})"
