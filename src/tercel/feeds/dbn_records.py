"""Databento records: binary DBN files of any version and their CSV form as words, and words as rows of a tape.

Symbols and schema come from the file's metadata through Databento's own library (`databento-dbn`, an extra); records of
56 bytes are read in place. CSV needs no library: each row repeats what a DBN file says once, as in::

    ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,...,symbol
    2025-07-17T07:05:09.035793433Z,2025-07-17T07:05:09.035627674Z,160,2,1108,R,N,,0,0,0,8,0,0,ARL

In the source `T` (aggressor) and `F` (resting) leave the book alone; a `C` or `M` of the same order, later in the same
event, has its result. Here the `F` becomes the EXECUTE and the `C` or `M` only the rest of the change. Then:
* `M` at the same price with fewer lots keeps the place (REDUCE), any other is DELETE and ADD: it goes to the end.
* An `F` on the side of its `T` is the aggressor's own and passes. An `F` that no `C` or `M` of its event follows, or
  what it has beyond the lots that the order shows (an iceberg), is a hidden execution as far as the book can tell.
* A `T` without side and with fills without side is an auction (CROSS); its orders leave as withdrawals, since no
  aggressor met them. A `T` without side and without fills is a hidden execution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, FeedError
from tercel.core.extras import needed
from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.feeds.csv_read import ROW, TextRows, TypedColumn, stripped
from tercel.feeds.members import Member
from tercel.market.book.tape_kernels import Ids, find, forget, place_of
from tercel.market.tape import schema

Words = NDArray[np.int64]
"""int64[n, 7]: a record of 56 bytes is seven words."""

# Words of a record.
HEAD, TS_EVENT, ORDER_ID, PRICE, BODY, TS_RECV, TAIL = range(7)
RECORD_WORDS: Final = 7
MBO: Final = 0xA0

# Bits of a record's flags.
LAST: Final = 128
SNAPSHOT: Final = 32
MAYBE_BAD: Final = 4

NO_PRICE: Final = 2**63 - 1
NO_SIZE: Final = 2**32 - 1
MOST: Final = 2**30

# Facts of a resting order.
AT, LOTS, SIDE, DONE = range(4)
"""Ticks; lots; side; lots executed since its last `C` or `M`."""
FACTS: Final = 4


class Resting(NamedTuple):
    """The resting orders: an id map, facts of each, int64[orders, 4], and free slots."""

    ids: Ids
    facts: Longs
    free: Packed


# Slots of the state that goes from one call to the next.
CLOCK, SEQ, ROWS, LIVE, FREE, OPEN, AGGRESSOR = range(7)
"""`OPEN` is 1 while there were only snapshots; `SEQ` begins at -1 when a snapshot comes first, so that it is 0."""
STATE: Final = 8

# Slots of the current record.
ACTION, OWN, LEFT, KEY, TICKS, MARK, RECEIVED = range(7)
"""Its letter; side; size; order; price in ticks; flags of its row; when it was received."""
NOW: Final = 8

COUNTS: Final = (
    *(
        "unknown_ids",
        "duplicate_ids",
        "maybe_bad_book",
        "clock_back",
        "undefined",
        "fills_without_change",
    ),
    *("fills_over_shown", "contradicted_fills", "trades_without_fill", "auctions", "cleared"),
)
"""Counts of a day: the first slots of the report, under the names that `extra` and the warnings use."""
(
    UNKNOWN,
    DUPLICATE,
    MAYBE,
    CLOCK_BACK,
    UNDEFINED,
    NO_CHANGE,
    OVER,
    REFIT,
    BARE,
    AUCTIONS,
    CLEARED,
) = range(len(COUNTS))
"""`NO_CHANGE`: fills that no change of their order follows. `OVER`: fills of more lots than the order showed, or of
orders that are not in the book. `REFIT`: changes that contradict the fills before them; the change is believed."""
CODE, WHERE, OTHER, OFF, OWN_FILLS, EXECUTED, EVENTS, REPORT = range(len(COUNTS), len(COUNTS) + 8)
"""Code of a fault, and its record; further counts; the length of the report."""

BAD_SIDE, BAD_PRICE, FINE_TICK, BAD_SIZE, BAD_DAY, BAD_ACTION = range(2, 8)
"""Codes of a record's faults."""

A, B, C, F, M, N, R, T = (ord(letter) for letter in "ABCFMNRT")


@kernel
def record_offsets(data: Bytes, start: int, offsets: Longs) -> tuple[int, int]:
    """Write the offsets of a stream's MBO records; returns their number, and that of others, or -1 - a cut one's offset.

    `data` uint8[n], the records from `start`; `offsets` int64 with room for all.
    """
    n, others, at = 0, 0, start
    while at < data.shape[0]:
        length = 4 * int(data[at])
        if length < 16 or at + length > data.shape[0]:
            return n, -1 - at
        if data[at + 1] == MBO:
            offsets[n] = at
            n += 1
        else:
            others += 1
        at += length
    return n, others


@kernel
def grow_map(ids: Ids, larger: Ids) -> None:
    """Put every id of one map into a larger, empty one."""
    for i in range(ids.shape[0]):
        if ids[i].slot >= 0:
            at = place_of(larger, ids[i].key)
            larger[at].key = ids[i].key
            larger[at].slot = ids[i].slot


@kernel
def side_of(letter: int) -> int:
    return 1 if letter == B else (-1 if letter == A else 0)


@kernel
def action_of(body: int) -> int:
    return (body >> 48) & 255


@kernel
def ticks_of(price: int, unit: int, side: int) -> int:
    """A price in ticks, one off the tick rounded away from the touch."""
    at = price // unit
    return at + 1 if side < 0 and at * unit != price else at


@kernel
def put(
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    what: int,
    key: int,
    side: int,
    ticks: int,
    lots: int,
    mark: int,
) -> int:
    """Write a row of the tape at `at` of `out` int64[rows, 9]; returns the next place."""
    out[at, 0], out[at, 1], out[at, 2] = state[CLOCK], now[RECEIVED], state[SEQ]
    out[at, 3], out[at, 4], out[at, 5] = what, key, side
    out[at, 6], out[at, 7], out[at, 8] = ticks, lots, mark
    return at + 1


@kernel
def changes_later(words: Words, p: int, stop: int, key: int) -> bool:
    """Whether a `C` or `M` of the order comes after record `p` and before `stop`."""
    for q in range(p + 1, stop):
        if words[q, ORDER_ID] == key:
            action = action_of(words[q, BODY])
            if action == C or action == M:
                return True
    return False


@kernel
def read_record(
    words: Words,
    p: int,
    unit: int,
    day: Longs,
    opening: bool,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """Fields of record `p` to `now`, and the clock; returns what there is to do: 1, nothing: 0, an error: its code."""
    body = words[p, BODY]
    bits, action, side = (body >> 32) & 255, action_of(body), side_of((body >> 56) & 255)
    size, raw = body & NO_SIZE, words[p, PRICE]
    ns = words[p, TS_EVENT]
    if bits & SNAPSHOT:
        ns = state[CLOCK] if state[CLOCK] > 0 else day[2]
    elif ns < state[CLOCK]:
        report[CLOCK_BACK] += 1
        ns = state[CLOCK]
    if ns < day[0] or ns > day[1]:
        return BAD_DAY
    state[CLOCK] = ns
    report[MAYBE] += (bits & MAYBE_BAD) != 0
    now[RECEIVED] = words[p, TS_RECV] if words[p, TS_RECV] > 0 else ns
    now[ACTION], now[OWN], now[LEFT], now[KEY] = action, side, size, words[p, ORDER_ID]
    now[TICKS], now[MARK] = 0, schema.OPENING if opening else 0
    if action == N or action == R:
        report[OTHER] += action == N
        return int(action == R)
    if action != A and action != C and action != M and action != T and action != F:
        return BAD_ACTION
    if size == NO_SIZE or (action != C and raw == NO_PRICE):
        report[UNDEFINED] += 1
        return 0
    if raw != NO_PRICE:
        now[TICKS] = ticks_of(raw, unit, side)
        if now[TICKS] * unit != raw:
            now[MARK] |= schema.OFF_TICK
    if action != C and raw <= 0:
        return BAD_PRICE
    if action != C and now[TICKS] >= MOST:
        return FINE_TICK
    if size >= MOST or (size == 0 and (action == A or action == T or action == F)):
        return BAD_SIZE
    if (action == A or action == M) and side == 0:
        return BAD_SIDE
    if raw > 0:
        now[TICKS] = max(now[TICKS], 1)
    return 1


@kernel
def cleared(orders: Resting, out: Longs, at: int, state: Longs, now: Longs, report: Longs) -> int:
    """`R`: the book is empty; a row says so unless it never was anything else."""
    ids, free = orders.ids, orders.free
    report[CLEARED] += 1
    if state[ROWS] > 0 or at > 0:
        at = put(out, at, state, now, schema.CLEAR, 0, 0, 0, 0, 0)
    for i in range(ids.shape[0]):
        ids[i].slot = -1
    for i in range(free.shape[0]):
        free[i] = free.shape[0] - 1 - i
    state[LIVE], state[FREE] = 0, free.shape[0]
    return at


@kernel
def traded(
    words: Words, p: int, end: int, out: Longs, at: int, state: Longs, now: Longs, report: Longs
) -> int:
    """`T`: remember the aggressor; a row of its own where no fills tell the trade, or where it is an auction."""
    state[AGGRESSOR] = now[OWN]
    if not (p + 1 < end and action_of(words[p + 1, BODY]) == F):
        report[BARE] += 1
        return put(
            out, at, state, now, schema.TRADE_HIDDEN, 0, -now[OWN], now[TICKS], now[LEFT], now[MARK]
        )
    if now[OWN] == 0:
        report[AUCTIONS] += 1
        return put(out, at, state, now, schema.CROSS, 0, 0, now[TICKS], now[LEFT], now[MARK])
    return at


@kernel
def filled(
    words: Words,
    p: int,
    end: int,
    orders: Resting,
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """`F`: the execution of a resting order as far as the book shows it, the rest as hidden."""
    ids, facts = orders.ids, orders.facts
    key, own, size = now[KEY], now[OWN], now[LEFT]
    if own == 0 or own == state[AGGRESSOR]:
        report[OWN_FILLS] += own != 0
        return at
    found = find(ids, key)
    lots = 0
    if found >= 0 and changes_later(words, p, end, key):
        slot = ids[found].slot
        lots = min(size, facts[slot, LOTS])
        if lots > 0:
            facts[slot, LOTS] -= lots
            facts[slot, DONE] += lots
            report[EXECUTED] += 1
            at = put(out, at, state, now, schema.EXECUTE, key, own, facts[slot, AT], lots, 0)
        report[OVER] += size > lots
    else:
        report[NO_CHANGE] += 1
    if size > lots:
        at = put(
            out, at, state, now, schema.TRADE_HIDDEN, 0, own, now[TICKS], size - lots, now[MARK]
        )
    return at


@kernel
def changed(orders: Resting, out: Longs, at: int, state: Longs, now: Longs, report: Longs) -> int:
    """`A`, `C` or `M`: its change beyond the fills before it, as withdrawal, reduction or new order."""
    ids, facts, free = orders
    action, key, own, left, ticks, mark = (
        now[ACTION],
        now[KEY],
        now[OWN],
        now[LEFT],
        now[TICKS],
        now[MARK],
    )
    found = find(ids, key)
    if found < 0:
        report[UNKNOWN] += action != A
        if action == C:
            if (
                ticks > 0 and own != 0
            ):  # written as it came, so that a replay of the tape counts it too
                at = put(out, at, state, now, schema.DELETE, key, own, ticks, left, mark)
            return at
        return _rests(orders, found, own, ticks, left, out, at, state, now, report)
    slot = ids[found].slot
    had, done, was = facts[slot, LOTS], facts[slot, DONE], facts[slot, AT]
    own = facts[slot, SIDE]
    facts[slot, DONE] = 0
    report[DUPLICATE] += action == A
    if action == C:
        left, ticks = max(had + done - left, 0), was
    if action != A and ticks == was and left <= had:
        if left < had:
            at = put(
                out,
                at,
                state,
                now,
                schema.REDUCE if left > 0 else schema.DELETE,
                key,
                own,
                was,
                had - left,
                0,
            )
        facts[slot, LOTS] = left
    else:
        report[REFIT] += action != A and ticks == was and done > 0 and had > 0
        if had > 0:
            at = put(out, at, state, now, schema.DELETE, key, own, was, had, 0)
        if left > 0:
            at = _rests(orders, found, own, ticks, left, out, at, state, now, report)
    if left == 0:
        forget(ids, found)
        free[state[FREE]] = slot
        state[FREE] += 1
        state[LIVE] -= 1
    return at


@kernel
def _rests(
    orders: Resting,
    found: int,
    side: int,
    ticks: int,
    lots: int,
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """An order comes to rest at the end of its level, in its old slot or in a new one; one of no lots does not."""
    ids, facts, free = orders
    key = now[KEY]
    if lots == 0:
        return at
    if found < 0:
        state[FREE] -= 1
        state[LIVE] += 1
        found = place_of(ids, key)
        ids[found].key = key
        ids[found].slot = free[state[FREE]]
    slot = ids[found].slot
    facts[slot, AT], facts[slot, LOTS], facts[slot, SIDE], facts[slot, DONE] = ticks, lots, side, 0
    report[OFF] += (now[MARK] & schema.OFF_TICK) != 0
    return put(out, at, state, now, schema.ADD, key, side, ticks, lots, now[MARK])


@kernel
def translate(
    words: Words,
    ends: Bytes,
    start: int,
    stop: int,
    unit: int,
    day: Longs,
    orders: Resting,
    out: Longs,
    now: Longs,
    state: Longs,
    report: Longs,
) -> int:
    """Records `[start, stop)`, whole events, to rows of the tape from place 0 on; returns how many rows.

    `ends` uint8[n] marks the last record of each event; `day` int64[3] is the first and the last nanosecond and the
    stamp of an opening snapshot; `out` int64[rows, 9] has room for two rows a record. Stops at the first record that
    makes no sense, which `report` names.
    """
    at, begin = 0, start
    while begin < stop:
        end = begin + 1
        while end < stop and not ends[end - 1]:
            end += 1
        first = at
        opening = state[OPEN] != 0 and (words[begin, BODY] >> 32) & SNAPSHOT != 0
        state[SEQ] += 1
        state[AGGRESSOR] = 0
        report[EVENTS] += 1
        for p in range(begin, end):
            code = read_record(words, p, unit, day, opening, state, now, report)
            if code > 1:
                report[CODE], report[WHERE] = code, p
                return at
            if code == 0:
                continue
            action = now[ACTION]
            if action == R:
                at = cleared(orders, out, at, state, now, report)
            elif action == T:
                at = traded(words, p, end, out, at, state, now, report)
            elif action == F:
                at = filled(words, p, end, orders, out, at, state, now, report)
            else:
                at = changed(orders, out, at, state, now, report)
        if at > first:
            out[at - 1, 8] |= schema.MESSAGE_END
            state[OPEN] &= opening
        else:
            state[SEQ] -= 1
        state[ROWS] += at - first
        begin = end
    return at


MAGIC: Final = b"DBN"
RECORD: Final = 8 * RECORD_WORDS
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

    words: Words
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


def words_of(data: bytes, start: int, where: str) -> tuple[Words, int]:
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
        np.all((heads[:, 0] == RECORD // 4) & (heads[:, 1] == MBO))
    ):
        at_words = heads.ctypes.data % 8 == 0  # as the format lays it out: then nothing is copied
        return (heads if at_words else heads.copy()).view(np.int64), 0
    offsets = np.empty(len(body) // 16 + 1, np.int64)
    found, others = record_offsets(raw, start, offsets)
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
    return TypedColumn(name, shown, pl.when(shown == "").then(NO_PRICE).otherwise(made), "a price")


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
        typed.with_row_index("row", 2).filter(pl.col("rtype") != MBO).head(1).iter_rows(named=True)
    ):
        raise FeedError(
            f"order-by-order records (rtype {MBO})",
            f"rtype {row['rtype']} in row {row['row']} of {text.where}",
            "import files of the schema mbo; mbp-10 files are for `tercel data verify` and its `against=`",
        )
    at = {name: typed[name].to_numpy().astype(np.int64) for name in columns}
    words = np.zeros((typed.height, RECORD_WORDS), np.int64)
    words[:, HEAD] = RECORD // 4 | MBO << 8 | at["publisher_id"] << 16 | at["instrument_id"] << 32
    words[:, BODY] = at["size"] | at["flags"] << 32 | at["action"] << 48 | at["side"] << 56
    words[:, TS_EVENT], words[:, TS_RECV], words[:, PRICE] = (
        at["ts_event"],
        at["ts_recv"],
        at["price"],
    )
    words[:, ORDER_ID], words[:, TAIL] = at["order_id"], at["sequence"] << 32
    named = text.frame["symbol"].fill_null("").to_list() if "symbol" in text.frame.columns else []
    symbols = {
        (number, ""): name
        for number, name in zip(at["instrument_id"].tolist(), named, strict=False)
        if name
    }
    first = int(at["publisher_id"][0]) if typed.height else 0
    return Records(words, PUBLISHERS.get(first, f"PUB{first}"), symbols, 0, text.where)
