"""Databento files in CSV form: their columns, read into the words of records as a DBN file has them.

CSV needs no library: each row repeats what a DBN file says once, as in::

    ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,...,symbol
    2025-07-17T07:05:09.035793433Z,2025-07-17T07:05:09.035627674Z,160,2,1108,R,N,,0,0,0,8,0,0,ARL

Columns may stand in any order. Times are ISO or ns since 1970; prices are decimals, or whole numbers in 1e-9, all below
7 digits as decimals without a point.
"""

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError
from tercel.core.progress import say
from tercel.feeds import dbn_csv_kernels as k, dbn_kernels, dbn_level_kernels as words
from tercel.feeds.csv_times import is_tick_time
from tercel.feeds.dbn_kernels import NO_PRICE, NO_SIZE
from tercel.feeds.dbn_records import LEVELS, RTYPES, Records, days_of, record_words
from tercel.feeds.members import HEAD_BYTES, Member

MBO_COLUMNS: Final = (
    *("ts_event", "ts_recv", "publisher_id", "instrument_id", "action", "side", "price", "size"),
    *("order_id", "flags", "sequence"),
)
LEVEL_COLUMNS: Final = ("ts_event", "instrument_id", "action", "side", "price", "size")
PUBLISHERS: Final = {"1": "GLBX", "2": "XNAS"}
"""Venues of publishers in CSV files, which do not name their dataset; others are called by number."""
WHOLE_DIGITS: Final = 7
"""Digits from which on prices without a point are whole numbers in 1e-9."""
BLOCK: Final = 1 << 22
"""Bytes that are read at a time."""
_EXPECTED: Final = {
    k.WHOLE: "a whole number",
    k.DECIMAL: "a price",
    k.LETTER: "one letter",
    k.TIME: "a time in ns, or ISO of UTC,",
}


class CsvRecords:
    """Records of a CSV file, read block by block; FeedError for a file that lacks a column.

    Parameters
    ----------
    member : Member
        The file.

    Attributes
    ----------
    schema, venue : str
        By its columns, and by the publisher of its first row.
    symbols : dict
        As :class:`tercel.feeds.dbn_records.Records` has them, of the blocks read so far.
    """

    def __init__(self, member: Member) -> None:
        self._member = member
        head = next(member.chunks(HEAD_BYTES), b"").decode("utf-8-sig", "replace").splitlines()
        self._names = [name.strip() for name in head[0].split(",")] if head else []
        is_mbo = "order_id" in self._names and "bid_px_00" not in self._names
        needed = MBO_COLUMNS if is_mbo else LEVEL_COLUMNS
        if missing := [name for name in needed if name not in self._names]:
            raise FeedError(
                f"a Databento CSV file with the columns {', '.join(needed[:8])}...",
                f"no {', '.join(missing)} in {member.location}",
                "download the file again, with all its columns",
            )
        rows = [dict(zip(self._names, line.split(","), strict=False)) for line in head[1:]]
        self.schema = "mbo" if is_mbo else _schema_of_levels(self._names)
        if self.schema == "mbp-1" and all(row.get("action", "T") == "T" for row in rows):
            self.schema = "tbbo"
        prices = [name for name in self._names if name == "price" or "_px_" in name]
        cells = [row.get(name, "") for row in rows for name in prices]
        decimal = (
            any("." in cell for cell in cells) or 0 < max(map(len, cells), default=0) < WHOLE_DIGITS
        )
        self._fields = _fields(self._names, self.schema, decimal)
        publisher = rows[0].get("publisher_id", "0") if rows else "0"
        self.venue = PUBLISHERS.get(publisher, f"PUB{publisher}")
        self.symbols: dict[tuple[int, str], str] = {}

    def blocks(self) -> Iterator[dbn_kernels.Words]:
        """Blocks of records as words, int64[rows, words]; one is gone when the next is read.

        Raises
        ------
        FeedError
            For a cell of another kind, a row of another number of fields or another schema, or a time that is none in ns.
        """
        rest = b""
        row = 2
        skip = True
        for piece in self._member.chunks(BLOCK):
            data = rest + piece
            stop = data.rfind(b"\n") + 1
            start = data.find(b"\n") + 1 if skip and stop else 0
            if stop:
                skip = False
                block = self._read_block(data[:stop], start, row)
                row += len(block)
                yield block
            rest = data[stop:]
        if rest and not skip:
            yield self._read_block(rest, 0, row)
            say(
                f"warning: the last line of {self._member.location} has no end; if the file was cut there, its last "
                "number lacks digits"
            )

    def _read_block(self, data: bytes, start: int, row: int) -> dbn_kernels.Words:
        """Records of whole lines, which begin at `start` with the file's row number `row`."""
        empty = np.zeros(record_words(self.schema), np.int64)
        empty[words.HEAD] = len(empty) * 2 | RTYPES[self.schema] << 8
        empty[dbn_kernels.PRICE if self.schema == "mbo" else words.PRICE] = NO_PRICE
        for first in range(words.LEVEL, words.LEVEL + words.LEVEL_WORDS * LEVELS[self.schema], 4):
            empty[first : first + 4] = NO_PRICE, NO_PRICE, 0, -1  # -1: how many orders is not said
        rows = np.empty((data.count(b"\n") + 1, len(empty)), np.int64)
        spans = np.zeros((len(rows), 2), np.int64)
        fault = np.full(4, -2)
        raw = np.frombuffer(data, np.uint8)
        rows = rows[: k.read_rows(raw, start, self._fields, empty, rows, spans, fault)]
        if fault[1] > -2:
            raise self._fault_error(data, fault, row)
        self._refuse_others(rows, row)
        if "ts_recv" not in self._names:
            rows[:, words.TS_RECV] = rows[:, words.TS_EVENT]
        self._name_instruments(data, rows, spans[: len(rows)], row)
        return rows

    def _name_instruments(
        self, data: bytes, rows: dbn_kernels.Words, spans: dbn_kernels.Words, row: int
    ) -> None:
        """Add the symbols of a block's rows to `symbols` by id and day; FeedError for two symbols of an id in a day."""
        facts = {
            "number": rows[:, words.HEAD] >> 32 & NO_SIZE,
            "day": days_of(rows, self.schema),
            "place": spans[:, 0],
            "text": spans[:, 1],
        }
        frame = pl.DataFrame(facts).with_row_index("row", row).filter(pl.col("place") > 0)
        for at, number, day, place, _ in frame.unique(
            ["number", "day", "text"], keep="first", maintain_order=True
        ).rows():
            start = place >> 16
            name = data[start : start + (place & 0xFFFF)].decode()
            date = str(np.datetime64(day, "D"))
            if self.symbols.setdefault((number, date), name) != name:
                raise FeedError(
                    f"one symbol of the instrument {number} on {date}",
                    f"{name} and {self.symbols[number, date]} in row {at} of {self._member.location}",
                    "download the file again, or correct its symbols",
                )

    def _fault_error(self, data: bytes, fault: dbn_kernels.Words, row: int) -> FeedError:
        """Error for the first row or cell that the kernel refused."""
        at, column, first, stop = fault.tolist()
        place = f"row {row + at} of {self._member.location}"
        if column < 0:
            return FeedError(
                f"{len(self._names)} fields in each row",
                f"{first} in {place}",
                "download the file again; if its last line was cut, take that away",
            )
        name = self._names[column]
        return FeedError(
            f"{_EXPECTED[int(self._fields[column, 0])]} as {name}",
            f"{data[first:stop][:40].decode(errors='replace')!r} in column {name}, {place}",
            "correct the row",
        )

    def _refuse_others(self, rows: dbn_kernels.Words, row: int) -> None:
        """FeedError for the first row of another schema, or of a time that is none in ns."""
        times = rows[:, words.TS_EVENT]
        kinds = rows[:, words.HEAD] >> 8 & 255
        kind = RTYPES[self.schema]
        is_time = is_tick_time(times, "ns", "epoch")
        for good, expected, values, remedy in (
            (kinds == kind, f"records of the schema {self.schema} (rtype {kind})", kinds, "import files of one schema"),
            (is_time, "ts_event in ns since 1970, of 1980 to 2199,", times, "export the times in ns, or in ISO form"),
        ):  # fmt: skip
            if not good.all():
                at = int(good.argmin())
                received = f"{values[at]} in row {row + at} of {self._member.location}"
                raise FeedError(expected, received, remedy)


def read_csv_records(member: Member) -> Records:
    """All records of a CSV file, as words; errors as :class:`CsvRecords` has them."""
    file = CsvRecords(member)
    blocks = [np.empty((0, record_words(file.schema)), np.int64), *map(np.copy, file.blocks())]
    rows = np.concatenate(blocks)
    return Records(rows, file.venue, file.symbols, 0, member.location, file.schema)


def _schema_of_levels(names: Collection[str]) -> str:
    """Schema of a file of levels or trades by its columns."""
    return next(name for name, n in LEVELS.items() if not n or f"bid_px_{n - 1:02}" in names)


def _fields(names: Collection[str], schema: str, decimal: bool) -> dbn_kernels.Words:
    """What each column of a file gives, int64[columns, 4]: kind, word, shift and bits (0: the whole word); a column that comes
    twice counts once."""
    price = k.DECIMAL if decimal else k.WHOLE
    head = {
        "rtype": (k.WHOLE, words.HEAD, 8, 8),
        "publisher_id": (k.WHOLE, words.HEAD, 16, 16),
        "instrument_id": (k.WHOLE, words.HEAD, 32, 32),
        "ts_event": (k.TIME, words.TS_EVENT, 0, 0),
        "symbol": (k.SPAN, 0, 0, 0),
    }
    if schema == "mbo":
        body = dbn_kernels.BODY
        places = {
            "order_id": (k.WHOLE, dbn_kernels.ORDER_ID, 0, 0),
            "price": (price, dbn_kernels.PRICE, 0, 0),
            "size": (k.WHOLE, body, 0, 32),
            "flags": (k.WHOLE, body, 32, 8),
            "action": (k.LETTER, body, 48, 8),
            "side": (k.LETTER, body, 56, 8),
            "ts_recv": (k.TIME, dbn_kernels.TS_RECV, 0, 0),
            "sequence": (k.WHOLE, dbn_kernels.TAIL, 32, 32),
        }
    else:
        body = words.BODY
        places = {
            "price": (price, words.PRICE, 0, 0),
            "size": (k.WHOLE, body, 0, 32),
            "action": (k.LETTER, body, 32, 8),
            "side": (k.LETTER, body, 40, 8),
            "flags": (k.WHOLE, body, 48, 8),
            "ts_recv": (k.TIME, words.TS_RECV, 0, 0),
            "sequence": (k.WHOLE, words.TAIL, 32, 32),
        }
    for level in range(LEVELS[schema]):
        for h, side in enumerate(("bid", "ask")):
            word = words.LEVEL + words.LEVEL_WORDS * level
            places[f"{side}_px_{level:02}"] = (price, word + h, 0, 0)
            places[f"{side}_sz_{level:02}"] = (k.WHOLE, word + 2, 32 * h, 32)
            places[f"{side}_ct_{level:02}"] = (k.WHOLE, word + 3, 32 * h, 32)
    places |= head
    fields = [places.pop(name, (k.SKIP, 0, 0, 0)) for name in names]
    return np.array(fields, np.int64).reshape(-1, 4)
