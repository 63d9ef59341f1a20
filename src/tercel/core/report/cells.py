"""Cells of tables: format numbers with equal digits down a column, and write and read CSV cells."""

import csv
import html
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard
from unicodedata import category, normalize

NOTHING = "\N{EN DASH}"
MOST_DIGITS = 4
"""Digits after the point that a column's smallest value may ask for."""
WHOLE = 1000
"""From here a float is shown without digits after the point."""


def digits_of(column: Sequence[object]) -> int | None:
    """Digits after the point that show all floats of a column well; None without floats, or if they lie too far apart.

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


def format_cell(value: object, digits: int | None = None) -> str:
    """A cell as HTML text; a float with `digits` after the point, or with four figures; a dash for None and NaN, yes or no.

    >>> format_cell(1.82e6), format_cell(0.3484, 2), format_cell(None), format_cell(True), format_cell("<")
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
    """Whether a column holds words and is aligned left: each cell begins with a letter, some end without a digit.

    >>> are_words(["active", "halted: kill", ""]), are_words(["buy 300", "sell 20"]), are_words(["sh600961", 4.5])
    (True, False, False)
    """
    filled = [value for value in column if value is not None and value not in ("", NOTHING)]
    texts = [value for value in filled if isinstance(value, str) and value[0].isalpha()]
    return (
        bool(filled)
        and len(texts) == len(filled)
        and not all(value[-1].isdigit() for value in texts)
    )


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a cell holds a finite number."""
    return value is not None and math.isfinite(value)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV text; values other than numbers and text are JSON.

    >>> csv_text([["name", "weight"], ["=1+1", -0.5]])
    "name,weight\\r\\n'=1+1,-0.5\\r\\n"
    """
    buffer = io.StringIO()
    csv.writer(buffer).writerows(map(csv_cell, row) for row in rows)
    return buffer.getvalue()


def csv_cell(value: Any) -> Any:
    """A value as a CSV cell: numbers and None as they are, others than text as JSON; an apostrophe before texts like formulas.

    >>> [csv_cell(value) for value in ("=1+1", "@x", "\\n\\ufeff \\uff1d1", "'=1", "p-1", -3.5, None, {"a": 1})]
    ["'=1+1", "'@x", "'\\n\\ufeff \\uff1d1", "''=1", 'p-1', -3.5, None, '{"a": 1}']
    """
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet takes a text for a formula, after normalising wide and invisible characters."""
    bare = text.lstrip("'")
    visible = (letter for letter in normalize("NFKC", bare) if category(letter)[0] not in "ZC")
    return bare[:1] in ("\t", "\r", "\n") or next(visible, "x") in "=+-@"


def read_cell(text: str) -> str:
    """The text that :func:`csv_cell` wrote: without the apostrophe before a formula; other text is unchanged.

    >>> [read_cell(cell) for cell in ("'=1+1", "''=1", "'tis", "p-1")]
    ['=1+1', "'=1", "'tis", 'p-1']
    """
    return text[1:] if text.startswith("'") and _is_formula(text) else text
