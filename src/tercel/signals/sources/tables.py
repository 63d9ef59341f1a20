"""Daily prices of any table that a person has, adjusted, by instrument and date; base class of sources of tables.

Long, wide and single files::

    Date,Symbol,Close,Adj Close,Volume     Date,AAPL,MSFT           Date,Open,High,Low,Close
    2016-05-02,AAPL,93.64,88.12,48160104   2016-05-02,93.64,50.61   2016-05-02,93.97,94.08,92.40,93.64

read_prices("prices.csv")                     Date,Symbol,Open,High,Low,Close,Adj Close,Volume, in any order
read_prices("px.csv", {"close": "Last"})      what a column is called here, ours to theirs
read_prices(frame)                            a data frame of Polars or pandas
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

import polars as pl

from tercel.core.errors import DataError, nearest
from tercel.core.tables import times
from tercel.core.tables.columns import SLIP, is_number, numbers, renamed
from tercel.core.tables.table import ROW, TYPED, USUAL, HowToMap, Table, plain_name, read_table
from tercel.core.tables.table_map import UNNAMED, Called, TableMap
from tercel.core.tables.times import dates_alone, days
from tercel.signals.factors import LARGEST, split_of, unadjusted
from tercel.signals.sources.port import KEYS, SourceAbsentError, at_new_york

# -- cells ----------------------------------------------------------------------------------------
# Tables as sources of facts, see :mod:`tercel.core.tables`: value columns, and dates without a clock.


@dataclass(frozen=True)
class TableSource:
    """Base of sources of a table that a person has; which columns it has and what was left out is known once it was read.

    Parameters
    ----------
    path : Path or data frame
        As :func:`tercel.core.tables.table.read_table` takes it.
    collected : datetime, optional
        Day of collection; later records are refused.
    called : mapping
        Names of columns, ours to theirs, and settings of :class:`tercel.core.tables.table_map.TableMap`.
    how : HowToMap
        Syntax for a mapping, in errors.
    wanted : sequence of str
        Columns that a model reads: none is chosen or left out by what the file holds, so that rows to come change
        nothing.
    """

    path: Any
    collected: datetime | None = field(default=None, kw_only=True)
    called: Called = field(default_factory=dict, kw_only=True)
    how: HowToMap = field(default=TYPED, kw_only=True)
    wanted: Sequence[str] = field(default=(), kw_only=True)
    _seen: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    usual: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Value columns: those that are wanted; else what the file has, until it was read what such a file usually has."""
        return tuple(self.wanted or self._seen.get("columns", self.usual))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the facts, and on rows left out; empty until facts were read."""
        return tuple(self._seen.get("notes", ()))

    def table(self, needed: Sequence[str], optional: Sequence[str] = ()) -> Table:
        """The table under our names of columns."""
        return renamed(read_table(self.path, self.called, self.how), needed, optional)


def values_of(
    table: Table, named: Sequence[str], besides: Sequence[str]
) -> tuple[list[pl.Series], list[str]]:
    """Value columns that are named, or all of numbers that vary but those of `besides`; and notes on the others.

    Raises
    ------
    DataError
        A column that is named and not there; none.
    """
    there = [name for name in table.frame.columns if name not in (ROW, *besides)]
    chosen = list(named) or [name for name in there if _holds_numbers(table, name)]
    if missing := [name for name in chosen if name not in there] or (not chosen and ["numbers"]):
        raise DataError(
            f"columns {', '.join(chosen) or 'of numbers'} in {table.where}",
            f"none named {', '.join(missing)}",
            f"there are {', '.join(there) or 'no others'}",
        )
    values = [numbers(table, name) for name in chosen]
    flat = [] if named else [one.name for one in values if one.drop_nulls().n_unique() < 2]
    if not flat or len(flat) == len(values):
        return values, []
    return [one for one in values if one.name not in flat], [
        f"left out, as they never change: {', '.join(flat)}"
    ]


def differing(facts: pl.DataFrame, columns: Sequence[str], where: str) -> list[str]:
    """Notes on records of one instrument, event and known time whose values differ; empty if none do."""
    records = facts.unique([*KEYS, *columns], keep="last", maintain_order=True).group_by(
        KEYS, maintain_order=True
    )
    several = records.agg(ROW).filter(pl.col(ROW).list.len() > 1)
    what = f"records of one name and day with other values, of which the last row counts: {several.height:,} in {where}"
    return [
        f"{what} (first: {who}, rows {rows[-2]} and {rows[-1]})"
        for who, _, _, rows in several.head(1).rows()
    ]


def _holds_numbers(table: Table, name: str) -> bool:
    """Whether most cells that say something are numbers: one that is not is a slip, and refused."""
    kind = table.frame[name].dtype
    if kind.is_temporal() or kind.is_nested() or kind == pl.Boolean:
        return False
    found, filled = is_number(table, name)
    return found > 0 and 2 * found > filled


def moments(table: Table, name: str, timezone: str = "") -> pl.Series:
    """A column as moments, Datetime ns UTC. A date without a clock is the midnight after it, in New York.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.core.tables.times.moments`.
    """
    if dates_alone(table, name):
        return (
            days(table, name)
            .to_frame()
            .select(at_new_york(pl.col(name) + pl.duration(days=1), 0))[name]
        )
    return times.moments(table, name, timezone)


def instants(table: Table, name: str) -> pl.Series:
    """A column as moments by a clock of UTC; a date without one is its first midnight."""
    if dates_alone(table, name):
        return days(table, name).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    return times.moments(table, name, "UTC")


# -- tables ---------------------------------------------------------------------------------------

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


def read_prices(
    source: object, columns: TableMap | Called = MappingProxyType({}), *, how: HowToMap = TYPED
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
    source: object, columns: TableMap | Called = MappingProxyType({}), *, how: HowToMap = TYPED
) -> Prices:
    """:func:`read_prices` with what was noticed on the way."""
    files: list[object] = [source]
    if isinstance(source, str | Path) and Path(source).is_dir():
        inside = Path(source) / "panel.parquet"
        files = [inside] if inside.is_file() else [*sorted(Path(source).glob("*.csv"))]
        if not files:
            raise SourceAbsentError(
                "a file of daily prices", f"nothing at {inside}", "check the path"
            )
    parts = [_prices_of(one, columns, how) for one in files]
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    frame = pl.concat([part.frame for part in parts]).sort("instrument", "date")
    _refuse_twice(frame, str(source))
    return Prices(frame, notes, frozenset.intersection(*(part.has for part in parts)))


def _prices_of(source: object, columns: TableMap | Called, how: HowToMap) -> Prices:
    table = read_table(source, columns, how)
    columns = table.map.columns
    stem = Path(source).name.split(".")[0] if isinstance(source, str | Path) else "price"
    wide = _is_wide(table, columns)
    long, has = (
        (_of_wide(table, columns), frozenset[str]()) if wide else _of_long(table, columns, stem)
    )
    frame = long.frame
    _refuse_twice(frame, long.where)
    notes = [*long.notes]
    closed = frame.filter(pl.col("close").is_not_null())
    if closed.is_empty():
        raise SourceAbsentError(
            "a close above 0 in some row", f"none in {long.where}", "check the file"
        )
    if gaps := frame.height - closed.height:
        first = frame.filter(pl.col("close").is_null()).row(0, named=True)
        cell = f"{first['instrument']} on {first['date']}, row {first[ROW]}"
        notes.append(
            f"{gaps:,} of {frame.height:,} closes are empty in {long.where} (first: {cell}): no price there"
        )
    order = closed.with_columns(
        step=pl.col("date").diff().over("instrument").dt.total_days().sign()
    )
    mixed = order.group_by("instrument", maintain_order=True).agg(pl.col("step").n_unique() > 2)
    if jumbled := mixed.filter("step")["instrument"].to_list():
        notes.append(f"dates of {first_names(jumbled)} are out of order in {long.where}: sorted")
    frame = closed.sort("instrument", "date")
    later = pl.col("close").cum_max(reverse=True).over("instrument")
    for row in frame.filter(pl.col("close") == 0, later > 0).head(1).to_dicts():
        raise DataError(
            "0 as the last close of a name, which lost all",
            f"0 of {row['instrument']} on {row['date']} in row {row[ROW]} of {long.where}, and a price later",
            "leave it empty: no price there",
        )
    notes += _moves(frame, long.where)
    return Prices(frame, tuple(notes), has)


def _is_wide(table: Table, columns: Called) -> bool:
    """Whether a file has one column of closes a name: no close of its own, and mostly columns of unknown names."""
    if {"symbol", "close", "adj_close"} & set(columns):
        return False
    names = [name for name in table.frame.columns if name != ROW]
    plain = {name: plain_name(name) for name in names}
    closes = {word for one in ("close", "adj_close") for word in USUAL[one]}
    symbol = [name for name in names if plain[name] in USUAL["symbol"]]
    others = [name for name in names if plain[name] not in USUAL["date"]]
    unknown = [
        name for name in others if not any(plain[name] in USUAL[one] for one in ("symbol", *PRICES))
    ]
    slips = [
        name
        for name in unknown
        if nearest(name, ("close", "adj close", "adjusted close"), like=SLIP)
    ]
    texts = any(len(set(is_number(table, name))) > 1 for name in symbol)
    return (
        not texts
        and f"{UNNAMED} 0" not in names
        and not slips
        and not closes & set(plain.values())
        and 2 * len(unknown) > len(others)
    )


def _of_wide(table: Table, columns: Called) -> Table:
    table = renamed(table, ("date",))
    names = [name for name in table.frame.columns if name not in ("date", ROW)]
    wide = pl.DataFrame(
        [
            table.frame[ROW],
            days(table, "date"),
            *(_price(table, name) * table.map.price_scale for name in names),
        ]
    )
    long = wide.unpivot(names, index=["date", ROW], variable_name="instrument", value_name="close")
    # a name that is not there on a day has an empty cell
    return replace(table, frame=_whole(long.drop_nulls("close"), adjusted=False))


def _of_long(table: Table, columns: Called, stem: str) -> tuple[Table, frozenset[str]]:
    """Rows of a long file or of a single name's, and which columns it has."""
    plain = {plain_name(name) for name in table.frame.columns}
    closed = "close" in columns or bool(plain & set(USUAL["close"]))
    alone = not closed and ("adj_close" in columns or bool(plain & set(USUAL["adj_close"])))
    needed = ("date", "adj_close" if alone else "close")
    table = renamed(table, needed, [one for one in ("symbol", *PRICES) if one not in needed])
    found: dict[str, pl.Series] = {
        n: _price(table, n) for n in ("close", "adj_close") if n in table.frame.columns
    }
    found |= {
        name: numbers(table, name) for name in (*RANGE, "volume") if name in table.frame.columns
    }
    if "volume" in found:
        bad = ~found["volume"].is_between(0, 1e15)
        table.refuse(bad, "volume", "a volume of 0 to 1e15", "correct the cell, or leave it empty")
    frame = pl.DataFrame([table.frame[ROW], days(table, "date"), *found.values()])
    frame = frame.with_columns(instrument=pl.lit(stem))
    if "symbol" in table.frame.columns:
        frame = frame.with_columns(
            instrument=table.frame["symbol"].cast(pl.String).str.strip_chars()
        )
        unnamed = frame["instrument"].fill_null("") == ""
        table.refuse(unnamed, "symbol", "a symbol in every row", "write it, or take the row out")
    if alone:  # an adjusted close alone has no factor for the range
        frame = frame.drop(RANGE, strict=False).rename({"adj_close": "close"})
    elif "adj_close" in found:
        factor = pl.when(pl.min_horizontal("adj_close", "close") > 0).then(
            pl.col("adj_close") / pl.col("close")
        )
        frame = frame.with_columns(
            *(pl.col(name) * factor for name in RANGE if name in found),
            *(
                pl.col(name) / factor for name in ("volume",) if name in found
            ),  # price x volume is what was traded
            close="adj_close",
        )
    has = frozenset(n for n in (*RANGE, "volume") if n in frame.columns and frame[n].count())
    return replace(table, frame=_whole(frame, "adj_close" in found)), has


def _price(table: Table, name: str) -> pl.Series:
    values = numbers(table, name, "a price")
    remedy = "correct the cell, or leave it empty where there was no price"
    table.refuse(values < 0, name, "a price above 0, or 0 of a name that lost all", remedy)
    table.refuse(
        (values != 0) & ~values.is_between(1e-12, 1e12), name, "a price of 1e-12 to 1e12", remedy
    )
    return values


def _whole(frame: pl.DataFrame, adjusted: bool) -> pl.DataFrame:
    """All columns, in order; a price that the file does not have is the close."""
    lacking = [pl.col("close").alias(name) for name in RANGE if name not in frame.columns]
    volume = [] if "volume" in frame.columns else [pl.lit(None, pl.Float64).alias("volume")]
    whole = frame.with_columns(*lacking, *volume, adjusted=pl.lit(adjusted))
    return whole.select("instrument", "date", *RANGE, "close", "volume", "adjusted", ROW)


def _refuse_twice(frame: pl.DataFrame, where: str) -> None:
    twice = frame.filter(pl.struct("instrument", "date").is_duplicated())
    for (name, day), same in twice.group_by("instrument", "date", maintain_order=True):
        raise DataError(
            "one row per name and day",
            f"two of {name} on {day} in {where}, rows {same[ROW][0]} and {same[ROW][1]}",
            "take one of them out",
        )


def _moves(frame: pl.DataFrame, where: str) -> list[str]:
    """Notes on large moves without an adjustment."""
    move = (pl.col("close") / pl.col("close").shift(1) - 1).over("instrument")
    large = frame.with_columns(move=move).filter(unadjusted(pl.col("move")), ~pl.col("adjusted"))
    if large.is_empty():
        return []
    rows = large.head(3).to_dicts()
    said = [f" (a split of {split})" if (split := split_of(r["move"])) else "" for r in rows]
    named = [f"{r['instrument']} on {r['date']} by {r['move']:+.0%}" for r in rows]
    listed = [
        f"{name}{split}, row {r[ROW]}" for name, split, r in zip(named, said, rows, strict=True)
    ]
    received = (
        f"{large.height:,} in {where}: {'; '.join(listed)}{'; ...' if large.height > 3 else ''}"
    )
    least, most = LARGEST
    beyond = f"moves of a split, or beyond {least:.0%} or {most:+.0%} in a day, without an adjusted close"
    return [f"{beyond}: {received}; labels over them are void"]


def first_names(names: Sequence[str], most: int = 5) -> str:
    """Some names and how many more there are.

    >>> first_names(["A", "B", "C"], 2)
    'A, B and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
