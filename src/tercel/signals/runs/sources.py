"""The sources that a configuration names, joined to its rows point in time; what is absent is said, or refused."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tercel.signals.runs.config import SignalsConfig, SourceSection
from tercel.core.errors import ConfigError, DataError
from tercel.signals.fusion import LEAST_ROWS
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.panel import fresh
from tercel.signals.panel.panel import joined as as_of
from tercel.signals.sources.port import Source, SourceAbsentError, time_type
from tercel.signals.sources.registry import source_of


@dataclass
class Found:
    """Sources that are there, with the longest life of their facts, and why others are not."""

    sources: list[tuple[Source, timedelta | None]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line a source that is absent."""
        return tuple(
            f"source {name} is absent, the panel goes on without it: {why}" for name, why in self.absent.items()
        )


def sources_of(config: SignalsConfig) -> Found:
    """Every source of a configuration that can be made here.

    Raises
    ------
    ConfigError
        For two sources of one name, or one that is required and absent.
    DataError
        For one whose records are refused.
    """
    found = Found()
    taken: set[str] = set()
    for one in config.source:
        if one.called in taken:
            raise ConfigError("sources of different names", f"{one.called} twice", "give one of them a name = ...")
        taken.add(one.called)
        try:
            source = source_of(one.kind, Path(one.path), **one.options)
        except SourceAbsentError as error:
            _absent(found, one, error)
            continue
        age = None if one.max_age_days is None else timedelta(days=one.max_age_days)
        found.sources.append((source, age))
    return found


def joined_all(data: Dataset, config: SignalsConfig) -> Dataset:
    """The rows with every source of the configuration, as of each row's time."""
    found = sources_of(config)
    by_name = {one.called: one for one in config.source}
    warnings = []
    for source, age in found.sources:
        if source.name in data.sources:
            text = f"{source.name}, which the panel has already"
            raise ConfigError("sources of different names", text, "give the source a name = ...")
        one = by_name[source.name]
        try:
            more = joined(data, source, age)
        except SourceAbsentError as error:
            _absent(found, one, error)
            continue
        heard = int((~np.isnan(more.x[:, list(more.sources[source.name])]).all(axis=1)).sum())
        if heard >= LEAST_ROWS:
            data = more
            continue
        text = f"{heard} of {data.n} rows of which source {source.name} says something"
        if one.required:
            remedy = "check its names, its times and max_age_days, or leave out `required`"
            raise DataError(f"at least {LEAST_ROWS} rows with a source", text, remedy)
        warnings.append(f"source {source.name} is left out: it says something of {heard} of {data.n} rows")
    return replace(data, warnings=(*data.warnings, *found.warnings, *warnings))


def _absent(found: Found, one: SourceSection, error: SourceAbsentError) -> None:
    """Note a source that is not there, or refuse where it is required."""
    if one.required:
        text = f"source {one.called}: {error.received}"
        raise ConfigError(error.expected, text, f"{error.remedy}, or leave out `required`") from error
    found.absent[one.called] = error.received


def joined(data: Dataset, source: Source, max_age: timedelta | None = None) -> Dataset:
    """The rows with one more source, as known at each row's time.

    Raises
    ------
    SourceAbsentError
        When its files are not there.
    DataError
        When its records are refused; the source is named.
    """
    try:
        facts = fresh(source.facts())
    except SourceAbsentError:
        raise
    except DataError as error:
        raise DataError(f"in source {source.name}: {error.expected}", error.received, error.remedy) from error
    wanted = {column: f"{source.name}.{column}" for column in source.columns}
    rows = pl.DataFrame({"instrument": data.instrument, "time": utc(data), "row": np.arange(data.n)})
    rows = rows.with_columns(pl.col("time").cast(time_type()))
    table = as_of(rows.sort("time", "instrument", maintain_order=True), facts, wanted, max_age).sort("row")
    extra = table.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in wanted.values()).to_numpy()
    return replace(data, x=np.concatenate([data.x, extra], axis=1), names=(*data.names, *wanted.values()))


def utc(data: Dataset) -> pl.Series:
    """Times of the rows as Polars has them."""
    return pl.Series("time", data.time_ns).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
