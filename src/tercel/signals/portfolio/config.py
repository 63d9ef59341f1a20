"""The file of `tercel portfolio`, TOML, and the forecasts, volatilities and costs that it names.

[forecasts] model, or file: a trained model's folder, or a table of date, name, value, outcome, sd (end, dollars)
[book]      kind, hold: how forecasts become targets
[cost]      bps, or law and capital; believed, prior, half_life; changes, times: a cost that changes on a day
[rules]     names, first, last: ways to trade, and the dates that figures are of

A table of forecasts::

    date,name,value,outcome,sd
    2021-01-06,AAA,0.31,0.012,0.021
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field, field_validator

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError, check_known
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import read_table
from tercel.core.tables.table_map import ColumnNames
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL
from tercel.core.toml import read_toml
from tercel.core.validation import WORD, TomlTable, validate_model
from tercel.signals.models.model_folder import find_model_folder, load
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.portfolio import cost_laws
from tercel.signals.portfolio.backtest import forecasts
from tercel.signals.portfolio.book import Walk, non_overlapping, walk_of
from tercel.signals.portfolio.cost_laws import Charge
from tercel.signals.portfolio.daily_returns import (
    DailyReturns,
    daily_returns,
    deviation_and_value_traded,
    measures_known_by,
)
from tercel.signals.portfolio.rebalance import HALF_LIFE, RULES, BookTargets, book_targets
from tercel.signals.risk.covariance import FastVolatility
from tercel.signals.risk.forecast import WINDOW
from tercel.signals.risk.volatility import MONTH
from tercel.signals.runs.config import day_of
from tercel.signals.sources.dated_values import matrix_of
from tercel.signals.sources.port import time_type
from tercel.signals.sources.registry import table_instructions

EXAMPLE: Final = "see docs/examples/portfolio.toml"
ALL_AT_ONCE: Final = "all_at_once"
LARGE_OUTCOME: Final = 0.3
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
        """The cost at its level before `changes`; raises ConfigError unless one of `bps` and `law` (with `capital`) is given."""
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
    def _with_all_at_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Rule names with the rule that trades all at once in front, each name once."""
        return tuple(dict.fromkeys((ALL_AT_ONCE, *names)))


class PortfolioConfig(TomlTable):
    """A whole configuration."""

    name: str = Field(default="portfolio", min_length=1, max_length=40, pattern=WORD)
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
    return parse(read_toml(path, EXAMPLE), str(path))


def parse(raw: Mapping[str, Any], path: str) -> PortfolioConfig:
    """A configuration from plain values; `path` is how errors call it.

    Raises
    ------
    ConfigError
        As :func:`read_config`.
    """
    config = validate_model(PortfolioConfig, raw, path, "`tercel portfolio`")
    for section, remedy in (
        ("forecasts", 'model = "FOLDER" of a trained model'),
        ("cost", "bps = 10"),
    ):
        if section not in raw:
            others = (
                ", ".join(
                    f"[{table_name}]" for table_name in raw if isinstance(raw[table_name], dict)
                )
                or "no table"
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
class PortfolioInputs:
    """Content of a portfolio file: targets on dates whose labels do not overlap with costs at a level of 1, and notes
    on the panel and on the newest forecast.
    """

    targets: BookTargets
    model: SignalModel | None
    note: str = ""
    sentences: Sequence[str] = ()


def open_portfolio(
    config: PortfolioConfig,
    base: Path,
    seed: int = 1,
    *,
    newest: bool = False,
    table: pl.DataFrame | None = None,
) -> PortfolioInputs:
    """Targets, costs and model of a configuration whose paths are taken from `base`; with `newest`, also the newest
    date of the model's files, whose outcome is not known yet. `table` takes the place of the file of forecasts.

    Raises
    ------
    ConfigError, DataError
        If the file cannot be read or used, with file and row.
    """
    model = None
    traded_of = None
    sentences = list[str]()
    if config.forecasts.file:
        origin = str(base / config.forecasts.file)
        file = base / config.forecasts.file if table is None else table
        columns = config.forecasts.columns
        walk, sd, dollars = read_forecasts(file, config.cost.law is not None, columns)
        traded_of = sd, dollars
    else:
        model = load(find_model_folder(base / config.forecasts.model, seed))
        walk = walk_of(model.walk())
        origin = str(model.folder)
        walk, sentences = (
            with_newest(model) if newest else (walk.rows(non_overlapping(walk)), sentences)
        )
        alpha = 1.0 - FastVolatility().decay
        remedy = "give the forecasts as a table with a column sd: file = ..."
        variance = (pl.col("r") ** 2).ewm_mean(
            alpha=alpha, adjust=False, min_samples=MONTH, ignore_nulls=True
        )
        (sd,) = measures_known_by(model, walk, remedy, variance.sqrt())
    if len(walk.time_ns) < 2:
        remedy = "write more dates" if model is None else "take a longer panel"
        raise DataError(
            "forecasts of two dates or more", f"{len(walk.time_ns)} in {origin}", remedy
        )
    level = np.full(
        len(walk.time_ns), config.cost.bps if config.cost.law is None else config.cost.law
    )
    if config.cost.changes:
        day = np.datetime64(config.cost.changes, "ns").astype(np.int64)
        level[int(np.searchsorted(walk.time_ns, day)) :] *= config.cost.times
    law = cost_laws.flat_cost(1.0)
    if config.cost.law is not None:
        law = cost_laws.square_root_cost(
            1.0,
            config.cost.capital,
            *(deviation_and_value_traded(model, walk) if model else traded_of or (sd, sd)),
        )
    optimum = None
    if "mean_variance" in config.rules.names:
        if model is None:
            raise ConfigError(
                "forecasts.model for the rule mean_variance", origin, "take it out of rules.names"
            )
        optimum = mean_variance(
            walk, sd, daily_returns(model, walk.names.tolist(), "take mean_variance out")
        )
    targets = book_targets(
        walk, sd, law, level, by_risk=config.book.kind == "by_risk", hold=config.book.hold
    )
    notes = () if model is None else (model.note, model.facts.unjudged)
    note = "; ".join(filter(None, notes))
    return PortfolioInputs(replace(targets, optimum=optimum), model, note, sentences)


def with_newest(model: SignalModel) -> tuple[Walk, list[str]]:
    """Dates of a model whose labels do not overlap, then the newest one of its files; and sentences on the newest forecast.

    Raises
    ------
    DataError
        No forecast of a newer date is given.
    """
    walk, _, held, sentences = forecasts(model)
    if held is None:
        raise DataError(
            "a forecast of a date after the walk-forward's",
            sentences[0],
            "bring the files up to date, or train again",
        )
    rows = walk.rows(np.append(non_overlapping(walk), len(walk.time_ns) - 1))
    end = rows.end_ns.copy()
    end[-1] = rows.time_ns[-1] + int(np.median(rows.end_ns[:-1] - rows.time_ns[:-1]))
    return replace(rows, end_ns=end), sentences


def read_forecasts(
    path: Path | pl.DataFrame, by_law: bool, columns: ColumnNames = MappingProxyType({})
) -> tuple[Walk, Floats, Floats]:
    """Forecasts in a table of one's own, their deviations and traded values, dates (without overlapping labels) by names.

    Parameters
    ----------
    path : Path or data frame
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
    table = read_table(path, columns, table_instructions("forecasts"))
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
    table = rename_columns(table, needed, ("end", *["dollars"] * (not by_law)), usual)
    value, outcome, sd = (parse_numbers(table, key) for key in ("value", "outcome", "sd"))
    dollars = (
        parse_numbers(table, "dollars")
        if "dollars" in table.frame.columns
        else pl.Series("dollars", [None] * table.frame.height)
    )
    table.refuse(value.is_null(), "value", "a forecast in each row", remedy)
    table.refuse(outcome < -1.0, "outcome", "a return of -1 or more", remedy)
    usual_size = outcome.abs().median()
    if isinstance(usual_size, float) and usual_size > LARGE_OUTCOME:
        raise DataError(
            "outcomes as fractions, 0.01 for 1 %",
            f"half of them beyond {usual_size:.3g} in {table.source}",
            "divide the column outcome by 100",
        )
    table.refuse(~(sd.fill_null(0.0) > 0), "sd", "the deviation of a day's return, above 0", remedy)
    day = parse_days(table, "date")
    name_column = table.frame["symbol"].cast(pl.String).alias("name")
    table.refuse(
        pl.DataFrame({"d": day, "n": name_column}).is_duplicated(),
        "symbol",
        "one row per date and name",
        remedy,
    )
    time = day.cast(pl.Datetime("ns")).cast(time_type())
    rows = pl.DataFrame(
        [time.alias("time"), time.alias("start"), name_column, value, outcome, sd, dollars]
    )
    if "end" in table.frame.columns:
        rows = rows.with_columns(
            end=parse_days(table, "end").cast(pl.Datetime("ns")).cast(time_type())
        )
    else:
        dates = rows.select(pl.col("time").unique().sort()).with_columns(
            end=pl.col("time").shift(-1)
        )
        last = pl.col("time") + (pl.col("end") - pl.col("time")).median()
        rows = rows.join(dates.with_columns(pl.col("end").fill_null(last)), on="time")
    walk = walk_of(rows)
    times = pl.Series(walk.time_ns)
    deviation, traded = (
        matrix_of(
            rows.select(pl.col("time").dt.epoch("ns"), "name", column), times, pl.Series(walk.names)
        )
        for column in ("sd", "dollars")
    )
    kept_rows = non_overlapping(walk)
    return walk.rows(kept_rows), deviation[kept_rows], traded[kept_rows]


def mean_variance(walk: Walk, sd: Floats, days_of: DailyReturns) -> Floats:
    """Weights in proportion to the inverse covariance times forecasts (Grinold: score times volatility), 2 in absolute
    sum; covariance by :class:`~tercel.signals.risk.covariance.FastVolatility` of the last two years. A name that moved
    on less than half of their days has none.
    """
    weights = np.zeros(walk.value.shape)
    for t, stop in enumerate(days_of.known_days(walk.time_ns, MONTH).tolist()):
        window = days_of.returns[max(stop - WINDOW, 0) : stop]
        usable = np.flatnonzero(
            np.isfinite(walk.value[t] * sd[t]) & ((window != 0.0).mean(axis=0) > 0.5)
        )
        if len(usable) < 2 or not np.ptp(walk.value[t, usable]) > 0:
            continue
        alpha = sd[t, usable] * (walk.value[t, usable] - walk.value[t, usable].mean())
        fitted = FastVolatility().fit(np.log1p(window[:, usable]))
        direction = np.linalg.solve(fitted.covariance_, alpha)
        weights[t, usable] = 2.0 * direction / np.abs(direction).sum()
    return weights
