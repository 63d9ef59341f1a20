"""Sources by kind, as a configuration names them.

    source_of("news", Path("news.parquet"), drop_broken=True)

    [[source]]
    kind = "news"
    path = "news.parquet"
    drop_broken = true

| kind | path | options |
|---|---|---|
| `daily` | daily prices | `history`, `least_dollars`, `without`, `survivors` |
| `news` | headlines: time, names, text | `timezone`, `window_days`, `features`, `learn_days`, `drop_broken` |
| `series` | numbers with a date, of all or by name | `lag_days`; `date`, `series`, `period_days`, `instrument` |

All read CSV, Parquet and JSON lines, columns by their usual names or by a table `[source.columns]`.
All take `name` and `collected`, the day (with a zone) after which nothing in the set can have been known.

A package of one's own gives a kind by a dataclass in the entry point group ``tercel.sources``, a kind of panel by a
subclass of `DailyFactors` in ``tercel.panels``. `studies` so gives reports of companies: the sources `fundamentals` and
`statements`.

A small market with known alphas: demos and tests that need no data.

Returns are a market factor and noise plus alphas that sources carry, each of known strength: over one day the return of
an instrument holds `strength * value` of every such source, so that the rank IC is about `strength` in units of the
return's standard deviation. Sources differ in form: `linear`; `interaction`, which only the product of its two columns
tells; and `noise`, which tells nothing.

:func:`synthetic_leak` is a source that carries the next bar's return, under a falsified time or under the true one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from pydantic import InstanceOf

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, refuse_if
from tercel.core.extras import entry_point
from tercel.core.tables.table import HowToMap
from tercel.core.toml import fitting
from tercel.signals.panel.panel import Dataset, Panel, dataset_of, ranked
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.news import News
from tercel.signals.sources.port import FrameSource, SignalSource, time_type
from tercel.signals.sources.series import DatedSeries

KINDS: Final[dict[str, Callable[..., SignalSource]]] = {
    "daily": DailyFactors,
    "series": DatedSeries,
    "news": News,
}
"""Makers of a source by kind, from a path and options."""
PANELS: Final = {"synthetic": None, "daily": DailyFactors}
"""Kind of panel -> its daily factors."""


def kind_named(kind: str) -> Any:
    """The class of a kind of source.

    Raises
    ------
    UnknownNameError
        Neither one of `KINDS` nor of an installed package.
    """
    return (
        KINDS[kind]
        if kind in KINDS
        else entry_point("tercel.sources", kind, KINDS, "a kind of source among")
    )


def panel_named(kind: str) -> Any:
    """The class of daily factors that a kind of panel has; none of a synthetic one.

    Raises
    ------
    UnknownNameError
        Neither one of `PANELS` nor of an installed package.
    """
    return (
        PANELS[kind]
        if kind in PANELS
        else entry_point("tercel.panels", kind, PANELS, "a kind of panel among")
    )


def check_source(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a kind as their types are; a kind or options that cannot be are refused, without a look at the files.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`source_of`.
    """
    _, *takes = signature(kind_named(kind)).parameters.values()
    names = {one.name for one in takes} - {"columns", "how", "prices", "wanted"}
    known = sorted("columns" if name == "called" else name for name in names)
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(
            f"options of {kind} among {', '.join(known)}", ", ".join(unknown), "mend the names"
        )
    if lacking := [
        one.name
        for one in takes
        if one.default is one.empty and options.get(one.name) in (None, [], ())
    ]:
        raise ConfigError(f"the options that {kind} needs", f"no {', '.join(lacking)}", "add them")
    return fitting(kind_named(kind), options, f"[[source]] {kind}", collected=InstanceOf[date])


def source_of(
    kind: str,
    path: Path,
    prices: pl.DataFrame | None = None,
    wanted: Sequence[str] = (),
    /,
    **options: Any,
) -> SignalSource:
    """A source of a kind; `prices` (`instrument`, `time`, `close`) are the panel's, for kinds that learn from them;
    `wanted` are the columns that a model reads.

    Raises
    ------
    UnknownNameError
        For a kind that neither `KINDS` nor an installed package has.
    ConfigError
        For an option that the kind does not know, or lacks.
    """
    fitted = check_source(kind, options)
    handed = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fitted.items()
    }
    day = handed.get("collected")
    if isinstance(day, datetime):
        handed["collected"] = day if day.tzinfo else day.replace(tzinfo=UTC)
    elif isinstance(day, date):
        # a day without an hour: until its end
        handed["collected"] = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    made = kind_named(kind)
    takes = signature(made).parameters
    if "called" in takes:
        handed |= {"called": handed.pop("columns", {}), "how": in_table("source")}
    handed |= {
        name: value for name, value in (("prices", prices), ("wanted", wanted)) if name in takes
    }
    source: SignalSource = made(path, **handed)
    return source


def in_table(table: str) -> HowToMap:
    """Instructions, for errors, to map columns in a table of a configuration."""
    whole = f"[{table}.columns]"
    return HowToMap(
        f'{{}} = "{{}}" in {whole}', whole, f"say what they are called in {whole}: {{}}"
    )


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
    moved = np.zeros((days, instruments))
    moved[1:] = DAILY_SD * (effect[:-1] + noise[1:]) + 0.008 * rng.standard_normal((days - 1, 1))
    close = 50.0 * np.exp(np.cumsum(moved, axis=0))
    times = [FIRST + timedelta(days=d) for d in range(days)]
    names = [f"S{i:03d}" for i in range(instruments)]
    prices = _long(times, names, {"close": close}).rename({"known_time": "time"}).drop("event_time")
    sources = (
        _source("linear", times, names, {"a": signal[..., 0]}),
        _source("interaction", times, names, {"b": signal[..., 1], "c": signal[..., 2]}),
        _source("noise", times, names, {"d": signal[..., 3], "e": signal[..., 4]}),
    )
    data = dataset_of(prices, Panel(sources), ranked("forward").alias("y"), pl.col("forward"))
    return SyntheticMarket(prices, sources, data)


def _persistent(
    rng: np.random.Generator, days: int, instruments: int, count: int, persistence: float
) -> Floats:
    """Standard normal AR(1) paths, float64 (days, instruments, count)."""
    out = rng.standard_normal((days, instruments, count))
    for d in range(1, days):
        out[d] = persistence * out[d - 1] + np.sqrt(1 - persistence**2) * out[d]
    return out


def _long(times: list[datetime], names: list[str], values: dict[str, Floats]) -> pl.DataFrame:
    when = np.repeat(np.array([int(t.timestamp()) * 10**9 for t in times], np.int64), len(names))
    stamps = pl.Series(when).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(time_type())
    columns = {key: value.reshape(-1) for key, value in values.items()}
    return pl.DataFrame(
        {"instrument": names * len(times), "event_time": stamps, "known_time": stamps, **columns}
    )


def _source(
    name: str, times: list[datetime], names: list[str], values: dict[str, Floats]
) -> FrameSource:
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
