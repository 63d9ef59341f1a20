"""Shanghai: rows of orders and trades a CPU second from CSV to the checked tape in Parquet, beside Polars on the same files.

A day of two sessions is generated, or the second vendor's recorded files are taken where the folder of real data has
them, and repeated under other symbols. Rates are those of a machine where sum(i * i for i in range(10**6)) takes 33 ms
of CPU: the same sum is measured in this process. Polars reads all columns of both files and translates nothing.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from benchmarks import measured
from tercel.feeds import FeedOptions, ShanghaiFeed
from tercel.market.tape import Lake

ROWS: Final = 5_000_000
REPEATS: Final = 3
A_DAY: Final = 60_000
"""Rows of a generated day."""
STAYS: Final = 180
"""Orders after which one goes."""
SECONDS: Final = 0.033
RECORDED: Final = "shanghai-l3-2023/2023-07-11_{}.zip"


def bench(rows: int = ROWS, recorded: bool = True) -> list[dict[str, Any]]:
    """Measure; see the package for the keys."""
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        folder = Path(name)
        files = [folder / "orders.csv", folder / "trades.csv"]
        written = _repeat(_recorded() if recorded else _generated(), files, rows)
        _import(files, folder / "warm")
        ours = _cpu_rate(written, lambda i: _import(files, folder / f"lake-{i}"))
        plain = _cpu_rate(written, lambda _: [pl.read_csv(f, infer_schema=False) for f in files])
    only = "polars.read_csv alone"
    return [measured("shanghai to tape", ours, "rows/CPU s at reference speed", only, plain)]


def _cpu_rate(rows: int, run: Callable[[int], object]) -> float:
    """Median rate of rows a CPU second at reference speed."""
    rates = []
    for i in range(REPEATS):
        speed = _cpu_s(lambda: sum(n * n for n in range(10**6)))
        rates.append(rows / _cpu_s(lambda: run(i)) * speed / SECONDS)  # noqa: B023 - run at once
    return statistics.median(rates)


def _cpu_s(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def _import(files: list[Path], lake: Path) -> None:
    with ShanghaiFeed().days(files, FeedOptions()) as days:
        for day in days:
            imported = day.read()
            others = [text for text in imported.warnings if not text.startswith("no row from")]
            assert not others, others  # generated rows end in the morning
            Lake(lake).write(imported.instrument, imported.events)


def _recorded() -> tuple[pl.DataFrame, pl.DataFrame]:
    """The recorded files of three stocks as text; generated ones where there are none."""
    import zipfile

    folder = Path(os.environ.get("TERCEL_DATA", Path(__file__).parents[1] / "shared" / "data"))
    paths = [folder / RECORDED.format(kind) for kind in ("orders", "trades")]
    if not all(path.exists() for path in paths):
        return _generated()
    contents = [zipfile.ZipFile(path) for path in paths]
    orders, trades = (
        pl.read_csv(archive.read(archive.namelist()[0]), infer_schema=False) for archive in contents
    )
    return orders, trades


def _generated() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A day of one stock: bids and asks by turns, of which half are deleted and half traded by an aggressor."""
    n = A_DAY // 2
    number = np.arange(n)
    side = number % 2
    cents = 4_999 + 2 * side
    ms = 34_200_000 + number * (7_000_000 // n)
    goes = number[: n - STAYS]
    is_trade = goes % 4 < 2
    order = {"id": number + 1, "seq": 400 * number, "ms": ms, "side": side + 1, "cents": cents}
    added = pl.DataFrame(order).with_columns(type=pl.lit(2))
    gone = added[goes].with_columns(pl.col("seq") + 400 * STAYS + 1, ms=ms[goes + STAYS])
    deleted = gone.filter(~is_trade).with_columns(type=pl.lit(10))
    traded = gone.filter(is_trade)
    shares = pl.lit(300)
    orders = pl.concat([added, deleted]).select(
        *_head(), OrderType="type", OrderPrice=_yuan(), OrderQty=shares, OrderBSFlag="side",
        ChannelNo=pl.lit(1), ApplSeqNum="seq", OrderNO="id",
    )  # fmt: skip
    is_bid = pl.col("side") == 1
    aggressor = pl.col("id") + 10**7
    trades = traded.select(
        *_head(), TradeBuyNo=pl.when(is_bid).then("id").otherwise(aggressor),
        TradeSellNo=pl.when(is_bid).then(aggressor).otherwise("id"), TradeType=pl.lit(0),
        TradeBSFlag=pl.when(is_bid).then(2).otherwise(1), TradePrice=_yuan(), TradeQty=shares,
        ChannelNo=pl.lit(1), ApplSeqNum="seq",
    )  # fmt: skip
    return orders, trades


def _head() -> list[pl.Expr]:
    """Date, time and symbol of generated rows."""
    clock = pl.from_epoch("ms", "ms").dt.strftime("%H:%M:%S%.3f").alias("MDTime")
    return [pl.lit("2023.07.11").alias("MDDate"), clock, pl.lit("600001.SH").alias("SecurityID")]


def _yuan() -> pl.Expr:
    """Prices with what binary fractions add."""
    return pl.col("cents") / 100 + 7e-15


def _repeat(frames: tuple[pl.DataFrame, pl.DataFrame], files: list[Path], rows: int) -> int:
    """Write the files, repeated under other symbols until they have so many rows; returns how many."""
    times = -(-rows // sum(frame.height for frame in frames))
    symbol = pl.col("SecurityID").str.head(6).cast(pl.Int64)
    for frame, path in zip(frames, files, strict=True):
        with path.open("wb") as file:
            for i in range(times):
                other = (symbol + 1000 * i).cast(pl.String) + ".SH"
                frame.with_columns(SecurityID=other).write_csv(file, include_header=i == 0)
    return times * sum(frame.height for frame in frames)
