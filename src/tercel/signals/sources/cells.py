"""Tables as sources of facts, see :mod:`tercel.core.tables`: value columns, and dates without a clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tercel.core.errors import DataError
from tercel.core.tables import times
from tercel.core.tables.columns import renamed
from tercel.core.tables.numbers import is_number, numbers
from tercel.core.tables.table import ROW, TYPED, HowToMap, Table, read_table
from tercel.core.tables.table_map import Called
from tercel.core.tables.times import dates_alone, days
from tercel.signals.sources.port import KEYS, Noting, at_new_york


@dataclass(frozen=True)
class TableSource(Noting):
    """Base of sources of a table that a person has.

    Parameters
    ----------
    path : Path or data frame
        As :func:`tercel.core.tables.table.read_table` takes it.
    collected : datetime, optional
        Day of collection; later records are refused.
    called : mapping
        What columns are called, ours to theirs, and settings of :class:`tercel.core.tables.table_map.TableMap`.
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
        path = (
            self.path / inside
            if inside and isinstance(self.path, Path) and self.path.is_dir()
            else self.path
        )
        return renamed(read_table(path, self.called, self.how), needed, optional)


def values_of(
    table: Table, named: Sequence[str], besides: Sequence[str]
) -> tuple[list[pl.Series], list[str]]:
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
        raise DataError(
            expected,
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
    """What to say of records of one instrument, event and known time whose values differ; nothing where none do."""
    told = facts.unique([*KEYS, *columns], keep="last", maintain_order=True).group_by(
        KEYS, maintain_order=True
    )
    several = told.agg(ROW).filter(pl.col(ROW).list.len() > 1)
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
