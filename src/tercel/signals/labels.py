"""Labels: what happens after a decision, with the interval in which it happens."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tercel.core.errors import DataError


def forward_returns(prices: pl.DataFrame, *, horizon: int, lag: int = 0, void: str | None = None) -> pl.DataFrame:
    """Forward return of every (instrument, time) with the interval that it is made of.

    A decision at the close of bar t is held from the close of bar t + lag to that of bar t + lag + horizon.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (Datetime ns UTC), `close`; one row a bar.
    horizon, lag : int
        In bars of the instrument.
    void : str, optional
        Boolean column: a label whose interval holds a bar that is true (a split, a spin-off) is left out.

    Returns
    -------
    DataFrame
        `instrument`, `time`, `start`, `end`, `forward` (a fraction); rows without a label are left out.

    Raises
    ------
    DataError
        When no instrument has more than `lag + horizon` bars.
    """
    if horizon < 1 or lag < 0:
        raise DataError(
            "a horizon of at least 1 bar and a lag of at least 0", f"{horizon} and {lag}", "mend the settings"
        )
    ordered = prices.sort("instrument", "time")
    later = -(lag + horizon)
    columns = [
        pl.col("time").shift(-lag).over("instrument").alias("start"),
        pl.col("time").shift(later).over("instrument").alias("end"),
        (pl.col("close").shift(later) / pl.col("close").shift(-lag) - 1.0).over("instrument").alias("forward"),
    ]
    if void is not None:
        seen = pl.col(void).cast(pl.Int32).cum_sum()
        columns.append((seen.shift(later) - seen.shift(-lag)).over("instrument").alias("_void"))
    out = ordered.with_columns(columns).filter(pl.col("forward").is_finite())
    if void is not None:
        out = out.filter(pl.col("_void") == 0)
    if out.is_empty():
        longest = ordered.group_by("instrument").len()["len"].max()
        raise DataError(
            f"over {lag + horizon} bars of an instrument", f"{longest!r}", "use a longer panel or a shorter horizon"
        )
    return out.select("instrument", "time", "start", "end", "forward").sort("time", "instrument")


def ranked(column: str, by: str | Sequence[str] = "time") -> pl.Expr:
    """Rank within each cross-section, from -0.5 to 0.5; null stays null.

    >>> import polars as pl
    >>> pl.DataFrame({"time": [1, 1, 1], "a": [5.0, 1.0, 3.0]}).select(ranked("a"))["a"].to_list()
    [0.5, -0.5, 0.0]
    """
    value = pl.col(column)
    count = value.count().over(by)
    return pl.when(count > 1).then((value.rank().over(by) - 1) / (count - 1) - 0.5).otherwise(None).alias(column)
