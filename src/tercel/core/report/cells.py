"""Cells of tables: numbers as people read them, the same digits down a column, never with an exponent."""

import html
import math
from collections.abc import Sequence
from typing import TypeGuard

NOTHING = "\N{EN DASH}"
MOST_DIGITS = 4
"""Digits after the point that a column's smallest value may ask for."""
WHOLE = 1000
"""From here a float is shown without digits after the point."""


def digits_of(column: Sequence[object]) -> int | None:
    """Digits after the point that serve all floats of a column; None where none do.

    >>> digits_of([20.98, 0.3484]), digits_of([1.82e6]), digits_of([129.8, 0.04981]), digits_of([5e3, 1e-6])
    (2, 0, 3, None)
    """
    sizes = [
        abs(value) for value in column if isinstance(value, float) and is_known(value) and value
    ]
    if not sizes:
        return None
    large, small = (math.floor(math.log10(size)) for size in (max(sizes), min(sizes)))
    digits = max(3 - large, 1 - small, 0)
    return digits if digits <= max(3 - large, MOST_DIGITS) else None


def shown(value: object, digits: int | None = None) -> str:
    """A cell as people read it, escaped; a float with `digits` after the point, or with four figures.

    >>> shown(1.82e6), shown(0.3484, 2), shown(None), shown(True), shown("<")
    ('1,820,000', '0.35', '–', 'yes', '&lt;')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return html.escape(str(value))
    if digits is None:
        return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:,.4g}"
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def are_words(column: Sequence[object]) -> bool:
    """Whether a column reads as words, which begin at its left: each cell begins with a letter, some end with no digit.

    >>> are_words(["active", "halted: kill", ""]), are_words(["buy 300", "sell 20"]), are_words(["csco", 4.5])
    (True, False, False)
    """
    told = [value for value in column if value is not None and value not in ("", NOTHING)]
    words = [value for value in told if isinstance(value, str) and value[0].isalpha()]
    return (
        bool(told) and len(words) == len(told) and not all(value[-1].isdigit() for value in words)
    )


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a cell holds a finite number."""
    return value is not None and math.isfinite(value)
