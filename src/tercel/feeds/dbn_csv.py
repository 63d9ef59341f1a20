"""Databento files in CSV form: their columns, and order-by-order records as words.

CSV needs no library: each row repeats what a DBN file says once, as in::

    ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,...,symbol
    2025-07-17T07:05:09.035793433Z,2025-07-17T07:05:09.035627674Z,160,2,1108,R,N,,0,0,0,8,0,0,ARL
"""

from io import BytesIO
from typing import Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError
from tercel.feeds.csv_columns import ROW, TextRows, TypedColumn, strip_text
from tercel.feeds.dbn_kernels import (
    BODY,
    HEAD,
    MBO,
    NO_PRICE,
    ORDER_ID,
    PRICE,
    RECORD_WORDS,
    TAIL,
    TS_EVENT,
    TS_RECV,
)
from tercel.feeds.dbn_records import RECORD, Records
from tercel.feeds.members import Member

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


def read_csv(member: Member, columns: tuple[str, ...]) -> TextRows:
    """A Databento CSV file as text, with the numbers of its rows; FeedError if it lacks one of `columns`.

    Raises
    ------
    FeedError
        When it cannot be read or lacks a column.
    """
    try:
        frame = pl.read_csv(BytesIO(member.content()), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise FeedError("a CSV file", f"{member.location}: {error}", "download it again") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise FeedError(
            f"a Databento CSV file with the columns {', '.join(columns[:8])}...",
            f"no {', '.join(missing)} in {member.location}",
            "check the file",
        )
    return TextRows(frame.with_row_index(ROW, 2), member.location)


def csv_time(text: TextRows, name: str) -> TypedColumn:
    """Column of ISO times or integers, as ns since 1970."""
    if text.frame.height and "T" in str(text.frame[name][0]):
        stamps = strip_text(name).str.to_datetime(
            "%+", time_unit="ns", time_zone="UTC", strict=False
        )
        return TypedColumn(name, strip_text(name), stamps.dt.epoch("ns"), "a time")
    return csv_number(name)


def csv_number(name: str) -> TypedColumn:
    """Column of whole numbers, null where the text is none."""
    return TypedColumn(
        name, strip_text(name), strip_text(name).cast(pl.Int64, strict=False), "a whole number"
    )


def csv_price(text: TextRows, name: str) -> TypedColumn:
    """Column of decimal prices, or of integers in 1e-9, as exact integers in 1e-9; NO_PRICE where empty."""
    text_column = strip_text(name)
    whole_part, part = (text_column.str.splitn(".", 2).struct.field(f"field_{i}") for i in range(2))
    units = whole_part.cast(pl.Int64, strict=False)
    if text.frame.select(part.is_not_null().any()).item():
        billionths = (
            part.fill_null("").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64, strict=False)
        )
        units = units * NANOS + billionths * pl.when(text_column.str.starts_with("-")).then(
            -1
        ).otherwise(1)
    return TypedColumn(
        name, text_column, pl.when(text_column == "").then(NO_PRICE).otherwise(units), "a price"
    )


def csv_letter(name: str) -> TypedColumn:
    """Column of single letters as their character codes."""
    code = strip_text(name).str.encode("hex").str.to_integer(base=16, strict=False)
    letter_code = pl.when(strip_text(name).str.len_bytes() == 1).then(code)
    return TypedColumn(name, strip_text(name), letter_code, "one letter, as in the schema mbo,")


def read_csv_records(member: Member) -> Records:
    """All order-by-order records of a CSV file, as words; FeedError for a row of another kind.

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
    typed = text.to_typed(columns, [])
    for row in (
        typed.with_row_index("row", 2).filter(pl.col("rtype") != MBO).head(1).iter_rows(named=True)
    ):
        raise FeedError(
            f"order-by-order records (rtype {MBO})",
            f"rtype {row['rtype']} in row {row['row']} of {text.location}",
            "import files of the schema mbo; mbp-10 files are for `tercel data verify` and its `against=`",
        )
    values = {name: typed[name].to_numpy().astype(np.int64) for name in columns}
    rows = np.zeros((typed.height, RECORD_WORDS), np.int64)
    rows[:, HEAD] = (
        RECORD // 4 | MBO << 8 | values["publisher_id"] << 16 | values["instrument_id"] << 32
    )
    rows[:, BODY] = (
        values["size"] | values["flags"] << 32 | values["action"] << 48 | values["side"] << 56
    )
    rows[:, TS_EVENT] = values["ts_event"]
    rows[:, TS_RECV] = values["ts_recv"]
    rows[:, PRICE] = values["price"]
    rows[:, ORDER_ID] = values["order_id"]
    rows[:, TAIL] = values["sequence"] << 32
    named = text.frame["symbol"].fill_null("").to_list() if "symbol" in text.frame.columns else []
    symbols = {
        (number, ""): name
        for number, name in zip(values["instrument_id"].tolist(), named, strict=False)
        if name
    }
    first = int(values["publisher_id"][0]) if typed.height else 0
    return Records(rows, PUBLISHERS.get(first, f"PUB{first}"), symbols, 0, text.location)
