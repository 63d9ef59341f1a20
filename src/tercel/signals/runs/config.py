"""Configuration of `tercel signals`: one TOML file, read whole or refused.

[panel]     kind, path, horizon, lag, every, first, ...: rows and their labels
[[source]]  kind, path, name, required, max_age_days and settings of the kind: sources of features
[train]     families, sources, weights, splits, embargo_days, shrink, most_rows, update;
            [train.online] warm, window, half_life, share, bets, penalty

A file::

    name = "own"
    [panel]
    kind = "daily"
    path = "prices.csv"
    [[source]]
    kind = "news"
    path = "headlines.csv"
    [train]
    families = ["linear", "boosting"]
"""

import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.toml import read_toml
from tercel.core.validation import WORD, TomlTable, validate_model
from tercel.signals.sources.port import LONGEST_DAYS

EXPERTS: Final = ("static", "rolling", "recursive")
Update = Literal["static", "rolling", "recursive", "blend"]
Weighing = Literal["fused", "equal", "ic"]


class OnlineRule(TomlTable):
    """Settings of a line's online learning, in dates of the panel."""

    warm: int = Field(default=52, ge=2, le=10_000)
    """Dates of a source before its first forecast: they fix scale, medians and `static`."""
    window: int = Field(default=104, ge=1, le=10_000)
    """Of `rolling`."""
    half_life: float = Field(default=20.0, ge=1, le=1e6)
    """Of `recursive`."""
    share: float = Field(default=0.01, ge=0, le=0.5)
    """Chance, a date, that the best expert is another from then on."""
    bets: float = Field(default=50.0, gt=0, le=1e6)
    """Largest number of independent names that a date counts as in a loss."""
    penalty: float = Field(default=1.0, ge=0, le=1e12)
    """Of the ridge, on standardised coefficients, in rows."""


USUAL: Final = OnlineRule()


def day_of(text: str) -> str:
    """Return a text that is a date YYYY-MM-DD from 1700 on; raise ValueError for any other."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) or date.fromisoformat(text).year < 1700:
        raise ValueError("a day such as 2024-01-31")
    return text


class PanelSection(TomlTable):
    """Rows of a panel and their labels."""

    kind: str = "synthetic"
    """`synthetic`, `daily`, or one of an installed package."""
    path: str = ""
    """Daily prices (CSV, Parquet, JSON lines, or a folder of them), or the package's set; from this file's folder."""
    columns: dict[str, str | tuple[str, ...]] = Field(default={})
    """Names in the file for date, symbol, open, high, low, close, adj_close, volume, if not the usual ones."""
    history: int = Field(default=252, ge=0, le=10_000)
    """Days that a name must have behind it."""
    least_dollars: float = Field(default=1e6, ge=0, le=1e15)
    """Least median of a name's daily dollar volume."""
    without: tuple[str, ...] = ("QQQ",)
    """Names left out (funds)."""
    survivors: bool = False
    """Whether it is known that names which were delisted are missing: said beside every number."""
    horizon: int = Field(default=5, ge=1, le=252)
    """Bars that the forecast return holds."""
    lag: int = Field(default=1, ge=0, le=20)
    """Bars between the signal's close and the close that is traded."""
    every: int = Field(default=5, ge=1, le=252)
    """Bars between cross-sections."""
    first: Annotated[str, AfterValidator(day_of)] = "2001-01-01"
    last: Annotated[str, AfterValidator(day_of)] = "9999-12-31"
    """First cross-section, and last day of prices; not for a synthetic panel."""
    instruments: int = Field(default=60, ge=5, le=2000)
    """Synthetic: how many."""
    days: int = Field(default=400, ge=10, le=20_000)
    """Synthetic: how long."""
    strength: float = Field(default=0.08, ge=0, lt=1)
    """Synthetic: information coefficient of each honest source."""


class SourceSection(TomlTable):
    """A source beside the panel's own; keys that are not named here go to the kind's own options."""

    model_config = ConfigDict(extra="allow")

    kind: str
    path: str = Field(min_length=1)
    """Relative to the configuration file."""
    name: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")
    """Name in the panel; empty: the kind's own name."""
    columns: dict[str, str | tuple[str, ...]] = Field(default={})
    """Names in the file for the columns that the kind reads, if not the usual ones."""
    required: bool = False
    """Whether its absence is an error; else the panel continues without it and says so."""
    max_age_days: float | None = Field(default=None, gt=0, le=LONGEST_DAYS)
    """Facts whose event is older are stale: missing."""

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the kind's constructor."""
        named = {"name": self.name, "columns": self.columns}
        return {**(self.model_extra or {}), **{key: value for key, value in named.items() if value}}

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.name or self.kind


class TrainSection(TomlTable):
    """Settings of training."""

    families: tuple[str, ...] = ("linear", "boosting")
    sources: tuple[str, ...] = ()
    """Sources that get models, `daily` (the panel's own) among them; empty: all."""
    weights: Weighing = "fused"
    """`fused`: learned, and only of sources that are statistically significant. `equal`: the same of every source:family.
    `ic`: in proportion to the mean rank IC of earlier blocks, 0 where that is below 0. These two judge no source."""
    splits: int = Field(default=5, ge=1, le=100)
    """Test blocks, unless `refit` is yearly."""
    refit: Literal["auto", "blocks", "yearly"] = "auto"
    """`auto`: yearly where the panel has four calendar years or more."""
    test_from: Annotated[str, AfterValidator(lambda text: text and day_of(text))] = ""
    """Yearly: first day of the first test year; empty: the panel's third calendar year."""
    embargo_days: float = Field(default=10.0, ge=0, le=3650)
    shrink: float = Field(default=0.5, ge=0, le=1)
    """Of fusion weights to equal ones."""
    most_rows: int = Field(default=400_000, ge=100)
    """Rows that a training sees at most: whole cross-sections, evenly left out."""
    settings: dict[str, dict[str, float | int | str]] = Field(default={})
    """Of a family, by name: [train.settings.boosting] n_estimators = 200."""
    update: Literal["refit", Update] = "refit"
    """`refit`: each test block by models fitted to all before it. Others, of the family `linear` alone: parameters that
    stay, or move from date to date, each move in the model folder's journal."""
    online: OnlineRule = USUAL
    """Settings of online learning."""

    @model_validator(mode="after")
    def _linear(self) -> "TrainSection":
        """Refuse online updates without the family `linear`, which alone has them."""
        if self.update != "refit" and "linear" not in self.families:
            raise ValueError(
                f"update = {self.update!r} for the family linear, not {', '.join(self.families)}"
            )
        return self

    @field_validator("families")
    @classmethod
    def _once(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse families that are named twice, or none."""
        if not families or len(set(families)) != len(families):
            raise ValueError(f"families named once, at least one, not {list(families)}")
        return families


class SignalsConfig(TomlTable):
    """A whole configuration."""

    name: str = Field(default="signals", min_length=1, max_length=40, pattern=WORD)
    panel: PanelSection = PanelSection()
    source: tuple[SourceSection, ...] = ()
    train: TrainSection = TrainSection()


def read_config(path: Path) -> SignalsConfig:
    """The configuration in a file; its paths are taken from the file's folder.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    """
    from tercel.signals.sources.registry import check_source

    raw = read_toml(path, "name one, such as docs/examples/signals.toml")
    config = parse(raw, str(path))
    for number, source in enumerate(config.source):
        try:
            check_source(source.kind, source.options)
        except ConfigError as error:
            raise type(error)(
                error.expected, f"{error.received} in source[{number}] of {path}", error.remedy
            ) from error
    return with_base(config, path.resolve().parent)


def with_base(config: SignalsConfig, base: Path) -> SignalsConfig:
    """The configuration with its relative paths taken from a folder."""
    return _with_paths(config, lambda path: str(base / path))


def portable(config: SignalsConfig) -> tuple[SignalsConfig, Path]:
    """The configuration with paths relative to the folder that all of them share, and that folder.

    Two configurations are equal in this form wherever their files lie.

    >>> config = parse({"panel": {"kind": "daily", "path": "/data/own/prices.csv"}}, "example")
    >>> found, base = portable(config)
    >>> found.panel.path, str(base)
    ('prices.csv', '/data/own')
    """
    paths = [path for source in config.source for path in _paths(source).values()] + [
        config.panel.path
    ]
    folders = [str(Path(path).absolute().parent) for path in paths if path]
    base = os.path.commonpath(folders) if folders else ""
    return _with_paths(config, lambda path: os.path.relpath(path, base)), Path(base)


def _paths(source: SourceSection) -> dict[str, str]:
    """Paths of a source by their keys; a kind may have others, `paths`, among its options."""
    from tercel.signals.sources.registry import kind_named

    paths = {
        "path": source.path,
        **{
            name: source.options.get(name) for name in getattr(kind_named(source.kind), "paths", ())
        },
    }
    return {key: value for key, value in paths.items() if isinstance(value, str)}


def _with_paths(config: SignalsConfig, change: Callable[[str], str]) -> SignalsConfig:
    """The configuration with each path changed by a function."""
    panel = config.panel.model_copy(
        update={"path": config.panel.path and change(config.panel.path)}
    )
    sources = (
        source.model_copy(update={key: change(path) for key, path in _paths(source).items()})
        for source in config.source
    )
    return config.model_copy(update={"panel": panel, "source": tuple(sources)})


def parse(raw: dict[str, Any], name: str) -> SignalsConfig:
    """A configuration from plain values; `name` is how errors call it."""
    from tercel.signals.sources.registry import panel_named

    config = validate_model(SignalsConfig, _panel_from_daily_source(raw), name, "`tercel signals`")
    try:
        panel_named(config.panel.kind)
    except ConfigError as error:
        raise type(error)(
            error.expected, f"{name}: panel.kind {error.received}", error.remedy
        ) from error
    refuse_if(
        config.panel.kind != "synthetic" and not config.panel.path,
        f"panel.path of {config.panel.kind} prices",
        f"{name}: none",
        "say where they are",
    )
    if "as_given" not in config.train.families:
        return config
    # a series of one column is then that column alone, unless the file asks for its changes
    sources = (
        source.model_copy(update={"changes": False})
        if source.kind == "series" and "changes" not in source.options
        else source
        for source in config.source
    )
    return config.model_copy(update={"source": tuple(sources)})


def _panel_from_daily_source(raw: dict[str, Any]) -> dict[str, Any]:
    """Tables with a [panel] made of the daily prices among the sources, where a file has no [panel]."""
    raw_sources = raw.get("source")
    sources = raw_sources if isinstance(raw_sources, list) else []
    daily = [
        source for source in sources if isinstance(source, dict) and source.get("kind") == "daily"
    ]
    if "panel" in raw or not daily:
        return raw
    panel = {
        key: value
        for key, value in daily[0].items()
        if key not in ("name", "required", "max_age_days")
    }
    return {
        **raw,
        "panel": panel,
        "source": [source for source in sources if source is not daily[0]],
    }


def demo() -> SignalsConfig:
    """The configuration of the demo: synthetic material alone."""
    return SignalsConfig(name="demo")
