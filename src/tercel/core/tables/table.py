"""Read a table (CSV, Parquet, JSON lines, Excel's text, a data frame) with the rows of its file, before columns are named."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import DataError, refuse_if, split_commas
from tercel.core.tables.cell_text import find_decimal_signs
from tercel.core.tables.table_map import AS_NAMED, ColumnNames, TableMap, table_map
from tercel.core.tables.text import Row, TableSection, decode_text, read_unpacked, split_tables
from tercel.core.tables.usual_names import NUMBERS

ROW: Final = "row"
"""Column: the row of the file that a record was read from, counted from 1."""
_PRICES: Final = (
    "open",
    "high",
    "low",
    "close",
    "adj close",
    "volume",
    "dividends",
    "stock splits",
    "capital gains",
)


class TableAbsentError(DataError):
    """The table's file does not exist."""


class HowToMap(NamedTuple):
    """Texts for error messages on how to map columns: one column, the whole map, and otherwise."""

    column: str = "`column={}={}`"
    all_ways: str = "`column=` or `map=`"
    otherwise: str = "say what they are called in the file: {1}; or name them so in its first row"


TYPED_OPTIONS: Final = HowToMap()
RENAMED: Final = HowToMap("", "names of columns", "name them so in its first row")
"""Of tables whose columns cannot be mapped."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table read from a file: frame with the column `row`, source for errors, and the file's own column names
    `theirs`.

    `separator` stood between cells, "" where there were none; `others` are sections of the same file with another
    header; notes on reading cells are appended to `notes`.
    """

    frame: pl.DataFrame
    source: str
    map: TableMap = AS_NAMED
    how_to_map: HowToMap = TYPED_OPTIONS
    separator: str = ""
    theirs: Mapping[str, str] = field(default_factory=dict)
    others: tuple[pl.DataFrame, ...] = ()
    notes: list[str] = field(default_factory=list)

    def refuse(self, bad: pl.Series, name: str, expected: str, remedy: str) -> None:
        """Raise an error for the first row where `bad` is true, with its value in the column `name`; none is true: no effect."""
        position = bad.fill_null(False).arg_max()
        if position is None or not bad[position]:
            return
        rows = int(bad.sum())
        column = self.theirs.get(name, name)
        received = f"{column} {self.frame.row(position, named=True)[name]!r} in row {self.frame[ROW][position]} of {self.source}"
        raise DataError(
            expected, received + (f", and {rows - 1} more rows" if rows > 1 else ""), remedy
        )

    def words(self, name: str) -> pl.Series:
        """A column as text without blanks around it; raises DataError for an empty cell."""
        words = self.frame.get_column(name).cast(pl.String).str.strip_chars()
        remedy = "write it, or take the row out"
        self.refuse(words.fill_null("") == "", name, f"a {name} in every row", remedy)
        return words

    def drop_bad_rows(
        self, bad: pl.Series, name: str, expected: str, remedy: str, note: str
    ) -> "Table":
        """The table without bad rows, counted in `notes` as `note`; with an empty note a DataError for the first."""
        if not note:
            self.refuse(bad, name, expected, remedy)
        if not bad.any():
            return self
        self.notes.append(f"{int(bad.sum()):,} {note}")
        return replace(self, frame=self.frame.filter(~bad))

    @cached_property
    def signs(self) -> tuple[int, int]:
        """Rows of the first cells that show a decimal comma and a decimal point; 0 if none does.

        A time of 10.30 or an order id of 12.5 does not count: only the known columns of numbers do, or without any
        all but dates and names.
        """
        comma, point = (
            0 if place is None else int(self.frame[ROW][place])
            for place in find_decimal_signs(
                self.frame.select(
                    NUMBERS & {*self.frame.columns}
                    or {*self.frame.columns} - {"date", "time", "symbol", "side", "parent"}
                )
            )
        )
        return comma, point


def read_table(
    source: object, map: TableMap | ColumnNames = AS_NAMED, how_to_map: HowToMap = TYPED_OPTIONS
) -> Table:
    """Read a table from a file or data frame; every cell of a CSV as text.

    Parameters
    ----------
    source : path, or a data frame of Polars or pandas
        CSV with commas, semicolons, tabs or bars, perhaps gzipped; Parquet; JSON lines.
    map : TableMap or mapping
        Its columns and formats, see :func:`tercel.core.tables.table_map.table_map`.
    how_to_map : HowToMap
        How users map columns, for errors.

    Raises
    ------
    TableAbsentError
        When there is no such file.
    DataError
        When it is no such table; a row with more or fewer cells than the header is named.
    """
    mapping = (
        map if isinstance(map, TableMap) else table_map(None, map, option_name=how_to_map.all_ways)
    )
    if not isinstance(source, str | Path):
        return Table(_number_rows(_from_frame(source)), "the data frame", mapping, how_to_map)
    path = Path(source)
    refuse_if(
        not path.is_file(),
        "a table: CSV, Parquet or JSON lines",
        f"nothing at {path}",
        "check the path",
        TableAbsentError,
    )
    data = read_unpacked(path)
    suffix = path.suffix.lower()
    source_name = str(path)
    if data[:4] == b"PAR1" or suffix == ".parquet":
        try:
            return Table(
                _number_rows(pl.read_parquet(io.BytesIO(data))), source_name, mapping, how_to_map
            )
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                "a Parquet file", f"{error} in {path}", "write the file again"
            ) from error
    refuse_if(
        data[:2] == b"PK" or suffix in (".xlsx", ".xls"),
        "a table: CSV, Parquet or JSON lines",
        f"a workbook of Excel, {path}",
        "save it as CSV (UTF-8)",
        DataError,
    )
    text, note = decode_text(data, mapping.encoding, source_name)
    if suffix in (".jsonl", ".ndjson", ".json") or text.lstrip()[:1] == "{":
        return Table(_from_json(text, path), source_name, mapping, how_to_map)
    parts, separator, notes = split_tables(
        text, mapping, source_name, split_commas(",".join(mapping.header))
    )
    first, *others = [_from_section(part, source_name) for part in parts]
    if others:
        notes.append(
            f"one table of {source_name} is read, of those with headers in rows {[section.header[0] for section in parts]}"
        )
    return Table(
        first,
        source_name,
        mapping,
        how_to_map,
        separator,
        others=tuple(others),
        notes=[*filter(None, [note]), *notes],
    )


def _number_rows(frame: pl.DataFrame, rows: Sequence[int] = ()) -> pl.DataFrame:
    """The frame with the column `row`: the given row numbers, or 1, 2, ...; an existing `row` becomes `their row`."""
    numbered = pl.Series(ROW, rows or range(1, frame.height + 1), pl.UInt32)
    return frame.rename({ROW: f"their {ROW}"}, strict=False).insert_column(0, numbered)


def _from_frame(source: Any) -> pl.DataFrame:
    """A Polars frame of a pandas or other data frame."""
    if isinstance(source, pl.DataFrame):
        return source
    refuse_if(
        not hasattr(source, "reset_index"),
        "a path, or a data frame of Polars or pandas",
        type(source).__name__,
        "name a file",
        DataError,
    )
    # pandas' own types would want pyarrow
    indexed = _index_as_columns(source)
    repeated = indexed.columns[indexed.columns.duplicated()].tolist()
    refuse_if(
        repeated, "columns of names of their own", f"two of {repeated[:3]}", "rename one", DataError
    )
    with_none = {
        name: indexed[name].astype(object).where(indexed[name].notna(), None)
        for name in indexed.columns
    }
    frame = pl.DataFrame(
        {str(name): values.to_list() for name, values in with_none.items()}, strict=False
    )
    objects = [name for name, dtype in frame.schema.items() if dtype == pl.Object]
    refuse_if(
        objects,
        "cells of dates, numbers or text",
        f"{type(frame[objects[0]][0]).__name__} in {objects[0]}" if objects else "",
        "turn them into dates or text; a PeriodIndex by `to_timestamp(how='end')`",
        DataError,
    )
    return frame


def _index_as_columns(source: Any) -> Any:
    """A pandas frame or series as a frame with its index as columns; of several levels those without a name are called
    `date` where they hold times, else `symbol`, as is Alphalens' `asset`."""
    source = source if hasattr(source, "columns") else source.to_frame()
    if type(source.index).__name__ == "RangeIndex":
        return source
    levels = [
        name
        if source.index.nlevels == 1 or name not in (None, "asset")
        else "date"
        if source.index.get_level_values(level).dtype.kind == "M"
        else "symbol"
        for level, name in enumerate(source.index.names)
    ]
    taken = [*levels, *source.columns]
    refuse_if(
        repeated := [name for name in levels if taken.count(name) > 1],
        "an index with names of its own",
        f"{repeated} more than once among index and columns",
        "rename it, or reset_index(drop=True)",
        DataError,
    )
    return source.rename_axis(index=levels).reset_index()


def _from_json(text: str, path: Path) -> pl.DataFrame:
    """A Polars frame of JSON lines, one object a line, with the column `row`; blank lines are skipped, others a
    DataError."""
    records: dict[int, dict[str, Any]] = {}
    for row, line in enumerate(text.splitlines(), start=1):
        try:
            if line.strip():
                records[row] = {**parse_json(line)}
        except (ValueError, TypeError) as error:
            raise DataError(
                "one JSON object a line",
                f"{line[:40]!r} in row {row} of {path}: {error}",
                "correct the row",
            ) from error
    refuse_if(
        not records,
        "JSON objects, one per line",
        f"an empty file, {path}",
        "write one line per record",
        DataError,
    )
    names = dict.fromkeys(name for record in records.values() for name in record)
    columns = {
        name: pl.Series(name, [record.get(name) for record in records.values()], strict=False)
        for name in names
    }
    return _number_rows(pl.DataFrame(columns), list(records))


def _from_section(part: TableSection, source_name: str) -> pl.DataFrame:
    """A Polars frame of a section of a CSV text, cells as text, with the column `row`."""
    header, rows = _split_by_ticker(part)
    names = [name or (f"column {index}" if index else "index") for index, name in enumerate(header)]
    if duplicates := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError(
            "columns of different names", f"{duplicates[0]} twice in {source_name}", "rename one"
        )
    columns = zip(*(cells for _, cells in rows), strict=True) if rows else [()] * len(names)
    frame = pl.DataFrame(
        [pl.Series(n, column, pl.String) for n, column in zip(names, columns, strict=True)]
    )
    return _number_rows(frame, [row for row, _ in rows])


def _split_by_ticker(part: TableSection) -> tuple[list[str], list[Row]]:
    """Header and rows by day and ticker of a pandas CSV with two header rows (prices and tickers); others unchanged.

    A third row may name the index.
    """
    heads = [part.header[1], *(cells for _, cells in part.rows[:1])]
    if len(heads) < 2 or not {head[0] for head in heads} <= {"", "Price", "Ticker"}:
        return part.header[1], part.rows
    levels = [head[1:] for head in heads]
    named = [{name.lower() for name in level} <= set(_PRICES) for level in levels]
    if named[0] == named[1]:
        return part.header[1], part.rows
    prices, tickers = levels if named[0] else levels[::-1]
    days = part.rows[1 + (len(part.rows) > 1 and not any(part.rows[1][1][1:])) :]
    kinds = list(dict.fromkeys(prices))
    long: list[Row] = []
    for row, (day, *cells) in days:
        cell_by_column = dict(zip(zip(tickers, prices, strict=True), cells, strict=True))
        ticker_rows = [
            (ticker, [cell_by_column.get((ticker, kind), "") for kind in kinds])
            for ticker in dict.fromkeys(tickers)
        ]
        long += [(row, [day, ticker, *values]) for ticker, values in ticker_rows if any(values)]
    return ["Date", "Ticker", *kinds], long
