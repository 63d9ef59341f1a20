"""Backtest of a model's folder: its forecasts out of sample and the newest one, as a book after costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, TercelError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.files import write_atomic
from tercel.core.progress import say
from tercel.core.report.cells import csv_text
from tercel.core.report.tables import spelt
from tercel.signals.models.model_folder import AGAIN, SignalModel
from tercel.signals.models.predict import HeldSpan, NameForecast, config_of, predict, present, when
from tercel.signals.models.skill import BLOCK, FEWEST, Skill, skill_sentence
from tercel.signals.panel.build import prices_of
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.book import (
    Backtest,
    BookRule,
    Cost,
    Walk,
    YearFigures,
    walk_of,
)
from tercel.signals.portfolio.targets import names_in
from tercel.signals.sources.daily import SETTLES
from tercel.signals.sources.port import time_type

# -- daily returns --------------------------------------------------------------------------------


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

    def before(self, time_ns: Ints, least: int) -> Ints:
        """Number of days that are known at each time, int64 (T,).

        Raises
        ------
        DataError
            Fewer than `least` at the first.
        """
        known = np.searchsorted(self.known_ns, time_ns, side="right")
        refuse_if(
            bool(known[0] < least),
            f"at least {least} days of prices before the first date",
            f"{known[0]} before {np.datetime64(int(time_ns[0]), 'ns').astype('datetime64[D]')}",
            "take a longer panel",
            DataError,
        )
        return known


# -- backtest -------------------------------------------------------------------------------------

Row = TypeVar("Row")
TARGETS: Final = "targets.csv"
STALE: Final = "10d"
"""Age of a price beyond which it says nothing of what a trade costs."""


@dataclass(frozen=True)
class Charge:
    """What trading costs: so many bps one-way, or the square-root law.

    Parameters
    ----------
    bps : float, optional
    law : float, optional
        Y of the law; used where `bps` is not given.
    capital : float
        Of the book, for the law, in the currency of the prices.
    whose : str
        Where the bps come from.
    """

    bps: float | None = None
    law: float = 1.0
    capital: float = 1e7
    whose: str = ""

    def __str__(self) -> str:
        """The cost in words.

        >>> str(Charge(5.0))
        '5 bps one-way'
        """
        if self.bps is None:
            return f"the square-root law, Y {self.law:g}, on {self.capital:,.0f}"
        return f"{self.bps:g} bps one-way" + (f", {self.whose}" if self.whose else "")

    def cost(self, model: SignalModel, walk: Walk) -> Cost:
        """The cost of trades through a walk; for the law by the prices of the model's panel."""
        if self.bps is not None:
            return books.flat(self.bps)
        return books.square_root(self.law, self.capital, *traded(model, walk))


def traded(model: SignalModel, walk: Walk) -> tuple[Floats, Floats]:
    """Deviation of a day's return over 20 days and median value traded over 60, as known at each date: (T, N) each.

    Raises
    ------
    DataError
        For a panel without prices and volumes.
    """
    sd, dollars = (
        pl.col("r").rolling_std(20, min_samples=10),
        pl.col("dollar").rolling_median(60, min_samples=20),
    )
    both = known_by(model, walk, "give a cost in bps instead", sd, dollars)
    return both[0], both[1]


def known_by(model: SignalModel, walk: Walk, remedy: str, *measures: pl.Expr) -> tuple[Floats, ...]:
    """Measures of each name's daily prices (columns `r`, log return, and `dollar`) as known at each date: (T, N) each.

    Raises
    ------
    DataError
        For a panel without daily prices, with a `remedy`.
    """
    prices = daily_prices(model, remedy).sort("instrument", "time")
    named = {f"m{k}": one.over("instrument") for k, one in enumerate(measures)}
    known = prices.select("instrument", "time", **named)
    known = known.with_columns((pl.col("time") + SETTLES).cast(time_type())).sort("time")
    size = walk.value.shape
    asked = pl.DataFrame(
        {"instrument": np.tile(walk.names, size[0]), "time": np.repeat(walk.time_ns, size[1])}
    )
    asked = asked.with_columns(pl.col("time").cast(time_type()))
    found = asked.join_asof(
        known, on="time", by="instrument", tolerance=STALE, check_sortedness=False
    )
    wide = found.select(pl.col(list(named)).fill_null(float("nan"))).to_numpy()
    return tuple(wide[:, k].reshape(size) for k in range(len(measures)))


def daily_prices(model: SignalModel, remedy: str) -> pl.DataFrame:
    """Daily prices of the model's panel."""
    config = config_of(model)
    refuse_if(
        config.panel.kind == "synthetic",
        "a panel with volumes",
        "a synthetic one",
        remedy,
        DataError,
    )
    return prices_of(present(config)).prices()


def daily_returns(model: SignalModel, names: list[str], remedy: str) -> DailyReturns:
    """Daily returns of some names, from the prices of the model's panel."""
    prices = daily_prices(model, remedy).filter(pl.col("instrument").is_in(names))
    died = (pl.col("close") == 0) & (
        pl.col("close").shift(1).over("instrument", order_by="time") > 0
    )
    moved = prices.with_columns(r=pl.when(died).then(float("-inf")).otherwise("r"))
    wide = moved.pivot("instrument", index="time", values="r").sort("time")
    return DailyReturns(
        (wide["time"] + SETTLES).cast(time_type()).dt.epoch("ns").to_numpy(),
        wide.select(pl.col(name).exp() - 1.0 for name in names).fill_null(0.0).to_numpy(),
    )


@dataclass(frozen=True)
class HeldName:
    """A name of the newest date: its weight, and where a forecast was served that forecast and its deviation in bps."""

    name: str
    weight: float
    expected_bps: float | None = None
    sd_bps: float | None = None


@dataclass(frozen=True, eq=False)
class BacktestReport:
    """A model's forecasts as a book after costs, and the book of the newest date.

    Parameters
    ----------
    model : SignalModel
    rule, cost : str
        The book and what its trades cost, in words.
    names : int
        Names of the walk.
    book : Backtest
    net, gross : Estimate
        Annualised Sharpe ratios.
    ic : Skill
        Rank IC out of sample, as training measured it.
    at : str
        The newest date, ISO 8601.
    held : HeldSpan, optional
        Closes between which the newest forecast's return lies; None where no forecast was served.
    weights : tuple of HeldName
        Of the newest date, largest first.
    warnings : list of str
    seed : int
    """

    model: SignalModel
    rule: str
    cost: str
    names: int
    book: Backtest
    net: Estimate
    gross: Estimate
    ic: Skill
    at: str
    held: HeldSpan | None
    weights: tuple[HeldName, ...]
    warnings: list[str]
    seed: int

    @cached_property
    def years(self) -> list[YearFigures]:
        """Figures by calendar year."""
        return books.years(self.book)

    @property
    def worst(self) -> YearFigures:
        """The year with the lowest net return."""
        return min(self.years, key=lambda row: row.net)

    @property
    def dates(self) -> str:
        """Number of dates, and on how many there was a book, in words."""
        dates, held = len(self.book.net), len(self.book.held)
        return f"{dates} dates" if held == dates else f"invested on {held} of {dates} dates"

    @property
    def turnover(self) -> float:
        """One-way turnover per date with a book, on average."""
        return float(self.book.on_held(self.book.turnover).mean())

    @property
    def net_a_year(self) -> float:
        """Net return of a year of dates with a book, compounded."""
        return float(self.book.equity[-1] ** (self.book.periods / len(self.book.held)) - 1.0)

    @property
    def breakeven_bps(self) -> float | None:
        """One-way cost at which the book earns nothing; None without trades."""
        turned = float(self.book.turnover.sum())
        return 1e4 * float(self.book.gross.sum()) / turned if turned > 0 else None

    @property
    def fall(self) -> tuple[str, str]:
        """When the largest drawdown began, and when it was deepest."""
        at = int(self.book.drawdown.argmax())
        high = int(np.argmax(np.concatenate([[1.0], self.book.equity[:at]])))
        return when(self.book.walk.start_ns[high]), when(self.book.walk.end_ns[at])

    @property
    def span(self) -> tuple[str, str]:
        """Beginning of the first label and end of the last."""
        return when(self.book.walk.start_ns[0]), when(self.book.walk.end_ns[-1])

    def to_json(self) -> dict[str, Any]:
        """All figures by name, with the curve and the sentences."""
        book = self.book
        return {
            "model": self.model.id,
            "name": self.model.name,
            "folder": self.model.folder,
            "dates": len(book.net),
            "invested": len(book.held),
            "names": self.names,
            "first": self.span[0],
            "last": self.span[1],
            "dates_a_year": book.periods,
            "book": self.rule,
            "cost": self.cost,
            "definition": books.DEFINITION,
            "ic": self.ic.to_json(),
            "sharpe_net": self.net.mean,
            "sharpe_gross": self.gross.mean,
            "sharpe_net_interval": self.net.to_json(),
            "sharpe_gross_interval": self.gross.to_json(),
            "gross": float(book.on_held(book.gross).mean()),
            "net": float(book.on_held(book.net).mean()),
            "net_a_year": self.net_a_year,
            "turnover": self.turnover,
            "breakeven_bps": self.breakeven_bps,
            "drawdown": float(book.drawdown.max()),
            "drawdown_from": self.fall[0],
            "drawdown_to": self.fall[1],
            "years": self.years,
            "worst_year": self.worst,
            "curve": curve(book),
            "at": self.at,
            "held": None if self.held is None else asdict(self.held),
            "weights": [asdict(one) for one in self.weights],
            "note": self.model.note,
            "warnings": self.warnings,
            "seed": self.seed,
            "sentences": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """Summary of at most five sentences."""
        net, worst, even = self.net, self.worst, self.breakeven_bps
        open_ = net.ci_low is None or net.ci_high is None or net.ci_low <= 0.0 <= net.ci_high
        sure = ", not significantly different from zero" if open_ else ""
        held = self.book.walk.rows(self.book.held)
        span = when(held.start_ns[0]), when(held.end_ns[-1])
        first, last, fell, deepest = (day[:10] for day in (*span, *self.fall))
        free = (
            f"it breaks even at {even:.1f} bps" if even and even > 0 else "it loses before any cost"
        )
        lines = [
            f"After costs ({self.cost}) the book made {100 * self.net_a_year:.1f} % a year, compounded, at a Sharpe ratio "
            f"of {spelt(net)}{sure}, {self.dates}, {first} to {last}.",
            f"One-way turnover is {self.turnover:.2f} per date, {self.turnover * self.book.periods:.0f} per year; {free}.",
            f"At worst it stood {100 * self.book.drawdown.max():.1f} % below its peak, {fell} to {deepest}; its worst "
            f"year is {worst.year}, {100 * worst.net:+.1f} %.",
            skill_sentence(self.ic),
        ]
        return lines + [f"Bias: {self.model.note}."] * bool(self.model.note)


def forecasts(
    model: SignalModel,
) -> tuple[Walk, dict[str, NameForecast], HeldSpan | None, list[str]]:
    """Forecasts out of sample with the newest date behind them; its rows by name and until when they reach; what has to
    be said of it.
    """
    table = model.walk().select(books.NEEDED)
    unit, last = model.scale.unit_bps, table["time"].dt.epoch("ns").max()
    if model.silent:
        return walk_of(table), {}, None, [f"{model.silent}."]
    try:
        say("forecast of the newest date")
        served = predict(model)
    except TercelError as error:
        return (
            walk_of(table),
            {},
            None,
            [f"No newer forecast than the walk-forward's: {error.received}"],
        )
    if not table.is_empty() and served.at_ns <= last:  # type: ignore[operator]
        return (
            walk_of(table),
            {},
            None,
            [f"No newer forecast than the walk-forward's: its files end at {served.at}"],
        )
    rows = {row.name: row for row in served.rows()}
    value = [row.expected_bps / unit + model.fusion.base for row in rows.values()]
    times = pl.lit(served.at_ns).cast(table.schema["time"])
    newest = pl.DataFrame({"name": list(rows), "value": value, "outcome": float("nan")})
    newest = newest.with_columns(time=times, start=times, end=times).select(books.NEEDED)
    walk = walk_of(pl.concat([table, newest], how="vertical_relaxed"))
    return walk, rows, served.held, [served.note] * bool(served.note) + served.sentences()


def backtested(model: SignalModel, book: BookRule, charge: Charge, seed: int) -> BacktestReport:
    """Backtest a model's forecasts out of sample, and say what the newest one is held as.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.book`; and for a folder without forecasts out of sample.
    """
    walk, rows, held, said = forecasts(model)
    ic = ic_of(model)
    found = books.backtest(walk, book, charge.cost(model, walk))
    if book.long_only:
        # over the dates of the book alone, which are what it is compared over
        all_names = float(np.prod(1.0 + np.nanmean(found.walk.outcome[found.held], axis=1)))
        grew = 100 * (all_names ** (found.periods / len(found.held)) - 1.0)
        said += [
            f"All names, held equally, made {grew:.1f} % a year, compounded, before costs: read the difference."
        ]
    rng = np.random.default_rng([seed, 32])
    net, gross = (
        books.sharpe(found.on_held(returns), found.periods, rng)
        for returns in (found.net, found.gross)
    )
    served = {name: HeldName(name, 0.0, row.expected_bps, row.sd_bps) for name, row in rows.items()}
    weights = (
        replace(served.get(name, HeldName(name, 0.0)), weight=weight)
        for name, weight, value in zip(
            walk.names.tolist(), found.target.tolist(), walk.value[-1], strict=True
        )
        if np.isfinite(value)
    )
    ordered = sorted(weights, key=lambda one: (-one.weight, -(one.expected_bps or 0.0), one.name))
    return BacktestReport(
        model,
        str(book),
        str(charge),
        len(walk.names),
        found,
        net,
        gross,
        ic,
        when(walk.time_ns[-1]),
        held,
        tuple(ordered),
        said,
        seed,
    )


def ic_of(model: SignalModel) -> Skill:
    """Rank IC of a model out of sample, as its training measured it and `signals evaluate` shows it.

    Raises
    ------
    DataError
        Where dates were too few for one, or none had a forecast.
    """
    if not (ic := model.ic):
        said = (
            model.walk()
            .filter(pl.col("expected_bps").is_not_nan())
            .group_by("time")
            .agg(pl.n_unique("value") > 1)
        )
        silent = ": 0 of every name throughout: no source was statistically significant before any test block"
        raise DataError(
            f"at least {BLOCK + 1} dates of {FEWEST} names after the first test block, more than a label lasts, with a "
            "forecast other than 0",
            f"{len(said)} such dates, {said['value'].sum()} with such a forecast{'' if ic is None else silent}",
            "give longer files, more names, or a source whose slope in `signals train` is above 0 by its interval, and "
            f"{AGAIN}",
        )
    return ic


def curve(found: Backtest) -> list[dict[str, Any]]:
    """One row per date; equity and drawdown as they are when its labels end."""
    keys = ("gross", "cost", "net", "equity", "drawdown", "turnover", "ic")
    rows = np.stack([getattr(found, key) for key in keys], axis=1).tolist()
    times = found.walk.time_ns.tolist()
    return [
        {"at": when(at), **dict(zip(keys, row, strict=True))}
        for at, row in zip(times, rows, strict=True)
    ]


def ends(rows: Sequence[Row], most: int = 5) -> list[Row]:
    """The first and the last rows of a table, at most `most` of each."""
    return [*rows] if len(rows) <= 2 * most else [*rows[:most], *rows[-most:]]


def write_targets(found: BacktestReport, out: Path) -> Path | None:
    """Weights of the newest date as a CSV of date, name, weight; 0 of a name that the file before had, else none. Where
    no forecast is given there is no file: a previous one is removed, and `found` warns of it.
    """
    file = out / TARGETS
    if found.held is None:
        removed = f", and the previous {file} is removed" * file.is_file()
        file.unlink(missing_ok=True)
        found.warnings.append(f"No forecast is given, so no targets are written{removed}.")
        return None
    weights = {one.name: one.weight for one in found.weights}
    return write_weights(
        file,
        found.at[:10],
        weights,
        names_in(file, {"weight_unit": "fraction"}) if file.is_file() else (),
    )


def write_weights(
    path: Path, day: str, weights: Mapping[str, float], before: Iterable[str]
) -> Path:
    """Write weights that are not 0, and 0 for a name that was there before, as a file of targets."""
    table = {name: weight for name, weight in weights.items() if weight}
    table |= {name: 0.0 for name in before if name not in table}
    rows = [("date", "name", "weight"), *((day, name, weight) for name, weight in table.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, csv_text(rows))
    return path
