"""Daily prices and returns of a model's names, and measures of them as known at each date of a walk."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.signals.models.predict import check_prices_exist, config_of
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.panel.build import market_of, prices_of
from tercel.signals.portfolio.book import Walk
from tercel.signals.sources.daily import SETTLES
from tercel.signals.sources.port import time_type

STALE: Final = "10d"
"""Age of a price beyond which it says nothing of what a trade costs."""


@dataclass(frozen=True, eq=False)
class DailyReturns:
    """Daily returns of names, and when each day was known.

    Parameters
    ----------
    known_ns : int64 (K,)
        Rising.
    returns : float64 (K, N)
        Fractions, 0 where a name has none.
    """

    known_ns: Ints
    returns: Floats

    def known_days(self, time_ns: Ints, least: int) -> Ints:
        """Number of days that are known at each time, int64 (T,).

        Raises
        ------
        DataError
            Fewer than `least` at the first.
        """
        counts = np.searchsorted(self.known_ns, time_ns, side="right")
        refuse_if(
            bool(counts[0] < least),
            f"at least {least} days of prices before the first date",
            f"{counts[0]} before {np.datetime64(int(time_ns[0]), 'ns').astype('datetime64[D]')}",
            "take a longer panel",
            DataError,
        )
        return counts


def deviation_and_value_traded(model: SignalModel, walk: Walk) -> tuple[Floats, Floats]:
    """Deviation of a day's return over 20 days and median value traded over 60, as known at each date: (T, N) each.

    Raises
    ------
    DataError
        For a panel without prices and volumes.
    """
    sd = pl.col("r").rolling_std(20, min_samples=10)
    dollars = pl.col("dollar").rolling_median(60, min_samples=20)
    measures = measures_known_by(model, walk, "give a cost in bps instead", sd, dollars)
    return measures[0], measures[1]


def measures_known_by(
    model: SignalModel, walk: Walk, remedy: str, *measures: pl.Expr
) -> tuple[Floats, ...]:
    """Measures of each name's daily prices (columns `r`, log return, and `dollar`) as known at each date: (T, N) each,
    NaN where none is or it is over `STALE` old.

    Raises
    ------
    DataError
        For a panel without daily prices, with a `remedy`.
    """
    prices = daily_prices(model, remedy).sort("instrument", "time")
    expressions = {f"m{k}": measure.over("instrument") for k, measure in enumerate(measures)}
    known = (pl.col("time") + SETTLES).cast(time_type())
    dated = prices.select("instrument", known, **expressions).sort("time")
    size = walk.value.shape
    requested = pl.DataFrame(
        {"instrument": np.tile(walk.names, size[0]), "time": np.repeat(walk.time_ns, size[1])},
        schema_overrides={"time": time_type()},
    )
    joined = requested.join_asof(
        dated, on="time", by="instrument", tolerance=STALE, check_sortedness=False
    )
    wide = joined.select(pl.col(list(expressions)).fill_null(float("nan"))).to_numpy()
    return tuple(wide[:, k].reshape(size) for k in range(len(measures)))


def daily_prices(model: SignalModel, remedy: str) -> pl.DataFrame:
    """Daily prices of the model's panel; raises DataError with the `remedy` for a synthetic panel."""
    config = config_of(model)
    refuse_if(
        config.panel.kind == "synthetic",
        "a panel with volumes",
        "a synthetic one",
        remedy,
        DataError,
    )
    return prices_of(check_prices_exist(config)).prices()


def closes_of(model: SignalModel) -> pl.DataFrame:
    """Daily closes of the model's panel, also of a synthetic one: `instrument`, `time`, `date`, `close`, `volume` and
    `adjusted`, true: a move that is none (`void`) is taken out of all closes behind it.
    """
    config = config_of(model)
    if config.panel.kind == "synthetic":
        prices = market_of(config, model.facts.seed).prices.with_columns(
            void=False, volume=pl.lit(None, pl.Float64), date=pl.col("time").dt.date()
        )
    else:
        prices = daily_prices(model, "")
    close = pl.col("close")
    move = pl.when("void").then(close / close.shift(1)).otherwise(1.0)
    step = move.fill_null(1.0).cum_prod().over("instrument")
    return prices.sort("instrument", "time").select(
        "instrument",
        "time",
        "date",
        (close / step).alias("close"),
        (pl.col("volume") * step).alias("volume"),  # their product is the value traded
        pl.lit(True).alias("adjusted"),
    )


def daily_returns(model: SignalModel, names: list[str], remedy: str) -> DailyReturns:
    """Daily returns of some names, from the prices of the model's panel."""
    prices = daily_prices(model, remedy).filter(pl.col("instrument").is_in(names))
    is_total_loss = (pl.col("close") == 0) & (
        pl.col("close").shift(1).over("instrument", order_by="time") > 0
    )
    returns = prices.with_columns(r=pl.when(is_total_loss).then(float("-inf")).otherwise("r"))
    wide = returns.pivot("instrument", index="time", values="r").sort("time")
    return DailyReturns(
        (wide["time"] + SETTLES).cast(time_type()).dt.epoch("ns").to_numpy(),
        wide.select(pl.col(name).exp() - 1.0 for name in names).fill_null(0.0).to_numpy(),
    )
