"""Databento DBN files of any version: metadata, and their order-by-order records as words.

Symbols and schema come from the file's metadata through Databento's own library (`databento-dbn`, an extra); records
of 56 bytes are read in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, FeedError
from tercel.core.extras import import_optional
from tercel.core.vocabulary import DAY_NS
from tercel.feeds.dbn_kernels import (
    BODY,
    MBO,
    RECORD_WORDS,
    SNAPSHOT,
    TS_EVENT,
    TS_RECV,
    Words,
    record_offsets,
)
from tercel.feeds.dbn_level_kernels import LEVEL, LEVEL_WORDS
from tercel.feeds.members import Member

MAGIC: Final = b"DBN"
LEVELS: Final = {"mbp-10": 10, "mbp-1": 1, "tbbo": 1, "trades": 0, "mbo": 0}
"""Levels that a record shows, by schema."""
RTYPES: Final = {"mbp-10": 10, "mbp-1": 1, "tbbo": 1, "trades": 0, "mbo": MBO}


@dataclass(frozen=True)
class Records:
    """Records of a file.

    Parameters
    ----------
    rows : int64[n, words]
        The records, eight bytes a word: seven of an order's record, six and four for each level of others.
    venue : str
        Dataset up to its first dot, as ``GLBX`` of ``GLBX.MDP3``.
    symbols : dict
        (instrument id, date) to symbol; the date is empty where a symbol holds on every day.
    others : int
        Records of other kinds, which were passed over.
    location : str
        The file, for people.
    schema : str
        One of `LEVELS`.
    """

    rows: Words
    venue: str
    symbols: Mapping[tuple[int, str], str]
    others: int
    location: str
    schema: str = "mbo"

    def symbol(self, instrument: int, day: str) -> str:
        """Name of an instrument on a day; its number where the file does not say."""
        name = self.symbols.get((instrument, day)) or self.symbols.get((instrument, ""))
        return name if name is not None else str(instrument)


def days_of(rows: Words, schema: str) -> Ints:
    """Days since 1970 of records, int64[n]: of UTC, those of an order's snapshot by their receipt."""
    stamps = rows[:, TS_EVENT]
    if schema == "mbo":
        stamps = np.where(rows[:, BODY] >> 32 & SNAPSHOT, rows[:, TS_RECV], stamps)
    return stamps // DAY_NS


def record_words(schema: str) -> int:
    """Words of eight bytes of a record of a schema."""
    return RECORD_WORDS if schema == "mbo" else LEVEL + LEVEL_WORDS * LEVELS[schema]


def is_csv(member: Member) -> bool:
    """Whether a file's name, compression aside, ends with .csv."""
    return member.name.lower().endswith(".csv")


def dbn_library() -> Any:
    """Databento's reader library, imported on first use.

    Raises
    ------
    ConfigError
        When it is not installed; names the extra.
    """
    return import_optional("databento_dbn", "dbn")


def metadata_of(data: bytes, location: str) -> tuple[Any, int]:
    """Decoded metadata of a DBN file, and the byte offset of its first record.

    Raises
    ------
    FeedError
        When the bytes do not begin as a DBN file does.
    """
    if data[:3] != MAGIC or len(data) < 8:
        raise FeedError(
            "a Databento DBN file",
            f"{location}, which begins with {data[:8]!r}",
            "give .dbn or .dbn.zst files, or CSV files named .csv",
        )
    start = 8 + int.from_bytes(data[4:8], "little")
    try:
        metadata = dbn_library().Metadata.decode(data[:start])
    except ConfigError:
        raise
    except Exception as error:  # the library has its own tree of errors, and raises others' as well
        raise FeedError(
            "metadata of DBN version 1 to 3", f"{location}: {error}", "download it again"
        ) from error
    return metadata, start


def schema_of(metadata: Any) -> str:
    """Schema that a file's metadata names, in small letters, such as ``mbo``; ``mixed`` where it names none."""
    return "mixed" if metadata.schema is None else str(metadata.schema).lower().rsplit(".", 1)[-1]


def read_dbn_records(data: bytes, metadata: Any, start: int, location: str) -> Records:
    """All records of a DBN file, decompressed: of orders, or of levels and trades.

    Raises
    ------
    FeedError
        When the file is cut, or is of another schema.
    """
    schema = schema_of(metadata)
    if schema not in (*LEVELS, "mixed"):
        raise FeedError(
            f"a DBN file of the schema {', '.join(LEVELS)}",
            f"{schema} in {location}",
            "import files of one of those schemas",
        )
    schema = "mbo" if schema == "mixed" else schema
    rows, others = decode_records(data, start, location, schema)
    venue = metadata.dataset.split(".")[0]
    return Records(rows, venue, symbols_of(metadata), others, location, schema)


def decode_records(
    data: bytes, start: int, location: str, schema: str = "mbo"
) -> tuple[Words, int]:
    """Records of a schema in a stream of DBN records as words, int64 (n, words), and how many records of other kinds there are.

    Raises
    ------
    FeedError
        When the stream ends in the middle of a record, or has records of another kind than of a schema of levels.
    """
    raw = np.frombuffer(data, np.uint8)
    body = raw[start:]
    size = 8 * record_words(schema)
    rows, cut = divmod(len(body), size)
    heads = body[: rows * size].reshape(rows, size)
    is_other = (heads[:, 0] != size // 4) | (heads[:, 1] != RTYPES[schema])
    if not cut and not is_other.any():
        is_aligned = heads.ctypes.data % 8 == 0  # as the format lays it out: then nothing is copied
        return (heads if is_aligned else heads.copy()).view(np.int64), 0
    if schema != "mbo":
        row = int(is_other.argmax()) if is_other.any() else rows
        raise FeedError(
            f"whole records of the schema {schema}",
            f"{location}, in which record {row + 1} is cut, or of another kind",
            "download it again",
        )
    offsets = np.empty(len(body) // 16 + 1, np.int64)
    count, others = record_offsets(raw, start, offsets)
    if others < 0:
        raise FeedError(
            "whole records",
            f"{location}, which ends in the middle of the record at byte {-1 - others} of {len(raw)}",
            "download it again: it was cut off",
        )
    byte_index = offsets[:count, None] + np.arange(size)
    return raw[byte_index].view(np.int64), int(others)


def symbols_of(metadata: Any) -> dict[tuple[int, str], str]:
    """Symbols by (instrument id, date), for every day of the mapping intervals of a file's metadata."""
    symbols: dict[tuple[int, str], str] = {}
    for raw, intervals in metadata.mappings.items():
        for interval in intervals:
            start = interval["start_date"]
            stop = interval["end_date"]
            number = interval["symbol"]
            if not number.isdigit():
                continue
            for day in range(start.toordinal(), max(stop.toordinal(), start.toordinal() + 1)):
                symbols[int(number), date.fromordinal(day).isoformat()] = raw
    return symbols
