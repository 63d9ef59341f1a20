"""Labels of a panel: forward returns over intervals of bars, and ranks within a cross-section."""

from collections.abc import Sequence

import polars as pl

from tercel.core.errors import DataError, refuse_if


def forward_returns(
    prices: pl.DataFrame,
    *,
    horizon: int,
    lag: int = 0,
    void: str | None = None,
    settle: bool = False,
) -> pl.DataFrame:
    """Forward return of every (instrument, time) with the interval that it is made of.

    A decision at the close of bar t is held from the close of bar t + lag to that of bar t + lag + horizon.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (Datetime ns UTC), `close`; one row per bar.
    horizon, lag : int
        In bars of the instrument.
    void : str, optional
        Boolean column: `void` of the result says whether a label's interval holds a bar that is true (a split, a
        spin-off).
    settle : bool
        Whether a name whose bars end before the label, while those of others do not, is settled at its last close.

    Returns
    -------
    DataFrame
        `instrument`, `time`, `start`, `end`, `forward` (a fraction), `void`, `settled`; rows without a label are left
        out.

    Raises
    ------
    DataError
        When no instrument has more than `lag + horizon` bars.
    """
    refuse_if(
        horizon < 1 or lag < 0,
        "a horizon of at least 1 bar and a lag of at least 0",
        f"{horizon} and {lag}",
        "mend the settings",
        DataError,
    )
    ordered = prices.sort("instrument", "time").with_columns(
        _seen=pl.col(void).cum_sum() if void else 0
    )
    ends = {name: pl.col(name).shift(-(lag + horizon)) for name in ("time", "close", "_seen")}
    if settle:
        ends = {name: end.fill_null(pl.col(name).last()) for name, end in ends.items()}
    labelled = ordered.with_columns(
        start=pl.col("time").shift(-lag).over("instrument"),
        end=ends["time"].over("instrument"),
        forward=(ends["close"] / pl.col("close").shift(-lag) - 1.0).over("instrument"),
        void=(ends["_seen"] > pl.col("_seen").shift(-lag)).over("instrument"),
        settled=pl.col("time").shift(-(lag + horizon)).is_null().over("instrument"),
    )
    # it ends when those of the date's other names do: where none has ended, it is still open
    others = pl.col("end").filter(~pl.col("settled")).min().over("time")
    latest = pl.when(others.is_not_null()).then(pl.max_horizontal("end", others))
    labelled = labelled.with_columns(end=pl.when("settled").then(latest).otherwise("end"))
    labelled = labelled.filter(pl.col("forward").is_finite(), pl.col("end").is_not_null())
    if labelled.is_empty():
        longest = ordered.group_by("instrument").len()["len"].max()
        raise DataError(
            f"over {lag + horizon} bars of an instrument",
            f"{longest!r}",
            "use a longer panel or a shorter horizon",
        )
    columns = ("instrument", "time", "start", "end", "forward", "void", "settled")
    return labelled.select(columns).sort("time", "instrument")


def rank_in_section(column: str, by: str | Sequence[str] = "time") -> pl.Expr:
    """Expression: rank within each cross-section, from -0.5 to 0.5; null stays null, and a value alone becomes null.

    >>> import polars as pl
    >>> pl.DataFrame({"time": [1, 1, 1], "a": [5.0, 1.0, 3.0]}).select(rank_in_section("a"))["a"].to_list()
    [0.5, -0.5, 0.0]
    """
    value = pl.col(column)
    count = value.count().over(by)
    return (
        pl.when(count > 1)
        .then((value.rank().over(by) - 1) / (count - 1) - 0.5)
        .otherwise(None)
        .alias(column)
    )
