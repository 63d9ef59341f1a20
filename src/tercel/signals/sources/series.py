"""Dated series as sources: known from the day of their publication, never from the end of their period.

    date,unemployment
    2016-03-31,5.0

A series describes a period and is published some time after it; the lag is stated, not guessed by the program. Known
traps: search terms were chosen after the fact (Preis, Moat & Stanley 2013 picked `debt` out of 98), and regional series
(light at night, vegetation) need a stated link to a stock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from tercel.core.tables.table import ROW
from tercel.signals.sources.port import EVERY, Days, check_facts, publication_lag
from tercel.signals.sources.tables import TableSource, differing_records, instants, values_of


@dataclass(frozen=True)
class DatedSeries(TableSource):
    """Numbers with a date as facts, for every instrument or by name: search volumes, vegetation, ratings.

    Parameters
    ----------
    path : Path or data frame
        CSV, Parquet or JSON lines.
    date : str
        Column of the date on which the period ends, or begins when `period_days` is given; empty: by its usual name.
    series : sequence of str
        Columns to read; all that hold numbers where none is named.
    lag_days : float
        From the end of the period to its publication.
    period_days : float
        Length of the period after `date`.
    instrument : str
        Whom all rows speak of; empty: each row's symbol, or all instruments in a file without one.
    changes : bool
        Whether each series' change is a column too.
    called : mapping
        Names of columns: `date`, `symbol`, to theirs.
    """

    date: str = ""
    series: Sequence[str] = ()
    lag_days: Days = field(kw_only=True)
    period_days: Days = 0.0
    instrument: str = ""
    name: str = "series"
    changes: bool = field(default=True, kw_only=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Each series and, with `changes`, its change against the mean of the three values before."""
        return tuple(
            column
            for name in self._seen.get("columns", self.series)
            for column in (name, f"{name}_change")[: 1 + self.changes]
        )

    def facts(self) -> pl.DataFrame:
        """Each series and its change as checked facts, known `lag_days` after the end of the period."""
        source = replace(self, called={**self.called, "date": self.date}) if self.date else self
        table = source.table(("date",), () if self.instrument else ("symbol",))
        values, notes = values_of(
            table, self.wanted[:: 1 + self.changes] or self.series, ("date", "symbol")
        )
        names = [column.name for column in values]
        instrument = (
            table.frame["symbol"].cast(pl.String)
            if "symbol" in table.frame.columns
            else pl.lit(EVERY)
        )
        instrument = pl.lit(self.instrument) if self.instrument else instrument
        frame = pl.DataFrame([table.frame[ROW], instants(table, "date").alias("date"), *values])
        before = {name: pl.col(name).shift(1).rolling_mean(3).over("instrument") for name in names}
        period_end = pl.col("date") + publication_lag(self.period_days)
        timed = (
            frame.with_columns(instrument.alias("instrument"))
            .sort("date", maintain_order=True)
            .with_columns(
                *(pl.col(name).sub(mean).alias(f"{name}_change") for name, mean in before.items()),
                event_time=period_end,
                known_time=period_end + publication_lag(self.lag_days),
            )
        )
        self._seen.update(
            columns=names,
            notes=[*table.notes, *notes, *differing_records(timed, names, table.source)],
        )
        return check_facts(timed, self.columns, table.source, self.collected)
