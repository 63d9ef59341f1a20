"""Small tables as HTML, without columns that say nothing; a missing value is a dash, never zero."""

import html
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tercel.core.report.cells import NOTHING, are_words, digits_of, format_cell

IDLE = (None, "", 0, "0", "0.0", "0.00", NOTHING)
"""Cells that say nothing."""
LONG_CELL = 28
"""Letters from which a cell may be of several lines."""
MANY_COLUMNS = 12
"""Columns from which a table is set smaller."""


def missing_note(headings: Sequence[str], all_in: str = "its JSON") -> str:
    """Note that names columns left out for lack of room, and where all columns are.

    >>> missing_note(["risk", "fees"])
    'left out: risk, fees (a wider terminal shows more, its JSON has all)'
    """
    return f"left out: {', '.join(headings)} (a wider terminal shows more, {all_in} has all)"


def plain_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    caption: str = "",
    prose: bool = False,
    hints: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """HTML of any small table: the first column names rows, numbers are aligned right, words left, cells escaped.

    A column of floats is shown with as many digits after the point as its largest has to four figures and its smallest
    to two; each by itself where they lie too far apart. None is a dash. `hints`: what a heading means, shown over it.
    """
    columns = [[row[place] for row in rows if place < len(row)] for place in range(len(headings))]
    digits = [digits_of(column) for column in columns]
    alignments = [' class="left"' * are_words(column) for column in columns]
    head = "".join(
        f'<th scope="col"{css_class}{_hint(hints, name)}>{html.escape(name)}</th>'
        if name
        else f"<td{css_class}></td>"
        for name, css_class in zip(headings, alignments, strict=True)
    )
    body = ""
    for row in rows:
        first, *rest = (
            format_cell(value, places) for value, places in zip(row, digits, strict=False)
        )
        kinds = (
            ' class="words"' if len(cell) > LONG_CELL else css_class
            for cell, css_class in zip(rest, alignments[1:], strict=False)
        )
        cells = (
            f'<td{kind} data-head="{html.escape(name)}">{cell}</td>'
            for cell, kind, name in zip(rest, kinds, headings[1:], strict=False)
        )
        body += f'<tr><th scope="row">{first}</th>{"".join(cells)}</tr>'
    caption_html = f"<caption><span>{html.escape(caption)}</span></caption>" if caption else ""
    kind = ' class="prose"' if prose else ' class="wide"' if len(headings) > MANY_COLUMNS else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(caption or "Table", quote=True)}">'
        f"<table{kind}>{caption_html}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _hint(hints: Mapping[str, str], name: str) -> str:
    """The attribute of a heading that says what it means; "" without a hint."""
    return f' title="{html.escape(hints[name], quote=True)}"' if name in hints else ""


def drop_idle_columns(
    rows: Sequence[Mapping[str, Any]], columns: Collection[str]
) -> list[dict[str, Any]]:
    """Copies of the rows without those of `columns` that are empty, 0 or a dash in every row.

    >>> drop_idle_columns([{"parent": "a", "refused": 0, "limit": 5.0}], ("refused", "limit"))
    [{'parent': 'a', 'limit': 5.0}]
    """
    idle = {key for key in columns if all(row.get(key) in IDLE for row in rows)}
    return [{key: value for key, value in row.items() if key not in idle} for row in rows]
