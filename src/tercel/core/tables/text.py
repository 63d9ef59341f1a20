"""Tables as text: files decoded and split, and what cells of text hold."""

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

import polars as pl

from tercel.core.errors import DataError
from tercel.core.report.cells import read_cell
from tercel.core.tables.table_map import UNNAMED, TextFormat

# -- cell text ------------------------------------------------------------------------------------
# Numbers in cells of text: which decimal sign they show, and how they are written with a point.

NOTHING: Final = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", ".")
"""Cells that say nothing, in small letters."""
MONEY: Final = "[$€£¥]"
_SIGN: Final = "[-+]?"
# An apostrophe, straight or curled, and blanks, also narrow and unbreakable ones.
_BETWEEN: Final = r"['\x{2019} \x{a0}\x{202f}]"
_GROUPS: Final = rf"^[-+]?\d{{1,3}}(?:{_BETWEEN}\d{{3}})+(?:[.,]\d+)?$"
# A sign with other than three digits behind it, with nothing but zero before it, or behind the other sign, is decimal.
_SHOWS: Final = (
    r"^[-+]?(?:(?:0|\d{{4,}}){d}\d+|\d{{1,3}}{d}(?:\d{{1,2}}|\d{{4,}})"
    r"|\d{{1,3}}(?:{t}\d{{3}})+{d}\d+|\d{{1,3}}(?:{t}\d{{3}}){{2,}})$"
)
EITHER: Final = r"^[-+]?(?:[1-9]\d{0,2}|0\d{1,2})[.,]\d{3}$"
"""Numbers with one sign, which may be of decimals or of thousands."""
# Numbers in thousands or millions.
SCALED: Final = r"\d\s*(?i:k|m|b|mn|mm|bn|mio|mrd)$"
# Not `\d`, which takes the digits of every script.
_NUMBER: Final = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"


def plain_text(text: pl.Expr, units: bool = False) -> pl.Expr:
    """Cells without signs of currencies, blanks and apostrophes between digits; null where they say nothing.

    ``(1.5)`` and ``1.5-`` are below 0. With `units` a word before or behind the number is taken off.

    >>> pl.select(plain_text(pl.lit("-$1'000.5"))).item()
    '-1000.5'
    """
    text = (
        text.str.strip_chars()
        .str.replace(r"^\((.+)\)$", "-${1}")
        .str.replace(r"^([^-]+)-$", "-${1}")
    )
    text = text.str.replace(rf"^({_SIGN})\s*{MONEY}\s*", "${1}").str.replace(rf"\s*{MONEY}$", "")
    if units:
        # 1e5 has no unit, and in 5k, 1.5M the letter is a part of the number
        bare = text.str.replace(r"\s*(?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*$", "").str.replace(
            r"^([-+]?)[A-Za-z]+\s*", "${1}"
        )
        text = pl.when(text.str.contains(SCALED)).then(text).otherwise(bare)
    grouped = text.str.contains(_GROUPS)
    text = pl.when(grouped).then(text.str.replace_all(_BETWEEN, "")).otherwise(text)
    return pl.when(~text.str.to_lowercase().is_in(NOTHING)).then(text)


def with_point(text: pl.Expr, decimal: str) -> pl.Expr:
    """Numbers with a point as their decimal sign and nothing between groups of digits; null where they are none.

    >>> pl.select(with_point(pl.lit("1.000,5"), ",")).item(), pl.select(with_point(pl.lit("1.5"), ",")).item()
    ('1000.5', None)
    """
    mark = {".": ",", ",": "."}[decimal]
    group, sign = f"\\{mark}", f"\\{decimal}"
    grouped = text.str.contains(rf"^{_SIGN}\d{{1,3}}({group}\d{{3}})+({sign}\d*)?$")
    text = pl.when(grouped).then(text.str.replace_all(mark, "", literal=True)).otherwise(text)
    if decimal == ",":
        text = (
            pl.when(~text.str.contains(".", literal=True))
            .then(text)
            .str.replace(",", ".", literal=True)
        )
    return pl.when(text.str.contains(_NUMBER)).then(text)


def shown_signs(frame: pl.DataFrame) -> tuple[int | None, int | None]:
    """Places of the first rows of which a cell shows a decimal comma, and a decimal point."""
    first = list[int | None]()
    names = [name for name, kind in frame.schema.items() if kind == pl.String]
    for decimal, mark in (("[,]", "[.]"), ("[.]", "[,]")):
        pattern = _SHOWS.format(d=decimal, t=mark)
        shows = pl.any_horizontal(
            False, *(plain_text(pl.col(name)).str.contains(pattern) for name in names)
        )
        first.append(next(iter(frame.select(shows.fill_null(False).arg_true()).to_series()), None))
    return first[0], first[1]


# -- text -----------------------------------------------------------------------------------------
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


@dataclass(frozen=True)
class TableSection:
    """A header and the rows below it, which have as many cells."""

    header: Row
    rows: list[Row]


def content(path: Path) -> bytes:
    """Bytes of a file, unpacked where it is gzipped."""
    data = path.read_bytes()
    try:
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            "a whole gzipped file", f"{path}: {error}", "fetch it again, or unpack it"
        ) from error


def decoded(data: bytes, encoding: str, where: str) -> tuple[str, str]:
    """Decode a file's bytes; return the text and a note on its encoding.

    Raises
    ------
    DataError
        Bytes that are invalid in the encoding.

    >>> decoded("K\\xe4ufe".encode("cp1252"), "", "a.csv")
    ('Käufe', 'read as Windows-1252, since a.csv is not in UTF-8; the key encoding of a map says another')
    """
    marked = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    ways = [encoding] if encoding else [marked, "cp1252"]
    for way in ways:
        try:
            text = data.decode(way)
        except UnicodeDecodeError as error:
            row = data[: error.start].count(b"\n") + 1
            received = f"{error.reason} in row {row} of {where}"
            refusal = DataError(
                f"a text file in {ways[0].removesuffix('-sig').upper()}", received, _ENCODING
            )
            continue
        note = f"read as Windows-1252, since {where} is not in UTF-8; the key encoding of a map says another"
        return text.removeprefix("\ufeff"), "" if encoding or way == marked else note
    raise refusal


_ENCODING: Final = "say which it is, such as `column=encoding=latin-1`, or save it as CSV (UTF-8)"


def separator_of(lines: Sequence[str], given: str = "") -> str:
    """The separator of cells: the one by which most rows have as many cells as others.

    >>> separator_of(["Datum;Kurs", "03.04.2024;28,60"])
    ';'
    """
    if given:
        return given
    if lines and lines[0].lower().startswith("sep="):  # Excel's own way to name it
        return lines[0].strip()[4:5]

    def like(separator: str) -> tuple[bool, float, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if any(row))
        width, rows = max(
            widths.items(), key=lambda one: (one[0] > 1, one[1], one[0]), default=(1, 0)
        )
        return width > 1, rows / max(widths.total(), 1), width

    return max(SEPARATORS, key=like)


def header_at(rows: Sequence[Sequence[str]]) -> int:
    """Place of the header: the first row with words in more than half of the cells that most rows have."""
    widths = Counter(len(row) for row in rows if any(row))
    width = max(widths.items(), key=lambda one: (one[0] > 1, one[1]), default=(1, 0))[0]
    filled = (at for at, row in enumerate(rows) if 2 * sum(map(bool, row)) > width)
    first = next((at for at, row in enumerate(rows) if any(row)), 0)
    found = next(filled, first)
    return found if found <= MOST_TITLES else first


def sections(
    text: str, how: TextFormat, where: str, header: Sequence[str] = ()
) -> tuple[list[TableSection], str, list[str]]:
    """Tables of a text, the separator of their cells, and what was skipped.

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
    skipped = max(how.skip, 0)
    first = next(
        (at for at, line in enumerate(lines) if at >= skipped and line.strip()), len(lines)
    )
    try:
        separator = separator_of(
            [line for line in lines[first : first + HEAD] if line.strip()], how.separator
        )
        first += first < len(lines) and lines[first].lower().startswith("sep=")
        _add_cells(rows, lines, first, separator)
    except csv.Error as error:  # such as a cell of more letters than csv.field_size_limit(), or an open quotation mark
        raise DataError(
            "a text file of values separated by commas",
            f"{where}: {error}" + (f", behind row {rows[-1][0]}" if rows else ""),
            "close the quotation mark, or export it as CSV",
        ) from error
    if not rows:
        raise DataError(
            "a table with a header",
            f"an empty file, {where}",
            "write the names of columns, then rows",
        )
    at = 0 if how.skip >= 0 else header_at([cells for _, cells in rows[:HEAD]])
    notes = [f"lines before the header of {where} passed over: {_shown(rows[:at])}"] if at else []
    if header or _VALUES.match("\t".join(rows[at][1])):
        others = range(len(header), len(rows[at][1]))
        rows.insert(at, (rows[at][0], [*header, *(f"{UNNAMED} {place}" for place in others)]))
    parts = _split(rows[at:], where)
    for part in parts:
        totals = []
        while part.rows and _is_total(part.rows[-1][1]):
            totals.append(part.rows.pop())
        if totals:
            notes.append(f"totals of {where} left out: {_shown(totals)}")
    return parts, separator, notes


def _add_cells(rows: list[Row], lines: list[str], first: int, separator: str) -> None:
    reader = csv.reader(
        islice(lines, first, None), delimiter=separator, strict=True
    )  # an open quote swallows rows
    number = first + 1
    for cells in reader:  # a cell in quotes may hold ends of lines
        if any(cell.strip() for cell in cells):
            rows.append((number, [read_cell(cell.strip()) for cell in cells]))
        number = first + 1 + reader.line_num


def _shown(rows: Sequence[Row]) -> str:
    texts = [f"row {number}, {' '.join(filter(None, cells))[:60]!r}" for number, cells in rows[:3]]
    return "; ".join(texts) + ("; ..." if len(rows) > 3 else "")


def _is_total(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return _TOTALS.match(filled[0].lower()) is not None and 2 * len(filled) <= len(cells) + 1


def _split(rows: list[Row], where: str) -> list[TableSection]:
    header, found = rows[0], list[Row]()
    parts = [TableSection(header, found)]
    for place, (number, cells) in enumerate(rows[1:], start=1):
        if cells == header[1]:
            continue
        if len(cells) == len(header[1]):
            found.append((number, cells))
        elif _is_total(cells):
            continue
        elif _is_header(cells):
            header, found = (number, cells), []
            parts.append(TableSection(header, found))
        elif not (
            len(cells) == 1 and place + 1 < len(rows) and _is_header(rows[place + 1][1])
        ):  # no title either
            raise DataError(
                f"{len(header[1])} cells, as in the first row",
                f"{len(cells)} cells in row {number} of {where}",
                "correct the row",
            )
    return parts


def _is_header(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and all(cells) and not any(map(_DIGIT.search, cells))
