"""Daily prices of any table that a person has, adjusted, by instrument and date.

Long, wide and single files::

    Date,Symbol,Close,Adj Close,Volume     Date,AAPL,MSFT           Date,Open,High,Low,Close
    2016-05-02,AAPL,93.64,88.12,48160104   2016-05-02,93.64,50.61   2016-05-02,93.97,94.08,92.40,93.64

read_prices("prices.csv")                     Date,Symbol,Open,High,Low,Close,Adj Close,Volume, in any order
read_prices("px.csv", {"close": "Last"})      what a column is called here, ours to theirs
read_prices(frame)                            a data frame of Polars or pandas
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from tercel.core.errors import DataError, nearest_names
from tercel.core.tables.columns import SLIP, rename_columns
from tercel.core.tables.numbers import count_numbers, parse_numbers
from tercel.core.tables.table import ROW, TYPED_OPTIONS, HowToMap, Table, read_table
from tercel.core.tables.table_map import UNNAMED, ColumnNames, TableMap
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name
from tercel.signals.price_moves import LARGEST_MOVE, is_unadjusted, split_of
from tercel.signals.sources.port import SourceAbsentError

RANGE: Final = ("open", "high", "low")
PRICES: Final = (*RANGE, "close", "adj_close", "volume")


@dataclass(frozen=True, eq=False)
class Prices:
    """Daily prices of a file: what :func:`read_prices` gives, what was noticed, and which of `open`, `high`, `low`,
    `volume` the file has.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...]
    has: frozenset[str]

    @property
    def other_notes(self) -> list[str]:
        """Notes without those on large moves, for readers that judge moves by what is held."""
        return [note for note in self.notes if not note.startswith("moves")]


def read_prices(
    source: object,
    columns: TableMap | ColumnNames = MappingProxyType({}),
    *,
    how: HowToMap = TYPED_OPTIONS,
) -> pl.DataFrame:
    """Daily prices by instrument and date, adjusted where the file has an adjusted close.

    Parameters
    ----------
    source : path or data frame
        As :func:`read_table`; or a folder with `panel.parquet`, or with one CSV a name. Three shapes are known: *long*
        (a date, a symbol, prices), *wide* (a date and a column of closes a name) and *single* (a date and prices; the
        name is that of the file).
    columns : mapping
        Ours (`date`, `symbol`, `open`, `high`, `low`, `close`, `adj_close`, `volume`) to theirs, where they are not
        called as usual.

    Returns
    -------
    DataFrame
        `instrument`, `date`, `open`, `high`, `low`, `close` (price units), `volume` (null if missing; adjusted against
        the prices, so that their product is the value traded), `adjusted` (whether the file has an adjusted close),
        `row` (of the file).

    Raises
    ------
    SourceAbsentError
        When there is no such file.
    DataError
        If a file cannot be read or a value is no price, with file, row and column; two rows of one name and day. A
        close of 0 is one after which the name has no other: a return of -100 %.

    >>> import polars as pl
    >>> read_prices(pl.DataFrame({"Date": ["2024-01-02", "2024-01-03"], "AAPL": [185.6, 184.2]}))["close"].to_list()
    [185.6, 184.2]
    """
    return price_table(source, columns, how=how).frame


def price_table(
    source: object,
    columns: TableMap | ColumnNames = MappingProxyType({}),
    *,
    how: HowToMap = TYPED_OPTIONS,
) -> Prices:
    """As :func:`read_prices`, with notes on what was noticed and which of open, high, low and volume the file has."""
    files: list[object] = [source]
    if isinstance(source, str | Path) and Path(source).is_dir():
        inside = Path(source) / "panel.parquet"
        files = [inside] if inside.is_file() else [*sorted(Path(source).glob("*.csv"))]
        if not files:
            raise SourceAbsentError(
                "a file of daily prices", f"nothing at {inside}", "check the path"
            )
    parts = [_prices_of(file, columns, how) for file in files]
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    frame = pl.concat([part.frame for part in parts]).sort("instrument", "date")
    _refuse_twice(frame, str(source))
    return Prices(frame, notes, frozenset.intersection(*(part.has for part in parts)))


def _prices_of(source: object, columns: TableMap | ColumnNames, how: HowToMap) -> Prices:
    """Adjusted daily prices of a wide or long table, with notes on large moves."""
    table = read_table(source, columns, how)
    columns = table.map.columns
    stem = Path(source).name.split(".")[0] if isinstance(source, str | Path) else "price"
    wide = _is_wide(table, columns)
    long, has = (
        (_of_wide(table, columns), frozenset[str]()) if wide else _of_long(table, columns, stem)
    )
    frame = long.frame
    _refuse_twice(frame, long.source)
    notes = [*long.notes]
    closed = frame.filter(pl.col("close").is_not_null())
    if closed.is_empty():
        raise SourceAbsentError(
            "a close above 0 in some row", f"none in {long.source}", "check the file"
        )
    if gaps := frame.height - closed.height:
        first = frame.filter(pl.col("close").is_null()).row(0, named=True)
        cell = f"{first['instrument']} on {first['date']}, row {first[ROW]}"
        notes.append(
            f"{gaps:,} of {frame.height:,} closes are empty in {long.source} (first: {cell}): no price there"
        )
    order = closed.with_columns(
        step=pl.col("date").diff().over("instrument").dt.total_days().sign()
    )
    mixed = order.group_by("instrument", maintain_order=True).agg(pl.col("step").n_unique() > 2)
    if jumbled := mixed.filter("step")["instrument"].to_list():
        notes.append(f"dates of {list_names(jumbled)} are out of order in {long.source}: sorted")
    frame = closed.sort("instrument", "date")
    later = pl.col("close").cum_max(reverse=True).over("instrument")
    for row in frame.filter(pl.col("close") == 0, later > 0).head(1).to_dicts():
        raise DataError(
            "0 as the last close of a name, which lost all",
            f"0 of {row['instrument']} on {row['date']} in row {row[ROW]} of {long.source}, and a price later",
            "leave it empty: no price there",
        )
    notes += _moves(frame, long.source)
    return Prices(frame, tuple(notes), has)


def _is_wide(table: Table, columns: ColumnNames) -> bool:
    """Whether a table has one column of closes per name (wide), by its column names, else prices in rows by symbol (long)."""
    if {"symbol", "close", "adj_close"} & set(columns):
        return False
    names = [name for name in table.frame.columns if name != ROW]
    plain = {name: plain_name(name) for name in names}
    closes = {usual_name for column in ("close", "adj_close") for usual_name in USUAL[column]}
    symbol = [name for name in names if plain[name] in USUAL["symbol"]]
    others = [name for name in names if plain[name] not in USUAL["date"]]
    unknown = [
        name
        for name in others
        if not any(plain[name] in USUAL[column] for column in ("symbol", *PRICES))
    ]
    slips = [
        name
        for name in unknown
        if nearest_names(name, ("close", "adj close", "adjusted close"), min_similarity=SLIP)
    ]
    texts = any(len(set(count_numbers(table, name))) > 1 for name in symbol)
    return (
        not texts
        and f"{UNNAMED} 0" not in names
        and not slips
        and not closes & set(plain.values())
        and 2 * len(unknown) > len(others)
    )


def _of_wide(table: Table, columns: ColumnNames) -> Table:
    """A wide table (a column of closes by name) as long rows of instrument, date and close."""
    table = rename_columns(table, ("date",))
    names = [name for name in table.frame.columns if name not in ("date", ROW)]
    wide = pl.DataFrame(
        [
            table.frame[ROW],
            parse_days(table, "date"),
            *(_price(table, name) * table.map.price_scale for name in names),
        ]
    )
    long = wide.unpivot(names, index=["date", ROW], variable_name="instrument", value_name="close")
    # a name that is not there on a day has an empty cell
    return replace(table, frame=_all_columns(long.drop_nulls("close"), adjusted=False))


def _of_long(table: Table, columns: ColumnNames, stem: str) -> tuple[Table, frozenset[str]]:
    """Rows of a long file or of a single name's, and which columns it has."""
    plain = {plain_name(name) for name in table.frame.columns}
    has_close = "close" in columns or bool(plain & set(USUAL["close"]))
    adjusted_only = not has_close and (
        "adj_close" in columns or bool(plain & set(USUAL["adj_close"]))
    )
    needed = ("date", "adj_close" if adjusted_only else "close")
    table = rename_columns(
        table, needed, [column for column in ("symbol", *PRICES) if column not in needed]
    )
    series: dict[str, pl.Series] = {
        name: _price(table, name) for name in ("close", "adj_close") if name in table.frame.columns
    }
    series |= {
        name: parse_numbers(table, name)
        for name in (*RANGE, "volume")
        if name in table.frame.columns
    }
    if "volume" in series:
        bad = ~series["volume"].is_between(0, 1e15)
        table.refuse(bad, "volume", "a volume of 0 to 1e15", "correct the cell, or leave it empty")
    frame = pl.DataFrame([table.frame[ROW], parse_days(table, "date"), *series.values()])
    frame = frame.with_columns(instrument=pl.lit(stem))
    if "symbol" in table.frame.columns:
        frame = frame.with_columns(instrument=table.words("symbol"))
    if adjusted_only:  # an adjusted close alone has no factor for the range
        frame = frame.drop(RANGE, strict=False).rename({"adj_close": "close"})
    elif "adj_close" in series:
        factor = pl.when(pl.min_horizontal("adj_close", "close") > 0).then(
            pl.col("adj_close") / pl.col("close")
        )
        frame = frame.with_columns(
            *(pl.col(name) * factor for name in RANGE if name in series),
            *(
                pl.col(name) / factor for name in ("volume",) if name in series
            ),  # price x volume is what was traded
            close="adj_close",
        )
    has = frozenset(
        name for name in (*RANGE, "volume") if name in frame.columns and frame[name].count()
    )
    return replace(table, frame=_all_columns(frame, "adj_close" in series)), has


def _price(table: Table, name: str) -> pl.Series:
    """A column as prices; refuses negative ones and those outside 1e-12 to 1e12."""
    values = parse_numbers(table, name, "a price")
    remedy = "correct the cell, or leave it empty where there was no price"
    table.refuse(values < 0, name, "a price above 0, or 0 of a name that lost all", remedy)
    table.refuse(
        (values != 0) & ~values.is_between(1e-12, 1e12), name, "a price of 1e-12 to 1e12", remedy
    )
    return values


def _all_columns(frame: pl.DataFrame, adjusted: bool) -> pl.DataFrame:
    """All price columns in order; a price that the file lacks is the close."""
    missing = [pl.col("close").alias(name) for name in RANGE if name not in frame.columns]
    volume = [] if "volume" in frame.columns else [pl.lit(None, pl.Float64).alias("volume")]
    complete = frame.with_columns(*missing, *volume, adjusted=pl.lit(adjusted))
    return complete.select("instrument", "date", *RANGE, "close", "volume", "adjusted", ROW)


def _refuse_twice(frame: pl.DataFrame, origin: str) -> None:
    """Raise DataError for two rows of one instrument and date."""
    duplicated = frame.filter(pl.struct("instrument", "date").is_duplicated())
    for (name, day), same in duplicated.group_by("instrument", "date", maintain_order=True):
        raise DataError(
            "one row per name and day",
            f"two of {name} on {day} in {origin}, rows {same[ROW][0]} and {same[ROW][1]}",
            "take one of them out",
        )


def _moves(frame: pl.DataFrame, origin: str) -> list[str]:
    """Notes on large daily moves without an adjustment."""
    move = (pl.col("close") / pl.col("close").shift(1) - 1).over("instrument")
    large = frame.with_columns(move=move).filter(is_unadjusted(pl.col("move")), ~pl.col("adjusted"))
    if large.is_empty():
        return []
    rows = large.head(3).to_dicts()
    splits = [f" (a split of {split})" if (split := split_of(row["move"])) else "" for row in rows]
    named = [f"{row['instrument']} on {row['date']} by {row['move']:+.0%}" for row in rows]
    listed = [
        f"{name}{split}, row {row[ROW]}"
        for name, split, row in zip(named, splits, rows, strict=True)
    ]
    received = (
        f"{large.height:,} in {origin}: {'; '.join(listed)}{'; ...' if large.height > 3 else ''}"
    )
    least, most = LARGEST_MOVE
    beyond = f"moves of a split, or beyond {least:.0%} or {most:+.0%} in a day, without an adjusted close"
    return [f"{beyond}: {received}; labels over them are void"]


def list_names(names: Sequence[str], most: int = 5) -> str:
    """Text of the first `most` names and how many more there are.

    >>> list_names(["A", "B", "C"], 2)
    'A, B and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
