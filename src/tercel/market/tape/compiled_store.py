"""Compiled days stored beside their tape, and read back where they match its hash.

A day has one Parquet file of rows, one of the orders at its checkpoints, and one JSON of marks, keyed by the tape's hash.
They are made at the first replay of a day and again when the tape, or the way it is compiled, has changed, or when
a file is not the one that was written. For a lake that cannot be written to they are made each time.
"""

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.core.files import write_atomic
from tercel.market.tape.compiled import Checkpoint, CompiledDay, compile_day
from tercel.market.tape.events import Instrument
from tercel.market.tape.lake import Lake

if TYPE_CHECKING:
    import polars as pl

VERSION = 3
ORDERS = "checkpoints.parquet"
ROWS = "compiled.parquet"
MARKS = "checkpoints.json"
_COLUMNS = ("slot", "side", "price", "lots", "arrival", "anonymous")
_ROW_COLUMNS = ("ns", "kind", "slot", "side", "price", "lots")


def load_compiled(lake: Lake, symbol: str, date: str, venue: str | None = None) -> CompiledDay:
    """A day compiled for replay: from the files beside the tape where they match its hash, else compiled and stored there."""
    folder = lake.find(symbol, date, venue)
    lake.check_prices(lake.instrument(symbol, date, venue))
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return _load(folder, lake.instrument(symbol, date, venue))
    day = compile_day(*lake.read(symbol, date, venue))
    with suppress(OSError):
        _save(folder, day)
    return day


def _key(instrument: Instrument) -> str:
    """Text that identifies a compiled tape: version of the format and hash of the content."""
    return f"{VERSION}:{instrument.content_hash}"


def _digest(*parts: bytes) -> str:
    """SHA-256 of several byte strings, in hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Marks:
    """Marks of a stored compiled day, as JSON: key of the tape, hash of the data, and its checkpoints."""

    key: str
    slots: int
    crossed: str
    checkpoints: list[dict[str, Any]]  # fields of `Checkpoint` without its orders


def _load(folder: Path, instrument: Instrument) -> CompiledDay:
    """A stored compiled day; raises if it is damaged or of another tape (`load_compiled` then compiles)."""
    import polars as pl
    from polars.exceptions import PolarsError

    stored = json.loads((folder / MARKS).read_text())
    text = stored["marks"]
    orders_bytes = (folder / ORDERS).read_bytes()
    rows_bytes = (folder / ROWS).read_bytes()
    if stored["sha256"] != _digest(text.encode(), orders_bytes, rows_bytes):
        raise ValueError("damaged")
    marks = _Marks(**json.loads(text))
    if marks.key != _key(instrument):
        raise ValueError("made from another tape")
    try:
        frame = pl.read_parquet(io.BytesIO(orders_bytes))
        rows = pl.read_parquet(io.BytesIO(rows_bytes)).select(_ROW_COLUMNS).to_numpy()
        orders = frame.select(_COLUMNS).to_numpy().astype(np.int64)
        owner = frame["checkpoint"].to_numpy()
    except PolarsError as error:
        raise ValueError("damaged") from error
    checkpoints = tuple(
        Checkpoint(**mark, orders=orders[owner == number])
        for number, mark in enumerate(marks.checkpoints)
    )
    return CompiledDay(
        instrument,
        np.ascontiguousarray(rows.astype(np.int64)),
        marks.slots,
        checkpoints,
        marks.crossed,
    )


def _save(folder: Path, day: CompiledDay) -> None:
    """Write a compiled day beside its tape: data first, the mark that makes them valid last, each renamed into place."""
    import polars as pl

    orders = np.concatenate([c.orders for c in day.checkpoints])
    owner = np.concatenate(
        [np.full(len(c.orders), i, np.int32) for i, c in enumerate(day.checkpoints)]
    )
    frame = pl.DataFrame({name: orders[:, j] for j, name in enumerate(_COLUMNS)}).with_columns(
        pl.Series("checkpoint", owner)
    )
    rows = pl.DataFrame({name: day.rows[:, j] for j, name in enumerate(_ROW_COLUMNS)})
    orders_bytes = _parquet(frame)
    rows_bytes = _parquet(rows)
    checkpoints = [
        {
            name: getattr(checkpoint, name)
            for name in ("ns", "row", "halted", "last_bid", "last_ask", "mid2")
        }
        for checkpoint in day.checkpoints
    ]
    text = json.dumps(vars(_Marks(_key(day.instrument), day.slots, day.crossed, checkpoints)))
    seal = json.dumps({"sha256": _digest(text.encode(), orders_bytes, rows_bytes), "marks": text})
    for leftover in folder.glob(".part.*"):  # of a killed process
        leftover.unlink(missing_ok=True)
    (folder / MARKS).unlink(missing_ok=True)
    for name, data in ((ORDERS, orders_bytes), (ROWS, rows_bytes), (MARKS, seal.encode())):
        write_atomic(folder / name, data)


def _parquet(frame: "pl.DataFrame") -> bytes:
    """A frame as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
