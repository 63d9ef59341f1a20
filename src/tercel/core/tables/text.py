"""Split a table's text file: its encoding, its separator, its header, and the tables within it."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from tercel.core.errors import DataError, refuse_if
from tercel.core.report.cells import read_cell
from tercel.core.tables.table_map import UNNAMED, TextFormat

# Text of a table as cells: encoding, separator, lines before the header, sections, totals.
SEPARATORS: Final = (",", ";", "\t", "|")
HEAD: Final = 200
"""Rows by which the separator and the header are found."""
MOST_TITLES: Final = 50
"""Most lines before a header."""
_TOTALS: Final = re.compile(
    r"((sub|grand )?total|transactions total|sum|summe|gesamt|end of|ende)\b"
)
_DIGIT: Final = re.compile(r"\d")
# A first row of values: a date or a time, or a word, a date and a number.
_VALUES: Final = re.compile(
    r"(?:[^\t]+\t(?=[^\t]+\t[-+]?\d+[.,]\d))?"
    r"(?:\d{4}[-/.]\d\d?[-/.]\d|\d\d?[-/.]\d\d?[-/.]\d{2}|(?:19|20)\d{6}\b|\d{9,19}\b)[^\t]*\t"
)
Row = tuple[int, list[str]]
"""A line's number from 1, and its cells."""


_ENCODING: Final = "say which it is, such as `column=encoding=latin-1`, or save it as CSV (UTF-8)"


@dataclass(frozen=True)
class TableSection:
    """A header and the rows below it that have as many cells."""

    header: Row
    rows: list[Row]


def read_unpacked(path: Path) -> bytes:
    """Bytes of a file, decompressed if it is gzipped."""
    data = path.read_bytes()
    try:
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            "a whole gzipped file", f"{path}: {error}", "fetch it again, or unpack it"
        ) from error


def decode_text(data: bytes, encoding: str, source_name: str) -> tuple[str, str]:
    """Decode a file's bytes; return the text, and a note if Windows-1252 was assumed, else "".

    Raises
    ------
    DataError
        Bytes that are invalid in the encoding.

    >>> decode_text("K\\xe4ufe".encode("cp1252"), "", "a.csv")
    ('Käufe', 'read as Windows-1252, since a.csv is not in UTF-8; the key encoding of a map says another')
    """
    marked = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    encodings = [encoding] if encoding else [marked, "cp1252"]
    for candidate in encodings:
        try:
            text = data.decode(candidate)
        except UnicodeDecodeError as error:
            row = data[: error.start].count(b"\n") + 1
            received = f"{error.reason} in row {row} of {source_name}"
            refusal = DataError(
                f"a text file in {encodings[0].removesuffix('-sig').upper()}", received, _ENCODING
            )
            continue
        note = f"read as Windows-1252, since {source_name} is not in UTF-8; the key encoding of a map says another"
        return text.removeprefix("\ufeff"), "" if encoding or candidate == marked else note
    raise refusal


def find_separator(lines: Sequence[str], declared: str = "") -> str:
    """The separator of cells: declared, or the one by which most rows have the same number of cells.

    >>> find_separator(["Datum;Kurs", "03.04.2024;28,60"])
    ';'
    """
    if declared:
        return declared
    if lines and lines[0].lower().startswith("sep="):  # Excel's own way to name it
        return lines[0].strip()[4:5]

    def like(separator: str) -> tuple[bool, float, int]:
        """Sort key of a separator: more than one cell, share of rows of the usual width, that width."""
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if any(row))
        width, rows = max(
            widths.items(),
            key=lambda width_count: (width_count[0] > 1, width_count[1], width_count[0]),
            default=(1, 0),
        )
        return width > 1, rows / max(widths.total(), 1), width

    return max(SEPARATORS, key=like)


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Index of the header: the first row with words in more than half as many cells as most rows have."""
    widths = Counter(len(row) for row in rows if any(row))
    width = max(
        widths.items(), key=lambda width_count: (width_count[0] > 1, width_count[1]), default=(1, 0)
    )[0]
    filled = (index for index, row in enumerate(rows) if 2 * sum(map(bool, row)) > width)
    first = next((index for index, row in enumerate(rows) if any(row)), 0)
    header_index = next(filled, first)
    return header_index if header_index <= MOST_TITLES else first


def split_tables(
    text: str, text_format: TextFormat, source_name: str, header: Sequence[str] = ()
) -> tuple[list[TableSection], str, list[str]]:
    """Split a text into tables; return them, the separator of cells, and notes on skipped rows.

    `header` names the first columns of a text without one; others, and all where a first row of values shows that there
    is none, are called `UNNAMED` and their number.

    A row of another width begins a section where it looks like a header: no empty cell, no digit. The same header
    again continues its section. The last rows of a section are left out where they are totals.

    Raises
    ------
    DataError
        No header, a row with more or fewer cells than the header of its section.
    """
    lines = io.StringIO(text, None).readlines()
    rows: list[Row] = []
    skipped = max(text_format.skip, 0)
    first = next(
        (index for index, line in enumerate(lines) if index >= skipped and line.strip()), len(lines)
    )
    try:
        separator = find_separator(
            [line for line in lines[first : first + HEAD] if line.strip()], text_format.separator
        )
        first += first < len(lines) and lines[first].lower().startswith("sep=")
        _add_cells(rows, lines, first, separator)
    except csv.Error as error:  # such as a cell of more letters than csv.field_size_limit(), or an open quotation mark
        raise DataError(
            "a text file of values separated by commas",
            f"{source_name}: {error}" + (f", behind row {rows[-1][0]}" if rows else ""),
            "close the quotation mark, or export it as CSV",
        ) from error
    refuse_if(
        not rows,
        "a table with a header",
        f"an empty file, {source_name}",
        "write the names of columns, then rows",
        DataError,
    )
    header_index = 0 if text_format.skip >= 0 else find_header([cells for _, cells in rows[:HEAD]])
    notes = (
        [
            f"lines before the header of {source_name} passed over: {_describe_rows(rows[:header_index])}"
        ]
        if header_index
        else []
    )
    if header or _VALUES.match("\t".join(rows[header_index][1])):
        others = range(len(header), len(rows[header_index][1]))
        rows.insert(
            header_index,
            (rows[header_index][0], [*header, *(f"{UNNAMED} {place}" for place in others)]),
        )
    parts = _split_sections(rows[header_index:], source_name)
    for part in parts:
        totals = []
        while part.rows and _is_total(part.rows[-1][1]):
            totals.append(part.rows.pop())
        if totals:
            notes.append(f"totals of {source_name} left out: {_describe_rows(totals)}")
    return parts, separator, notes


def _add_cells(rows: list[Row], lines: list[str], first: int, separator: str) -> None:
    """Append the non-empty rows of lines from `first` on to `rows`, with row numbers and cells split by the separator."""
    reader = csv.reader(
        islice(lines, first, None), delimiter=separator, strict=True
    )  # an open quote swallows rows
    number = first + 1
    for cells in reader:  # a cell in quotes may hold ends of lines
        if any(cell.strip() for cell in cells):
            rows.append((number, [read_cell(cell.strip()) for cell in cells]))
        number = first + 1 + reader.line_num


def _describe_rows(rows: Sequence[Row]) -> str:
    """The first three rows as text for a note."""
    texts = [f"row {number}, {' '.join(filter(None, cells))[:60]!r}" for number, cells in rows[:3]]
    return "; ".join(texts) + ("; ..." if len(rows) > 3 else "")


def _is_total(cells: Sequence[str]) -> bool:
    """Whether a row is a total or another closing line."""
    filled = [cell for cell in cells if cell]
    return _TOTALS.match(filled[0].lower()) is not None and 2 * len(filled) <= len(cells) + 1


def _split_sections(rows: list[Row], source_name: str) -> list[TableSection]:
    """Split rows at further headers into sections; repeated headers, totals and titles are skipped, other widths a
    DataError."""
    header = rows[0]
    section_rows = list[Row]()
    parts = [TableSection(header, section_rows)]
    for place, (number, cells) in enumerate(rows[1:], start=1):
        if cells == header[1]:
            continue
        if len(cells) == len(header[1]):
            section_rows.append((number, cells))
        elif _is_total(cells):
            continue
        elif _is_header(cells):
            header = (number, cells)
            section_rows = []
            parts.append(TableSection(header, section_rows))
        elif not (
            len(cells) == 1 and place + 1 < len(rows) and _is_header(rows[place + 1][1])
        ):  # no title either
            raise DataError(
                f"{len(header[1])} cells, as in the first row",
                f"{len(cells)} cells in row {number} of {source_name}",
                "correct the row",
            )
    return parts


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a row can be a header: several cells, none empty, none with a digit."""
    return len(cells) > 1 and all(cells) and not any(map(_DIGIT.search, cells))
