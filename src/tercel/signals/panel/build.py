"""Building of a panel from the sources of a configuration, and its folder: Parquet and a manifest with hashes.

The sources that a configuration names are joined to its rows point in time; absent sources are noted, or refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tercel import __version__
from tercel.core.errors import ConfigError, DataError
from tercel.core.files import atomic_path, file_hash, write_atomic
from tercel.core.serialization import to_jsonable
from tercel.signals.models.fusion import LEAST_ROWS
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.panel import drop_superseded, join_as_of as as_of
from tercel.signals.runs.config import SignalsConfig, SourceSection, portable, read_config
from tercel.signals.sources.daily import (
    ANY_FACTOR,
    DailyFactors,
    daily_panel,
    last_complete_day,
)
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SignalSource, SourceAbsentError, refuse_constants, time_type
from tercel.signals.sources.registry import panel_named, source_of, table_instructions
from tercel.signals.sources.synthetic import SyntheticMarket, synthetic_market
from tercel.signals.sources.tables import TableSource

AgedSource = tuple[SignalSource, timedelta | None]
"""A source and its facts' longest life."""


PANEL = "panel.parquet"
MANIFEST = "manifest.json"
KEYS = ("instrument", "time_ns", "start_ns", "end_ns", "y", "outcome")
"""Columns of a panel's file that are no features: fields of :class:`~tercel.signals.panel.dataset.Dataset`."""


def make_sources(
    config: SignalsConfig,
    prices: pl.DataFrame | None = None,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[list[AgedSource], dict[str, str]]:
    """Sources of a configuration that can be made here, and the reasons why others cannot.

    Some learn from `prices`, some choose columns where `wanted` does not name those of a model, by source.

    Raises
    ------
    ConfigError
        For two sources of one name, or one that is required and absent.
    DataError
        For one whose records are refused.
    """
    sources = list[AgedSource]()
    absent = dict[str, str]()
    used_names = set[str]()
    for section in config.source:
        if section.label in used_names:
            raise ConfigError(
                "sources of different names",
                f"{section.label} twice",
                "give one of them a name = ...",
            )
        used_names.add(section.label)
        try:
            source = source_of(
                section.kind,
                Path(section.path),
                prices,
                wanted.get(section.label, ()),
                **section.options,
            )
            sources.append(
                (
                    source,
                    None if section.max_age_days is None else timedelta(days=section.max_age_days),
                )
            )
        except SourceAbsentError as error:
            absent[section.label] = _absence_reason(section, error)
    return sources, absent


def join_all(
    data: Dataset,
    config: SignalsConfig,
    prices: pl.DataFrame | None = None,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[Dataset, dict[str, str]]:
    """Join every source of the configuration to the rows, as of each row's time; and why sources are absent.

    `prices` and `wanted` as in :func:`make_sources`. Without `wanted`, to train on: a source that never varies is refused,
    one with values in too few rows left out.
    """
    sources, absent = make_sources(config, prices, wanted)
    warnings = []
    least = 0 if wanted else LEAST_ROWS
    by_name = {section.label: section for section in config.source}
    for source, age in sources:
        if source.name in data.sources:
            text = f"{source.name}, which the panel has already"
            raise ConfigError("sources of different names", text, "give the source a name = ...")
        section = by_name[source.name]
        try:
            extended = join_source(data, source, age, varies=not wanted)
        except SourceAbsentError as error:
            absent[source.name] = _absence_reason(section, error)
            continue
        warnings += [f"source {source.name}: {note}" for note in getattr(source, "notes", ())]
        present = int(
            (~np.isnan(extended.x[:, list(extended.sources[source.name])]).all(axis=1)).sum()
        )
        if present >= least:
            data = extended
            if not present:
                absent[source.name] = "; ".join(
                    ("nothing known by then", *getattr(source, "notes", ()))
                )
            continue
        text = f"{present} of {data.n} rows of which source {source.name} says something"
        if section.required:
            raise DataError(
                f"at least {least} rows with a source",
                text,
                "check its names, its times and max_age_days, or leave out `required`",
            )
        warnings.append(
            f"source {source.name} is left out: it says something of {present} of {data.n} rows"
        )
    lacking = [
        f"source {name} is absent, the panel continues without it: {reason}"
        for name, reason in absent.items()
    ]
    return replace(data, warnings=(*data.warnings, *lacking, *warnings)), absent


def check_file(path: Path) -> list[str]:
    """Sentences on what a configuration names and is absent; empty if all is there; tables of sources and prices are read.

    Raises
    ------
    ConfigError, DataError
        As :func:`dataset_of_config`, of a column that is named or needed and not there, or a cell that does not read.
    """
    config = read_config(path)
    sources, absent = make_sources(config)
    by_name = {section.label: section for section in config.source}
    if config.panel.kind != "synthetic":
        try:
            prices_of(config).prices()
        except SourceAbsentError as error:
            absent["panel"] = error.received
    for source in (
        table_source for table_source, _ in sources if isinstance(table_source, TableSource)
    ):
        try:
            source.headlines() if isinstance(source, News) else source.facts()
        except SourceAbsentError as error:
            absent[source.name] = _absence_reason(by_name[source.name], error)
        except DataError as error:
            raise error_of_source(source.name, error) from error
    return [f"{name} is absent: {reason}" for name, reason in absent.items()]


def error_of_source(name: str, error: DataError) -> DataError:
    """A DataError with the name of the source that it comes from."""
    return DataError(f"in source {name}: {error.expected}", error.received, error.remedy)


def _absence_reason(section: SourceSection, error: SourceAbsentError) -> str:
    """Reason why a source is absent; raises its error if the source is required."""
    if section.required:
        raise ConfigError(
            error.expected,
            f"source {section.label}: {error.received}",
            f"{error.remedy}, or leave out `required`",
        ) from error
    return error.received


def join_source(
    data: Dataset, source: SignalSource, max_age: timedelta | None = None, varies: bool = False
) -> Dataset:
    """The rows with one more source, as known at each row's time; with `varies`, one that never varies is refused.

    Raises
    ------
    SourceAbsentError
        When its files are not there.
    DataError
        When its records are refused; the source is named.
    """
    try:
        facts = drop_superseded(source.facts())
        if varies:
            refuse_constants(facts, source.columns, str(getattr(source, "path", source.name)))
    except SourceAbsentError:
        raise
    except DataError as error:
        raise error_of_source(source.name, error) from error
    wanted = {column: f"{source.name}.{column}" for column in source.columns}
    rows = pl.DataFrame(
        {"instrument": data.instrument, "time": data.time_ns, "row": np.arange(data.n)}
    )
    rows = rows.with_columns(
        pl.col("time").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").cast(time_type())
    )
    table = as_of(
        rows.sort("time", "instrument", maintain_order=True), facts, wanted, max_age
    ).sort("row")
    extra = table.select(
        pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in wanted.values()
    ).to_numpy()
    return replace(
        data, x=np.concatenate([data.x, extra], axis=1), names=(*data.names, *wanted.values())
    )


def dataset_of_config(config: SignalsConfig, seed: int) -> Dataset:
    """The labelled rows that a configuration describes: the panel's own source, every `[[source]]`; of those that get
    models.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.signals.panel.build.join_all` and the readers of prices.
    """
    wanted = config.train.sources
    if config.panel.kind == "synthetic":
        market = market_of(config, seed)
        data = market.data
        closes = market.prices
    else:
        panel = config.panel
        source = prices_of(config)
        prices = source.prices().filter(pl.col("date") <= pl.lit(panel.last).str.to_date())
        notes = source.notes
        if wanted and source.name not in wanted:
            source = replace(source, wanted=ANY_FACTOR)
        last_whole_day, late_note = last_complete_day(prices)
        if late_note and panel.last != (newest := str(prices["date"].max())):
            prices = prices.filter(pl.col("date") <= last_whole_day)
            late_note = (
                f'{late_note}: prices that follow it are left out (last = "{newest}" keeps them)'
            )
        data = daily_panel(
            Path(panel.path),
            horizon=panel.horizon,
            lag=panel.lag,
            every=panel.every,
            first=panel.first,
            source=source,
            prices=prices,
        )
        data = replace(data, warnings=(*notes, *[late_note] * bool(late_note), *data.warnings))
        closes = prices.select("instrument", "time", "close")
    return join_all(data, config, closes)[0].of_sources(wanted)


def market_of(config: SignalsConfig, seed: int) -> SyntheticMarket:
    """The synthetic market of a configuration."""
    panel = config.panel
    return synthetic_market(
        seed, instruments=panel.instruments, days=panel.days, strength=panel.strength
    )


def prices_of(config: SignalsConfig) -> DailyFactors:
    """The panel's own source of daily factors."""
    panel = config.panel
    source: DailyFactors = panel_named(panel.kind)(
        Path(panel.path),
        without=panel.without,
        history=panel.history,
        least_dollars=panel.least_dollars,
        called=panel.columns,
        how=table_instructions("panel"),
        survivors=panel.survivors,
    )
    return source


@dataclass(frozen=True, kw_only=True)
class PanelManifest:
    """Inputs and content of a panel, as in `manifest.json`.

    `config` has the settings that decide rows and columns, `data` the hash of each file that they name (None in one
    written before it was noted), `missing` the share of rows without each source, `files` the hash of the table.
    """

    tercel: str
    name: str
    seed: int
    config: dict[str, Any]
    data: dict[str, str] | None = None
    sources: dict[str, list[str]]
    rows: int
    dates: int
    instruments: int
    first: str
    last: str
    missing: dict[str, float]
    note: str
    warnings: list[str]
    files: dict[str, str]


def build(config: SignalsConfig, seed: int, folder: Path) -> PanelManifest:
    """Write the panel's folder; returns its manifest."""
    data = dataset_of_config(config, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / PANEL) as part:
        to_frame(data).write_parquet(part)
    gap = np.isnan(data.x)
    manifest = PanelManifest(
        tercel=__version__,
        name=config.name,
        seed=seed,
        config=row_settings(config),
        data=data_hashes(config),
        sources={name: [data.names[c] for c in columns] for name, columns in data.sources.items()},
        rows=data.n,
        dates=len(np.unique(data.time_ns)),
        instruments=len(np.unique(data.instrument)),
        first=str(np.datetime64(int(data.time_ns[0]), "ns")),
        last=str(np.datetime64(int(data.time_ns[-1]), "ns")),
        missing={
            name: float(gap[:, list(columns)].all(axis=1).mean())
            for name, columns in data.sources.items()
        },
        note=data.note,
        warnings=list(data.warnings),
        files={PANEL: file_hash(folder / PANEL)},
    )
    write_atomic(folder / MANIFEST, json.dumps(to_jsonable(manifest), indent=1) + "\n")
    return manifest


def row_settings(config: SignalsConfig) -> dict[str, Any]:
    """Settings that decide a panel's rows and columns, as plain values: the same wherever its files lie."""
    relative, _ = portable(config)
    chosen = {"sources": list(config.train.sources)} if config.train.sources else {}
    return {
        "panel": to_jsonable(relative.panel),
        "source": to_jsonable(relative.source),
        **chosen,
    }


def data_hashes(config: SignalsConfig) -> dict[str, str]:
    """Hash of each file that a configuration names, by its path; of a folder, of names and sizes in it; absent ones left out."""
    hashes = {}
    relative, base = portable(config)
    for name in (
        name for name in (relative.panel.path, *(source.path for source in relative.source)) if name
    ):
        path = base / name
        if path.is_file():
            hashes[name] = file_hash(path)
        elif path.is_dir():
            inside = [
                (str(file.relative_to(path)), file.stat().st_size)
                for file in sorted(path.rglob("*"))
            ]
            hashes[name] = sha256(repr(inside).encode()).hexdigest()
    return hashes


def to_frame(data: Dataset) -> pl.DataFrame:
    """A training set as one table."""
    keys = {key: getattr(data, key) for key in KEYS}
    return pl.DataFrame({**keys, **{name: data.x[:, c] for c, name in enumerate(data.names)}})


def load(folder: Path) -> tuple[Dataset, PanelManifest]:
    """The panel in a folder, with its manifest; raises ConfigError if there is none or its table was changed.

    Raises
    ------
    ConfigError
        If the folder has none, or a file does not match its hash in the manifest.
    """
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = msgspec.convert(raw, PanelManifest)
        expected_hash = manifest.files[PANEL]
    except OSError:
        raise ConfigError(
            "the folder of a panel",
            f"{folder}, which holds none",
            "build it first: tercel signals build",
        ) from None
    except (ValueError, KeyError) as error:
        raise ConfigError(
            "a panel's manifest", f"{folder / MANIFEST}: {error}", "build the panel again"
        ) from error
    if not (folder / PANEL).exists() or file_hash(folder / PANEL) != expected_hash:
        raise ConfigError(
            "the panel that was built", f"{folder / PANEL}, which was changed", "build it again"
        )
    table = pl.read_parquet(folder / PANEL)
    names = tuple(name for name in table.columns if name not in KEYS)
    x = np.ascontiguousarray(table.select(names).to_numpy(), np.float64)
    numbers = {key: table[key].to_numpy().copy() for key in KEYS[1:]}
    instruments = table["instrument"].to_numpy().astype(np.str_)
    warnings = tuple(manifest.warnings)
    return Dataset(
        x=x, names=names, instrument=instruments, note=manifest.note, warnings=warnings, **numbers
    ), manifest
