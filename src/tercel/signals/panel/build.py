"""A panel as a folder of Parquet and a manifest with hashes.

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
from tercel.signals.panel.panel import Dataset, fresh, joined as as_of
from tercel.signals.runs.config import SignalsConfig, SourceSection, portable, read_config
from tercel.signals.sources.daily import DailyFactors, daily_panel, last_whole
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SignalSource, SourceAbsentError, refuse_constants, time_type
from tercel.signals.sources.registry import (
    SyntheticMarket,
    in_table,
    panel_named,
    source_of,
    synthetic_market,
)
from tercel.signals.sources.tables import TableSource

Aged = tuple[SignalSource, timedelta | None]
"""A source and its facts' longest life."""


def sources_of(
    config: SignalsConfig,
    prices: pl.DataFrame | None = None,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[list[Aged], dict[str, str]]:
    """Every source of a configuration that can be made here, and why others cannot; some learn from `prices`, some
    choose columns where `wanted` does not name those of a model, by source.

    Raises
    ------
    ConfigError
        For two sources of one name, or one that is required and absent.
    DataError
        For one whose records are refused.
    """
    found, absent, taken = list[Aged](), dict[str, str](), set[str]()
    for one in config.source:
        if one.called in taken:
            raise ConfigError(
                "sources of different names", f"{one.called} twice", "give one of them a name = ..."
            )
        taken.add(one.called)
        try:
            source = source_of(
                one.kind, Path(one.path), prices, wanted.get(one.called, ()), **one.options
            )
            found.append(
                (source, None if one.max_age_days is None else timedelta(days=one.max_age_days))
            )
        except SourceAbsentError as error:
            absent[one.called] = _absent(one, error)
    return found, absent


def joined_all(
    data: Dataset,
    config: SignalsConfig,
    prices: pl.DataFrame | None = None,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[Dataset, dict[str, str]]:
    """The rows with every source of the configuration, as of each row's time, and why sources are absent; `prices` and
    `wanted` as in :func:`sources_of`. Without `wanted`, to train on: a source that never varies is refused, one that
    says something of too few rows left out.
    """
    (sources, absent), warnings = sources_of(config, prices, wanted), []
    least = 0 if wanted else LEAST_ROWS
    by_name = {one.called: one for one in config.source}
    for source, age in sources:
        if source.name in data.sources:
            text = f"{source.name}, which the panel has already"
            raise ConfigError("sources of different names", text, "give the source a name = ...")
        one = by_name[source.name]
        try:
            more = joined(data, source, age, varies=not wanted)
        except SourceAbsentError as error:
            absent[source.name] = _absent(one, error)
            continue
        warnings += [f"source {source.name}: {note}" for note in getattr(source, "notes", ())]
        present = int((~np.isnan(more.x[:, list(more.sources[source.name])]).all(axis=1)).sum())
        if present >= least:
            data = more
            if not present:
                absent[source.name] = "; ".join(
                    ("nothing known by then", *getattr(source, "notes", ()))
                )
            continue
        text = f"{present} of {data.n} rows of which source {source.name} says something"
        if one.required:
            raise DataError(
                f"at least {least} rows with a source",
                text,
                "check its names, its times and max_age_days, or leave out `required`",
            )
        warnings.append(
            f"source {source.name} is left out: it says something of {present} of {data.n} rows"
        )
    lacking = [
        f"source {name} is absent, the panel continues without it: {why}"
        for name, why in absent.items()
    ]
    return replace(data, warnings=(*data.warnings, *lacking, *warnings)), absent


def check_file(path: Path) -> list[str]:
    """Missing files of a configuration, in words; tables are read.

    Raises
    ------
    ConfigError, DataError
        As :func:`dataset_of_config`, of a column that is named or needed and not there, or a cell that does not read.
    """
    config = read_config(path)
    (sources, absent), by_name = sources_of(config), {one.called: one for one in config.source}
    if config.panel.kind != "synthetic":
        try:
            prices_of(config).prices()
        except SourceAbsentError as error:
            absent["panel"] = error.received
    for source in (one for one, _ in sources if isinstance(one, TableSource)):
        try:
            source.headlines() if isinstance(source, News) else source.facts()
        except SourceAbsentError as error:
            absent[source.name] = _absent(by_name[source.name], error)
        except DataError as error:
            raise _of_source(source, error) from error
    return [f"{name} is absent: {why}" for name, why in absent.items()]


def _of_source(source: SignalSource, error: DataError) -> DataError:
    return DataError(f"in source {source.name}: {error.expected}", error.received, error.remedy)


def _absent(one: SourceSection, error: SourceAbsentError) -> str:
    """Why a source is not there; refused where it is required."""
    if one.required:
        raise ConfigError(
            error.expected,
            f"source {one.called}: {error.received}",
            f"{error.remedy}, or leave out `required`",
        ) from error
    return error.received


def joined(
    data: Dataset, source: SignalSource, max_age: timedelta | None = None, varies: bool = False
) -> Dataset:
    """The rows with one more source, as known at each row's time; one that never varies is refused where it has to.

    Raises
    ------
    SourceAbsentError
        When its files are not there.
    DataError
        When its records are refused; the source is named.
    """
    try:
        facts = fresh(source.facts())
        if varies:
            refuse_constants(facts, source.columns, str(getattr(source, "path", source.name)))
    except SourceAbsentError:
        raise
    except DataError as error:
        raise _of_source(source, error) from error
    wanted = {column: f"{source.name}.{column}" for column in source.columns}
    rows = pl.DataFrame(
        {"instrument": data.instrument, "time": utc(data), "row": np.arange(data.n)}
    )
    rows = rows.with_columns(pl.col("time").cast(time_type()))
    table = as_of(
        rows.sort("time", "instrument", maintain_order=True), facts, wanted, max_age
    ).sort("row")
    extra = table.select(
        pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in wanted.values()
    ).to_numpy()
    return replace(
        data, x=np.concatenate([data.x, extra], axis=1), names=(*data.names, *wanted.values())
    )


def utc(data: Dataset) -> pl.Series:
    """Times of the rows as Polars has them."""
    return pl.Series("time", data.time_ns).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")


PANEL = "panel.parquet"
MANIFEST = "manifest.json"
KEYS = ("instrument", "time_ns", "start_ns", "end_ns", "y", "outcome")
"""Columns of a panel's file that are no features: fields of :class:`~tercel.signals.panel.panel.Dataset`."""


def dataset_of_config(config: SignalsConfig, seed: int) -> Dataset:
    """The labelled rows that a configuration describes: the panel's own source, every `[[source]]`.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.signals.panel.build.joined_all` and the readers of prices.
    """
    if config.panel.kind == "synthetic":
        market = market_of(config, seed)
        data, closes = market.data, market.prices
    else:
        panel, source = config.panel, prices_of(config)
        prices = source.prices().filter(pl.col("date") <= pl.lit(panel.last).str.to_date())
        whole, late = last_whole(prices)
        if late and panel.last != (newest := str(prices["date"].max())):
            prices = prices.filter(pl.col("date") <= whole)
            late = f'{late}: prices that follow it are left out (last = "{newest}" keeps them)'
        data = daily_panel(
            Path(panel.path),
            horizon=panel.horizon,
            lag=panel.lag,
            every=panel.every,
            first=panel.first,
            source=source,
            prices=prices,
        )
        data = replace(data, warnings=(*source.notes, *[late] * bool(late), *data.warnings))
        closes = prices.select("instrument", "time", "close")
    return joined_all(data, config, closes)[0]


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
        how=in_table("panel"),
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


def build(config: SignalsConfig, seed: int, out: Path) -> PanelManifest:
    """Write the panel's folder; returns its manifest."""
    data = dataset_of_config(config, seed)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / PANEL) as part:
        frame(data).write_parquet(part)
    gap = np.isnan(data.x)
    manifest = PanelManifest(
        tercel=__version__,
        name=config.name,
        seed=seed,
        config=rows_of(config),
        data=data_of(config),
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
        files={PANEL: file_hash(out / PANEL)},
    )
    write_atomic(out / MANIFEST, json.dumps(to_jsonable(manifest), indent=1) + "\n")
    return manifest


def rows_of(config: SignalsConfig) -> dict[str, Any]:
    """Settings that decide a panel's rows and columns, as plain values: the same wherever its files lie."""
    relative, _ = portable(config)
    return {"panel": to_jsonable(relative.panel), "source": to_jsonable(relative.source)}


def data_of(config: SignalsConfig) -> dict[str, str]:
    """Hash of each file that a configuration names; of a folder, of the names and sizes in it."""
    found, (relative, base) = {}, portable(config)
    for name in (
        one for one in (relative.panel.path, *(source.path for source in relative.source)) if one
    ):
        path = base / name
        if path.is_file():
            found[name] = file_hash(path)
        elif path.is_dir():
            inside = [
                (str(one.relative_to(path)), one.stat().st_size) for one in sorted(path.rglob("*"))
            ]
            found[name] = sha256(repr(inside).encode()).hexdigest()
    return found


def frame(data: Dataset) -> pl.DataFrame:
    """A training set as one table."""
    keys = {key: getattr(data, key) for key in KEYS}
    return pl.DataFrame({**keys, **{name: data.x[:, c] for c, name in enumerate(data.names)}})


def load(folder: Path) -> tuple[Dataset, PanelManifest]:
    """The panel in a folder, with its manifest.

    Raises
    ------
    ConfigError
        If the folder has none, or a file does not match its hash in the manifest.
    """
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = msgspec.convert(raw, PanelManifest)
        promised = manifest.files[PANEL]
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
    if not (folder / PANEL).exists() or file_hash(folder / PANEL) != promised:
        raise ConfigError(
            "the panel that was built", f"{folder / PANEL}, which was changed", "build it again"
        )
    table = pl.read_parquet(folder / PANEL)
    names = tuple(name for name in table.columns if name not in KEYS)
    x = np.ascontiguousarray(table.select(names).to_numpy(), np.float64)
    numbers = {key: table[key].to_numpy().copy() for key in KEYS[1:]}
    who, warnings = table["instrument"].to_numpy().astype(np.str_), tuple(manifest.warnings)
    return Dataset(
        x=x, names=names, instrument=who, note=manifest.note, warnings=warnings, **numbers
    ), manifest
