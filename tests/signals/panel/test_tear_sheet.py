"""The tear sheet beside alphalens-reloaded and beside loops over rows; its intervals on planted factors; frames of people."""

import json
import math
import os
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

from tercel.core.errors import DataError
from tercel.signals.models.skill import rank_ic_of_rows
from tercel.signals.panel.tear_sheet import TearSheet, bins_of, tear_sheet
from tercel.signals.sources.prices import read_prices
from tests.conftest import FOREIGN, no_engine

Floats = NDArray[np.float64]
SCRIPT = Path(__file__).with_name("alphalens_script.py")
HORIZONS = (1, 3, 10)


def weekdays(count: int) -> pl.Series:
    days = pl.date_range(date(2021, 1, 4), date(2021, 1, 4) + timedelta(days=2 * count), eager=True)
    return days.filter(days.dt.weekday() < 6).head(count).alias("date")


def wide(days: pl.Series, values: Floats) -> pl.DataFrame:
    """A row a date and a column a name; NaN is empty."""
    names = [f"N{n:02d}" for n in range(values.shape[1])]
    return pl.DataFrame(values, names).fill_nan(None).insert_column(0, days)


def random_panel(seed: int, days: int = 70, names: int = 26) -> tuple[Floats, Floats]:
    """Closes (T, N) with gaps, names that come late and names that end; scores, NaN where they or the close are missing."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(days, names)).cumsum(axis=0)
    closes = 50 * np.exp(rng.normal(0, 0.02, (days, names)).cumsum(axis=0))
    day = np.arange(days)[:, None]
    closes[rng.random(closes.shape) < 0.03] = np.nan
    closes[
        (day < rng.integers(-60, 20, names)) | (day > rng.integers(days - 30, days + 90, names))
    ] = np.nan
    closes[30:45, 0] = np.nan  # leaves and comes back
    scores[np.isnan(closes) | (rng.random(closes.shape) < 0.05)] = np.nan
    return closes, scores


def loops(closes: Floats, scores: Floats, lag: int, h: int, count: int) -> dict[str, Any]:
    """IC, bins and mean returns by quantile of each date, one by one."""
    filled = pd.DataFrame(closes).ffill().to_numpy()
    known: dict[str, list[Any]] = {"ic": [], "bins": [], "returns": [], "excess": []}
    for day in range(len(closes)):
        names = np.flatnonzero(np.isfinite(scores[day]))
        edges = np.quantile(scores[day, names], np.linspace(0, 1, count + 1))
        bins = np.clip(np.searchsorted(edges, scores[day, names], side="left"), 1, count)
        known["bins"].append(dict(zip(names.tolist(), bins.tolist(), strict=True)))
        moves = {
            n: filled[day + lag + h, n] / closes[day + lag, n] - 1
            for n in names
            if day + lag + h < len(closes) and np.isfinite(closes[day + lag, n])
        }
        if len(moves) < 5:
            for what in ("ic", "returns", "excess"):
                known[what].append(None)
            continue
        ranked = stats.spearmanr([scores[day, n] for n in moves], list(moves.values()))
        known["ic"].append(ranked.statistic)
        means = [
            np.mean(
                [moves[n] for n, k in known["bins"][-1].items() if k == b and n in moves]
                or math.nan
            )
            for b in range(1, count + 1)
        ]
        known["returns"].append(means)
        known["excess"].append([mean - np.mean(list(moves.values())) for mean in means])
    return known


@pytest.mark.parametrize(("seed", "lag"), [(1, 0), (2, 1), (3, 2)])
def test_the_sheet_is_that_of_loops_over_rows(seed: int, lag: int) -> None:
    closes, scores = random_panel(seed)
    days = weekdays(len(closes))
    sheet = tear_sheet(
        wide(days, scores), wide(days, closes), horizons=HORIZONS, quantiles=5, lag=lag
    )
    assert sheet.count == 5
    for h in HORIZONS:
        known = loops(closes, scores, lag, h, 5)
        assert sheet.ic.filter(pl.col("horizon") == h)["ic"].to_list() == pytest.approx(
            known["ic"], abs=1e-12
        )
        cuts = sheet.quantiles.filter(pl.col("horizon") == h)
        for column, what in (("raw_bps", "returns"), ("bps", "excess")):
            by_date = np.array([row for row in known[what] if row is not None])
            assert cuts[column].to_list() == pytest.approx(
                1e4 * np.nanmean(by_date, axis=0), abs=1e-9
            )
    bins = loops(closes, scores, 0, 1, 5)["bins"]
    for day in range(1, len(days)):
        for k in range(1, 6):
            now, before = ({n for n, b in bins[d].items() if b == k} for d in (day, day - 1))
            assert sheet.turnover[str(k)][day - 1] == pytest.approx(len(now - before) / len(now))
        ranked = pd.DataFrame(scores[day - 1 : day + 1]).rank(axis=1).T.dropna()
        assert sheet.turnover["autocorrelation"][day - 1] == pytest.approx(
            ranked.corr().iloc[0, 1], abs=1e-12
        )


@pytest.fixture(scope="session")
def alphalens() -> Path:
    """The Python that has alphalens-reloaded."""
    python = FOREIGN / "quant" / "bin" / "python"
    if any(python.parent.parent.glob("lib/python3*/site-packages/alphalens_reloaded*")):
        return python
    return no_engine(f"no alphalens-reloaded in {FOREIGN / 'quant'}; run make peers")


@pytest.fixture(scope="session")
def alphalens_of(
    alphalens: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[pl.DataFrame, pl.DataFrame, int], Any]:
    """What Alphalens measures."""

    def measure(prices: pl.DataFrame, factor: pl.DataFrame, quantiles: int) -> Any:
        folder = tmp_path_factory.mktemp("alphalens")
        prices.write_csv(folder / "prices.csv")
        factor.unpivot(index="date", variable_name="asset").drop_nulls().write_csv(
            folder / "factor.csv"
        )
        periods = [str(h) for h in HORIZONS]
        done = subprocess.run(
            [alphalens, SCRIPT, folder, str(quantiles), *periods],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": ""},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return measure


@pytest.mark.parametrize(("seed", "quantiles"), [(11, 5), (12, 7)])
def test_the_sheet_is_that_of_alphalens(
    alphalens_of: Callable[[pl.DataFrame, pl.DataFrame, int], Any], seed: int, quantiles: int
) -> None:
    """With no lag, and on the dates of which Alphalens knows all returns, which are the first ones."""
    closes, scores = random_panel(seed)
    days = weekdays(len(closes))
    known = len(days) - max(HORIZONS)
    factor = wide(days[:known], scores[:known])
    sheet = tear_sheet(factor, wide(days, closes), horizons=HORIZONS, quantiles=quantiles, lag=0)
    theirs = alphalens_of(wide(days, closes), factor, quantiles)
    assert sheet.count == quantiles
    spread = {}

    def compare(what: str, ours: Any, found: Any) -> None:
        pairs = np.array([ours, found], dtype=float)
        spread[what] = max(spread.get(what, 0.0), float(np.nanmax(np.abs(pairs[0] - pairs[1]))))
        assert (np.isnan(pairs[0]) == np.isnan(pairs[1])).all()

    bins = bins_of(scores[:known], quantiles)
    assert [
        [str(days[int(d)]), f"N{n:02d}", int(bins[d, n])] for d, n in np.argwhere(bins > 0)
    ] == theirs["bins"]
    for h in HORIZONS:
        compare(
            "ic", sheet.ic.filter(pl.col("horizon") == h)["ic"], [*theirs["ic"][str(h)].values()]
        )
        cuts = sheet.quantiles.filter(pl.col("horizon") == h)
        for column, kind in (("bps", "demeaned"), ("raw_bps", "raw")):
            compare(kind, cuts[column] / 1e4, theirs["returns"][kind][str(h)])
    for k in range(1, quantiles + 1):
        compare("turnover", sheet.turnover[str(k)], [*theirs["turnover"][str(k)].values()][1:])
    compare(
        "autocorrelation",
        sheet.turnover["autocorrelation"],
        [*theirs["autocorrelation"].values()][1:],
    )
    print(theirs["version"], spread)
    assert max(spread.values()) < 1e-9
