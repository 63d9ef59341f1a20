"""When a US trading day opens and closes, in UTC: 09:30 and 16:00 in New York, summer time included."""

from __future__ import annotations

import polars as pl

from tercel.signals.sources.port import time_type

NEW_YORK = "America/New_York"


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
