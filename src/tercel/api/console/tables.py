"""Tables to take away: CSV that no spreadsheet takes for formulas."""

from collections.abc import Iterable
from typing import Literal

from fastapi.responses import Response
from pydantic import BaseModel

from tercel.core.rows import csv_text

Format = Literal["json", "csv"]


def csv_response(rows: Iterable[BaseModel], kind: type[BaseModel], name: str) -> Response:
    """Rows as a file of CSV, their fields in order; what is no number or text is JSON."""
    heads = list(kind.model_fields)
    text = csv_text([heads, *([getattr(row, head) for head in heads] for row in rows)])
    said = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=said)
