"""Databento files of levels and trades (schemas mbp-10, mbp-1, tbbo, trades) as days of columns that a map names.

A row shows the levels after it, one of tbbo those before it. A trade (action T) leaves them alone: what follows in its
event takes the lots. Of CSV::

    ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,...,bid_px_00,ask_px_00,bid_sz_00,...
    2025-04-03T13:30:00.1253Z,2025-04-03T13:30:00.1252Z,10,2,6292,A,A,3,32.79,100,130,...,30.1,32,50,200,...,FROG
"""

from collections.abc import Collection, Sequence
from io import BytesIO
from typing import IO, Final, NamedTuple

import numpy as np
import polars as pl

from tercel.core.arrays import AnyArray
from tercel.core.errors import FeedError
from tercel.feeds import csv_feed
from tercel.feeds.csv_day import CsvDay
from tercel.feeds.csv_map import (
    CleanMap,
    CsvMap,
    FileMap,
    InstrumentMap,
    QuoteMap,
    RowsMap,
    TimeMap,
    TradeMap,
)
from tercel.feeds.csv_read import HEAD_BYTES
from tercel.feeds.dbn_csv import PUBLISHERS
from tercel.feeds.dbn_day import US_STOCKS
from tercel.feeds.dbn_kernels import NO_PRICE
from tercel.feeds.dbn_records import is_csv, metadata_of, schema_of, symbols_of
from tercel.feeds.members import Member
from tercel.market.feed import FeedOptions

LEVELS: Final = {"mbp-10": 10, "mbp-1": 1, "tbbo": 1, "trades": 0}
"""Levels of a row, by the schemas that this module reads."""
SCALE: Final = 10**9
_HEAD: Final = [
    ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8"),
    ("price", "<i8"), ("size", "<u4"), ("action", "S1"), ("side", "S1"), ("flags", "u1"), ("depth", "u1"),
    ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip
_LEVEL: Final = (("px", "<i8"), ("sz", "<u4"), ("ct", "<u4"))
NO_RULES: Final = CleanMap(
    zero=False,
    session=False,
    negative_spread=False,
    wide_spread=0,
    outliers=0,
    trade_outliers=False,
)


class LevelFile(NamedTuple):
    """A file of levels or trades: as a file of columns, its map, its schema (for people), and its venue."""

    member: Member
    map: FileMap
    schema: str
    venue: str


def level_file(member: Member) -> LevelFile | None:
    """A file's columns and their map, if its schema is one of `LEVELS`; None for other schemas."""
    if is_csv(member):
        return _csv_file(member)
    data = member.content()
    metadata, _ = metadata_of(data, member.location)
    schema = schema_of(metadata)
    if schema not in LEVELS:
        return None

    def open_columns() -> IO[bytes]:
        """The file's records as columns, in the Arrow format."""
        columns = BytesIO()
        _columns_of(member).write_ipc(columns, compression="uncompressed")
        columns.seek(0)
        return columns

    names = {"ts_recv", "symbol", "price", *(("bid_px_00",) if LEVELS[schema] else ())}
    file = _map_of(schema, names, SCALE)
    whole = Member(f"{member.name}.arrow", member.location, None, open_columns)
    return LevelFile(whole, file, schema, metadata.dataset.split(".")[0])


def _csv_file(member: Member) -> LevelFile | None:
    """A CSV file, with its schema by its columns and first rows; None if it has orders, or no header of Databento's."""
    head = next(member.chunks(HEAD_BYTES), b"")
    head = head[: head.rfind(b"\n") + 1] or head
    try:
        frame = pl.read_csv(BytesIO(head), infer_schema=False)
    except pl.exceptions.PolarsError:
        return None
    names = set(frame.columns)
    if not {"ts_event", "action", "side", "price"} <= names:
        return None
    if "order_id" in names and "bid_px_00" not in names:
        return None
    only_trades = (frame["action"] == "T").all()
    schema = next(name for name, n in LEVELS.items() if not n or f"bid_px_{n - 1:02}" in names)
    schema = "tbbo" if schema == "mbp-1" and only_trades else schema
    whole = not frame["price"].str.contains(".", literal=True).any()
    publishers = frame["publisher_id"] if "publisher_id" in names else []
    venue = (
        PUBLISHERS.get(int(publishers[0]), f"PUB{publishers[0]}")
        if len(publishers)
        else "DATABENTO"
    )
    return LevelFile(member, _map_of(schema, names, SCALE if whole else 1), schema, venue)


def _map_of(schema: str, names: Collection[str], scale: int) -> FileMap:
    """Map of a file of a schema with the columns `names`, prices times `scale`."""
    levels = LEVELS[schema]
    book = QuoteMap(
        bid="bid_px_{nn}",
        bid_size="bid_sz_{nn}",
        ask="ask_px_{nn}",
        ask_size="ask_sz_{nn}",
        levels=max(levels, 1),
        first=0,
        exchange="publisher_id" if levels == 1 else "",
        zero_side="none",
        final="" if schema == "tbbo" else "flags",
    )
    received = "ts_recv" if "ts_recv" in names else ""
    return FileMap(
        time=TimeMap(
            column=("ts_event",),
            unit="auto",
            origin="epoch",
            received=received,
            order="receipt" if received else "time",
        ),
        symbol="symbol" if "symbol" in names else "instrument_id",
        sequence="sequence",
        price_scale=scale,
        nothing=str(NO_PRICE),
        rows=RowsMap(
            column="action",
            quote=("T",) if schema == "tbbo" else ("A", "C", "M", "R", "F", "N", "T"),
            trade=("T",),
        ),
        quote=book if levels else None,
        trade=TradeMap(
            price="price",
            size="size",
            aggressor="side",
            buy=("B",),
            sell=("A",),
            hidden=("N",),
            in_quotes=schema != "tbbo",
            id=(),
        ),
    )


def level_days(files: Sequence[LevelFile], options: FeedOptions) -> list[CsvDay]:
    """Days of files of levels or trades, one for each symbol and day of UTC; FeedError for one of two schemas."""
    groups: dict[tuple[str, str, str], list[LevelFile]] = {}
    for file in files:
        for symbol, day in csv_feed.keys_of(
            file.member, file.map, _map_with(file), options.symbol, options.date
        ):
            groups.setdefault((symbol, day, file.venue), []).append(file)
    days = []
    for (symbol, day, _), group in sorted(groups.items()):
        if len({file.schema for file in group}) > 1:
            raise FeedError(
                f"files of one schema for {symbol} on {day}",
                " and ".join(f"{file.member.location} ({file.schema})" for file in group),
                "import those of one schema",
            )
        parts = tuple((file.member, file.map) for file in group)
        days.append(CsvDay(symbol, day, parts, _map_with(group[0]), options.tick))
    return days


def _map_with(file: LevelFile) -> CsvMap:
    """Whole map of a file: its venue, days of UTC, ticks and lots as its prices and sizes show them."""
    stocks = file.venue in US_STOCKS
    instrument = InstrumentMap(
        venue=file.venue,
        tick=0,
        timezone="UTC",
        session=("09:30", "16:00") if stocks else (),
        session_timezone="America/New_York" if stocks else "",
        uppercase=False,
    )
    return CsvMap(
        instrument=instrument, file=(file.map,), clean=NO_RULES, about=f"Databento {file.schema}"
    )


def record_type(levels: int) -> np.dtype[np.void]:
    """Type of a record with that many levels, each a bid and an ask with price, size and number of orders."""
    sides = [(f"{side}_{name}", kind) for name, kind in _LEVEL for side in ("bid", "ask")]
    return np.dtype([*_HEAD, ("levels", sides, (levels,))])


def read_level_records(data: bytes, start: int, schema: str, location: str) -> AnyArray:
    """Records of a decoded file of levels or trades as a structured array; FeedError for a cut file, or other records."""
    kind = record_type(LEVELS[schema])
    whole, cut = divmod(len(data) - start, kind.itemsize)
    rows = np.frombuffer(data, kind, whole, start)
    other = rows["length"] != kind.itemsize // 4
    if cut or other.any():
        at = int(other.argmax()) + 1 if other.any() else whole + 1
        raise FeedError(
            f"whole records of {kind.itemsize} bytes, as of the schema {schema}",
            f"{location}, in which record {at} is cut, or of another kind",
            "download it again",
        )
    return rows


def _columns_of(member: Member) -> pl.DataFrame:
    """Columns of a DBN file, named as in a CSV file; null for prices that there are not."""
    data = member.content()
    metadata, start = metadata_of(data, member.location)
    schema = schema_of(metadata)
    rows = read_level_records(data, start, schema, member.location)
    names = (
        "ts_recv",
        "ts_event",
        "publisher_id",
        "instrument_id",
        "price",
        "size",
        "flags",
        "sequence",
    )
    frame = pl.DataFrame({name: rows[name].astype(np.int64) for name in names})
    levels = {
        f"{field}_{level:02}": rows["levels"][field][:, level].astype(np.int64)
        for level in range(LEVELS[schema])
        for field in rows.dtype["levels"].base.names or ()
        if not field.endswith("_ct")
    }
    letters = {name: pl.Series(rows[name].astype("U1")) for name in ("action", "side")}
    frame = frame.with_columns(**levels, **letters)
    symbols = {
        "instrument_id": [number for number, _ in symbols_of(metadata)],
        "day": [day for _, day in symbols_of(metadata)],
        "symbol": list(symbols_of(metadata).values()),
    }
    day = pl.from_epoch("ts_recv", "ns").dt.strftime("%Y-%m-%d")
    kinds = {"instrument_id": pl.Int64, "day": pl.String, "symbol": pl.String}
    named = frame.with_columns(day=day).join(
        pl.DataFrame(symbols, schema=kinds),
        on=["instrument_id", "day"],
        how="left",
        maintain_order="left",
    )
    named = named.with_columns(pl.col("symbol").fill_null(pl.col("instrument_id").cast(pl.String)))
    prices = pl.col("^price|(bid|ask)_px_.*$")
    return named.with_columns(pl.when(prices != NO_PRICE).then(prices)).drop("day")
