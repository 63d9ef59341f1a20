"""Databento records as words: binary DBN files of any version, and their CSV form.

Symbols and schema come from the file's metadata through Databento's own library (`databento-dbn`, an extra); records of
56 bytes are read as they lie. CSV needs no library: it says per row what a DBN file says once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, FeedError
from tercel.market.feeds import dbn_kernels as k
from tercel.market.feeds.members import Member

if TYPE_CHECKING:
    import polars as pl

MAGIC: Final = b"DBN"
RECORD: Final = 8 * k.RECORD_WORDS
NANOS: Final = 1_000_000_000
MBO_COLUMNS: Final = (
    *("ts_recv", "ts_event", "rtype", "publisher_id", "instrument_id", "action", "side", "price", "size"),
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
    try:
        import databento_dbn
    except ImportError as error:
        remedy = 'install the extra: pip install "tercel[dbn]"; CSV files of the same data need no library'
        raise ConfigError("Databento's library databento-dbn, which reads DBN files", str(error), remedy) from error
    return databento_dbn


def metadata_of(data: bytes, where: str) -> tuple[Any, int]:
    """Metadata of a DBN file, and where its records begin.

    Raises
    ------
    FeedError
        When the bytes do not begin as a DBN file does.
    """
    if data[:3] != MAGIC or len(data) < 8:
        received = f"{where}, which begins with {data[:8]!r}"
        raise FeedError("a Databento DBN file", received, "give .dbn or .dbn.zst files, or CSV files named .csv")
    start = 8 + int.from_bytes(data[4:8], "little")
    try:
        metadata = dbn_library().Metadata.decode(data[:start])
    except ConfigError:
        raise
    except Exception as error:  # the library has its own tree of errors, and raises others' as well
        raise FeedError("metadata of DBN version 1 to 3", f"{where}: {error}", "download it again") from error
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
        remedy = "import files of the schema mbo; mbp-10 files are for `tercel data verify --against`"
        raise FeedError("a DBN file of the schema mbo", f"{schema} in {where}", remedy)
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
    if len(body) == rows * RECORD and bool(np.all((heads[:, 0] == RECORD // 4) & (heads[:, 1] == k.MBO))):
        at_words = heads.ctypes.data % 8 == 0  # as the format lays it out: then nothing is copied
        return (heads if at_words else heads.copy()).view(np.int64), 0
    offsets = np.empty(len(body) // 16 + 1, np.int64)
    found = int(k.record_offsets(raw, start, offsets))
    if found < 0:
        received = f"{where}, which ends in the middle of the record at byte {-1 - found} of {len(raw)}"
        raise FeedError("whole records", received, "download it again: it was cut off")
    at = offsets[:found, None] + np.arange(RECORD)
    return raw[at].view(np.int64), _count_records(raw, start) - found


def _count_records(raw: NDArray[np.uint8], start: int) -> int:
    n, at = 0, start
    while at < len(raw):
        at += 4 * int(raw[at])
        n += 1
    return n


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


def read_csv(member: Member, wanted: tuple[str, ...]) -> pl.DataFrame:
    """A Databento CSV file as strings.

    Raises
    ------
    FeedError
        When it cannot be read or lacks a column.
    """
    import polars as pl

    try:
        frame = pl.read_csv(BytesIO(member.content()), infer_schema=False).fill_null("")
    except pl.exceptions.PolarsError as error:
        raise FeedError("a CSV file", f"{member.where}: {error}", "download it again") from error
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        received = f"no {', '.join(missing)} in {member.where}"
        raise FeedError(f"a Databento CSV file with the columns {', '.join(wanted[:8])}...", received, "check the file")
    return frame


def csv_times(frame: pl.DataFrame, name: str, where: str) -> NDArray[np.int64]:
    """A column of ISO stamps or integers as ns since 1970."""
    import polars as pl

    text = pl.col(name)
    if frame.height and "T" in str(frame[name][0]):
        column = frame.select(text.str.to_datetime("%+", time_unit="ns", time_zone="UTC", strict=False))
        return _whole(column[name].dt.epoch("ns"), name, where)
    return _whole(frame[name].cast(pl.Int64, strict=False), name, where)


def csv_prices(frame: pl.DataFrame, name: str, where: str) -> NDArray[np.int64]:
    """A column of decimal prices, or of integers in 1e-9, as integers in 1e-9; exact, no float in between."""
    import polars as pl

    text = frame[name].fill_null("")
    parts = text.str.splitn(".", 2).struct.unnest()
    pretty = bool(parts["field_1"].is_not_null().any())
    whole = parts["field_0"].replace("", None).cast(pl.Int64, strict=False)
    bad = (text != "") & whole.is_null()
    if bool(bad.any()):
        row = int(bad.arg_max() or 0)
        raise FeedError("prices", f"{name} {text[row]!r} in row {row + 2} of {where}", "download the file again")
    if not pretty:
        return whole.fill_null(k.NO_PRICE).to_numpy()
    part = parts["field_1"].fill_null("").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64, strict=False)
    sign = pl.Series([-1 if t.startswith("-") else 1 for t in text]) if bool(text.str.starts_with("-").any()) else 1
    return (whole * NANOS + part * sign).fill_null(k.NO_PRICE).to_numpy()


def csv_numbers(frame: pl.DataFrame, name: str, where: str) -> NDArray[np.int64]:
    """A column of whole numbers."""
    import polars as pl

    return _whole(frame[name].cast(pl.Int64, strict=False), name, where)


def _whole(column: pl.Series, name: str, where: str) -> NDArray[np.int64]:
    if column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise FeedError("numbers and times", f"no {name} in row {row + 2} of {where}", "download the file again")
    return column.to_numpy()


def read_csv_records(member: Member) -> Records:
    """All order-by-order records of a CSV file.

    Raises
    ------
    FeedError
        When it cannot be read, lacks a column, or is of another schema.
    """
    frame = read_csv(member, MBO_COLUMNS)
    where, n = member.where, frame.height
    letters = {}
    for name in ("action", "side"):
        column = frame[name].to_list()
        short = next((row for row, text in enumerate(column) if len(text) != 1 or ord(text) > 127), None)
        if short is not None:
            received = f"{name} {column[short]!r} in row {short + 2} of {where}"
            raise FeedError("one letter", received, "give a CSV file of the schema mbo")
        letters[name] = np.frombuffer("".join(column).encode(), np.uint8).astype(np.int64)
    strange = np.flatnonzero(csv_numbers(frame, "rtype", where) != k.MBO)
    if len(strange):
        received = f"rtype {frame['rtype'][int(strange[0])]} in row {int(strange[0]) + 2} of {where}"
        remedy = "import files of the schema mbo; mbp-10 files are for `tercel data verify --against`"
        raise FeedError(f"order-by-order records (rtype {k.MBO})", received, remedy)
    words = np.zeros((n, k.RECORD_WORDS), np.int64)
    publisher, instrument = (csv_numbers(frame, name, where) for name in ("publisher_id", "instrument_id"))
    size, flags, sequence = (csv_numbers(frame, name, where) for name in ("size", "flags", "sequence"))
    words[:, k.HEAD] = RECORD // 4 | k.MBO << 8 | publisher << 16 | instrument << 32
    words[:, k.TS_EVENT] = csv_times(frame, "ts_event", where)
    words[:, k.ORDER_ID] = csv_numbers(frame, "order_id", where)
    words[:, k.PRICE] = csv_prices(frame, "price", where)
    words[:, k.BODY] = size | flags << 32 | letters["action"] << 48 | letters["side"] << 56
    words[:, k.TS_RECV] = csv_times(frame, "ts_recv", where)
    words[:, k.TAIL] = sequence << 32
    named = frame["symbol"].to_list() if "symbol" in frame.columns else []
    symbols = {(number, ""): text for number, text in zip(instrument.tolist(), named, strict=False) if text}
    first = int(publisher[0]) if n else 0
    return Records(words, PUBLISHERS.get(first, f"PUB{first}"), symbols, 0, where)
