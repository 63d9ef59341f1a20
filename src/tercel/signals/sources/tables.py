"""Base class of sources that read a table of one's own, and its columns as numbers and moments."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any, ClassVar

import polars as pl

from tercel.core.errors import DataError
from tercel.core.tables import times
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import count_numbers, parse_numbers
from tercel.core.tables.table import ROW, TYPED_OPTIONS, HowToMap, Table, read_table
from tercel.core.tables.table_map import ColumnNames
from tercel.core.tables.times import has_dates_alone, parse_days
from tercel.signals.sources.port import KEYS, at_new_york


@dataclass(frozen=True)
class TableSource:
    """Base of sources that read one table; columns and notes are known once the table was read.

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
    called: ColumnNames = field(default_factory=dict, kw_only=True)
    how: HowToMap = field(default=TYPED_OPTIONS, kw_only=True)
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
        """The table with columns under their usual names."""
        return rename_columns(read_table(self.path, self.called, self.how), needed, optional)


def values_of(
    table: Table, named: Sequence[str], excluded: Sequence[str]
) -> tuple[list[pl.Series], list[str]]:
    """The named value columns, or all varying numeric ones but `excluded`; and notes on the others.

    Raises
    ------
    DataError
        A column that is named and not there; none.
    """
    present = [name for name in table.frame.columns if name not in (ROW, *excluded)]
    chosen = list(named) or [name for name in present if _holds_numbers(table, name)]
    if missing := [name for name in chosen if name not in present] or (not chosen and ["numbers"]):
        raise DataError(
            f"columns {', '.join(chosen) or 'of numbers'} in {table.source}",
            f"none named {', '.join(missing)}",
            f"there are {', '.join(present) or 'no others'}",
        )
    values = [parse_numbers(table, name) for name in chosen]
    flat = [] if named else [column.name for column in values if column.drop_nulls().n_unique() < 2]
    if not flat or len(flat) == len(values):
        return values, []
    return [column for column in values if column.name not in flat], [
        f"left out, as they never change: {', '.join(flat)}"
    ]


def differing_records(facts: pl.DataFrame, columns: Sequence[str], origin: str) -> list[str]:
    """Notes on records of one instrument, event and known time whose values differ; empty if none do."""
    records = facts.unique([*KEYS, *columns], keep="last", maintain_order=True).group_by(
        KEYS, maintain_order=True
    )
    several = records.agg(ROW).filter(pl.col(ROW).list.len() > 1)
    text = f"records of one name and day with other values, of which the last row counts: {several.height:,} in {origin}"
    return [
        f"{text} (first: {name}, rows {rows[-2]} and {rows[-1]})"
        for name, _, _, rows in several.head(1).rows()
    ]


def _holds_numbers(table: Table, name: str) -> bool:
    """Whether most filled cells of a column are numbers; a cell that is none is then an error."""
    kind = table.frame[name].dtype
    if kind.is_temporal() or kind.is_nested() or kind == pl.Boolean:
        return False
    number_count, filled_count = count_numbers(table, name)
    return number_count > 0 and 2 * number_count > filled_count


def moments(table: Table, name: str, timezone: str = "") -> pl.Series:
    """A column as times, Datetime ns UTC; a date without a clock is the midnight after it, in New York.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.core.tables.times.parse_moments`.
    """
    if has_dates_alone(table, name):
        return (
            parse_days(table, name)
            .to_frame()
            .select(at_new_york(pl.col(name) + pl.duration(days=1), 0))[name]
        )
    return times.parse_moments(table, name, timezone)


def instants(table: Table, name: str) -> pl.Series:
    """A column as times by a clock of UTC; a date, or a midnight by its own clock, is the first midnight of the date."""
    cells = table.frame[name]
    if isinstance(cells.dtype, pl.Datetime) and (cells.dt.time() == time()).all():
        table = replace(table, frame=table.frame.with_columns(cells.dt.date()))
    if has_dates_alone(table, name):
        return parse_days(table, name).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    return times.parse_moments(table, name, "UTC")
