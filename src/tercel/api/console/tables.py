"""Tables to take away: CSV that no spreadsheet takes for formulas."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final, Literal
from unicodedata import category, normalize

from fastapi.responses import Response
from pydantic import BaseModel

Format = Literal["json", "csv"]
FORMULA: Final = ("=", "+", "-", "@")
"""How a cell begins that a spreadsheet reckons with, wide letters and what is not seen before it aside."""


def csv_response(rows: Iterable[BaseModel], kind: type[BaseModel], name: str) -> Response:
    """Rows as a file of CSV, their fields in order; what is no number or text is JSON."""
    out, heads = io.StringIO(), list(kind.model_fields)
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([cell(getattr(row, head)) for head in heads] for row in rows)
    said = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=said)


def cell(value: Any) -> Any:
    """A cell; a text that a spreadsheet would reckon with has an apostrophe before it.

    >>> [cell(value) for value in ("=1+1", "@x", "\\n\\ufeff \\uff1d1", "p-1", -3.5, None, {"a": 1})]
    ["'=1+1", "'@x", "'\\n\\ufeff \\uff1d1", 'p-1', -3.5, None, '{"a": 1}']
    """
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    seen = (letter for letter in normalize("NFKC", text) if category(letter)[0] not in "ZC")
    return f"'{text}" if next(seen, "") in FORMULA else text
