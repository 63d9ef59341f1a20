"""The state of the market that a panel's own prices show: the same for every instrument, so food for a gate alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from tercel.signals.sources.port import EVERY, checked

LARGEST_MOVE = 0.5
MONTH, WEEK = 20, 5


@dataclass(frozen=True)
class MarketState:
    """Volatility of the mean return over 20 bars, and its sum over 5, of all instruments with a price.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (the end of each bar), `close`.
    delay : timedelta
        From the end of a bar to the moment when its prices can be relied on.
    """

    prices: pl.DataFrame
    delay: timedelta = timedelta(0)
    name: str = "market"
    columns: tuple[str, ...] = ("vol_20", "ret_5")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.Source.facts`."""
        import numpy as np

        close = pl.col("close")
        moves = self.prices.sort("instrument", "time").with_columns(
            move=(close / close.shift(1)).log().over("instrument")
        )
        # a move this large is a split or a bad print far more often than news
        kept = moves.filter(pl.col("move").abs() <= LARGEST_MOVE)
        times = kept["time"].unique().sort()
        at = times.search_sorted(kept["time"]).to_numpy()
        # summed in one order, so that the same prices give the same bits
        mean = np.bincount(at, kept["move"].to_numpy()) / np.bincount(at)
        state = pl.DataFrame({"time": times, "move": mean}).select(
            pl.lit(EVERY).alias("instrument"), event_time="time", known_time=pl.col("time") + self.delay,
            vol_20=pl.col("move").rolling_std(MONTH, min_samples=MONTH // 2),
            ret_5=pl.col("move").rolling_sum(WEEK),
        )  # fmt: skip
        return checked(state.drop_nulls(), self.columns, "the panel's prices")
