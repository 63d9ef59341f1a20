"""The port of every source of signals: dated facts, and the check that all facts pass.

A *fact* is a row that says what was so (`event_time`) and from when one could have acted on it (`known_time`)::

    source.name, source.columns          "fundamentals", ("earnings_to_assets", ...)
    source.facts() -> polars.DataFrame   instrument, event_time, known_time, *columns

Both times are `Datetime("ns", "UTC")`; values are Float64, null where not known. The instrument :data:`EVERY` holds for
all of them (an index, a search volume). Only `known_time` may decide where a fact is visible
(:class:`~tercel.signals.panel.panel.Panel`). :func:`check_facts` refuses what breaks these rules, with file and row.

:class:`FrameSource` holds facts that are in memory already: what notebooks, tests and other programs hand over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Protocol, runtime_checkable

import polars as pl
from pydantic import Field

from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.table import ROW, TableAbsentError

EVERY = "*"
"""Instrument of a fact that holds for every instrument."""
KEYS = ("instrument", "event_time", "known_time")

LONGEST_DAYS: Final = 36_500
Days = Annotated[float, Field(ge=0, le=LONGEST_DAYS)]
"""A length in days: a lag, a window."""


SourceAbsentError = TableAbsentError
"""A source whose files, records or extra are not there: a panel continues without it, with a warning."""


NEW_YORK = "America/New_York"


@runtime_checkable
class SignalSource(Protocol):
    """Port of a source: one origin of dated facts."""

    @property
    def name(self) -> str:
        """Identifier; the panel calls its columns `name.column`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the value columns, in order."""

    def facts(self) -> pl.DataFrame:
        """All facts, checked, by `known_time`.

        Raises
        ------
        SourceAbsentError
            When its files are not there.
        DataError
            When a record cannot be used, with file and row.
        """


def time_type() -> pl.Datetime:
    """Type of every time column: nanoseconds, UTC."""
    return pl.Datetime("ns", "UTC")


def check_facts(
    frame: pl.DataFrame, columns: tuple[str, ...], origin: str, collected: datetime | None = None
) -> pl.DataFrame:
    """Check facts and return them in the order in which they became known, without the column `row`.

    Parameters
    ----------
    frame : DataFrame
        `instrument`, `event_time`, `known_time`, the value columns; perhaps `row`, the row of the file.
    columns : tuple of str
        Value columns that must be there.
    origin : str
        The file, for errors.
    collected : datetime, optional
        When the set was collected, with a zone: nothing in it can have been known later.

    Raises
    ------
    SourceAbsentError
        When there is no record.
    DataError
        When a column is missing, a record has no instrument or no time, was known before it happened or later than the
        day of collection.
    """
    wanted = (*KEYS, *columns)
    if missing := [name for name in wanted if name not in frame.columns]:
        raise DataError(
            f"columns {', '.join(wanted)} in {origin}",
            f"none named {', '.join(missing)}",
            "check the file",
        )
    if frame.is_empty():
        raise SourceAbsentError(
            "facts", f"not one in {origin}", "check the file and the settings of its source"
        )
    row = pl.col(ROW) if ROW in frame.columns else pl.int_range(1, pl.len() + 1).alias(ROW)
    kinds = (
        pl.col(KEYS[0]).cast(pl.String),
        pl.col(KEYS[1:]).cast(time_type()),
        pl.col(columns).cast(pl.Float64),
    )
    facts = frame.select(*kinds, row.cast(pl.Int64))
    instrument, event, known = (pl.col(key) for key in KEYS)
    rules = [
        (
            instrument.is_null() | (instrument == ""),
            "an instrument in every record",
            "an empty one",
        ),
        (event.is_null() | known.is_null(), "an event time and a known time", "an empty one"),
        (
            known < event,
            "records that became known at or after what they describe",
            "one known earlier",
        ),
    ]
    if collected is not None:
        expected = f"records known by the day of collection, {collected.date()}"
        rules.append(
            (known > pl.lit(collected).cast(time_type()), expected, "one dated in the future")
        )
    for bad, expected, received in rules:
        _refuse(facts, bad, origin, expected, received)
    return facts.sort("known_time", "event_time", "instrument", maintain_order=True).drop(ROW)


def _refuse(facts: pl.DataFrame, bad: pl.Expr, origin: str, expected: str, received: str) -> None:
    """Raise DataError with the first fact for which `bad` holds, if there is one."""
    bad_rows = facts.filter(bad.fill_null(True))
    if bad_rows.is_empty():
        return
    first = bad_rows.row(0, named=True)
    dated = ", ".join(f"{key} {first[key]}" for key in KEYS)
    others = f" and {bad_rows.height - 1} more" if bad_rows.height > 1 else ""
    received += f" in {origin}, row {first[ROW]} ({dated}){others}"
    raise DataError(expected, received, "remove the record or mend its times")


def refuse_constants(facts: pl.DataFrame, columns: tuple[str, ...], origin: str) -> None:
    """Raise DataError for value columns that say the same of every record: no model can learn from them.

    Raises
    ------
    DataError
        When a column has fewer than two different values; a set of a single record is let through.
    """
    if facts.height < 2 or not columns:
        return
    if flat := [name for name in columns if facts[name].drop_nulls().drop_nans().n_unique() < 2]:
        raise DataError(
            "features that vary",
            f"constant or empty {', '.join(flat)} in {origin}",
            "leave the column out",
        )


def publication_lag(days: float) -> timedelta:
    """A publication lag of so many days as a timedelta; raises DataError below 0 or if implausibly long.

    >>> publication_lag(1.5)
    datetime.timedelta(days=1, seconds=43200)

    Raises
    ------
    DataError
        If it is negative or implausibly long.
    """
    refuse_if(
        not 0 <= days <= LONGEST_DAYS,
        f"a publication lag of 0 to {LONGEST_DAYS:,} days",
        f"{days}",
        "state how long after the event it was published",
        DataError,
    )
    return timedelta(days=days)


def at_new_york(date: pl.Expr, hour: int, minute: int = 0) -> pl.Expr:
    """A moment of a date by New York's clock, as UTC.

    >>> from datetime import date
    >>> import polars as pl
    >>> days = pl.DataFrame({"date": [date(2015, 1, 5), date(2015, 7, 6)]})
    >>> [str(t) for t in days.select(at_new_york(pl.col("date"), 16))["date"].dt.hour()]
    ['21', '20']
    """
    local = date.cast(pl.Datetime("ns")) + pl.duration(hours=hour, minutes=minute)
    return local.dt.replace_time_zone(NEW_YORK).dt.convert_time_zone("UTC").cast(time_type())


@dataclass(frozen=True)
class FrameSource:
    """A source whose facts are already in memory."""

    name: str
    columns: tuple[str, ...]
    frame: pl.DataFrame
    origin: str = "memory"
    collected: datetime | None = None

    def facts(self) -> pl.DataFrame:
        """The facts in memory, checked, by `known_time`."""
        return check_facts(self.frame, self.columns, self.origin, self.collected)
