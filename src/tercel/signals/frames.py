"""Train, forecast, evaluate and backtest signals from data frames or files, with the figures of `tercel signals`.

    run = train(prices, {"mine": factor}, families=("as_given",), only=("mine",), weights="equal", out="runs/mine")
    run.table()                            weights, and the evidence for each source
    evaluate(run).table()                  rank IC out of sample
    backtest(run, cost_bps=5.0).to_json()  the book after costs
    predict(run).table()                   the newest forecast of every name

Frames are written as Parquet into the run's folder, beside a `config.toml` that names them: the commands go on from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal
from warnings import warn

import polars as pl
from pydantic import BaseModel

from tercel.core.errors import ConfigError, DataError, check_known, file_error, refuse_if
from tercel.core.files import atomic_path, write_atomic
from tercel.core.frames import Frame
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.table import ROW, HowToMap, read_table
from tercel.core.toml import toml_lines
from tercel.core.validation import validate_model
from tercel.signals.models import predict as serving
from tercel.signals.models.model_folder import RUNS, find_model_folder, load
from tercel.signals.models.predict import ServedForecasts, config_of
from tercel.signals.models.signal_model import MODEL, SignalModel
from tercel.signals.panel.build import MANIFEST, error_of_source
from tercel.signals.portfolio.backtest import BacktestReport, backtest_model
from tercel.signals.portfolio.book import BookRule
from tercel.signals.portfolio.cost_laws import charge_of
from tercel.signals.runs import train as runs
from tercel.signals.runs.config import (
    PanelSection,
    SignalsConfig,
    SourceSection,
    TrainSection,
    Weighing,
    parse,
    read_config,
)
from tercel.signals.runs.evaluation import EvaluatedSignals
from tercel.signals.runs.evaluation_page import evaluate_page
from tercel.signals.runs.train import TrainedSignals
from tercel.signals.sources.port import EVERY, NEW_YORK, refuse_constants
from tercel.signals.sources.prices import list_names, price_table
from tercel.signals.sources.registry import source_of

CONFIG: Final = "config.toml"
CLOCK: Final = {"timezone": NEW_YORK}
"""Of times of own numbers that do not say their zone: prices close by the same clock."""


@dataclass(frozen=True, eq=False)
class SignalRun:
    """A trained run.

    Parameters
    ----------
    folder : Path
        As `tercel signals train` writes it.
    trained : TrainedSignals
        Weights, evidence and scale.
    warnings : tuple of str
        What to say beside its figures.
    """

    folder: Path
    trained: TrainedSignals
    warnings: tuple[str, ...]

    @cached_property
    def model(self) -> SignalModel:
        """The trained model."""
        return load(self.folder / MODEL)

    def __repr__(self) -> str:
        """Its table."""
        return repr(self.table())

    def table(self) -> Frame:
        """A row per model: `source`, `family`, `weight`, `evidence` (slope of outcomes on its forecasts out of fold)."""
        rows = [
            (*name.rsplit(":", 1), weight, self.trained.evidence[name])
            for name, weight in self.trained.weights.items()
        ]
        return Frame(rows, ["source", "family", "weight", "evidence"], orient="row")


Run = SignalRun | str | Path
"""A run, or the folder of one."""


def train(
    prices: object,
    sources: Mapping[str, object] | None = None,
    *,
    weights: Weighing = "fused",
    families: Sequence[str] = ("linear", "boosting"),
    only: Sequence[str] = (),
    lag_days: Mapping[str, float] = MappingProxyType({}),
    name: str = "signals",
    out: str | Path | None = None,
    seed: int = 1,
    **settings: Any,
) -> SignalRun:
    """Train models of daily prices and of own numbers, walking forward; the same figures as `tercel signals train`.

    A number with a date is known at the New York close of that date and never before: it is traded `lag` bars later
    (1), at the next close. A time with a clock counts from that very moment on, by New York's clock if it names no zone;
    a midnight is a date, in its own zone. Numbers that come later than the close of their date need `lag_days`. The
    freshest number of a name counts, until it is older than twice the longest gap between dates of its source.

    Parameters
    ----------
    prices : data frame of Polars or pandas, or path
        Daily prices as :func:`tercel.signals.sources.prices.read_prices` takes them; or the path of a CONFIG.toml, which
        says all else.
    sources : mapping of str to data frame or path, optional
        Own numbers by name of the source: date, symbol and columns of numbers; or a date and a column a name.
    weights : {"fused", "equal", "ic"}
        Learned, of sources that are statistically significant; the same for all; by past rank IC.
    families : sequence of str
        Models of each source: `linear`, `boosting`, `forest`; `as_given`, the numbers themselves.
    only : sequence of str
        Sources that get models, `daily` (factors of the prices) among them; empty: all.
    lag_days : mapping of str to float
        Days from a number's date until it is known, by name of the source; 0 where none is said.
    name : str
        Of the run.
    out : path, optional
        Its folder; by default `runs/signals-NAME-SEED`. Frames are written into it.
    seed : int
    **settings
        Other keys of `[panel]` and `[train]`: `lag`, `horizon`, `every`, `history`, `least_dollars`, `splits`, ...

    Raises
    ------
    ConfigError, DataError
        A setting that is unknown or wrong; a table that cannot be used, with its row.

    >>> import tempfile
    >>> import numpy as np
    >>> days = pl.date_range(date(2024, 1, 1), date(2024, 7, 18), eager=True).alias("date")
    >>> walk = np.exp(np.random.default_rng(1).normal(0, 0.01, (200, 6)).cumsum(axis=0))
    >>> prices = pl.DataFrame(walk, list("ABCDEF")).insert_column(0, days)
    >>> factor = prices.with_columns(-pl.exclude("date").pct_change(5))
    >>> how = {"families": ["as_given"], "only": ["fall"], "history": 20}
    >>> run = train(prices, {"fall": factor}, weights="equal", out=tempfile.mkdtemp(), **how)
    >>> run.table().row(0)[:3]
    ('fall', 'as_given', 1.0)
    """
    refuse_if(not isinstance(seed, int) or seed < 0, "a seed from 0", repr(seed), "give `seed=1`")
    own = {} if sources is None else sources
    refuse_if(
        not isinstance(own, Mapping),
        "own numbers by the name of their source",
        type(own).__name__,
        "give {'mine': frame}",
    )
    given = {"weights": weights, "families": families, "sources": only, **settings}
    folder = Path(out or RUNS / f"signals-{name}-{seed}")
    notes = list[str]()
    if isinstance(prices, str | Path) and Path(prices).suffix == ".toml":
        refuse_if(
            bool(own or lag_days or only or settings)
            or (weights, *families) != ("fused", "linear", "boosting"),
            "a CONFIG.toml alone, which says all settings",
            f"{prices} and others",
            "write them into the file",
        )
        config = read_config(Path(prices))
        folder = Path(out or RUNS / f"signals-{config.name}-{seed}")
    else:
        notes = write_tables(prices, own, given, lag_days, folder, name)
        config = read_config(folder / CONFIG)
    try:
        trained = runs.train(config, seed, folder)
    except OSError as error:
        raise file_error(error) from error
    run = SignalRun(folder, trained, (*trained.warnings, *notes))
    for warning in run.warnings:
        warn(warning, stacklevel=2)
    return run


def write_tables(
    prices: object,
    sources: Mapping[str, object],
    given: Mapping[str, Any],
    lag_days: Mapping[str, float],
    folder: Path,
    name: str,
) -> list[str]:
    """Check tables and settings, and write them into a folder as `config.toml`, with tables that are no files; notes.

    Raises
    ------
    ConfigError, DataError
        As :func:`train`; nothing is written then.
    """
    for key in given:
        check_known(key, (*PanelSection.model_fields, *TrainSection.model_fields), "settings among")
    for source in lag_days:
        check_known(source, sources, "sources of lag_days among", error=ConfigError)
    panel = {key: value for key, value in given.items() if key in PanelSection.model_fields}
    columns = panel.get("columns", {})
    names = price_table(prices, columns).frame["instrument"].unique().sort().to_list()
    path = file_path(prices) or "prices.parquet"
    files = dict[str, pl.DataFrame]()
    if not file_path(prices):
        files[path] = read_table(prices, columns).frame.drop(ROW)
    notes = list[str]()
    sections = list[SourceSection]()
    for source, table in sources.items():
        section, frame = own_numbers(source, table, names, lag_days.get(source, 0.0), notes)
        sections.append(section)
        files |= {} if frame is None else {section.path: frame}
    raw = {
        "name": name,
        "panel": {"kind": "daily", **panel, "path": path},
        "source": sections,
        "train": {key: value for key, value in given.items() if key not in panel},
    }
    text = toml_text(parse(raw, "the settings"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, frame in files.items():
            with atomic_path(folder / file) as part:
                frame.write_parquet(part)
        write_atomic(folder / CONFIG, text)
    except OSError as error:
        raise file_error(error) from error
    # the panel is built again, whatever settings the folder's was built by
    (folder / MANIFEST).unlink(missing_ok=True)
    return notes


def file_path(table: object) -> str:
    """Absolute path of a table that is a file or a folder; empty for a frame."""
    return str(Path(table).resolve()) if isinstance(table, str | Path) else ""


def own_numbers(
    name: str, table: Any, priced: Sequence[str], lag_days: float, notes: list[str]
) -> tuple[SourceSection, pl.DataFrame | None]:
    """Own numbers as a source: its table of a configuration, and the frame to be written (None: a file is read).

    Raises
    ------
    DataError
        No rows, cells that are no dates or numbers, numbers that never vary, no name among those that have prices.
    """
    path = file_path(table)
    called: dict[str, str] = {**CLOCK}
    try:
        as_named = read_table(table).frame.drop(ROW)
        own: Any = table if path else as_named
        if "asset" in as_named.columns:
            called["symbol"] = "asset"
        read = read_table(own, called, HowToMap(otherwise="name them so in the table"))
        frame = rename_columns(read, ("date",), ("symbol",)).frame.drop(ROW)
        refuse_if(frame.is_empty(), "rows", "none", "give numbers with dates", DataError)
        wide = len(set(priced).intersection(frame.columns))
        # one column may be called as a name by chance
        if "symbol" not in frame.columns and (wide > 1 or 2 * wide >= len(frame.columns)):
            path = ""
            frame = frame.unpivot(index="date", variable_name="symbol", value_name="value")
        options = {"lag_days": lag_days, "changes": False, "columns": called if path else CLOCK}
        own = own if path else frame
        source = source_of("series", own, None, (), name=name, **options)
        facts = source.facts()
        refuse_constants(facts, source.columns, "its table")
    except DataError as error:
        raise error_of_source(name, error) from error
    names = set(facts["instrument"]) - {EVERY}
    if lacking := sorted(names - set(priced)):
        refuse_if(
            len(lacking) == len(names),
            f"names that have prices in source {name}, such as {list_names(priced)}",
            list_names(lacking),
            "call names as the prices do",
            DataError,
        )
        notes.append(
            f"source {name}: {len(lacking)} of {len(names)} names have no prices: "
            + list_names(lacking)
        )
    gap = facts["event_time"].unique().sort().diff().max()
    life = (
        {"max_age_days": 2 * gap / timedelta(days=1) + lag_days}
        if isinstance(gap, timedelta)
        else {}
    )
    written = {"kind": "series", "path": path or f"source-{name}.parquet", "name": name}
    section = validate_model(
        SourceSection,
        written | options | life | {"required": True},
        f"source {name!r}",
        "a source",
    )
    return section, None if path else frame


def toml_text(config: SignalsConfig) -> str:
    """The settings of a configuration that were given, as the text of its file."""
    sources = [("[[source]]", source) for source in config.source]
    tables: list[tuple[str, BaseModel]] = [("[panel]", config.panel), *sources]
    texts = (
        f"\n{heading}\n{toml_lines(table.model_dump(mode='json', exclude_unset=True))}"
        for heading, table in (*tables, ("[train]", config.train))
    )
    return toml_lines({"name": config.name}) + "".join(texts)


def predict(run: Run, day: date | None = None) -> ServedForecasts:
    """Forecasts of every name on one date, by default the last; as `tercel signals predict`.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.signals.models.predict.predict`.
    """
    refuse_if(
        not isinstance(day, date | None), "a day, datetime.date(2024, 1, 31)", repr(day), "give one"
    )
    return serving.predict(model_of(run), day)


def evaluate(run: Run) -> EvaluatedSignals:
    """Figures out of sample; writes `result.json` and the page `report.html` into the folder, as `tercel signals evaluate`.

    Raises
    ------
    ConfigError, DataError
        A folder that was not trained in, or files that are gone.
    """
    model = model_of(run)
    folder = model.folder.parent
    result = runs.evaluate(config_of(model), model.facts.seed, folder, demo=False)
    write_atomic(folder / "report.html", evaluate_page(result))
    return result


def backtest(
    run: Run,
    *,
    cost_bps: float | None = None,
    cost_law: float | None = None,
    capital: float = 1e7,
    book: BookRule | Literal["deciles", "scores"] = "deciles",
    min_commission: float = 0.0,
    borrow_bps: float = 0.0,
    sectors: object = None,
    benchmark: object = None,
    seed: int = 1,
) -> BacktestReport:
    """What the forecasts out of sample would have earned as a book, after costs; as `tercel signals backtest`.

    Parameters
    ----------
    run : SignalRun or path
    cost_bps, cost_law : float, optional
        One of them: one-way cost in bps, or Y of the square-root law, about 1.
    capital : float
        Of the book, in money.
    book : BookRule or "deciles" or "scores"
        Rule from forecasts to weights, such as ``tc.signals.BookRule(hold=0.5, leave=0.3)``.
    min_commission, borrow_bps
        As :class:`tercel.signals.portfolio.cost_laws.Charge`.
    sectors, benchmark : path or data frame, optional
        As `tc.portfolio.backtest_weights`, for the exposures and the alpha of the report's `ledger`.
    seed : int

    Raises
    ------
    ConfigError, DataError
        No cost or two; forecasts that make no book.
    """
    charge = charge_of(cost_bps, cost_law, capital, min_commission, borrow_bps)
    rule = book if isinstance(book, BookRule) else BookRule(book)
    return backtest_model(model_of(run), rule, charge, seed, sectors=sectors, benchmark=benchmark)


def model_of(run: Run) -> SignalModel:
    """The model of a run, or of a folder."""
    return run.model if isinstance(run, SignalRun) else load(find_model_folder(Path(run)))
