"""Import of vendors' columns: million rows a CPU second to the tape in a lake, beside Polars reading the same file.

The files are generated (one seed): ten levels as Databento writes them (mbp-10, CSV), and updates of levels as Tardis
does (incremental_book_L2). Rates are at the reference speed: as if `sum(i * i for i in range(10**6))` took 33 ms.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from benchmarks import measured
from tercel.feeds import CsvFeed, DbnFeed, Feed, FeedOptions
from tercel.market.tape import Lake

ROWS: Final = 5_000_000
WARM: Final = 20_000
REFERENCE_S: Final = 0.033
START_NS: Final = 1_735_738_200 * 10**9
"""2025-01-01 13:30 UTC."""
LEVELS: Final = 10
TARDIS: Final = "binance-futures_incremental_book_L2_2025-01-01_BTCUSDT.csv"


def bench(rows: int = ROWS) -> list[dict[str, Any]]:
    """Measure; see the package for the keys."""
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        results = []
        for what, feed, bar in (("mbp-10", DbnFeed(), 0.5), ("tardis", CsvFeed("tardis"), 1.0)):
            write = _write_mbp10 if what == "mbp-10" else _write_l2
            folder = Path(name) / what
            (folder / "warm").mkdir(parents=True)
            _import(feed, write(folder / "warm", WARM), folder / "lake-warm")
            path = write(folder, rows)
            ours = _rate(rows, partial(_import, feed, path, folder / "lake"))
            theirs = _rate(rows, partial(pl.read_csv, path))
            path.unlink()
            results.append(
                measured(
                    f"import {what}",
                    ours,
                    "M rows/CPU s",
                    "polars.read_csv",
                    theirs,
                    bar=bar / theirs,
                )
            )
    return results


def _rate(rows: int, run: Callable[[], object]) -> float:
    """Million rows a CPU second at the reference speed, which is measured before and after."""
    before = _reference_s()
    begun = time.process_time()
    run()
    seconds = time.process_time() - begun
    return rows / 1e6 / seconds * (before + _reference_s()) / 2 / REFERENCE_S


def _reference_s() -> float:
    """CPU seconds of the sum that defines the reference speed, the median of five."""
    times = []
    for _ in range(5):
        begun = time.process_time()
        sum(i * i for i in range(10**6))
        times.append(time.process_time() - begun)
    return statistics.median(times)


def _import(feed: Feed, path: Path, lake: Path) -> None:
    """Import a file into a lake."""
    with feed.days([path], FeedOptions()) as days:
        for day in days:
            imported = day.read()
            Lake(lake).write(imported.instrument, imported.events)


def _write_mbp10(folder: Path, rows: int) -> Path:
    """A day of ten levels: one or two change their size in each row, and the touch moves now and then."""
    rng = np.random.default_rng(7)
    times = START_NS + np.arange(rows) * (20_000 * 10**9 // rows)
    stamps = pl.Series(times).cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    mid = 3_000 + np.cumsum(rng.integers(-1, 2, rows) * (rng.random(rows) < 0.02))
    columns: dict[str, Any] = {
        "ts_recv": stamps,
        "ts_event": stamps,
        "rtype": 10,
        "publisher_id": 2,
        "instrument_id": 7,
    }
    columns |= {
        "action": "A",
        "side": "B",
        "depth": 0,
        "price": 30.0,
        "size": 100,
        "flags": 130,
        "ts_in_delta": 165_000,
    }
    columns["sequence"] = np.arange(rows)
    sizes = rng.integers(1, 9, (rows // 200 + 1, 2, LEVELS)).repeat(200, axis=0)[:rows] * 100
    sizes[np.arange(rows), rng.integers(0, 2, rows), rng.integers(0, LEVELS, rows)] += 50
    for level in range(LEVELS):
        for h, side in enumerate(("bid", "ask")):
            columns[f"{side}_px_{level:02}"] = (mid + (2 * h - 1) * (3 + level)) / 100
            columns[f"{side}_sz_{level:02}"] = sizes[:, h, level]
            columns[f"{side}_ct_{level:02}"] = 2
    columns["symbol"] = "BENCH"
    path = folder / "bench.mbp-10.csv"
    pl.DataFrame(columns).write_csv(path)
    return path


def _write_l2(folder: Path, rows: int) -> Path:
    """A day of updates of levels, which do not cross; the first thousand are a snapshot."""
    rng = np.random.default_rng(7)
    side = rng.integers(0, 2, rows)
    price = (600_000 + (2 * side - 1) * rng.integers(1, 400, rows)) / 10
    times = START_NS // 1000 + np.arange(rows) * (20_000 * 10**6 // rows)
    columns: dict[str, Any] = {
        "exchange": "binance-futures",
        "symbol": "BTCUSDT",
        "timestamp": times,
    }
    columns |= {
        "local_timestamp": times + 1_500,
        "is_snapshot": np.where(np.arange(rows) < 1000, "true", "false"),
    }
    columns |= {
        "side": np.where(side == 0, "bid", "ask"),
        "price": price,
        "amount": rng.integers(0, 5000, rows) / 1000,
    }
    path = folder / TARDIS
    pl.DataFrame(columns).write_csv(path)
    return path
