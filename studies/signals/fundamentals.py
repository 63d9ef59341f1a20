"""Reports of companies as sources: known from the day of their publication, never from the end of their period.

Reports::

    symbol,period_end,filed,eps
    AAPL,2016-03-26,2016-04-27,1.90

A file of one's own has a symbol, the day it was known (`known`, `filed`, `report_date`, ...), perhaps the end of the
period, and columns of numbers, which are the values. A report that is restated is a later row of the same period: from
its own day on it replaces the earlier one. A file that does not say when its reports came out is not point in time: it
is refused unless a person states the lag to assume.

Two known layouts become ratios: reports with `collected` (columns :data:`NEEDED`; their median is collected 39 days
after the period ends), and statements with `Period Ending`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from tercel.core import (
    TABLE_ROW as ROW,
    DataError,
    Table,
    table_days as days,
    table_numbers as numbers,
)
from tercel.signals import (
    LONGEST_DAYS,
    TableSource,
    at_new_york,
    check_facts,
    differing_records as differing,
    known_moments as moments,
    publication_lag as lagged,
    value_columns as values_of,
)

# Ratios of a company's reports, as Polars expressions: sizes and signs that can be compared between companies.
#
# Income of a 10-Q is a quarter's and that of a 10-K a year's; cash flows run from the start of the fiscal year. Both are
# put on a yearly scale before they are divided by assets. Growth compares with the same period of the year before, as it
# was reported then.

SIZES = (
    "revenues",
    "op_income",
    "net_income",
    "assets",
    "cur_assets",
    "cur_liab",
    "cash",
    "equity",
    "cash_flow_op",
)
NEEDED = ("symbol", "end_date", "period_focus", *SIZES, "collected")
RATIOS = (
    "earnings_to_assets",
    "operating_margin",
    "cash_flow_to_assets",
    "accruals",
    "equity_to_assets",
    "current_ratio",
    "cash_to_assets",
    "asset_growth",
    "revenue_growth",
)
EXTREME = 10.0
"""Ratios are cut at +- this: a company with almost no assets has no meaningful ratio to them."""


def ratios() -> dict[str, pl.Expr]:
    """The ratios by name, over :data:`NEEDED` and columns of :func:`with_year_before`; null where not reported."""
    assets, revenues = _positive("assets"), _positive("revenues")
    income = pl.when(pl.col("period_focus") == "FY").then(1.0).otherwise(4.0)
    quarters = pl.col("period_focus").replace_strict(
        {"Q1": 1.0, "Q2": 2.0, "Q3": 3.0, "FY": 4.0}, default=None
    )
    flow = pl.col("cash_flow_op") * 4.0 / quarters
    earned = pl.col("net_income") * income
    built = {
        "earnings_to_assets": earned / assets,
        "operating_margin": pl.col("op_income") / revenues,
        "cash_flow_to_assets": flow / assets,
        "accruals": (earned - flow) / assets,
        "equity_to_assets": pl.col("equity") / assets,
        "current_ratio": pl.col("cur_assets") / _positive("cur_liab"),
        "cash_to_assets": pl.col("cash") / assets,
        "asset_growth": (assets / _positive("assets_before")).log(),
        "revenue_growth": (revenues / _positive("revenues_before")).log(),
    }
    return {name: ratio.clip(-EXTREME, EXTREME).alias(name) for name, ratio in built.items()}


def _positive(name: str) -> pl.Expr:
    return pl.when(pl.col(name) > 0).then(pl.col(name))


def with_year_before(reports: pl.DataFrame) -> pl.DataFrame:
    """Reports with `assets_before` and `revenues_before`: of the same period 300 to 430 days earlier, in the newest
    version that was collected by the report's own day; null where none was.
    """
    by, times, row = (
        ["symbol", "period_focus"],
        ["end_date", "collected"],
        pl.int_range(pl.len()).alias("_row"),
    )
    mine = reports.with_columns(row)
    pairs = mine.select("_row", *by, *times).join(
        reports.select(*by, *times, "assets", "revenues"), on=by
    )
    days = (pl.col("end_date") - pl.col("end_date_right")).dt.total_days()
    known = pairs.filter(
        days.is_between(300, 430), pl.col("collected_right") <= pl.col("collected")
    )
    last = (
        known.sort("end_date_right", "collected_right", maintain_order=True).group_by("_row").last()
    )
    before = last.select("_row", assets_before="assets", revenues_before="revenues")
    return mine.join(before, on="_row", how="left", maintain_order="left").drop("_row")


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
        Names of columns: `symbol`, `known`, `event`, to theirs.
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
        folder = isinstance(self.path, Path) and self.path.is_dir()
        located = replace(self, path=self.path / self.inside) if folder else self
        table = located.table(("symbol",), KEYS[1:])
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
        table = table.drop_bad_rows(
            early, "known", "reports known after their period", remedy, said
        )
        values, flat = self._values(table)
        columns = tuple(one.name for one in values)
        named = table.frame.select(ROW, instrument=pl.col("symbol").cast(pl.String))
        facts = named.with_columns(*times.filter(~early), *values)
        self._seen.update(
            columns=columns,
            notes=[*table.notes, *flat, *differing(facts, columns, table.source)],
        )
        return check_facts(facts, columns, table.source, self.collected)

    def _times(self, table: Table) -> tuple[pl.Series, pl.Series]:
        """When each report's period ended, and when it was known."""
        ended = days(table, "event") if "event" in table.frame.columns else None
        event = (
            None if ended is None else ended.to_frame("d").select(at_new_york(pl.col("d"), 0))["d"]
        )
        if "known" in table.frame.columns:
            known = moments(table, "known", self.timezone)
            return known if event is None else event, known
        if event is None or self.lag_days is None:
            theirs = ", ".join(table.theirs.values())
            map_it = table.how_to_map.column.format("known", "THEIRS")
            raise DataError(
                "reports with the day on which they were known (known, filed, report_date, ...)",
                f"{theirs} in {table.source}",
                f"say which column it is: {map_it}; or state the lag from the end of the period: lag_days = 120",
            )
        return event, event + lagged(self.lag_days)

    def _values(self, table: Table) -> tuple[list[pl.Series], list[str]]:
        """Value columns: ratios of a known layout, those that are named, or all numbers; and notes on the others."""
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
        return values_of(table, self.wanted or self.values, KEYS)


@dataclass(frozen=True)
class Statements(Fundamentals):
    """Statements that do not say when they came out: usable only with a stated lag, `lag_days`."""

    name: str = "statements"
    usual: ClassVar[tuple[str, ...]] = tuple(STATED.values())
    inside: ClassVar[str] = "fundamentals.csv"
