"""The 22 factors of daily prices and volumes, as Polars expressions over guarded price columns.

    frame = guard_prices(prices)                             adds returns that splits and bad prints cannot poison
    frame.with_columns(factors().values())                   22 columns, each a function of the past of one name

All returns are logs. A day whose return is that of a split or larger than real moves are
(:mod:`tercel.signals.price_moves`) is missing where nothing adjusts it, and so is that of a name that falls to 0. Opens of
zero are missing; closes outside the day's range widen the range.

| factor | is | factor | is |
|---|---|---|---|
| `ret_1`, `ret_5`, `ret_21` | return of so many days | `beta_252`, `idio_60` | slope on the market, residual sd |
| `mom_3_1`, `mom_6_1`, `mom_12_1` | months back, last month left out | `dollar_volume` | log of a month's mean |
| `adj_ret_5` | less the market's | `volume_ratio` | 5 days over 60 |
| `vol_20`, `vol_60`, `vol_ratio` | standard deviations | `illiquidity` | mean abs(return) per dollar (Amihud 2002) |
| `skew_60`, `max_21` | skewness, largest day | `range_21`, `close_in_range` | log high / low; place of the close |
| `high_252` | close over the year's highest | `overnight_21`, `intraday_21` | sums of the two legs |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercel.signals.price_moves import is_unadjusted

if TYPE_CHECKING:
    import polars as pl

LARGEST_LEG = 0.5
"""Absolute log return from open to close beyond which the open is a bad print."""
BY = "instrument"


def guard_prices(prices: pl.DataFrame) -> pl.DataFrame:
    """Add to daily prices the columns that factors read: `r`, `void`, `market`, `night`, `day`, `dollar`, `span`, `place`.

    Returns and ranges that a split, a bad print or a price of 0 would spoil are null.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time`, `open`, `high`, `low`, `close`, `volume`, `adjusted` (then a large move
        is one); one row per instrument and day.

    Returns
    -------
    DataFrame
        By instrument and time, with `r` (log return, null where void), `void` (its size is no price move), `market`
        (mean of r on the day), `night`, `day` (its two legs), `dollar` (close x volume), `span` (log high / low),
        `place` (of the close between low and high, 0 to 1).
    """
    import polars as pl

    frame = prices.sort(BY, "time").with_columns(
        pl.col("open", "high", "low", "close").cast(pl.Float64)
    )
    positive = {
        name: pl.when(pl.col(name) > 0).then(pl.col(name))
        for name in ("open", "high", "low", "close")
    }
    close = positive.pop("close")  # the column keeps its zeros: a label ends there
    frame = frame.with_columns(**positive)
    growth = (close / close.shift(1)).over(BY)
    high = pl.max_horizontal("high", close)
    low = pl.min_horizontal("low", close)
    frame = frame.with_columns(
        _move=growth.log(),
        void=is_unadjusted(growth - 1) & ~pl.col("adjusted"),
        day=(close / pl.col("open")).log(),
        dollar=close * pl.col("volume"),
        span=(high / low).log(),
        place=(close - low) / pl.when(high > low).then(high - low),
    )
    frame = frame.with_columns(
        r=pl.when(~pl.col("void")).then(pl.col("_move")), void=pl.col("void").fill_null(False)
    )
    is_usable = pl.col("r").is_not_null() & (pl.col("day").abs() <= LARGEST_LEG)
    small_day = pl.when(is_usable).then(pl.col("day"))
    return frame.with_columns(
        market=pl.col("r").mean().over("time"), day=small_day, night=pl.col("r") - small_day
    ).drop("_move")


def factors() -> dict[str, pl.Expr]:
    """The 22 factors by name, each an expression over the columns of :func:`guard_prices`, null without enough history."""
    import polars as pl

    r = pl.col("r")
    market = pl.col("market")
    dollar = pl.col("dollar")
    close = pl.col("close")
    # logs of a thinly traded day's volume must not be -infinity
    volume = pl.col("volume").cast(pl.Float64)
    per_dollar = pl.when(dollar > 0).then(r.abs() / dollar)
    expressions = {
        **{f"ret_{n}": _sum(r, n) for n in (1, 5, 21)},
        **{f"mom_{months}_1": _sum(r.shift(21), 21 * (months - 1)) for months in (3, 6, 12)},
        "adj_ret_5": _sum(r - market, 5),
        "vol_20": _sd(r, 20),
        "vol_60": _sd(r, 60),
        "vol_ratio": _sd(r, 20) / _sd(r, 60),
        "skew_60": r.rolling_skew(60, min_samples=40),
        "max_21": r.rolling_max(21, min_samples=15),
        "beta_252": _beta(r, market, 252),
        "idio_60": (_sd(r, 60).pow(2) - _beta(r, market, 60).pow(2) * _sd(market, 60).pow(2))
        .clip(0)
        .sqrt(),
        "dollar_volume": _mean(dollar, 21).clip(1.0).log(),
        "volume_ratio": _mean(volume, 5) / _mean(volume, 60).clip(1.0),
        "illiquidity": _mean(per_dollar, 21).clip(1e-18).log(),
        "range_21": _mean(pl.col("span"), 21),
        "close_in_range": _mean(pl.col("place"), 5),
        "high_252": close / close.rolling_max(252, min_samples=200),
        "overnight_21": _sum(pl.col("night"), 21),
        "intraday_21": _sum(pl.col("day"), 21),
    }
    return {name: expression.over(BY).alias(name) for name, expression in expressions.items()}


def _min_samples(window: int) -> int:
    """Days with a value that a rolling window of `window` days needs: two thirds of the window."""
    return max(1, (2 * window) // 3)


def _mean(value: pl.Expr, window: int) -> pl.Expr:
    """Rolling mean over `window` days; null where fewer than two thirds of the days have a value."""
    return value.rolling_mean(window, min_samples=_min_samples(window))


def _sum(value: pl.Expr, window: int) -> pl.Expr:
    """Sum over a window; a missing day counts as the mean; null where fewer than two thirds of the days have a value."""
    return _mean(value, window) * window


def _sd(value: pl.Expr, window: int) -> pl.Expr:
    """Rolling standard deviation over `window` days; null where fewer than two thirds of the days have a value."""
    return value.rolling_std(window, min_samples=_min_samples(window))


def _beta(value: pl.Expr, market: pl.Expr, window: int) -> pl.Expr:
    """Least-squares slope of `value` on `market` over the window, on the days that have both; null with too few, or a
    flat market.
    """
    import polars as pl

    m = pl.when(value.is_not_null()).then(market)
    covariance = _mean(value * m, window) - _mean(value, window) * _mean(m, window)
    variance = _mean(m * m, window) - _mean(m, window).pow(2)
    return covariance / pl.when(variance > 1e-12).then(variance)
