"""Factors of daily prices, and which moves of a day are no moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import polars as pl


# -- moves ----------------------------------------------------------------------------------------
# Which moves of a day are no moves where nothing adjusts the closes: the one rule of the panel and of risk.

LARGEST: Final = -0.6, 0.65
"""Moves of a day, as fractions, beyond which there is a split or a bad print far more often than news."""
DOUBTFUL: Final = -0.32
"""A fall beyond which it may be a split."""
SPLITS: Final = np.array([1.5, 2.0, 2.5, *range(3, 101)])
"""New shares for one old; a fall to 3/4 or 4/5 is more often a crash."""
NEAR: Final = 0.015
"""Tolerance of a split's ratio for the day's own move, as a share of the ratio."""


def unadjusted(move: pl.Expr) -> pl.Expr:
    """Whether daily moves (close over previous close, less 1) look like an unadjusted split or are too large.

    Parameters
    ----------
    move : expression of Float64
        Null gives null. A total loss, -1, is a move: no split ends at 0.

    >>> import polars as pl
    >>> pl.DataFrame({"m": [-0.33, -0.45, -0.505, -0.7, 0.5, 0.7]}).select(unadjusted(pl.col("m")))["m"].to_list()
    [True, False, True, True, False, True]
    """
    ratio = 1 / (1 + move)
    split = [
        (ratio / float(new) - 1).abs() <= NEAR
        for new in SPLITS
        if new * (1 - NEAR) <= 1 / (1 + LARGEST[0])
    ]
    found = ~move.is_between(*LARGEST)
    for one in split:
        found |= one
    return found & move.is_finite() & (move > -1)


def split_of(move: float) -> str:
    """Split that a day's move suggests, such as 3:2; empty if no ratio is near.

    >>> split_of(-0.334), split_of(1.01), split_of(-0.45)
    ('3:2', '1:2', '')
    """
    ratio = 1 / max(1 + move, 1e-9) if move < 0 else 1 + move
    near = SPLITS[np.abs(SPLITS / ratio - 1).argmin()]
    if abs(ratio / near - 1) > NEAR:
        return ""
    new, old = float(near).as_integer_ratio()
    return f"{new}:{old}" if move < 0 else f"{old}:{new}"


# -- factors --------------------------------------------------------------------------------------
# Daily factors of price and volume, as Polars expressions: what the cross-section of stocks is ranked by.
#
#     frame = guarded(prices)                                  adds returns that splits and bad prints cannot poison
#     frame.with_columns(factors().values())                   22 columns, each a function of the past of one name
#
# All returns are logs. A day whose return is that of a split or larger than moves are (:mod:`.moves`) is missing where
# nothing adjusts it, and so is that of a name that falls to 0. Opens of zero are missing; closes outside the day's range
# widen the range.
#
# | factor | is | factor | is |
# |---|---|---|---|
# | `ret_1`, `ret_5`, `ret_21` | return of so many days | `beta_252`, `idio_60` | slope on the market, residual sd |
# | `mom_3_1`, `mom_6_1`, `mom_12_1` | months back, last month left out | `dollar_volume` | log of a month's mean |
# | `adj_ret_5` | less the market's | `volume_ratio` | 5 days over 60 |
# | `vol_20`, `vol_60`, `vol_ratio` | standard deviations | `illiquidity` | mean abs(return) per dollar (Amihud 2002) |
# | `skew_60`, `max_21` | skewness, largest day | `range_21`, `close_in_range` | log high / low; place of the close |
# | `high_252` | close over the year's highest | `overnight_21`, `intraday_21` | sums of the two legs |

LARGEST_LEG = 0.5
"""Absolute log return from open to close beyond which the open is a bad print."""
BY = "instrument"


def guarded(prices: pl.DataFrame) -> pl.DataFrame:
    """Prices with guarded columns.

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
    grown = (close / close.shift(1)).over(BY)
    high, low = pl.max_horizontal("high", close), pl.min_horizontal("low", close)
    frame = frame.with_columns(
        _move=grown.log(),
        void=unadjusted(grown - 1) & ~pl.col("adjusted"),
        day=(close / pl.col("open")).log(),
        dollar=close * pl.col("volume"),
        span=(high / low).log(),
        place=(close - low) / pl.when(high > low).then(high - low),
    )
    frame = frame.with_columns(
        r=pl.when(~pl.col("void")).then(pl.col("_move")), void=pl.col("void").fill_null(False)
    )
    whole = pl.col("r").is_not_null() & (pl.col("day").abs() <= LARGEST_LEG)
    small_day = pl.when(whole).then(pl.col("day"))
    return frame.with_columns(
        market=pl.col("r").mean().over("time"), day=small_day, night=pl.col("r") - small_day
    ).drop("_move")


def factors() -> dict[str, pl.Expr]:
    """The 22 factors by name, each an expression over the columns of :func:`guarded`, null without enough history."""
    import polars as pl

    r, market, dollar, close = pl.col("r"), pl.col("market"), pl.col("dollar"), pl.col("close")
    # logs of a thinly traded day's volume must not be -infinity
    volume = pl.col("volume").cast(pl.Float64)
    per_dollar = pl.when(dollar > 0).then(r.abs() / dollar)
    built = {
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
    return {name: expression.over(BY).alias(name) for name, expression in built.items()}


def _enough(window: int) -> int:
    return max(1, (2 * window) // 3)


def _mean(value: pl.Expr, window: int) -> pl.Expr:
    return value.rolling_mean(window, min_samples=_enough(window))


def _sum(value: pl.Expr, window: int) -> pl.Expr:
    """Sum over a window; a missing day counts as the window's mean."""
    return _mean(value, window) * window


def _sd(value: pl.Expr, window: int) -> pl.Expr:
    return value.rolling_std(window, min_samples=_enough(window))


def _beta(value: pl.Expr, market: pl.Expr, window: int) -> pl.Expr:
    """Least-squares slope of `value` on `market` over the window, on the days that have both."""
    import polars as pl

    m = pl.when(value.is_not_null()).then(market)
    covariance = _mean(value * m, window) - _mean(value, window) * _mean(m, window)
    variance = _mean(m * m, window) - _mean(m, window).pow(2)
    return covariance / pl.when(variance > 1e-12).then(variance)
