"""Import: message rows a second from LOBSTER CSV files to the checked tape in Parquet.

The files are generated (one seed, one million messages of a level-limited book of 5 levels that its messages explain)
and written to a temporary folder first. Two references read the same message file in the same process: the `csv` module
of Python with NumPy columns written by Polars; and Polars alone, CSV in and Parquet out, which checks and translates
nothing: the floor that no importer on it can pass.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import measured
from tercel.core import Longs, allocating_kernel, kernel
from tercel.feeds import EMPTY_ASK, EMPTY_BID, FeedOptions, LobsterFeed
from tercel.feeds.lobster_csv import MESSAGE_FIELDS, orderbook_fields
from tercel.market.tape import Lake

ROWS: Final = 1_000_000
LEVELS: Final = 5
REPEATS: Final = 3
_NAME: Final = "BENCH_2012-06-21_34200000_57600000"
_GRID: Final = 512
"""Prices of the generated book, in cents from its lowest."""
_QUEUE: Final = 8
_LOWEST: Final = 10_000
"""Lowest price of the generated book, in cents."""


def bench(rows: int = ROWS) -> list[dict[str, Any]]:
    """Measure; see the package for the keys."""
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        folder = Path(name)
        _generate(folder / "warm", 2_000)
        _import(folder / "warm", folder / "lake-warm", with_book=True)
        _generate(folder, rows)
        alone = _rate(rows, lambda i: _import(folder, folder / f"lake-{i}", with_book=False))
        levels = _rate(rows, lambda i: _import(folder, folder / f"lake-5-{i}", with_book=True))
        plain = _rate(
            rows, lambda i: _with_csv_module(folder, folder / f"plain-{i}.parquet"), repeats=1
        )
        floor = _rate(rows, lambda i: _with_polars_alone(folder, folder / f"floor-{i}.parquet"))
    by_hand = "csv module of Python, to Parquet"
    only = "polars.read_csv and write_parquet alone"
    return [
        measured("import.rows_per_s", alone, "rows/s", by_hand, plain),
        measured("import.rows_per_s.l5", levels, "rows/s", f"{by_hand} (messages only)", plain),
        measured("import.share_of_floor", alone / floor, "share", only, 1.0),
    ]


def _rate(rows: int, run: Callable[[int], None], repeats: int = REPEATS) -> float:
    """Median of rows a second."""
    seconds = []
    for i in range(repeats):
        start = time.perf_counter()
        run(i)
        seconds.append(time.perf_counter() - start)
    return rows / statistics.median(seconds)


def _import(folder: Path, lake: Path, with_book: bool) -> None:
    files = [folder / f"{_NAME}_message_{LEVELS}.csv"]
    files += [folder / f"{_NAME}_orderbook_{LEVELS}.csv"] if with_book else []
    with LobsterFeed().days(files, FeedOptions()) as days:
        imported = days[0].read()
    assert not (with_book and imported.warnings)  # alone, the file says that its book is missing
    Lake(lake).write(imported.instrument, imported.events)


def _with_csv_module(folder: Path, target: Path) -> None:
    import polars as pl

    with (folder / f"{_NAME}_message_{LEVELS}.csv").open(newline="") as file:
        columns = list(zip(*csv.reader(file), strict=True))
    frame = {"time": np.array(columns[0], np.float64)}
    frame |= {
        name: np.array(c, np.int64) for name, c in zip(MESSAGE_FIELDS[1:], columns[1:], strict=True)
    }
    pl.DataFrame(frame).write_parquet(target, compression="zstd")


def _with_polars_alone(folder: Path, target: Path) -> None:
    import polars as pl

    schema = {name: pl.Float64 if name == "time" else pl.Int64 for name in MESSAGE_FIELDS}
    frame = pl.read_csv(folder / f"{_NAME}_message_{LEVELS}.csv", has_header=False, schema=schema)
    frame.write_parquet(target, compression="zstd", compression_level=1, statistics=False)


def _generate(folder: Path, rows: int) -> None:
    """Write a message and an orderbook file of `rows` rows."""
    import polars as pl

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    ns = np.sort(rng.integers(34_200_000_000_000, 57_600_000_000_000, rows))
    messages = np.empty((5, rows), np.int64)
    book = np.empty((4 * LEVELS, rows), np.int64)
    _walk(rng.integers(0, 1 << 40, (3, rows)), messages, book)
    seconds = pl.Series("time", ns // 1_000_000_000).cast(pl.String) + "."
    seconds += pl.Series(ns % 1_000_000_000).cast(pl.String).str.zfill(9)
    frame = pl.DataFrame({"time": seconds, **dict(zip(MESSAGE_FIELDS[1:], messages, strict=True))})
    frame.write_csv(folder / f"{_NAME}_message_{LEVELS}.csv", include_header=False)
    frame = pl.DataFrame(dict(zip(orderbook_fields(LEVELS), book, strict=True)))
    frame.write_csv(folder / f"{_NAME}_orderbook_{LEVELS}.csv", include_header=False)


@allocating_kernel
def _walk(draws: Longs, messages: Longs, book: Longs) -> None:
    """Adds, cancels and executions within the first levels of a book on a grid of prices, and its levels after each.

    `draws` int64[3, rows] are random; `messages` int64[5, rows] and `book` int64[4 L, rows] are written.
    """
    ids = np.zeros((2, _GRID, _QUEUE), np.int64)
    sizes = np.zeros((2, _GRID, _QUEUE), np.int64)
    length = np.zeros((2, _GRID), np.int64)
    shown = np.zeros((2, LEVELS), np.int64)
    next_id = 1
    for h in range(2):
        for d in range(1, 40):
            at = _GRID // 2 + (d if h == 1 else -d)
            ids[h, at, 0], sizes[h, at, 0], length[h, at] = next_id, 100, 1
            next_id += 1
    for i in range(messages.shape[1]):
        for h in range(2):
            _levels(h, length, shown)
        h = draws[0, i] & 1
        side = 1 - 2 * h
        pick = (draws[0, i] >> 1) % LEVELS
        at = shown[h, pick]
        improves = shown[h, 0] + side
        room = shown[1, 0] - shown[0, 0] > 1
        kind = (1, 1, 1, 1, 3, 3, 4, 2)[(draws[1, i] >> 20) & 7]
        inner = _GRID // 4 < at < 3 * _GRID // 4
        if kind != 1 and (length[h].sum() < 30 or (not inner and length[h, at] == 1)):
            kind = 1
        if kind == 1 and length[h, at] == _QUEUE:
            kind = 3
        if kind == 1 and room and pick == 0 and (draws[1, i] >> 24) & 1:
            at = improves
        if kind == 1:
            q = length[h, at]
            ids[h, at, q], sizes[h, at, q] = next_id, 1 + draws[2, i] % 300
            length[h, at] += 1
            next_id += 1
        else:
            if kind == 4:
                at = shown[h, 0]
            q = 0 if kind == 4 else (draws[1, i] >> 30) % length[h, at]
        key, size = ids[h, at, q], sizes[h, at, q]
        if kind == 2 and size == 1:
            kind = 3
        if kind == 2 or (kind == 4 and draws[2, i] & 1 and size > 1):
            size = 1 + draws[2, i] % (size - 1)
            sizes[h, at, q] -= size
        elif kind != 1:
            length[h, at] -= 1
            for j in range(q, length[h, at]):
                ids[h, at, j], sizes[h, at, j] = ids[h, at, j + 1], sizes[h, at, j + 1]
        messages[0, i], messages[1, i], messages[2, i] = kind, key, size
        messages[3, i], messages[4, i] = (_LOWEST + at) * 100, side
        for h2 in range(2):
            n = _levels(h2, length, shown)
            for k in range(LEVELS):
                column = 4 * k + (2 if h2 == 0 else 0)
                book[column, i] = EMPTY_BID if h2 == 0 else EMPTY_ASK
                book[column + 1, i] = 0
                if k < n:
                    price = shown[h2, k]
                    book[column, i] = (_LOWEST + price) * 100
                    book[column + 1, i] = sizes[h2, price, : length[h2, price]].sum()


@kernel
def _levels(h: int, length: Longs, shown: Longs) -> int:
    """The best occupied grid prices of side `h` (0 bids) into `shown`; returns how many."""
    n = 0
    for d in range(_GRID):
        at = _GRID - 1 - d if h == 0 else d
        if length[h, at] > 0:
            shown[h, n] = at
            n += 1
            if n == LEVELS:
                break
    return n
