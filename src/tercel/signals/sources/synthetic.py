"""Synthetic markets with sources of known skill, and synthetic leaks, made from a seed.

A small market with known alphas: demos and tests that need no data.

Returns are a market factor and noise plus alphas that sources carry, each of known strength: over one day the return of
an instrument holds `strength * value` of every such source, so that the rank IC is about `strength` in units of the
return's standard deviation. Sources differ in form: `linear`; `interaction`, which only the product of its two columns
tells; and `noise`, which tells nothing.

:func:`synthetic_leak` is a source that carries the next bar's return, under a falsified time or under the true one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.labels import rank_in_section
from tercel.signals.panel.panel import Panel, dataset_of
from tercel.signals.sources.port import FrameSource, time_type

FIRST = datetime(2020, 1, 1, 21, tzinfo=UTC)
DAILY_SD = 0.02


@dataclass(frozen=True)
class SyntheticMarket:
    """Prices, synthetic sources and the set that joins them.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time`, `close`.
    sources : tuple of FrameSource
        `linear`, `interaction`, `noise`.
    data : Dataset
        Next day's return; `y` is its rank within the day.
    """

    prices: pl.DataFrame
    sources: tuple[FrameSource, ...]
    data: Dataset


def synthetic_market(
    seed: int,
    *,
    instruments: int = 60,
    days: int = 300,
    strength: float = 0.05,
    persistence: float = 0.8,
) -> SyntheticMarket:
    """A market of `instruments` over `days` with alphas of `strength` in `linear` and `interaction`.

    Raises
    ------
    DataError
        When it would be too small to hold a cross-section.
    """
    refuse_if(
        instruments < 5 or days < 10 or not 0 <= strength < 1 or not 0 <= persistence < 1,
        "at least 5 instruments, 10 days, strength and persistence in [0, 1)",
        f"{instruments}, {days}, {strength}, {persistence}",
        "make it larger",
        DataError,
    )
    rng = np.random.default_rng(seed)
    signal = _persistent(rng, days, instruments, 5, persistence)
    effect = strength * (signal[..., 0] + signal[..., 1] * signal[..., 2])
    noise = np.sqrt(1 - strength**2) * rng.standard_normal((days, instruments))
    returns = np.zeros((days, instruments))
    returns[1:] = DAILY_SD * (effect[:-1] + noise[1:]) + 0.008 * rng.standard_normal((days - 1, 1))
    close = 50.0 * np.exp(np.cumsum(returns, axis=0))
    times = [FIRST + timedelta(days=d) for d in range(days)]
    names = [f"S{i:03d}" for i in range(instruments)]
    prices = _long(times, names, {"close": close}).rename({"known_time": "time"}).drop("event_time")
    sources = (
        _source("linear", times, names, {"a": signal[..., 0]}),
        _source("interaction", times, names, {"b": signal[..., 1], "c": signal[..., 2]}),
        _source("noise", times, names, {"d": signal[..., 3], "e": signal[..., 4]}),
    )
    data = dataset_of(
        prices, Panel(sources), rank_in_section("forward").alias("y"), pl.col("forward")
    )
    return SyntheticMarket(prices, sources, data)


def _persistent(
    rng: np.random.Generator, days: int, instruments: int, count: int, persistence: float
) -> Floats:
    """Standard normal AR(1) paths, float64 (days, instruments, count)."""
    paths = rng.standard_normal((days, instruments, count))
    for d in range(1, days):
        paths[d] = persistence * paths[d - 1] + np.sqrt(1 - persistence**2) * paths[d]
    return paths


def _long(times: list[datetime], names: list[str], values: dict[str, Floats]) -> pl.DataFrame:
    """Arrays of shape (times, names) as facts: one row per time and name, known at the time of the event."""
    times_ns = np.repeat(
        np.array([int(time.timestamp()) * 10**9 for time in times], np.int64), len(names)
    )
    stamps = (
        pl.Series(times_ns).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(time_type())
    )
    columns = {key: value.reshape(-1) for key, value in values.items()}
    return pl.DataFrame(
        {"instrument": names * len(times), "event_time": stamps, "known_time": stamps, **columns}
    )


def _source(
    name: str, times: list[datetime], names: list[str], values: dict[str, Floats]
) -> FrameSource:
    """A synthetic source in memory from arrays of shape (times, names) by column."""
    return FrameSource(name, tuple(values), _long(times, names, values), f"synthetic {name}")


def synthetic_leak(
    prices: pl.DataFrame,
    seed: int,
    *,
    strength: float = 0.2,
    falsified: bool = True,
    name: str = "planted",
) -> FrameSource:
    """A source whose `hint` is `strength` parts the standardised return of the next bar, the rest noise.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time`, `close`.
    strength : float
        In (0, 1]: about the IC that the falsified source shows.
    falsified : bool
        Says that it was known when the bar began; the truth is when it ended, where nothing is left to gain.

    Raises
    ------
    DataError
        When no instrument has three bars.
    """
    refuse_if(
        not 0 < strength <= 1, "a strength in (0, 1]", f"{strength}", "mend the setting", DataError
    )
    frame = prices.sort("instrument", "time").with_columns(
        move=(pl.col("close").shift(-1) / pl.col("close")).log().over("instrument"),
        over=pl.col("time").shift(-1).over("instrument"),
    )
    frame = frame.filter(pl.col("move").is_finite())
    refuse_if(
        frame.height < 3,
        "prices of at least three bars",
        f"{frame.height} moves",
        "use a longer panel",
        DataError,
    )
    noise = pl.Series("noise", np.random.default_rng(seed).standard_normal(frame.height))
    centred = pl.col("move") - pl.col("move").mean().over("time")
    scaled = (centred / pl.col("move").std().over("time")).fill_nan(0.0).fill_null(0.0)
    frame = frame.with_columns(noise).with_columns(
        hint=strength * scaled + (1 - strength**2) ** 0.5 * pl.col("noise")
    )
    known = "time" if falsified else "over"
    facts = frame.select("instrument", event_time=known, known_time=known, hint="hint")
    return FrameSource(name, ("hint",), facts, "a synthetic leak")
