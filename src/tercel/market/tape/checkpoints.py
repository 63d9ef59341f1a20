"""Book checkpoints beside the tape: one Parquet file of orders and one JSON of marks, keyed by the tape's hash.

They are made at the first replay of a day and made anew when the tape, or the way it is compiled, has changed. A lake
that cannot be written to does without: they are then made each time.
"""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from tercel.market.tape.compiled import Checkpoint, CompiledDay, compile_day
from tercel.market.tape.lake import Lake

VERSION = 1
ORDERS = "checkpoints.parquet"
ROWS = "compiled.parquet"
MARKS = "checkpoints.json"
_COLUMNS = ("slot", "side", "price", "lots", "arrival", "anonymous")
_ROW_COLUMNS = ("ns", "kind", "slot", "side", "price", "lots")


def compiled(lake: Lake, symbol: str, date: str, venue: str | None = None) -> CompiledDay:
    """A day compiled for replay, from the store beside the tape where that fits the tape's hash."""
    folder = lake.find(symbol, date, venue)
    instrument = lake.instrument(symbol, date, venue)
    key = f"{VERSION}:{instrument.content_hash}"
    with suppress(OSError, ValueError, KeyError):
        return _load(folder, key, lake, symbol, date, venue)
    day = compile_day(*lake.read(symbol, date, venue))
    with suppress(OSError):
        _save(folder, key, day)
    return day


def _load(folder: Path, key: str, lake: Lake, symbol: str, date: str, venue: str | None) -> CompiledDay:
    import polars as pl
    from polars.exceptions import PolarsError

    marks = json.loads((folder / MARKS).read_text())
    if marks["key"] != key:
        raise ValueError("made from another tape")
    try:
        frame = pl.read_parquet(folder / ORDERS)
        rows = pl.read_parquet(folder / ROWS).select(_ROW_COLUMNS).to_numpy()
        orders = frame.select(_COLUMNS).to_numpy().astype(np.int64)
        owner = frame["checkpoint"].to_numpy()
    except PolarsError as error:
        raise ValueError("damaged") from error
    checkpoints = tuple(
        Checkpoint(**mark, orders=orders[owner == number]) for number, mark in enumerate(marks["checkpoints"])
    )
    day = CompiledDay(
        lake.instrument(symbol, date, venue), np.ascontiguousarray(rows.astype(np.int64)), marks["slots"], checkpoints
    )
    if len(rows) != marks["rows"] or len(orders) != marks["orders"]:
        raise ValueError("damaged")
    return day


def _save(folder: Path, key: str, day: CompiledDay) -> None:
    """Data first, the mark that makes them valid last; each written aside and renamed."""
    import polars as pl

    orders = np.concatenate([c.orders for c in day.checkpoints])
    owner = np.concatenate([np.full(len(c.orders), i, np.int32) for i, c in enumerate(day.checkpoints)])
    frame = pl.DataFrame({name: orders[:, j] for j, name in enumerate(_COLUMNS)}).with_columns(
        pl.Series("checkpoint", owner)
    )
    rows = pl.DataFrame({name: day.rows[:, j] for j, name in enumerate(_ROW_COLUMNS)})
    marks = {
        "key": key,
        "slots": day.slots,
        "rows": len(day.rows),
        "orders": len(orders),
        "checkpoints": [
            {n: getattr(c, n) for n in ("ns", "row", "halted", "last_bid", "last_ask", "mid2")} for c in day.checkpoints
        ],
    }
    (folder / MARKS).unlink(missing_ok=True)
    for name, data in ((ORDERS, frame), (ROWS, rows)):
        aside = folder / f".{name}.part"
        data.write_parquet(aside, compression="zstd")
        aside.replace(folder / name)
    aside = folder / f".{MARKS}.part"
    aside.write_text(json.dumps(marks))
    aside.replace(folder / MARKS)
