"""A table under our names of columns, with its file's rows: what every reader of people's tables starts from."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from tercel.core.errors import ConfigError, DataError
from tercel.core.names import check_known, nearest
from tercel.core.parsed import parse_json
from tercel.core.tables.table_map import AS_NAMED, SETTINGS, Called, TableMap, Words, table_map
from tercel.core.tables.text import Row, Section, content, decoded, sections
from tercel.core.tables.usual import OURS, USUAL, plain_name

ROW: Final = "row"
"""Column: the row of the file that a record was read from, counted from 1."""
SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
JOINED: Final = ("time", "date", "arrival", "start", "end", "known", "event")
"""Columns of which several are joined by a blank, such as a date and its time."""
_PRICES: Final = ("open", "high", "low", "close", "adj close", "volume", "dividends", "stock splits", "capital gains")


class TableAbsentError(DataError):
    """There is no such file."""


class HowToMap(NamedTuple):
    """How a person says what a column is called, for errors: one column, ours and theirs; the map; the last resort."""

    column: str = "`column={}={}`"
    whole: str = "`column=` or `map=`"
    otherwise: str = "name the columns in the first row"


TYPED: Final = HowToMap()


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file with the column `row`; `where` names it in errors, `theirs` has its own names of columns.

    `separator` stood between cells, "" where there were none; `others` are sections of the same file with another
    header; `notes` grows by what is noticed while cells are read.
    """

    frame: pl.DataFrame
    where: str
    map: TableMap = AS_NAMED
    how: HowToMap = TYPED
    separator: str = ""
    theirs: Mapping[str, str] = field(default_factory=dict)
    others: tuple[pl.DataFrame, ...] = ()
    notes: list[str] = field(default_factory=list)

    def refuse(self, bad: pl.Series, name: str, expected: str, remedy: str) -> None:
        """Refuse the first row where `bad` is true, with what it has in a column."""
        at = bad.fill_null(False).arg_max()
        if at is None or not bad[at]:
            return
        rows = int(bad.sum())
        called = self.theirs.get(name, name)
        received = f"{called} {self.frame.row(at, named=True)[name]!r} in row {self.frame[ROW][at]} of {self.where}"
        raise DataError(expected, received + (f", and {rows - 1} more rows" if rows > 1 else ""), remedy)

    def sound(self, bad: pl.Series, name: str, expected: str, remedy: str, said: str) -> "Table":
        """The table without rows that are bad, which are counted and `said`; empty: they are refused."""
        if not said:
            self.refuse(bad, name, expected, remedy)
        if not bad.any():
            return self
        self.notes.append(f"{int(bad.sum()):,} {said}")
        return replace(self, frame=self.frame.filter(~bad))

    @cached_property
    def signs(self) -> tuple[int, int]:
        """Rows of the first cells that show a decimal comma and a decimal point; 0: none does."""
        from tercel.core.tables.numbers import shown_signs

        comma, point = (0 if place is None else int(self.frame[ROW][place]) for place in shown_signs(self.frame))
        return comma, point


def read_table(source: object, map: TableMap | Called = AS_NAMED, how: HowToMap = TYPED) -> Table:
    """A table as it stands, every cell of a CSV as text.

    Parameters
    ----------
    source : path, or a data frame of Polars or pandas
        CSV with commas, semicolons, tabs or bars, perhaps gzipped; Parquet; JSON lines.
    map : TableMap or mapping
        What is in it, see :func:`tercel.core.tables.table_map.table_map`.
    how : HowToMap
        How a person maps columns, for errors.

    Raises
    ------
    TableAbsentError
        When there is no such file.
    DataError
        When it is no such table; a row with more or fewer cells than the header is named.
    """
    told = map if isinstance(map, TableMap) else table_map(None, map, said=how.whole)
    if not isinstance(source, str | Path):
        return Table(_numbered(_of_frame(source)), "the data frame", told, how)
    path = Path(source)
    if not path.is_file():
        raise TableAbsentError("a table: CSV, Parquet or JSON lines", f"nothing at {path}", "check the path")
    data, suffix, where = content(path), path.suffix.lower(), str(path)
    if data[:4] == b"PAR1" or suffix == ".parquet":
        try:
            return Table(_numbered(pl.read_parquet(io.BytesIO(data))), where, told, how)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError("a Parquet file", f"{error} in {path}", "write the file again") from error
    if data[:2] == b"PK" or suffix in (".xlsx", ".xls"):
        raise DataError("a table: CSV, Parquet or JSON lines", f"a workbook of Excel, {path}", "save it as CSV (UTF-8)")
    text, note = decoded(data, told.encoding, where)
    if suffix in (".jsonl", ".ndjson", ".json") or text.lstrip()[:1] == "{":
        return Table(_of_json(text, path), where, told, how)
    parts, separator, notes = sections(text, told, where)
    first, *others = [_of_section(part, where) for part in parts]
    return Table(first, where, told, how, separator, others=tuple(others), notes=[*filter(None, [note]), *notes])


def _numbered(frame: pl.DataFrame, rows: Sequence[int] = ()) -> pl.DataFrame:
    """With the column `row`: those that are named, or 1, 2, ...; a column of that name is theirs."""
    numbered = pl.Series(ROW, rows or range(1, frame.height + 1), pl.UInt32)
    return frame.rename({ROW: f"their {ROW}"}, strict=False).insert_column(0, numbered)


def _of_frame(source: Any) -> pl.DataFrame:
    if isinstance(source, pl.DataFrame):
        return source
    if not hasattr(source, "reset_index"):
        raise DataError("a path, or a data frame of Polars or pandas", type(source).__name__, "name a file")
    # an index of dates is a column here; pandas' own types would want pyarrow
    indexed = source if type(source.index).__name__ == "RangeIndex" else source.reset_index()
    none = {name: indexed[name].astype(object).where(indexed[name].notna(), None) for name in indexed.columns}
    return pl.DataFrame({str(name): values.to_list() for name, values in none.items()}, strict=False)


def _of_json(text: str, path: Path) -> pl.DataFrame:
    records: dict[int, dict[str, Any]] = {}
    for row, line in enumerate(text.splitlines(), start=1):
        try:
            if line.strip():
                records[row] = {**parse_json(line)}
        except (ValueError, TypeError) as error:
            received = f"{line[:40]!r} in row {row} of {path}: {error}"
            raise DataError("one JSON object a line", received, "correct the row") from error
    if not records:
        raise DataError("JSON objects, one a line", f"an empty file, {path}", "write a line a record")
    names = dict.fromkeys(name for record in records.values() for name in record)
    columns = {name: pl.Series(name, [one.get(name) for one in records.values()], strict=False) for name in names}
    return _numbered(pl.DataFrame(columns), list(records))


def _of_section(part: Section, where: str) -> pl.DataFrame:
    header, rows = _by_ticker(part)
    names = [name or (f"column {at}" if at else "") for at, name in enumerate(header)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError("columns of different names", f"{twice[0]} twice in {where}", "rename one")
    columns = zip(*(cells for _, cells in rows), strict=True) if rows else [()] * len(names)
    frame = pl.DataFrame([pl.Series(n, column, pl.String) for n, column in zip(names, columns, strict=True)])
    return _numbered(frame, [row for row, _ in rows])


def _by_ticker(part: Section) -> tuple[list[str], list[Row]]:
    """A file with two rows of names, prices and tickers in either order, as pandas writes it: a row a day and ticker.

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
        by = dict(zip(zip(tickers, prices, strict=True), cells, strict=True))
        found = [(ticker, [by.get((ticker, kind), "") for kind in kinds]) for ticker in dict.fromkeys(tickers)]
        long += [(row, [day, ticker, *said]) for ticker, said in found if any(said)]
    return ["Date", "Ticker", *kinds], long


def renamed(
    table: Table,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    usual: Mapping[str, Sequence[str]] = USUAL,
    *,
    taken: bool = True,
) -> Table:
    """The table under our names of columns: those of its map first, then the field's usual ones; others as they are.

    Parameters
    ----------
    table : Table
    needed, optional : sequence of str
        Columns that have to be there, and that may be. Others stay under their names; one that is spelt almost like a
        missing one is refused.
    usual : mapping of str to sequence of str
        What the field calls a column, as :func:`plain_name`.
    taken : bool
        Whether a usual name is taken for ours; else it is refused with the words that say what it is.

    Raises
    ------
    ConfigError
        A map that names a column that is none of ours.
    DataError
        A column is missing, misspelt, or named by the map and not there.
    """
    refusals: list[DataError] = []
    for frame in (table.frame, *table.others):
        one = replace(table, frame=frame, others=())
        try:
            return _only(_renamed(one, needed, optional, usual, taken))
        except DataError as error:
            refusals.append(error)
    raise refusals[0]


def _only(table: Table) -> Table:
    """The rows that the map says are read."""
    frame, ours = table.frame, list(table.theirs)
    for column, words in table.map.only.items():
        if (place := _place(column, list(table.theirs.values()))) is not None:
            frame = frame.filter(pl.col(ours[place]).cast(pl.String).is_in(words))
    return replace(table, frame=frame)


def _renamed(
    table: Table, needed: Sequence[str], optional: Sequence[str], usual: Mapping[str, Sequence[str]], taken: bool
) -> Table:
    known = (*needed, *optional)
    for name in set(table.map.columns) - OURS:
        check_known(name, known, "a column of", f"{name!r} in {table.how.whole}", ConfigError)
    called = {name: words for name, words in table.map.columns.items() if name in known}
    table = _joined(table, called)
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours, words in called.items():
        places = [place for word in words if (place := _place(word, theirs)) is not None]
        if not places and all(words):
            received = f"no {' or '.join(words)} in {table.where}: {', '.join(theirs)}"
            without = "" if ours in needed else f", or go on without: {table.how.column.format(ours, '')}"
            raise DataError(f"the column that is called {ours}", received, f"correct {table.how.whole}{without}")
        called[ours] = (theirs[places[0]],) if places else () if any(words) else words
    named = {name for words in called.values() for name in words}
    low = {name.lower() for name in theirs}
    alike: dict[str, list[str]] = {}
    for ours in known:
        there = [name for word in usual.get(ours, ()) for name in theirs if plain_name(name) == word]
        free = [name for name in there if name not in named]
        if ours in called or ours in low or not free:
            continue
        if taken:
            called[ours] = (free[0],)
            named.add(free[0])
        else:
            alike[ours] = free
    header = _header(table, theirs, known, called)
    _refuse_missing(table, header, needed, alike)
    possible = [name for name in known if name not in header and name not in called]
    for name in header:
        if name and name not in known and nearest(name, possible, like=SLIP):
            check_known(name, known, "the columns", f"{name!r} in the first row of {table.where}", DataError)
    frame = table.frame.rename(dict(zip(theirs, header, strict=True)))
    return replace(table, frame=frame, theirs=dict(zip(header, theirs, strict=True)))


def _joined(table: Table, called: dict[str, Words]) -> Table:
    """The table with one column for each time that its map has in several."""
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours in [name for name, words in called.items() if name in JOINED and len(words) > 1]:
        places = [_place(word, theirs) for word in called[ours]]
        if None in places:
            continue  # alternatives, or a name that is not there: told with the others
        names = list(dict.fromkeys(theirs[place] for place in places if place is not None))
        parts = [pl.col(name).cast(pl.String).fill_null("") for name in names]
        name = " ".join(names)
        frame = table.frame.with_columns(pl.concat_str(parts, separator=" ").str.strip_chars().alias(name))
        table, called[ours] = replace(table, frame=frame), (name,)
    return table


def _place(word: str, theirs: Sequence[str]) -> int | None:
    """Which column a word names: by its letters, else by its letters and digits alone."""
    low = [name.lower() for name in theirs]
    if word.strip().lower() in low:
        return low.index(word.strip().lower())
    plain = [plain_name(name) for name in theirs]
    return plain.index(plain_name(word)) if plain_name(word) in plain and plain_name(word) else None


def _header(table: Table, theirs: Sequence[str], known: Sequence[str], called: Mapping[str, Words]) -> list[str]:
    header = [name.lower() if name.lower() in known else name for name in theirs]
    for ours, words in ((ours, words) for ours, words in called.items() if words):
        header = [f"{name} (left out)" if name == ours else name for name in header]
        if words[0]:
            header[theirs.index(words[0])] = ours
    if twice := [name for name in dict.fromkeys(header) if name and header.count(name) > 1]:
        received = f"{', '.join(twice)} twice in {table.where}"
        raise DataError("columns of different names", received, "rename one of them")
    return header


def _refuse_missing(
    table: Table, header: Sequence[str], needed: Sequence[str], alike: Mapping[str, Sequence[str]]
) -> None:
    """Columns that are needed, and those that seem to be there under a name of the field's."""
    from tercel.core.tables.numbers import not_money

    column = table.how.column.format
    lacking = [name for name in needed if name not in header]
    alike = {ours: found for ours, names in alike.items() if (found := not_money(table, ours, names))}
    options = " ".join(column(ours, names[0]) for ours, names in alike.items())
    more = [f"{ours} may be {' or '.join(names[1:])} too" for ours, names in alike.items() if len(names) > 1]
    toml = ", ".join(f'{name} = "..."' for name in lacking)
    said = "; ".join([f"say what they are: {options}", *more]) if alike else table.how.otherwise.format(toml)
    if lacking:
        theirs = [name for name in table.frame.columns if name != ROW]
        received = f"{', '.join(theirs) or 'an empty file'} in {table.where}"
        raise DataError(f"the columns {', '.join(needed)}", received, said)
    if alike:
        expected = f"every column under a name that is known: {', '.join(alike)}"
        received = ", ".join(f"{' and '.join(names)}, perhaps {ours}" for ours, names in alike.items())
        without = f"; or go on without: {' '.join(column(ours, '') for ours in alike)}"
        raise DataError(expected, f"{received}, in the first row of {table.where}", said + without)


def unread(table: Table, known: Sequence[str]) -> list[str]:
    """Columns of a table that nothing is read from."""
    there = [name for name in table.frame.columns if name and name not in (ROW, *known)]
    return [name for name in there if not name.endswith(" (left out)") and name not in (*table.map.only, *SETTINGS)]
