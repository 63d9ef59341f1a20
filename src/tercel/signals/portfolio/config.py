"""The file of `tercel portfolio`, TOML, and the forecasts, volatilities and costs that it names.

[forecasts] model, or file: a trained model's folder, or a table of date, name, value, outcome, sd (end, dollars)
[book]      kind, hold: how forecasts become targets
[cost]      bps, or law and capital; believed, prior, half_life; changes, times: a cost that changes on a day
[rules]     names, first, last: ways to trade, and the dates that figures are of

A table of forecasts::

    date,name,value,outcome,sd
    2021-01-06,AAA,0.31,0.012,0.021
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field, field_validator

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, check_known
from tercel.core.tables.columns import numbers, renamed
from tercel.core.tables.table import USUAL, read_table
from tercel.core.tables.table_map import Called
from tercel.core.tables.times import days
from tercel.core.toml import TomlTable, read_toml, validated
from tercel.signals.models.model_folder import SignalModel, folder_at, load
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.backtest import (
    Charge,
    DailyReturns,
    daily_returns,
    forecasts,
    known_by,
    traded,
)
from tercel.signals.portfolio.book import Walk, non_overlapping, walk_of
from tercel.signals.portfolio.rebalance import HALF_LIFE, RULES, BookTargets, book_targets
from tercel.signals.risk.forecast import WINDOW
from tercel.signals.risk.volatility import MONTH, FastVolatility
from tercel.signals.runs.config import day_of
from tercel.signals.sources.port import time_type
from tercel.signals.sources.registry import in_table

EXAMPLE: Final = "see docs/examples/portfolio.toml"
ALL_AT_ONCE: Final = "all_at_once"
LARGE: Final = 0.3
"""Median absolute outcome beyond which a table is in percent."""
Day = Annotated[str, AfterValidator(day_of)]


class ForecastSection(TomlTable):
    """Whose forecasts, out of sample."""

    model: str = ""
    """Folder of a trained model or of its run, from this file's folder."""
    file: str = ""
    """Or a table, CSV or Parquet: date, name, value, outcome (a fraction), sd (of a day's return); end, dollars."""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """Names of the table's columns, ours to theirs, and its format: {decimal = ","}."""


class BookSection(TomlTable):
    """Rule from forecasts to targets."""

    kind: Literal["by_risk", "equal_risk"] = "by_risk"
    """Scores over forecast volatility; or scores as they are, as a book of scores in `signals backtest`."""
    hold: float = Field(default=0.0, ge=0, lt=1)
    """Weight of a name's past scores in its score."""


class CostSection(TomlTable):
    """Cost of trading, and the belief about it."""

    bps: float | None = Field(default=None, ge=0)
    law: float | None = Field(default=None, gt=0)
    """Y of the square-root law, about 1."""
    capital: float = Field(default=1e7, gt=0)
    believed: Literal["learned", "true"] | float = "learned"
    """Learned from the book's fills; known; or a number, times the true level at the start."""
    prior: float = Field(default=1 / 3, gt=0)
    """Cost believed before any fill, as a multiple of the true level."""
    half_life: float = Field(default=HALF_LIFE, gt=0)
    """Dates after which a fill counts half."""
    changes: Day | Literal[""] = ""
    times: float = Field(default=1.0, gt=0)
    """Factor of costs from the day of `changes` on."""

    @property
    def charge(self) -> Charge:
        """The cost at its true level."""
        if (self.bps is None) == (self.law is None):
            raise ConfigError(
                "one of cost.bps and cost.law",
                "neither" if self.bps is None else "both",
                "write bps = 10, or law = 1 and capital = 5e7",
            )
        if self.law is not None and "capital" not in self.model_fields_set:
            raise ConfigError(
                "cost.capital beside cost.law", "none", "write the capital traded: capital = 5e7"
            )
        return Charge(self.bps, self.law or 1.0, self.capital)


class RulesSection(TomlTable):
    """Which rules, over which dates."""

    names: tuple[str, ...] = (ALL_AT_ONCE, "rate", "zone")
    first: Day | Literal[""] = ""
    """Empty: the first year whose parameters were chosen on past results."""
    last: Day = "9999-12-31"

    @field_validator("names")
    @classmethod
    def _with_the_plain_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((ALL_AT_ONCE, *names)))


class PortfolioConfig(TomlTable):
    """A whole configuration."""

    name: str = Field(
        default="portfolio", min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._-]+$"
    )
    forecasts: ForecastSection = ForecastSection()
    book: BookSection = BookSection()
    cost: CostSection = CostSection()
    rules: RulesSection = RulesSection()


def read_config(path: Path) -> PortfolioConfig:
    """The configuration in a file.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one; forecasts without costs, or costs without forecasts.
    """
    raw = read_toml(path, EXAMPLE)
    config = validated(PortfolioConfig, raw, str(path), "`tercel portfolio`")
    for section, remedy in (
        ("forecasts", 'model = "FOLDER" of a trained model'),
        ("cost", "bps = 10"),
    ):
        if section not in raw:
            others = (
                ", ".join(f"[{one}]" for one in raw if isinstance(raw[one], dict)) or "no table"
            )
            raise ConfigError(
                f"a table [{section}]",
                f"{others} in {path}",
                f"add [{section}] with {remedy}; {EXAMPLE}",
            )
    for name in config.rules.names:
        check_known(name, RULES, "rules among", f"{name!r} in rules.names of {path}", ConfigError)
    given = [key for key in ("model", "file") if getattr(config.forecasts, key)]
    if len(given) != 1:
        remedy = 'write model = "FOLDER", or file = "forecasts.csv"'
        raise ConfigError(
            "one of forecasts.model and forecasts.file", f"{len(given)} in {path}", remedy
        )
    _ = config.cost.charge
    return config


@dataclass(frozen=True, eq=False)
class Opened:
    """Content of a portfolio file: targets on dates whose labels do not overlap with costs at a level of 1, and notes
    on the panel and on the newest forecast.
    """

    sought: BookTargets
    model: SignalModel | None
    note: str = ""
    said: Sequence[str] = ()


def opened(config: PortfolioConfig, base: Path, seed: int = 1, *, newest: bool = False) -> Opened:
    """Forecasts, volatilities and costs of a configuration whose paths are taken from a folder; with the `newest` date
    of a model's files behind them, whose outcome is not known yet.

    Raises
    ------
    ConfigError, DataError
        If the file cannot be read or used, with file and row.
    """
    model, traded_of, said = None, None, list[str]()
    if config.forecasts.file:
        where = str(base / config.forecasts.file)
        file, columns = base / config.forecasts.file, config.forecasts.columns
        walk, sd, dollars = read_forecasts(file, config.cost.law is not None, columns)
        traded_of = sd, dollars
    else:
        model = load(folder_at(base / config.forecasts.model, seed))
        walk, where = walk_of(model.walk()), str(model.folder)
        walk, said = with_newest(model) if newest else (walk.rows(non_overlapping(walk)), said)
        away, remedy = (
            1.0 - FastVolatility().decay,
            "give the forecasts as a table with a column sd: file = ...",
        )
        variance = (pl.col("r") ** 2).ewm_mean(
            alpha=away, adjust=False, min_samples=MONTH, ignore_nulls=True
        )
        (sd,) = known_by(model, walk, remedy, variance.sqrt())
    if len(walk.time_ns) < 2:
        remedy = "write more dates" if model is None else "take a longer panel"
        raise DataError("forecasts of two dates or more", f"{len(walk.time_ns)} in {where}", remedy)
    level = np.full(
        len(walk.time_ns), config.cost.bps if config.cost.law is None else config.cost.law
    )
    if config.cost.changes:
        day = np.datetime64(config.cost.changes, "ns").astype(np.int64)
        level[int(np.searchsorted(walk.time_ns, day)) :] *= config.cost.times
    law = books.flat(1.0)
    if config.cost.law is not None:
        law = books.square_root(
            1.0, config.cost.capital, *(traded(model, walk) if model else traded_of or (sd, sd))
        )
    optimum = None
    if "mean_variance" in config.rules.names:
        if model is None:
            raise ConfigError(
                "forecasts.model for the rule mean_variance", where, "take it out of rules.names"
            )
        optimum = mean_variance(
            walk, sd, daily_returns(model, walk.names.tolist(), "take mean_variance out")
        )
    sought = book_targets(
        walk, sd, law, level, by_risk=config.book.kind == "by_risk", hold=config.book.hold
    )
    note = "" if model is None else model.note
    return Opened(replace(sought, optimum=optimum), model, note, said)


def with_newest(model: SignalModel) -> tuple[Walk, list[str]]:
    """Dates of a model whose labels do not overlap, and the newest one of its files; what to say of that.

    Raises
    ------
    DataError
        No forecast of a newer date is given.
    """
    walk, _, held, said = forecasts(model)
    if held is None:
        raise DataError(
            "a forecast of a date after the walk-forward's",
            said[0],
            "bring the files up to date, or train again",
        )
    found = walk.rows(np.append(non_overlapping(walk), len(walk.time_ns) - 1))
    end = found.end_ns.copy()
    end[-1] = found.time_ns[-1] + int(np.median(found.end_ns[:-1] - found.time_ns[:-1]))
    return replace(found, end_ns=end), said


def read_forecasts(
    path: Path, by_law: bool, columns: Called = MappingProxyType({})
) -> tuple[Walk, Floats, Floats]:
    """Forecasts in a table of one's own with volatilities and traded values, dates by names.

    Parameters
    ----------
    path : Path
        Columns date, name, value, outcome, sd; `end` of the outcome where that is not the next date; dollars.
    by_law : bool
        Whether traded values are needed.
    columns : mapping
        Ours to theirs, and settings of the table's map.

    Raises
    ------
    DataError
        With file and row.
    """
    remedy = "correct the cell, or take the row out"
    table = read_table(path, columns, in_table("forecasts"))
    usual: dict[str, tuple[str, ...]] = {
        "date": USUAL["date"],
        "symbol": USUAL["symbol"],
        "value": ("value", "forecast"),
        "end": ("end",),
        "outcome": ("outcome", "return"),
        "sd": ("sd", "volatility"),
        "dollars": ("dollars", "adv"),
    }
    needed = ("date", "symbol", "value", "outcome", "sd", *["dollars"] * by_law)
    table = renamed(table, needed, ("end", *["dollars"] * (not by_law)), usual)
    value, outcome, sd = (numbers(table, key) for key in ("value", "outcome", "sd"))
    dollars = [numbers(table, "dollars")] if "dollars" in table.frame.columns else []
    table.refuse(value.is_null(), "value", "a forecast in each row", remedy)
    table.refuse(outcome < -1.0, "outcome", "a return of -1 or more", remedy)
    usual_size = outcome.abs().median()
    if isinstance(usual_size, float) and usual_size > LARGE:
        raise DataError(
            "outcomes as fractions, 0.01 for 1 %",
            f"half of them beyond {usual_size:.3g} in {path}",
            "divide the column outcome by 100",
        )
    table.refuse(~(sd.fill_null(0.0) > 0), "sd", "the deviation of a day's return, above 0", remedy)
    when, who = days(table, "date"), table.frame["symbol"].cast(pl.String).alias("name")
    table.refuse(
        pl.DataFrame({"d": when, "n": who}).is_duplicated(),
        "symbol",
        "one row per date and name",
        remedy,
    )
    time = when.cast(pl.Datetime("ns")).cast(time_type())
    rows = pl.DataFrame(
        [time.alias("time"), time.alias("start"), who, value, outcome, sd, *dollars]
    )
    if "end" in table.frame.columns:
        rows = rows.with_columns(end=days(table, "end").cast(pl.Datetime("ns")).cast(time_type()))
    else:
        dates = rows.select(pl.col("time").unique().sort()).with_columns(
            end=pl.col("time").shift(-1)
        )
        last = pl.col("time") + (pl.col("end") - pl.col("time")).median()
        rows = rows.join(dates.with_columns(pl.col("end").fill_null(last)), on="time")
    walk = walk_of(rows)
    at = rows.with_columns(
        t=pl.col("time").dt.epoch("ns").replace_strict(walk.time_ns, np.arange(len(walk.time_ns))),
        n=pl.col("name").replace_strict(walk.names.tolist(), np.arange(len(walk.names))),
    )
    wide = np.full((2, *walk.value.shape), np.nan)
    wide[0, at["t"], at["n"]] = at["sd"]
    if "dollars" in at.columns:
        wide[1, at["t"], at["n"]] = at["dollars"].fill_null(float("nan"))
    apart = non_overlapping(walk)
    return walk.rows(apart), wide[0, apart], wide[1, apart]


def mean_variance(walk: Walk, sd: Floats, days_of: DailyReturns) -> Floats:
    """Weights in proportion to the inverse covariance times forecasts (Grinold: score times volatility), 2 in absolute
    sum; covariance by :class:`~tercel.signals.risk.volatility.FastVolatility` of the last two years. A name that moved
    on less than half of their days has none.
    """
    out = np.zeros(walk.value.shape)
    for t, stop in enumerate(days_of.before(walk.time_ns, MONTH).tolist()):
        window = days_of.returns[max(stop - WINDOW, 0) : stop]
        at = np.flatnonzero(
            np.isfinite(walk.value[t] * sd[t]) & ((window != 0.0).mean(axis=0) > 0.5)
        )
        if len(at) < 2 or not np.ptp(walk.value[t, at]) > 0:
            continue
        alpha = sd[t, at] * (walk.value[t, at] - walk.value[t, at].mean())
        found = np.linalg.solve(FastVolatility().estimate(np.log1p(window[:, at])), alpha)
        out[t, at] = 2.0 * found / np.abs(found).sum()
    return out
