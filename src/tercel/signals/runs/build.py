"""A panel from the configured sources, as a folder of Parquet and a manifest with hashes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel import __version__
from tercel.signals.sources.daily import SETTLES, DailyFactors, daily_panel
from tercel.signals.sources.market import MarketState
from tercel.signals.sources.stocknet_prices import StockNetFactors
from tercel.signals.sources.synthetic import SyntheticMarket, synthetic_market
from tercel.signals.runs.config import SignalsConfig
from tercel.signals.runs.sources import joined, joined_all
from tercel.report.terminal import json_text
from tercel.core.errors import ConfigError
from tercel.core.written import beside, write_whole
from tercel.signals.panel.dataset import Dataset

PANEL = "panel.parquet"
MANIFEST = "manifest.json"
KEYS = ("instrument", "time_ns", "start_ns", "end_ns", "y", "outcome")


def dataset_of_config(config: SignalsConfig, seed: int) -> Dataset:
    """The labelled rows that a configuration describes: the panel's own source, the market's state, every `[[source]]`.

    Raises
    ------
    ConfigError, DataError
        As :func:`tercel.signals.runs.sources.joined_all` and the readers of prices.
    """
    if config.panel.kind == "synthetic":
        market = market_of(config, seed)
        data, state = market.data, MarketState(market.prices)
    else:
        panel, source = config.panel, prices_of(config)
        prices = source.prices().filter(pl.col("date") <= pl.lit(panel.last).str.to_date())
        data = daily_panel(
            Path(panel.path), horizon=panel.horizon, lag=panel.lag, every=panel.every, first=panel.first,
            source=source, prices=prices,
        )  # fmt: skip
        state = MarketState(prices.select("instrument", "time", "close"), SETTLES)
    return joined_all(joined(data, state), config)


def market_of(config: SignalsConfig, seed: int) -> SyntheticMarket:
    """The synthetic market of a configuration."""
    panel = config.panel
    return synthetic_market(seed, instruments=panel.instruments, days=panel.days, strength=panel.strength)


def prices_of(config: SignalsConfig) -> DailyFactors:
    """The panel's own source of daily factors."""
    kind = StockNetFactors if config.panel.kind == "stocknet" else DailyFactors
    return kind(Path(config.panel.path))


def build(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Write the panel's folder; returns its manifest."""
    data = dataset_of_config(config, seed)
    out.mkdir(parents=True, exist_ok=True)
    with beside(out / PANEL) as part:
        frame(data).write_parquet(part)
    manifest = {
        "tercel": __version__,
        "name": config.name,
        "seed": seed,
        "config": rows_of(config),
        "sources": {name: [data.names[c] for c in columns] for name, columns in data.sources.items()},
        "rows": data.n,
        "dates": len(np.unique(data.time_ns)),
        "instruments": len(np.unique(data.instrument)),
        "first": str(np.datetime64(int(data.time_ns[0]), "ns")),
        "last": str(np.datetime64(int(data.time_ns[-1]), "ns")),
        "missing": {
            name: float(np.isnan(data.x[:, list(columns)]).all(axis=1).mean()) for name, columns in data.sources.items()
        },
        "note": data.note,
        "warnings": list(data.warnings),
        "files": {PANEL: file_hash(out / PANEL)},
    }
    told = json.loads(json_text(manifest))
    write_whole(out / MANIFEST, json.dumps(told, indent=1) + "\n")
    manifest_read: dict[str, Any] = told
    return manifest_read


def rows_of(config: SignalsConfig) -> dict[str, Any]:
    """What decides a panel's rows and columns, as plain values."""
    told = {"panel": config.panel, "source": config.source}
    plain_values: dict[str, Any] = json.loads(json_text(told))
    return plain_values


def frame(data: Dataset) -> pl.DataFrame:
    """A set as one table."""
    keys = {
        "instrument": data.instrument, "time_ns": data.time_ns, "start_ns": data.start_ns, "end_ns": data.end_ns,
        "y": data.y, "outcome": data.outcome,
    }  # fmt: skip
    return pl.DataFrame({**keys, **{name: data.x[:, c] for c, name in enumerate(data.names)}})


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(folder: Path) -> tuple[Dataset, dict[str, Any]]:
    """The panel in a folder, with its manifest.

    Raises
    ------
    ConfigError
        When there is none, or a file is not the one that the manifest names.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        promised = manifest["files"][PANEL]
    except OSError:
        remedy = "build it first: tercel signals build"
        raise ConfigError("the folder of a panel", f"{folder}, which holds none", remedy) from None
    except (ValueError, KeyError) as error:
        raise ConfigError("a panel's manifest", f"{folder / MANIFEST}: {error}", "build the panel again") from error
    if not (folder / PANEL).exists() or file_hash(folder / PANEL) != promised:
        raise ConfigError("the panel that was built", f"{folder / PANEL}, which was changed", "build it again")
    table = pl.read_parquet(folder / PANEL)
    names = tuple(name for name in table.columns if name not in KEYS)
    x = np.ascontiguousarray(table.select(names).to_numpy(), np.float64)
    numbers = {key: table[key].to_numpy().copy() for key in KEYS[1:]}
    data = Dataset(
        x, numbers["y"], numbers["outcome"], names, numbers["time_ns"], numbers["start_ns"], numbers["end_ns"],
        table["instrument"].to_numpy().astype(np.str_), manifest["note"], tuple(manifest["warnings"]),
    )  # fmt: skip
    return data, manifest
