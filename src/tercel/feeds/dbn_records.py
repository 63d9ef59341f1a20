"""Databento records as words: binary DBN files of any version, and their CSV form.

Symbols and schema come from the file's metadata through Databento's own library (`databento-dbn`, an extra); records of
56 bytes are read in place. CSV needs no library: each row repeats what a DBN file says once, as in::

    ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,...,symbol
    2025-07-17T07:05:09.035793433Z,2025-07-17T07:05:09.035627674Z,160,2,1108,R,N,,0,0,0,8,0,0,ARL
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.errors import ConfigError, FeedError
from tercel.core.extras import needed
from tercel.feeds import dbn_kernels as k
from tercel.feeds.csv_read import ROW, TextRows, TypedColumn, stripped
from tercel.feeds.members import Member

MAGIC: Final = b"DBN"
RECORD: Final = 8 * k.RECORD_WORDS
NANOS: Final = 1_000_000_000
MBO_COLUMNS: Final = (
    *(
        "ts_recv",
        "ts_event",
        "rtype",
        "publisher_id",
        "instrument_id",
        "action",
        "side",
        "price",
        "size",
    ),
    *("order_id", "flags", "sequence"),
)
PUBLISHERS: Final = {1: "GLBX", 2: "XNAS"}
"""Venues of publishers in CSV files, which do not name their dataset; others are called by number."""


@dataclass(frozen=True)
class Records:
    """Order-by-order records of a file.

    Parameters
    ----------
    words : int64[n, 7]
        The records, 56 bytes each.
    venue : str
        Dataset up to its first dot, as ``GLBX`` of ``GLBX.MDP3``.
    symbols : dict
        (instrument id, date) to symbol; the date is empty where a symbol holds on every day.
    others : int
        Records of other kinds, which were passed over.
    where : str
        The file, for people.
    """

    words: k.Words
    venue: str
    symbols: Mapping[tuple[int, str], str]
    others: int
    where: str

    def symbol(self, instrument: int, day: str) -> str:
        """Name of an instrument on a day; its number where the file does not say."""
        found = self.symbols.get((instrument, day)) or self.symbols.get((instrument, ""))
        return found if found is not None else str(instrument)


def is_csv(member: Member) -> bool:
    """Whether a file's name says CSV."""
    return member.name.lower().endswith(".csv")


def dbn_library() -> Any:
    """Databento's reader library.

    Raises
    ------
    ConfigError
        When it is not installed; names the extra.
    """
    return needed("databento_dbn", "dbn")


def metadata_of(data: bytes, where: str) -> tuple[Any, int]:
    """Metadata of a DBN file, and where its records begin.

    Raises
    ------
    FeedError
        When the bytes do not begin as a DBN file does.
    """
    if data[:3] != MAGIC or len(data) < 8:
        raise FeedError(
            "a Databento DBN file",
            f"{where}, which begins with {data[:8]!r}",
            "give .dbn or .dbn.zst files, or CSV files named .csv",
        )
    start = 8 + int.from_bytes(data[4:8], "little")
    try:
        metadata = dbn_library().Metadata.decode(data[:start])
    except ConfigError:
        raise
    except Exception as error:  # the library has its own tree of errors, and raises others' as well
        raise FeedError(
            "metadata of DBN version 1 to 3", f"{where}: {error}", "download it again"
        ) from error
    return metadata, start


def schema_of(metadata: Any) -> str:
    """Schema that a file's metadata names, ``mixed`` where it names none."""
    return "mixed" if metadata.schema is None else str(metadata.schema).lower().rsplit(".", 1)[-1]


def read_dbn_records(data: bytes, metadata: Any, start: int, where: str) -> Records:
    """All order-by-order records of a DBN file, decompressed.

    Raises
    ------
    FeedError
        When the file is cut, or is of another schema.
    """
    schema = schema_of(metadata)
    if schema not in ("mbo", "mixed"):
        raise FeedError(
            "a DBN file of the schema mbo",
            f"{schema} in {where}",
            "import files of the schema mbo; mbp-10 files are for `tercel data verify` and its `against=`",
        )
    words, others = words_of(data, start, where)
    return Records(words, metadata.dataset.split(".")[0], symbols_of(metadata), others, where)


def words_of(data: bytes, start: int, where: str) -> tuple[k.Words, int]:
    """MBO records of a stream of DBN records as words, and how many records of other kinds there are.

    Raises
    ------
    FeedError
        When the stream ends in the middle of a record.
    """
    raw = np.frombuffer(data, np.uint8)
    body = raw[start:]
    rows = len(body) // RECORD
    heads = body[: rows * RECORD].reshape(rows, RECORD)
    if len(body) == rows * RECORD and bool(
        np.all((heads[:, 0] == RECORD // 4) & (heads[:, 1] == k.MBO))
    ):
        at_words = heads.ctypes.data % 8 == 0  # as the format lays it out: then nothing is copied
        return (heads if at_words else heads.copy()).view(np.int64), 0
    offsets = np.empty(len(body) // 16 + 1, np.int64)
    found, others = k.record_offsets(raw, start, offsets)
    if others < 0:
        raise FeedError(
            "whole records",
            f"{where}, which ends in the middle of the record at byte {-1 - others} of {len(raw)}",
            "download it again: it was cut off",
        )
    at = offsets[:found, None] + np.arange(RECORD)
    return raw[at].view(np.int64), int(others)


def symbols_of(metadata: Any) -> dict[tuple[int, str], str]:
    """(instrument id, date) to raw symbol, from the mapping intervals of a file."""
    found: dict[tuple[int, str], str] = {}
    for raw, intervals in metadata.mappings.items():
        for interval in intervals:
            start, stop, number = interval["start_date"], interval["end_date"], interval["symbol"]
            if not number.isdigit():
                continue
            for day in range(start.toordinal(), max(stop.toordinal(), start.toordinal() + 1)):
                found[int(number), date.fromordinal(day).isoformat()] = raw
    return found


# -- CSV ------------------------------------------------------------------------------------------------------------


def read_csv(member: Member, wanted: tuple[str, ...]) -> TextRows:
    """A Databento CSV file as text, with the numbers of its rows.

    Raises
    ------
    FeedError
        When it cannot be read or lacks a column.
    """
    try:
        frame = pl.read_csv(BytesIO(member.content()), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise FeedError("a CSV file", f"{member.where}: {error}", "download it again") from error
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise FeedError(
            f"a Databento CSV file with the columns {', '.join(wanted[:8])}...",
            f"no {', '.join(missing)} in {member.where}",
            "check the file",
        )
    return TextRows(frame.with_row_index(ROW, 2), member.where)


def csv_time(text: TextRows, name: str) -> TypedColumn:
    """A column of ISO stamps or integers as ns since 1970."""
    if text.frame.height and "T" in str(text.frame[name][0]):
        stamps = stripped(name).str.to_datetime("%+", time_unit="ns", time_zone="UTC", strict=False)
        return TypedColumn(name, stripped(name), stamps.dt.epoch("ns"), "a time")
    return csv_number(name)


def csv_number(name: str) -> TypedColumn:
    """A column of whole numbers."""
    return TypedColumn(
        name, stripped(name), stripped(name).cast(pl.Int64, strict=False), "a whole number"
    )


def csv_price(text: TextRows, name: str) -> TypedColumn:
    """A column of decimal prices, or of integers in 1e-9, as integers in 1e-9; exact, no float in between."""
    shown = stripped(name)
    whole, part = (shown.str.splitn(".", 2).struct.field(f"field_{i}") for i in range(2))
    made = whole.cast(pl.Int64, strict=False)
    if text.frame.select(part.is_not_null().any()).item():
        billionths = (
            part.fill_null("").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64, strict=False)
        )
        made = made * NANOS + billionths * pl.when(shown.str.starts_with("-")).then(-1).otherwise(1)
    return TypedColumn(
        name, shown, pl.when(shown == "").then(k.NO_PRICE).otherwise(made), "a price"
    )


def csv_letter(name: str) -> TypedColumn:
    """A column of single letters as their codes."""
    code = stripped(name).str.encode("hex").str.to_integer(base=16, strict=False)
    made = pl.when(stripped(name).str.len_bytes() == 1).then(code)
    return TypedColumn(name, stripped(name), made, "one letter, as in the schema mbo,")


def read_csv_records(member: Member) -> Records:
    """All order-by-order records of a CSV file.

    Raises
    ------
    FeedError
        When it cannot be read, lacks a column, or is of another schema.
    """
    text = read_csv(member, MBO_COLUMNS)
    numbers = ("rtype", "publisher_id", "instrument_id", "size", "flags", "sequence", "order_id")
    columns = {name: csv_number(name) for name in numbers} | {
        name: csv_letter(name) for name in ("action", "side")
    }
    columns |= {name: csv_time(text, name) for name in ("ts_event", "ts_recv")} | {
        "price": csv_price(text, "price")
    }
    typed = text.typed(columns, [])
    for row in (
        typed.with_row_index("row", 2)
        .filter(pl.col("rtype") != k.MBO)
        .head(1)
        .iter_rows(named=True)
    ):
        raise FeedError(
            f"order-by-order records (rtype {k.MBO})",
            f"rtype {row['rtype']} in row {row['row']} of {text.where}",
            "import files of the schema mbo; mbp-10 files are for `tercel data verify` and its `against=`",
        )
    at = {name: typed[name].to_numpy().astype(np.int64) for name in columns}
    words = np.zeros((typed.height, k.RECORD_WORDS), np.int64)
    words[:, k.HEAD] = (
        RECORD // 4 | k.MBO << 8 | at["publisher_id"] << 16 | at["instrument_id"] << 32
    )
    words[:, k.BODY] = at["size"] | at["flags"] << 32 | at["action"] << 48 | at["side"] << 56
    words[:, k.TS_EVENT], words[:, k.TS_RECV], words[:, k.PRICE] = (
        at["ts_event"],
        at["ts_recv"],
        at["price"],
    )
    words[:, k.ORDER_ID], words[:, k.TAIL] = at["order_id"], at["sequence"] << 32
    named = text.frame["symbol"].fill_null("").to_list() if "symbol" in text.frame.columns else []
    symbols = {
        (number, ""): name
        for number, name in zip(at["instrument_id"].tolist(), named, strict=False)
        if name
    }
    first = int(at["publisher_id"][0]) if typed.height else 0
    return Records(words, PUBLISHERS.get(first, f"PUB{first}"), symbols, 0, text.where)
