"""CSV that this program writes, safe in a spreadsheet, and its cells read back."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any
from unicodedata import category, normalize


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV; what is no number or text is JSON.

    >>> csv_text([["name", "weight"], ["=1+1", -0.5]])
    "name,weight\\r\\n'=1+1,-0.5\\r\\n"
    """
    out = io.StringIO()
    csv.writer(out).writerows(map(csv_cell, row) for row in rows)
    return out.getvalue()


def csv_cell(value: Any) -> Any:
    """A cell; a text that a spreadsheet would reckon with has an apostrophe before it.

    >>> [csv_cell(value) for value in ("=1+1", "@x", "\\n\\ufeff \\uff1d1", "'=1", "p-1", -3.5, None, {"a": 1})]
    ["'=1+1", "'@x", "'\\n\\ufeff \\uff1d1", "''=1", 'p-1', -3.5, None, '{"a": 1}']
    """
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if _is_formula(text) else text


def read_cell(text: str) -> str:
    """The text of which :func:`csv_cell` made a cell.

    >>> [read_cell(cell) for cell in ("'=1+1", "''=1", "'tis", "p-1")]
    ['=1+1', "'=1", "'tis", 'p-1']
    """
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet reckons with a cell, wide letters and what is not seen before them aside."""
    bare = text.lstrip("'")
    seen = (letter for letter in normalize("NFKC", bare) if category(letter)[0] not in "ZC")
    return bare[:1] in ("\t", "\r", "\n") or next(seen, "x") in "=+-@"
