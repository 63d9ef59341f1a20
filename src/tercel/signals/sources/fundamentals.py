"""Reports of companies as a source: known from the day on which anybody could read them, never from the end of their
period.

A file of one's own has a symbol, the day it was known (`known`, `filed`, `report_date`, ...), perhaps the end of the
period, and columns of numbers, which are the values. A report that is restated is a later row of the same period: from
its own day on it replaces the earlier one. A file that does not say when its reports came out is not point in time: it
is refused unless a person states the lag to assume.

Two known layouts become ratios: reports with `collected` (columns :data:`features.fundamentals.NEEDED`; their median is
collected 39 days after the period ends), and statements with `Period Ending`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from tercel.core.errors import DataError
from tercel.core.tables.numbers import numbers
from tercel.core.tables.table import ROW, Table
from tercel.core.tables.times import days
from tercel.signals.features.fundamentals import NEEDED, RATIOS, SIZES, ratios, with_year_before
from tercel.signals.sources import cells
from tercel.signals.sources.cells import TableSource
from tercel.signals.sources.port import LONGEST_DAYS, at_new_york, checked, lagged

STATED = {"Net Income": "return_on_assets", "Total Equity": "equity_to_assets"}
KEYS = ("symbol", "known", "event")


@dataclass(frozen=True)
class Fundamentals(TableSource):
    """Values of each report from the day on which it was known.

    Parameters
    ----------
    path : Path or data frame
        CSV, Parquet or JSON lines; or a folder with `reports.parquet`.
    values : sequence of str
        Columns to read; all that hold numbers where none is named.
    lag_days : float, optional
        From the end of the period to the day from which a report may be used, where the file does not say.
    timezone : str
        Zone of known times that have a clock and no zone. A day without a clock is known from the midnight after it.
    collected : datetime, optional
        Day on which the set itself was collected; reports dated later are refused.
    drop_impossible : bool
        Leave out reports known before their period was over, and count them, instead of refusing the set.
    called : mapping
        What columns are called: `symbol`, `known`, `event`, to theirs.
    """

    values: Sequence[str] = ()
    lag_days: Annotated[float | None, Field(ge=0, le=LONGEST_DAYS)] = None
    timezone: str = ""
    drop_impossible: bool = False
    name: str = "fundamentals"
    usual: ClassVar[tuple[str, ...]] = RATIOS
    inside: ClassVar[str] = "reports.parquet"

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        table = self.table(("symbol",), KEYS[1:], self.inside)
        event, known = self._times(table)
        times = pl.DataFrame({"event_time": event, "known_time": known})
        # a day is known from the midnight after it: at the period's own last midnight it was not over
        early = (known <= event).fill_null(False) & ({"known", "event"} <= set(table.frame.columns))
        said = (
            "reports known before their period was over are left out"
            if self.drop_impossible
            else ""
        )
        remedy = "correct the dates, or drop_impossible = true leaves them out and counts them"
        table = table.sound(early, "known", "reports known after their period", remedy, said)
        values, flat = self._values(table)
        columns = tuple(one.name for one in values)
        named = table.frame.select(ROW, instrument=pl.col("symbol").cast(pl.String))
        facts = named.with_columns(*times.filter(~early), *values)
        self._seen.update(
            columns=columns,
            notes=[*table.notes, *flat, *cells.differing(facts, columns, table.where)],
        )
        return checked(facts, columns, table.where, self.collected)

    def _times(self, table: Table) -> tuple[pl.Series, pl.Series]:
        """When each report's period ended, and when it was known."""
        ended = days(table, "event") if "event" in table.frame.columns else None
        event = (
            None if ended is None else ended.to_frame("d").select(at_new_york(pl.col("d"), 0))["d"]
        )
        if "known" in table.frame.columns:
            known = cells.moments(table, "known", self.timezone)
            return known if event is None else event, known
        if event is None or self.lag_days is None:
            expected = (
                "reports with the day on which they were known (known, filed, report_date, ...)"
            )
            theirs = ", ".join(table.theirs.values())
            map_it = table.how.column.format("known", "THEIRS")
            remedy = f"say which column it is: {map_it}; or state the lag from the end of the period: lag_days = 120"
            raise DataError(expected, f"{theirs} in {table.where}", remedy)
        return event, event + lagged(self.lag_days)

    def _values(self, table: Table) -> tuple[list[pl.Series], list[str]]:
        """Value columns: ratios of a known layout, those that are named, or all numbers; and what is said of others."""
        frame = table.frame.rename(dict(table.theirs))
        if set(NEEDED) <= set(frame.columns) and not self.values:
            dated = {"end_date": days(table, "event"), "collected": days(table, "known")}
            sized = frame.with_columns(*(numbers(table, name) for name in SIZES), **dated)
            return list(with_year_before(sized).select(ratios().values())), []
        if {"Total Assets", *STATED} <= set(frame.columns) and not self.values:
            assets = numbers(table, "Total Assets")
            assets = assets.set(assets <= 0, None)
            return [
                (numbers(table, item) / assets).alias(ratio) for item, ratio in STATED.items()
            ], []
        return cells.values_of(table, self.wanted or self.values, KEYS)


@dataclass(frozen=True)
class Statements(Fundamentals):
    """Statements that do not say when they came out: usable only with a stated lag, `lag_days`."""

    name: str = "statements"
    usual: ClassVar[tuple[str, ...]] = tuple(STATED.values())
    inside: ClassVar[str] = "fundamentals.csv"
