"""A table under our names of columns, with its file's rows: what every reader of people's tables starts from."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from tercel.core.errors import DataError, listed
from tercel.core.serialization import parse_json
from tercel.core.tables.table_map import AS_NAMED, Called, TableMap, table_map
from tercel.core.tables.text import Row, TableSection, content, decoded, sections, shown_signs


def plain_name(name: str) -> str:
    """A column's name in small letters and digits alone.

    >>> plain_name("Cl_Ord ID")
    'clordid'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


_ORDER_IDS: Final = (
    "orderid",
    "clordid",
    "clientorderid",
    "parentorderid",
    "parentorder",
    "parentclordid",
    "order",
    "ordid",
    "rootorderid",
    "orderref",
    "ordernumber",
    "orderno",
    "iborderid",
)
USUAL: Final[dict[str, tuple[str, ...]]] = {
    "date": (
        "date",
        "day",
        "tradedate",
        "tradingday",
        "asof",
        "asofdate",
        "datetime",
        "timestamp",
        "time",
        "",
        "index",
    ),
    "symbol": (
        "symbol",
        "ticker",
        "sym",
        "instrument",
        "security",
        "securityid",
        "ric",
        "product",
        "pair",
        "contract",
        "stock",
        "tickersymbol",
        "name",
        "names",
        "code",
        "company",
        "tickers",
        "symbols",
    ),
    "known": (
        "known",
        "knowntime",
        "knownat",
        "filed",
        "filedat",
        "fileddate",
        "filingdate",
        "filedon",
        "reportdate",
        "reported",
        "announced",
        "announcementdate",
        "releasedate",
        "released",
        "publisheddate",
        "publicationdate",
        "published",
        "collected",
        "accepted",
        "acceptancedate",
        "acceptancedatetime",
        "availabledate",
        "datekey",
    ),
    "event": (
        "event",
        "eventtime",
        "eventdate",
        "period",
        "periodend",
        "periodending",
        "periodenddate",
        "enddate",
        "end",
        "fiscalperiodend",
        "fiscaldateending",
        "quarterend",
        "reportperiod",
        "calendardate",
    ),
    "time": (
        "time",
        "timestamp",
        "datetime",
        "published",
        "publishedat",
        "publishedutc",
        "publishtime",
        "createdat",
        "date",
        "timeutc",
        "versioncreated",
        "known",
        "knowntime",
    ),
    "text": (
        "text",
        "headline",
        "title",
        "headlinetext",
        "body",
        "content",
        "message",
        "summary",
        "news",
    ),
    "file": ("file", "filename", "path", "image", "picture", "scene"),
    "taken": (
        "taken",
        "takenat",
        "acquired",
        "acquisitiondate",
        "acquisitiontime",
        "captured",
        "sensed",
    ),
    "published": (
        "published",
        "publishedat",
        "publicationdate",
        "available",
        "availabledate",
        "released",
    ),
    "open": ("open", "openprice", "pxopen"),
    "high": ("high", "highprice", "pxhigh"),
    "low": ("low", "lowprice", "pxlow"),
    "close": (
        "close",
        "closeprice",
        "closelast",
        "price",
        "last",
        "lastprice",
        "pxlast",
        "settle",
        "settlement",
    ),
    "adj_close": (
        "adjclose",
        "adjustedclose",
        "adjcloseprice",
        "adjustedcloseprice",
        "closeadj",
        "closeadjusted",
    ),
    "volume": ("volume", "vol", "sharestraded", "totalvolume", "tradedvolume", "pxvolume"),
    "side": ("side", "buysell", "bs", "direction", "action", "ordside", "orderside", "verb"),
    "parent": _ORDER_IDS,
}
"""Of any table."""
USUAL_FILLS: Final[dict[str, tuple[str, ...]]] = USUAL | {
    "time": (
        "transacttime",
        "timestamp",
        "datetime",
        "ts",
        "exectime",
        "executiontime",
        "tradetime",
        "filltime",
        "transactiontime",
        "timeutc",
        "utctime",
        "timens",
        "timems",
        "dateutc",
    ),
    "quantity": (
        "lastqty",
        "lastshares",
        "qty",
        "shares",
        "size",
        "volume",
        "fillqty",
        "filledqty",
        "execqty",
        "tradeqty",
        "lots",
        "contracts",
        "execquantity",
        "fillquantity",
        "tradequantity",
        "lastquantity",
        "executed",
        "filled",
        "amount",
    ),
    "price": (
        "lastpx",
        "px",
        "fillprice",
        "execprice",
        "executionprice",
        "tradeprice",
        "lastprice",
        "fillpx",
    ),
    "fee": (
        "fees",
        "commission",
        "commissions",
        "comm",
        "charges",
        "totalfees",
        "totalfee",
        "brokerage",
        "execfee",
        "ibcommission",
    ),
    "fee_currency": (
        "feecurrency",
        "feecoin",
        "feeasset",
        "commissionasset",
        "commissioncurrency",
        "ibcommissioncurrency",
    ),
    "arrival": (
        "ordertime",
        "orderdatetime",
        "ordertimestamp",
        "arrivaltime",
        "decisiontime",
        "submittime",
        "submittedtime",
        "timesubmitted",
        "submitted",
        "submittedat",
        "placedtime",
        "timeplaced",
        "placed",
        "orderplaced",
        "placedat",
        "orderentrytime",
        "ordercreated",
        "ordercreatedtime",
    ),
    "execution": (
        "execid",
        "17",
        "ibexecid",
        "executionid",
        "tradeid",
        "fillid",
        "dealid",
        "matchid",
        "executionnumber",
        "executionno",
        "tradenumber",
        "tradeno",
    ),
    "execution_type": ("exectype", "150", "executiontype"),
    "execution_action": ("exectranstype", "20", "exectransactiontype", "tradereporttranstype"),
    "execution_ref": (
        "execrefid",
        "19",
        "executionrefid",
        "origexecid",
        "originalexecid",
        "origtradeid",
        "originaltradeid",
    ),
}
"""Of somebody's fills."""
USUAL_ORDERS: Final[dict[str, tuple[str, ...]]] = USUAL | {
    "quantity": (
        "orderqty",
        "qty",
        "shares",
        "size",
        "ordqty",
        "orderquantity",
        "lots",
        "contracts",
    ),
    "start": (
        "starttime",
        "effectivetime",
        "arrival",
        "arrivaltime",
        "transacttime",
        "begin",
        "begintime",
    ),
    "end": ("endtime", "expiretime", "finish", "finishtime", "stop", "stoptime", "until"),
    "limit": ("limitprice", "limitpx", "price", "px", "lmt"),
    "refused": ("rejected", "rejectedqty", "refusedqty", "rejects"),
}
"""Of somebody's orders."""
# Our columns of numbers.
NUMBERS: Final = frozenset(
    {
        "quantity",
        "price",
        "fee",
        "amount",
        "limit",
        "refused",
        "open",
        "high",
        "low",
        "close",
        "adj_close",
        "volume",
        "weight",
        "lots",
        "shares",
        "rv",
        "vix",
        "value",
        "outcome",
        "sd",
        "dollars",
    }
)
OURS: Final = frozenset(USUAL_FILLS | USUAL_ORDERS) | {
    "venue",
    "agent",
    "currency",
    "asset",
    "amount",
    "horizon",
    "rv",
    "vix",
    "weight",
    "lots",
}
"""Columns that a map of any table may name."""


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
    """There is no such file."""


class HowToMap(NamedTuple):
    """Instructions for errors on naming columns: one column, Tercel's name and the file's; the map; otherwise."""

    column: str = "`column={}={}`"
    whole: str = "`column=` or `map=`"
    otherwise: str = "say what they are called in the file: {1}; or name them so in its first row"


TYPED: Final = HowToMap()


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file with the column `row`; `where` names it in errors, `theirs` has its own names of columns.

    `separator` stood between cells, "" where there were none; `others` are sections of the same file with another
    header; notes on reading cells are appended to `notes`.
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
        raise DataError(
            expected, received + (f", and {rows - 1} more rows" if rows > 1 else ""), remedy
        )

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
        """Rows of the first cells that show a decimal comma and a decimal point; 0: none does.

        A time of 10.30 or an order id of 12.5 does not count: only the known columns of numbers do, or without any
        all but dates and names.
        """
        comma, point = (
            0 if place is None else int(self.frame[ROW][place])
            for place in shown_signs(
                self.frame.select(
                    NUMBERS & {*self.frame.columns}
                    or {*self.frame.columns} - {"date", "time", "symbol", "side", "parent"}
                )
            )
        )
        return comma, point


def read_table(source: object, map: TableMap | Called = AS_NAMED, how: HowToMap = TYPED) -> Table:
    """A table as it is in the file, every cell of a CSV as text.

    Parameters
    ----------
    source : path, or a data frame of Polars or pandas
        CSV with commas, semicolons, tabs or bars, perhaps gzipped; Parquet; JSON lines.
    map : TableMap or mapping
        Its columns and formats, see :func:`tercel.core.tables.table_map.table_map`.
    how : HowToMap
        How users map columns, for errors.

    Raises
    ------
    TableAbsentError
        When there is no such file.
    DataError
        When it is no such table; a row with more or fewer cells than the header is named.
    """
    chosen = map if isinstance(map, TableMap) else table_map(None, map, said=how.whole)
    if not isinstance(source, str | Path):
        return Table(_numbered(_of_frame(source)), "the data frame", chosen, how)
    path = Path(source)
    if not path.is_file():
        raise TableAbsentError(
            "a table: CSV, Parquet or JSON lines", f"nothing at {path}", "check the path"
        )
    data, suffix, where = content(path), path.suffix.lower(), str(path)
    if data[:4] == b"PAR1" or suffix == ".parquet":
        try:
            return Table(_numbered(pl.read_parquet(io.BytesIO(data))), where, chosen, how)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                "a Parquet file", f"{error} in {path}", "write the file again"
            ) from error
    if data[:2] == b"PK" or suffix in (".xlsx", ".xls"):
        raise DataError(
            "a table: CSV, Parquet or JSON lines",
            f"a workbook of Excel, {path}",
            "save it as CSV (UTF-8)",
        )
    text, note = decoded(data, chosen.encoding, where)
    if suffix in (".jsonl", ".ndjson", ".json") or text.lstrip()[:1] == "{":
        return Table(_of_json(text, path), where, chosen, how)
    parts, separator, notes = sections(text, chosen, where, listed(",".join(chosen.header)))
    first, *others = [_of_section(part, where) for part in parts]
    if others:
        notes.append(
            f"one table of {where} is read, of those with headers in rows {[one.header[0] for one in parts]}"
        )
    return Table(
        first,
        where,
        chosen,
        how,
        separator,
        others=tuple(others),
        notes=[*filter(None, [note]), *notes],
    )


def _numbered(frame: pl.DataFrame, rows: Sequence[int] = ()) -> pl.DataFrame:
    """With the column `row`: those that are named, or 1, 2, ...; a column of that name is theirs."""
    numbered = pl.Series(ROW, rows or range(1, frame.height + 1), pl.UInt32)
    return frame.rename({ROW: f"their {ROW}"}, strict=False).insert_column(0, numbered)


def _of_frame(source: Any) -> pl.DataFrame:
    if isinstance(source, pl.DataFrame):
        return source
    if not hasattr(source, "reset_index"):
        raise DataError(
            "a path, or a data frame of Polars or pandas", type(source).__name__, "name a file"
        )
    # an index of dates is a column here; pandas' own types would want pyarrow
    indexed = source if type(source.index).__name__ == "RangeIndex" else source.reset_index()
    none = {
        name: indexed[name].astype(object).where(indexed[name].notna(), None)
        for name in indexed.columns
    }
    return pl.DataFrame(
        {str(name): values.to_list() for name, values in none.items()}, strict=False
    )


def _of_json(text: str, path: Path) -> pl.DataFrame:
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
    if not records:
        raise DataError(
            "JSON objects, one per line", f"an empty file, {path}", "write one line per record"
        )
    names = dict.fromkeys(name for record in records.values() for name in record)
    columns = {
        name: pl.Series(name, [one.get(name) for one in records.values()], strict=False)
        for name in names
    }
    return _numbered(pl.DataFrame(columns), list(records))


def _of_section(part: TableSection, where: str) -> pl.DataFrame:
    header, rows = _by_ticker(part)
    names = [name or (f"column {at}" if at else "index") for at, name in enumerate(header)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError("columns of different names", f"{twice[0]} twice in {where}", "rename one")
    columns = zip(*(cells for _, cells in rows), strict=True) if rows else [()] * len(names)
    frame = pl.DataFrame(
        [pl.Series(n, column, pl.String) for n, column in zip(names, columns, strict=True)]
    )
    return _numbered(frame, [row for row, _ in rows])


def _by_ticker(part: TableSection) -> tuple[list[str], list[Row]]:
    """Rows by day and ticker of a file with two header rows, prices and tickers in either order, as pandas writes it.

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
        found = [
            (ticker, [by.get((ticker, kind), "") for kind in kinds])
            for ticker in dict.fromkeys(tickers)
        ]
        long += [(row, [day, ticker, *said]) for ticker, said in found if any(said)]
    return ["Date", "Ticker", *kinds], long
