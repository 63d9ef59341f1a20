"""From a panel and prices to a :class:`Dataset`."""

from __future__ import annotations

import numpy as np
import polars as pl

from tercel.signals.labels import forward_returns
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.panel import Panel


def dataset_of(
    prices: pl.DataFrame, panel: Panel, label: pl.Expr, keep: pl.Expr, *, horizon: int = 1, lag: int = 0, note: str = ""
) -> Dataset:
    """A :class:`Dataset` of a panel joined to forward returns of `prices` (`instrument`, `time`, `close`).

    `label` and `keep` are expressions over `forward`: the label and the outcome.
    """
    labelled = forward_returns(prices, horizon=horizon, lag=lag)
    rows = panel.join(labelled.with_columns(label.alias("y"), keep.alias("outcome"))).drop_nulls(["y", "outcome"])
    return from_frame(rows, panel.columns, note, tuple(f"{k} is missing: {v}" for k, v in panel.absent.items()))


def from_frame(rows: pl.DataFrame, columns: tuple[str, ...], note: str = "", warnings: tuple[str, ...] = ()) -> Dataset:
    """A :class:`Dataset` from a frame with `instrument`, `time`, `start`, `end`, `y`, `outcome` and the columns."""
    rows = rows.sort("time", "instrument")
    ns = {name: rows[name].dt.epoch("ns").to_numpy().astype(np.int64) for name in ("time", "start", "end")}
    x = rows.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in columns).to_numpy()
    return Dataset(
        np.ascontiguousarray(x, np.float64), rows["y"].cast(pl.Float64).to_numpy().copy(),
        rows["outcome"].cast(pl.Float64).to_numpy().copy(), columns, ns["time"], ns["start"], ns["end"],
        rows["instrument"].cast(pl.String).to_numpy().astype(np.str_), note, warnings,
    )  # fmt: skip
