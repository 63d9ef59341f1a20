"""Tables that a person has: CSV, Parquet, JSON lines, a data frame; columns by the field's usual names, or by a map.

Cells are read strictly: what is no number, date or time is refused with its file and row. An empty cell, `NA`, `null`
or `-` says nothing. Rows are counted as the file has them, the header of a CSV being row 1.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from tercel.core.errors import ConfigError, DataError
from tercel.core.names import check_known
from tercel.core.parsed import parse_json
from tercel.core.rows import SYMBOLS, TYPED, FileHeader, HowToMap, parse_time, plain_name, read_cell
from tercel.core.vocabulary import FIRST_DAY, LAST_DAY
from tercel.signals.sources.dates import ORDER, PLACES, readings
from tercel.signals.sources.port import KEYS, ROW, Noting, SourceAbsentError, at_new_york, time_type

Called = Mapping[str, str | Sequence[str]]
"""Our names of columns to theirs: one, or several of which the first that a file has counts; "" leaves one out."""
USUAL: Final[dict[str, tuple[str, ...]]] = {
    "date": (
        "date", "day", "tradedate", "tradingday", "asof", "asofdate", "datetime", "timestamp", "time", "", "index",
    ),
    "symbol": ("symbol", *SYMBOLS, "tickersymbol", "name", "names", "code", "company", "tickers", "symbols"),
    "known": (
        "known", "knowntime", "knownat", "filed", "filedat", "fileddate", "filingdate", "filedon", "reportdate",
        "reported", "announced", "announcementdate", "releasedate", "released", "publisheddate", "publicationdate",
        "published", "collected", "accepted", "acceptancedate", "acceptancedatetime", "availabledate", "datekey",
    ),
    "event": (
        "event", "eventtime", "eventdate", "period", "periodend", "periodending", "periodenddate", "enddate", "end",
        "fiscalperiodend", "fiscaldateending", "quarterend", "reportperiod", "calendardate",
    ),
    "time": (
        "time", "timestamp", "datetime", "published", "publishedat", "publishedutc", "publishtime", "createdat", "date",
        "timeutc", "versioncreated", "known", "knowntime",
    ),
    "text": ("text", "headline", "title", "headlinetext", "body", "content", "message", "summary", "news"),
    "file": ("file", "filename", "path", "image", "picture", "scene"),
    "taken": ("taken", "takenat", "acquired", "acquisitiondate", "acquisitiontime", "captured", "sensed"),
    "published": ("published", "publishedat", "publicationdate", "available", "availabledate", "released"),
    "open": ("open", "openprice", "pxopen"),
    "high": ("high", "highprice", "pxhigh"),
    "low": ("low", "lowprice", "pxlow"),
    "close": ("close", "closeprice", "closelast", "price", "last", "lastprice", "pxlast", "settle", "settlement"),
    "adj_close": ("adjclose", "adjustedclose", "adjcloseprice", "adjustedcloseprice", "closeadj", "closeadjusted"),
    "volume": ("volume", "vol", "sharestraded", "totalvolume", "tradedvolume", "pxvolume"),
}  # fmt: skip
"""What the field calls a column, as :func:`tercel.core.rows.plain_name`, the likeliest first."""
NOTHING: Final = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", ".")
"""Cells that say nothing, in small letters."""
_DAYS: Final = ("%Y-%m-%d", "%Y%m%d", "%b %d, %Y", "%d-%b-%Y", "%d %b %Y")
_CLOCK: Final = r"[T ]\d\d?:\d\d.*$"
_OFFSET: Final = r"\d\s*(Z|UTC|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file with the column `row`; `where` names it in errors, `theirs` has its own names of columns.

    `comma` says that a comma is the decimal sign, as in files whose columns stand between semicolons; `order` is that
    of dates of three numbers, if it is known; `notes` grows by what is noticed while cells are read.
    """

    frame: pl.DataFrame
    where: str
    comma: bool = False
    how: HowToMap = TYPED
    theirs: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
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


def read_table(source: object, how: HowToMap = TYPED) -> Table:
    """A table as it stands, every cell of a CSV as text.

    Parameters
    ----------
    source : path, or a data frame of Polars or pandas
        CSV with commas, semicolons, tabs or bars, in UTF-8 or Excel's UTF-16, perhaps gzipped; Parquet; JSON lines.
    how : HowToMap
        How a person maps columns, for errors.

    Raises
    ------
    SourceAbsentError
        When there is no such file.
    DataError
        When it is no such table; a row with more or fewer cells than the header is named.
    """
    if not isinstance(source, str | Path):
        return Table(_numbered(_of_frame(source)), "the data frame", how=how)
    path = Path(source)
    if not path.is_file():
        raise SourceAbsentError("a table: CSV, Parquet or JSON lines", f"nothing at {path}", "check the path")
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    suffix = path.suffix.lower()
    if data[:4] == b"PAR1" or suffix == ".parquet":
        try:
            return Table(_numbered(pl.read_parquet(io.BytesIO(data))), str(path), how=how)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError("a Parquet file", f"{error} in {path}", "write the file again") from error
    if data[:2] == b"PK" or suffix in (".xlsx", ".xls"):
        raise DataError("a table: CSV, Parquet or JSON lines", f"a workbook of Excel, {path}", "save it as CSV (UTF-8)")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        received = f"{error.reason} in row {row} of {path}"
        raise DataError("a text file in UTF-8", received, "save it as CSV (UTF-8)") from error
    if suffix in (".jsonl", ".ndjson", ".json") or text.lstrip()[:1] == "{":
        return Table(_of_json(text, path), str(path), how=how)
    try:
        frame, separator = _of_csv(text, path)
    except csv.Error as error:  # such as a cell of more letters than csv.field_size_limit()
        raise DataError("a text file of values separated by commas", f"{path}: {error}", "export it as CSV") from error
    return Table(frame, str(path), separator == ";", how)


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


def _of_csv(text: str, path: Path) -> tuple[pl.DataFrame, str]:
    """Cells as text, with the file's lines as rows, and what stands between them."""
    lines = io.StringIO(text, None).readlines()
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    separator = ""
    if first < len(lines) and lines[first].lower().startswith("sep="):  # Excel's own way to name it
        separator, first = lines[first].strip()[4:5], first + 1
    if first >= len(lines):
        raise DataError("a table with a header", f"an empty file, {path}", "write the names of columns, then rows")
    reader = csv.reader(lines[first:], delimiter=separator or max(",;\t|", key=lines[first].count))
    rows: list[tuple[int, list[str]]] = []
    row = first + 1
    for found in reader:  # a cell in quotes may hold ends of lines
        if not rows or any(cell.strip() for cell in found):
            rows.append((row, [read_cell(cell.strip()) for cell in found]))
            if len(found) != len(rows[0][1]):
                received = f"{len(found)} cells in row {row} of {path}"
                raise DataError(f"{len(rows[0][1])} cells, as in the first row", received, "correct the row")
        row = first + 1 + reader.line_num
    (_, header), *rows = _by_ticker(rows)
    names = [name or (f"column {at}" if at else "") for at, name in enumerate(header)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError("columns of different names", f"{twice[0]} twice in {path}", "rename one")
    columns = zip(*(cells for _, cells in rows), strict=True) if rows else [()] * len(names)
    frame = pl.DataFrame([pl.Series(n, column, pl.String) for n, column in zip(names, columns, strict=True)])
    return _numbered(frame, [row for row, _ in rows]), reader.dialect.delimiter


def _by_ticker(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """A file of yfinance, whose first rows say price, ticker and `Date`, with a row a day and ticker; others as is."""
    levels = {cells[0]: cells[1:] for _, cells in rows[:2]}
    if set(levels) != {"Price", "Ticker"}:
        return rows
    tickers, prices = (list(dict.fromkeys(levels[name])) for name in ("Ticker", "Price"))
    long = [(rows[0][0], ["Date", "Ticker", *prices])]
    for row, (day, *cells) in rows[2:]:  # without prices, as its line of the index's name is, a row says nothing
        by = dict(zip(zip(levels["Ticker"], levels["Price"], strict=True), cells, strict=True))
        found = [[by.get((ticker, price), "") for price in prices] for ticker in tickers]
        long += [(row, [day, ticker, *said]) for ticker, said in zip(tickers, found, strict=True) if any(said)]
    return long


def renamed(
    table: Table, needed: Sequence[str], optional: Sequence[str], columns: Called, usual: Mapping[str, Sequence[str]]
) -> Table:
    """The table under our names of columns: those of the map first, then the field's usual ones; others as they are.

    Raises
    ------
    ConfigError
        A map that names a column that is none of ours, or an order of dates that is none.
    DataError
        A column is missing, misspelt, or named by the map and not there.
    """
    called, order = {}, str(columns.get(ORDER, ""))
    if ORDER in columns:
        check_known(order, PLACES, said=f"{ORDER} = {order!r} in {table.how.whole}", error=ConfigError)
    for name, words in columns.items():
        if name == ORDER:
            continue
        check_known(name, (*needed, *optional, ORDER), "a column of", f"{name!r} in {table.how.whole}", ConfigError)
        called[name] = (words,) if isinstance(words, str) else tuple(words)
        if not words and words != "":
            raise ConfigError(f"what {name} is called", f"nothing in {table.how.whole}", 'name it, or say "" for none')
    theirs = [name for name in table.frame.columns if name != ROW]
    plain, low = [plain_name(name) for name in theirs], {name.lower() for name in theirs}
    for ours, names in called.items():
        if any(names) and not low & {name.strip().lower() for name in names}:
            received = f"no {' or '.join(names)} in {table.where}: {', '.join(theirs)}"
            raise DataError(f"the column that is called {ours}", received, f"correct {table.how.whole}")
    for ours in (*needed, *optional):
        taken = {name for names in called.values() for name in names}
        found = [theirs[plain.index(word)] for word in usual[ours] if word in plain]
        if ours not in called and (free := [name for name in found if name not in taken]):
            called[ours] = (free[0],)
    lacking = [f'{name} = "..."' for name in needed if name not in called and name not in low]
    how = table.how._replace(otherwise=table.how.otherwise.format(", ".join(lacking)))
    header = FileHeader(table.where, theirs, needed, [(one,) for one in optional], called, how=how).names()
    frame = table.frame.rename(dict(zip(theirs, header, strict=True)))
    return replace(table, frame=frame, order=order, theirs=dict(zip(header, theirs, strict=True)))


@dataclass(frozen=True)
class TableSource(Noting):
    """Base of sources of a table that a person has.

    Parameters
    ----------
    path : Path or data frame
        As :func:`read_table` takes it.
    collected : datetime, optional
        Day of collection; later records are refused.
    called : mapping
        What columns are called, ours to theirs.
    how : HowToMap
        How a person says so, for errors.
    wanted : sequence of str
        Columns that a model reads: none is chosen or left out by what the file holds, so that rows to come change
        nothing.
    """

    path: Any
    collected: datetime | None = field(default=None, kw_only=True)
    called: Called = field(default_factory=dict, kw_only=True)
    how: HowToMap = field(default=TYPED, kw_only=True)
    wanted: Sequence[str] = field(default=(), kw_only=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Value columns: those that are wanted; else what the file has, once it was read."""
        return tuple(self.wanted) or super().columns

    def table(self, needed: Sequence[str], optional: Sequence[str] = (), inside: str = "") -> Table:
        """The table, or that of the file called `inside` in a folder, under our names of columns."""
        path = self.path / inside if inside and isinstance(self.path, Path) and self.path.is_dir() else self.path
        return renamed(read_table(path, self.how), needed, optional, self.called, USUAL)


def values_of(table: Table, named: Sequence[str], besides: Sequence[str]) -> tuple[list[pl.Series], list[str]]:
    """Value columns that are named, or all of numbers that vary but those of `besides`; and what is said of others.

    Raises
    ------
    DataError
        A column that is named and not there; none.
    """
    there = [name for name in table.frame.columns if name not in (ROW, *besides)]
    chosen = list(named) or [name for name in there if _holds_numbers(table, name)]
    if missing := [name for name in chosen if name not in there] or (not chosen and ["numbers"]):
        expected = f"columns {', '.join(chosen) or 'of numbers'} in {table.where}"
        raise DataError(expected, f"none named {', '.join(missing)}", f"there are {', '.join(there) or 'no others'}")
    values = [numbers(table, name) for name in chosen]
    flat = [] if named else [one.name for one in values if one.drop_nulls().n_unique() < 2]
    if not flat or len(flat) == len(values):
        return values, []
    return [one for one in values if one.name not in flat], [f"left out, as they never change: {', '.join(flat)}"]


def differing(facts: pl.DataFrame, columns: Sequence[str], where: str) -> list[str]:
    """What to say of records of one instrument, event and known time whose values differ; nothing where none do."""
    told = facts.unique([*KEYS, *columns], keep="last", maintain_order=True).group_by(KEYS, maintain_order=True)
    several = told.agg(ROW).filter(pl.col(ROW).list.len() > 1)
    what = f"records of one name and day with other values, of which the last row counts: {several.height:,} in {where}"
    return [f"{what} (first: {who}, rows {rows[-2]} and {rows[-1]})" for who, _, _, rows in several.head(1).rows()]


def _holds_numbers(table: Table, name: str) -> bool:
    """Whether most cells that say something are numbers: one that is not is a slip, and refused."""
    kind = table.frame[name].dtype
    if kind.is_temporal() or kind.is_nested() or kind == pl.Boolean:
        return False
    found = _parsed(table, name)
    return found["value"].count() > 0 and 2 * found["value"].count() > found["text"].count()


def _parsed(table: Table, name: str) -> pl.DataFrame:
    """Cells of a column as `text`, null where they say nothing, and as `value`, null where they are no number."""
    text = pl.col(name).cast(pl.String).str.strip_chars().str.replace("^[$€£]", "")
    if table.comma:
        pointed = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        text = pl.when(text.str.contains(",")).then(pointed).otherwise(text)
    else:
        grouped = text.str.contains(r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$")
        text = pl.when(grouped).then(text.str.replace_all(",", "")).otherwise(text)
    text = pl.when(text.str.to_lowercase().is_in(NOTHING)).then(None).otherwise(text)
    return table.frame.select(text.alias("text"), value=text.cast(pl.Float64, strict=False))


def numbers(table: Table, name: str, expected: str = "a number") -> pl.Series:
    """A column as Float64, null where a cell says nothing; text in a number is refused with its row."""
    cells = table.frame[name]
    if cells.dtype.is_numeric() or cells.dtype in (pl.Null, pl.Boolean):
        values = cells.cast(pl.Float64).fill_nan(None)
    else:
        found = _parsed(table, name)
        values = found["value"]
        remedy = "correct the cell, or leave it empty where there is none"
        if name in ("open", "high", "low", "volume"):
            remedy += f"; or go on without the column: {table.how.column.format(name, '')}"
        table.refuse(found["text"].is_not_null() & values.is_null(), name, expected, remedy)
    table.refuse(values.is_infinite(), name, f"{expected} that is finite", "correct the cell, or leave it empty")
    return values.alias(name)


def days(table: Table, name: str) -> pl.Series:
    """A column as dates, by the calendar that the file writes; none, text that is no date, mixed zones are refused."""
    cells = table.frame[name]
    if cells.dtype in (pl.Date, pl.Datetime):
        found = cells.dt.date()
    else:
        text = cells.cast(pl.String).str.strip_chars()
        _refuse_mixed_zones(table, text, name)
        day = _ordered(table, text.str.replace(_CLOCK, ""), name)
        tries = [day.str.to_date(form, strict=False) for form in _DAYS]
        found = min(tries, key=lambda one: one.null_count())
        since = text.str.extract(r"^(\d{9,19})(?:\.0*)?$")
        if since.null_count() < found.null_count():
            found = since.map_elements(lambda t: datetime.fromtimestamp(parse_time(t) / 1e9, UTC).date(), pl.Date)
    expected = "a date such as 2024-01-31, written alike in every row"
    table.refuse(found.is_null(), name, expected, "correct the row, or take it out")
    expected = f"a date from {FIRST_DAY} to {LAST_DAY}"
    table.refuse(~found.is_between(FIRST_DAY, LAST_DAY), name, expected, "correct the row, or take it out")
    return found.alias(name)


def _ordered(table: Table, text: pl.Series, name: str) -> pl.Series:
    """Texts with dates of three numbers as 2024-01-31; refused where no row tells their order."""
    first, *others = readings(text, table.order)
    for other in others:
        key = table.how.column.format(ORDER, "dmy")
        remedy = (f"say it: {key} (mdy, ymd); or " if key else "") + "write 2024-01-31"
        table.refuse(first != other, name, "dates whose order is said, or shown by a day after the 12th", remedy)
    return first


def _refuse_mixed_zones(table: Table, text: pl.Series, name: str) -> None:
    """Offsets further apart than summer time, or rows with a zone beside rows without."""
    clocked = text.str.contains(_CLOCK)
    zone = text.filter(clocked).str.extract(_OFFSET).str.replace("Z|UTC", "+00:00").fill_null("none")
    if zone.n_unique() < 2:
        return
    hours = zone.str.extract(r"^([+-]\d\d)").cast(pl.Float64)
    strange = ((hours - hours[0]).abs() > 1).fill_null((zone == "none") != (zone[0] == "none"))
    at, rows = strange.arg_max(), table.frame[ROW].filter(clocked)
    if at is not None and strange[at]:
        received = f"zone {zone[0]} in row {rows[0]} and {zone[at]} in row {rows[at]} of {table.where}, column {name}"
        raise DataError("times of one zone", received, "write all rows by one clock")


def moments(table: Table, name: str, timezone: str = "") -> pl.Series:
    """A column as moments, Datetime ns UTC. A date without a clock is the midnight after it, in New York.

    Raises
    ------
    ConfigError
        When there is no such time zone.
    DataError
        With the row: no time, or one without its zone where `timezone` names none.
    """
    try:
        zone = ZoneInfo(timezone) if timezone else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        remedy = "write one such as America/New_York"
        raise ConfigError("an IANA time zone", f"timezone = {timezone!r}", remedy) from error
    cells = table.frame[name]
    zoned, remedy = "a time with its zone", 'write the zone, or say timezone = "America/New_York"'
    if isinstance(cells.dtype, pl.Datetime):
        if cells.dtype.time_zone is None:
            if zone is None:
                table.refuse(cells.is_not_null(), name, zoned, remedy)
            cells = cells.dt.replace_time_zone(timezone, ambiguous="earliest")
        found = cells.dt.convert_time_zone("UTC").cast(time_type())
    else:
        text = cells.cast(pl.String).str.strip_chars()
        bare = text.str.replace(_CLOCK, "")
        days_alone = (bare == text) & ~text.str.contains(r"^\d{9,19}(\.\d+)?$|^\d{8}[-;]\d")
        if cells.dtype == pl.Date or (days_alone | text.is_null()).all():
            return days(table, name).to_frame().select(at_new_york(pl.col(name) + pl.duration(days=1), 0))[name]
        text = _ordered(table, text, name)
        found = _clocked(text, zone)
        unzoned = found.is_null() & _clocked(text, UTC).is_not_null()
        table.refuse(unzoned, name, zoned, remedy)
    expected = "a time such as 2024-01-31T15:30:00-05:00"
    table.refuse(found.is_null(), name, expected, "correct the row, or take it out")
    return found.alias(name)


def instants(table: Table, name: str) -> pl.Series:
    """A column as moments by a clock of UTC; a date without one is its first midnight."""
    cells = table.frame[name]
    if isinstance(cells.dtype, pl.Datetime) or (cells.dtype == pl.String and cells.str.contains(_CLOCK).any()):
        return moments(table, name, "UTC")
    return days(table, name).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")


def _clocked(text: pl.Series, zone: tzinfo | None) -> pl.Series:
    text = text.str.replace(r"([T ]\d\d:\d\d)(Z|[+-]| |$)", "${1}:00$2").str.replace(r"\s*(UTC|GMT)$", "Z")

    def ns(cell: str) -> int | None:
        try:
            return parse_time(cell, zone)
        except (ValueError, OverflowError):
            return None

    found = text.map_elements(ns, pl.Int64, skip_nulls=True)
    return found.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
