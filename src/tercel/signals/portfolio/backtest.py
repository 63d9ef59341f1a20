"""Backtest of a model's folder as a report: forecasts out of sample and the newest one as a book; `book` computes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl

from tercel.core.errors import DataError, TercelError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.files import write_atomic
from tercel.core.frames import Frame
from tercel.core.progress import say
from tercel.core.report.cells import csv_text
from tercel.core.report.formatting import format_interval, format_percent
from tercel.signals.models.predict import HeldSpan, NameForecast, format_utc, predict
from tercel.signals.models.signal_model import AGAIN, SignalModel
from tercel.signals.models.skill import BLOCK, FEWEST, Skill, skill_sentence
from tercel.signals.portfolio import book as books, cost_laws
from tercel.signals.portfolio.book import Backtest, BookRule, Walk, YearFigures, walk_of
from tercel.signals.portfolio.cost_laws import Charge, CostLaw
from tercel.signals.portfolio.daily_returns import closes_of, deviation_and_value_traded
from tercel.signals.portfolio.dated_values import read_benchmark
from tercel.signals.portfolio.ledger import BookLedger, trade_weights
from tercel.signals.portfolio.targets import names_in
from tercel.signals.sources.sectors import read_sectors

Row = TypeVar("Row")
TARGETS: Final = "targets.csv"


@dataclass(frozen=True)
class HeldName:
    """A name of the newest date: its weight, and its forecast with deviation in bps where one was served."""

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
    ledger : BookLedger, optional
        The book day by day: each date's weights, traded at the close at which its labels start and held to those of the
        next date, up to the end of the last label. Its costs are those of its own equity: with a commission or the
        square-root law they differ from those of the dates, which are of the capital. None where the panel's prices are
        gone, which `warnings` say.
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
    ledger: BookLedger | None = None

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
        dates = len(self.book.net)
        held = len(self.book.held_dates)
        return f"{dates} dates" if held == dates else f"invested on {held} of {dates} dates"

    @property
    def turnover(self) -> float:
        """One-way turnover per date with a book, on average."""
        return float(self.book.over_held_dates(self.book.turnover).mean())

    @property
    def net_a_year(self) -> float:
        """Net return of a year of dates with a book, compounded."""
        return float(self.book.equity[-1] ** (self.book.periods / len(self.book.held_dates)) - 1.0)

    @property
    def breakeven_bps(self) -> float | None:
        """One-way cost at which the book earns nothing; None without trades."""
        turned = float(self.book.turnover.sum())
        return 1e4 * float(self.book.gross.sum()) / turned if turned > 0 else None

    @property
    def fall(self) -> tuple[str, str]:
        """When the largest drawdown began, and when it was deepest."""
        deepest = int(self.book.drawdown.argmax())
        high = int(np.argmax(np.concatenate([[1.0], self.book.equity[:deepest]])))
        return format_utc(self.book.walk.start_ns[high]), format_utc(self.book.walk.end_ns[deepest])

    @property
    def span(self) -> tuple[str, str]:
        """Beginning of the first label and end of the last."""
        return format_utc(self.book.walk.start_ns[0]), format_utc(self.book.walk.end_ns[-1])

    def save(self, folder: str | Path) -> tuple[Path | None, Path | None]:
        """Write the newest weights (`targets.csv`, for a desk) and the ledger's tables to a folder; paths of both, None of
        what there is not.

        The weights are rows of date, name, weight; 0 for names of the previous file. Without a newer forecast a previous
        file is removed, and `warnings` says so.
        """
        file = Path(folder) / TARGETS
        ledger = None if self.ledger is None else self.ledger.write(Path(folder) / "ledger")
        if self.held is None:
            removed = f", and the previous {file} is removed" * file.is_file()
            file.unlink(missing_ok=True)
            self.warnings.append(f"No forecast is given, so no targets are written{removed}.")
            return None, ledger
        weights = {holding.name: holding.weight for holding in self.weights}
        names = names_in(file, {"weight_unit": "fraction"}) if file.is_file() else ()
        return write_weights(file, self.at[:10], weights, names), ledger

    def to_json(self) -> dict[str, Any]:
        """All figures by name, with the curve and the sentences."""
        book = self.book
        return {
            "model": self.model.id,
            "name": self.model.name,
            "folder": self.model.folder,
            "dates": len(book.net),
            "invested": len(book.held_dates),
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
            "gross": float(book.over_held_dates(book.gross).mean()),
            "net": float(book.over_held_dates(book.net).mean()),
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
            "weights": [asdict(holding) for holding in self.weights],
            "note": self.model.note,
            "warnings": self.warnings,
            "seed": self.seed,
            "daily": None if self.ledger is None else self.ledger.table().to_dicts(),
            "pnl": None if self.ledger is None else self.ledger.pnl.to_dicts(),
            "sentences": self.sentences(),
        }

    def __repr__(self) -> str:
        """Its sentences."""
        return "\n".join(self.sentences())

    def table(self) -> Frame:
        """Figures over dates with a book: `figure`, `value`, `low`, `high` (95 %, None where there is no interval)."""
        rows = [
            ("sharpe, net", self.net.mean, self.net.ci_low, self.net.ci_high),
            ("sharpe, gross", self.gross.mean, self.gross.ci_low, self.gross.ci_high),
            ("rank IC", self.ic.mean, self.ic.ci_low, self.ic.ci_high),
            ("net a year", self.net_a_year, None, None),
            ("turnover per date", self.turnover, None, None),
            ("drawdown", float(self.book.drawdown.max()), None, None),
        ]
        return Frame(rows, ["figure", "value", "low", "high"], orient="row")

    def sentences(self) -> list[str]:
        """Summary of at most five sentences."""
        net = self.net
        worst = self.worst
        even = self.breakeven_bps
        open_ = net.ci_low is None or net.ci_high is None or net.ci_low <= 0.0 <= net.ci_high
        sure = ", not significantly different from zero" if open_ else ""
        held = self.book.walk.rows(self.book.held_dates)
        span = format_utc(held.start_ns[0]), format_utc(held.end_ns[-1])
        first, last, fell, deepest = (day[:10] for day in (*span, *self.fall))
        free = (
            f"without borrowing its mean return is 0 at a cost of {even:.1f} bps"
            if even and even > 0
            else "it loses before any cost"
        )
        lines = [
            f"After costs ({self.cost}) the book made {format_percent(self.net_a_year, 1)} a year, compounded, at a Sharpe ratio "
            f"of {format_interval(net)}{sure}, {self.dates}, {first} to {last}.",
            f"One-way turnover is {self.turnover:.2f} per date, {self.turnover * self.book.periods:.0f} per year; {free}.",
            f"At worst it stood {format_percent(self.book.drawdown.max(), 1)} below its peak, {fell} to {deepest}; its worst "
            f"year is {worst.year}, {100 * worst.net:+.1f} %.",
            skill_sentence(self.ic),
        ]
        return lines + [f"Bias: {self.model.note}."] * bool(self.model.note)


def forecasts(
    model: SignalModel,
) -> tuple[Walk, dict[str, NameForecast], HeldSpan | None, list[str]]:
    """A model's forecasts out of sample, a newer date's appended; its rows and span ({}, None: no newer one); notes."""
    table = model.walk().select(books.REQUIRED_COLUMNS)
    last = table["time"].dt.epoch("ns").max()
    if not model.ranks:
        return walk_of(table), {}, None, [f"{model.silent}."]
    try:
        say("forecast of the newest date")
        served = predict(model)
        refuse_if(
            not table.is_empty() and served.at_ns <= last,  # type: ignore[operator]
            "files behind the walk-forward's last date",
            f"its files end at {served.at}",
            "bring them up to date",
        )
    except TercelError as error:
        return (
            walk_of(table),
            {},
            None,
            [f"No newer forecast than the walk-forward's: {error.received}", *model.warnings],
        )
    rows = {row.name: row for row in served.rows()}
    value = [row.score + model.fusion.base for row in rows.values()]
    times = pl.lit(served.at_ns).cast(table.schema["time"])
    newest = pl.DataFrame({"name": list(rows), "value": value, "outcome": float("nan")})
    newest = newest.with_columns(time=times, start=times, end=times).select(books.REQUIRED_COLUMNS)
    walk = walk_of(pl.concat([table, newest], how="vertical_relaxed"))
    return walk, rows, served.held, [served.note] * bool(served.note) + served.sentences()


def cost_of(charge: Charge, model: SignalModel, walk: Walk) -> CostLaw:
    """The cost of trades through a walk; for the law by the prices of the model's panel."""
    if charge.bps is not None:
        law = cost_laws.flat_cost(charge.bps)
    else:
        measures = deviation_and_value_traded(model, walk)
        law = cost_laws.square_root_cost(charge.law, charge.capital, *measures)
    return replace(law, least=charge.min_commission / charge.capital)


def ledger_of(
    model: SignalModel,
    book: Backtest,
    charge: Charge,
    seed: int,
    sectors: object = None,
    benchmark: object = None,
) -> BookLedger:
    """The ledger of a book of a model's forecasts, by the prices of its panel.

    Raises
    ------
    ConfigError, DataError
        As :func:`closes_of` and :func:`trade_weights`, and the readers of sectors and benchmark.
    """
    closes = closes_of(model)
    days = closes.select("time", "date").unique("time").sort("time")
    times = days.get_column("time").dt.epoch("ns").to_numpy()
    dates = days.get_column("date")
    started = dates.gather(np.searchsorted(times, book.walk.start_ns, "right") - 1)
    last_day = dates[int(np.searchsorted(times, book.walk.end_ns[-1], "right")) - 1]
    weights = pl.DataFrame(
        {
            "date": np.repeat(started.to_numpy(), len(book.walk.names)),
            "name": np.tile(book.walk.names, len(started)),
            "weight": book.weights.ravel(),
        }
    )
    return trade_weights(
        weights.with_columns(pl.col("date").cast(pl.Date)),
        closes.filter(pl.col("date") <= last_day),
        charge,
        sectors=None if sectors is None else read_sectors(sectors),
        benchmark=None if benchmark is None else read_benchmark(benchmark),
        seed=seed,
    )


def backtest_model(
    model: SignalModel,
    book: BookRule,
    charge: Charge,
    seed: int,
    *,
    sectors: object = None,
    benchmark: object = None,
) -> BacktestReport:
    """Backtest a model's forecasts out of sample, and say what the newest one is held as.

    `sectors` and `benchmark` as :func:`tercel.signals.sources.sectors.read_sectors` and
    :func:`tercel.signals.portfolio.dated_values.read_benchmark` read them.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.book`; and for a folder without forecasts out of sample.
    """
    walk, rows, held, warnings = forecasts(model)
    ic = ic_of(model)
    result = books.backtest(walk, book, cost_of(charge, model, walk), charge.borrow_bps)
    if book.long_only:
        # over the dates of the book alone, which are what it is compared over
        all_names = float(np.prod(1.0 + np.nanmean(result.walk.outcome[result.held_dates], axis=1)))
        grew = 100 * (all_names ** (result.periods / len(result.held_dates)) - 1.0)
        warnings += [
            f"All names, held equally, made {grew:.1f} % a year, compounded, before costs: read the difference."
        ]
    ledger: BookLedger | None = None
    try:
        ledger = ledger_of(model, result, charge, seed, sectors, benchmark)
    except TercelError as error:
        if sectors is not None or benchmark is not None:
            raise
        warnings.append(f"No ledger day by day: {error.received}.")
    rng = np.random.default_rng([seed, 32])
    net, gross = (
        books.sharpe(result.over_held_dates(returns), result.periods, rng)
        for returns in (result.net, result.gross)
    )
    served = {name: HeldName(name, 0.0, row.expected_bps, row.sd_bps) for name, row in rows.items()}
    weights = (
        replace(served.get(name, HeldName(name, 0.0)), weight=weight)
        for name, weight, value in zip(
            walk.names.tolist(), result.target.tolist(), walk.value[-1], strict=True
        )
        if np.isfinite(value)
    )
    ordered = sorted(
        weights, key=lambda holding: (-holding.weight, -(holding.expected_bps or 0.0), holding.name)
    )
    return BacktestReport(
        model,
        str(book),
        str(charge),
        len(walk.names),
        result,
        net,
        gross,
        ic,
        format_utc(walk.time_ns[-1]),
        held,
        tuple(ordered),
        warnings,
        seed,
        ledger,
    )


def ic_of(model: SignalModel) -> Skill:
    """Rank IC of a model out of sample, as its training measured it and `signals evaluate` shows it.

    Raises
    ------
    DataError
        Where dates were too few for one, or none had a forecast.
    """
    if not (ic := model.ic):
        by_date = (
            model.walk()
            .filter(pl.col("expected_bps").is_not_nan())
            .group_by("time")
            .agg(pl.n_unique("value") > 1)
        )
        silent = ": 0 of every name throughout: no source was statistically significant before any test block"
        raise DataError(
            f"at least {BLOCK + 1} dates of {FEWEST} names after the first test block, more than a label lasts, with a "
            "forecast other than 0",
            f"{len(by_date)} such dates, {by_date['value'].sum()} with such a forecast{'' if ic is None else silent}",
            "give longer files, more names, or a source whose slope in `signals train` is above 0 by its interval; or set "
            f'weights = "equal" in [train], a book of sources that nothing has judged, and {AGAIN}',
        )
    return ic


def curve(book: Backtest) -> list[dict[str, Any]]:
    """Rows of a book's curve, one per date; equity and drawdown at the end of the date's labels."""
    keys = ("gross", "cost", "net", "equity", "drawdown", "turnover", "ic")
    rows = np.stack([getattr(book, key) for key in keys], axis=1).tolist()
    times = book.walk.time_ns.tolist()
    return [
        {"at": format_utc(time_ns), **dict(zip(keys, row, strict=True))}
        for time_ns, row in zip(times, rows, strict=True)
    ]


def head_and_tail(rows: Sequence[Row], most: int = 5) -> list[Row]:
    """The first and the last rows of a table, at most `most` of each."""
    return [*rows] if len(rows) <= 2 * most else [*rows[:most], *rows[-most:]]


def write_weights(
    path: Path, day: str, weights: Mapping[str, float], before: Iterable[str]
) -> Path:
    """Write a file of targets and return its path: weights that are not 0, and 0 for other names in `before`."""
    table = {name: weight for name, weight in weights.items() if weight}
    table |= {name: 0.0 for name in before if name not in table}
    rows = [("date", "name", "weight"), *((day, name, weight) for name, weight in table.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, csv_text(rows))
    return path
