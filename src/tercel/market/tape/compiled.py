"""A day of tape compiled for replay, stored with checkpoints: every order gets a slot by its life on the tape.

Replay then needs no id map: a row names the slot, -1 where the id is unknown. A slot is used again once the tape is
done with its order, whatever the agent did to it in between. On the way the compiled day notes the book every quarter
of an hour, so that a window can start anywhere (`checkpoints`).
"""

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import CapacityError, TapeError
from tercel.core.files import write_atomic
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import Book, layout as lay
from tercel.market.book.ladder import allocate, first_at, insert, order_at, reduce, release
from tercel.market.book.tape_kernels import (
    Ids,
    add_id,
    block_in,
    clear,
    drop_level,
    find,
    modify_id,
    new_ids,
    take_id,
    take_unknown,
)
from tercel.market.tape import schema
from tercel.market.tape.events import Columns, Events, Instrument
from tercel.market.tape.lake import Lake
from tercel.market.tape.schema import (
    CLEAR,
    CROSS,
    LEVEL_SET,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)

if TYPE_CHECKING:
    import polars as pl


# -- crossed ---------------------------------------------------------------------------------------
# Crossed tapes: states in which a bid is above an ask, though trading is on.

ROOM: Final = 1 << 17
MOST_CROSSED: Final = 0.001
"""Share of crossed states from which on a tape is not replayed."""


def crossings(events: Events) -> tuple[Int32, Ints, Ints]:
    """Find the rows after which a tape is crossed while it trades.

    A moment in several messages counts once, after the last of them.

    Returns
    -------
    quotes : int32 (n, 2)
        Best bid and ask after each row, ticks.
    states, crossed : int64
        Rows that end a moment while trading is on; those of them after which the bid is above the ask.
    """
    quotes = Book(ROOM, own=0).quotes(events)
    ns, status = events.exch_ns, np.flatnonzero(events.kind == schema.STATUS)
    trading = (
        np.append(1, events.price_ticks[status])[
            np.searchsorted(status, np.arange(events.n), side="right")
        ]
        > 0
    )
    states = np.flatnonzero(trading & np.append(ns[1:] != ns[:-1], True)[: events.n])
    return quotes, states, states[quotes[states, 0] > quotes[states, 1]]


def crossed_in_words(instrument: Instrument, events: Events) -> str:
    """Message with the number of crossed states of a tape and the first row; "" for at most one in a thousand."""
    quotes, states, crossed = crossings(events)
    if len(crossed) <= MOST_CROSSED * len(states):
        return ""
    row = int(crossed[0])
    at = datetime.fromtimestamp(
        int(events.exch_ns[row]) / NS_PER_SECOND, ZoneInfo(instrument.timezone)
    )
    return (
        f"{len(crossed):,} of {len(states):,} states of {instrument.symbol} {instrument.date} crossed, the first "
        f"after row {row} at {at:%H:%M:%S}: a bid of {quotes[row, 0]} ticks and an ask of {quotes[row, 1]}"
    )


def refuse_crossed(said: str) -> None:
    """Refuse a tape of which `crossed_in_words` says something.

    Raises
    ------
    TapeError
        With these words.
    """
    if said:
        raise TapeError(
            "a tape whose best bid lies below its best ask",
            said,
            "`tercel data verify` names the likely cause; where updates were lost, import the files again with "
            "`uncross = true` under [clean] in the map",
        )


# -- tapes of level totals --


@kernel
def compile_levels(b: Packed, tape: Columns, start: int, stop: int, out: Longs, at: int) -> int:
    """Compile rows `[start, stop)` behind `out[:at]`; returns the new length, -1 - row for a row of single orders."""
    ns, side, price, qty = tape.exch_ns, tape.side, tape.price_ticks, tape.qty_lots
    for i in range(start, stop):
        what = tape.kind[i]
        slot = first_at(b, side[i], price[i]) if side[i] != 0 else -1
        if what == LEVEL_SET or what == ROLL_IN or what == ROLL_OUT:
            if what == ROLL_OUT or qty[i] == 0:
                if slot >= 0:  # what was never shown may be taken away: crypto feeds do
                    at = emit(out, at, ns[i], what, slot, side[i], price[i], 0)
                    reduce(b, slot, WHOLE)
                    release(b, slot)
                continue
            if slot >= 0:
                reduce(b, slot, WHOLE)
                insert(b, slot, side[i], price[i], qty[i])
                at = emit(out, at, ns[i], LEVEL_SET, slot, side[i], price[i], qty[i])
            else:
                slot = allocate(b)
                if slot < 0:
                    continue
                insert(b, slot, side[i], price[i], qty[i])
                at = emit(out, at, ns[i], what, slot, side[i], price[i], qty[i])
            order_at(b, slot).marks |= lay.ANONYMOUS
        elif what == TRADE or what == TRADE_HIDDEN or what == STATUS:
            at = emit(
                out, at, ns[i], what, slot if what == TRADE else -1, side[i], price[i], qty[i]
            )
        elif what == CLEAR:
            for one in range(b[lay.HIGH]):
                if order_at(b, one).qty > 0:
                    reduce(b, one, WHOLE)
                    release(b, one)
            at = emit(out, at, ns[i], what, -1, 0, 0, 0)
        elif what != CROSS:
            return -1 - i
    return at


# -- rows --

ROW: Final = 6
"""Words of a compiled row: ns, kind, slot, side, price, lots."""


@kernel
def emit(
    out: Longs, at: int, ns: int, kind: int, slot: int, side: int, price: int, lots: int
) -> int:
    """Write one compiled row; returns the place of the next."""
    out[at, 0] = ns
    out[at, 1] = kind
    out[at, 2] = slot
    out[at, 3] = side
    out[at, 4] = price
    out[at, 5] = lots
    return at + 1


WHOLE = 1 << 30
CHECKPOINT_NS = 900 * NS_PER_SECOND
MOST_ORDERS = 1 << 17
WIDTH = 1024


@kernel
def compile_modify(
    b: Packed, ids: Ids, key_of: Longs, out: Longs, at: int, ns: int, key: int, price: int, qty: int
) -> int:
    """Compile a MODIFY into a reduction in place, or a delete and a new order at the end of the queue."""
    where = find(ids, key)
    if where < 0:
        return at
    slot = ids[where].slot
    o = order_at(b, slot)
    side, old_price, old_qty = o.side, o.price, o.qty
    modify_id(b, ids, key_of, key, price, qty)
    if price == old_price and qty < old_qty:
        return emit(out, at, ns, schema.REDUCE, slot, side, price, old_qty - qty)
    at = emit(out, at, ns, schema.DELETE, slot, side, old_price, WHOLE)
    where = find(ids, key)
    if where >= 0:
        at = emit(out, at, ns, schema.ADD, ids[where].slot, side, price, qty)
    return at


@kernel
def compile_rows(
    b: Packed, ids: Ids, key_of: Longs, tape: Columns, start: int, stop: int, out: Longs, at: int
) -> int:
    """Compile tape rows `[start, stop)` behind `out[:at]`; returns the new length, or -1 - row for an L2 row."""
    ns, side, price, qty = tape.exch_ns, tape.side, tape.price_ticks, tape.qty_lots
    for i in range(start, stop):
        what, key = tape.kind[i], tape.order_id[i]
        if what == schema.ADD:
            where = find(ids, key)
            if where >= 0 and qty[i] > 0:
                at = emit(out, at, ns[i], schema.DELETE, ids[where].slot, side[i], price[i], WHOLE)
            slot = add_id(b, ids, key_of, key, side[i], price[i], qty[i])
            if slot >= 0:  # lots without an id are an anonymous block
                at = emit(
                    out,
                    at,
                    ns[i],
                    schema.ADD if key != 0 else schema.ROLL_IN,
                    slot,
                    side[i],
                    price[i],
                    qty[i],
                )
        elif what == schema.REDUCE or what == schema.DELETE or what == schema.EXECUTE:
            where = find(ids, key) if key != 0 else -1
            if where >= 0:
                lots = WHOLE if what == schema.DELETE else qty[i]
                at = emit(out, at, ns[i], what, ids[where].slot, side[i], price[i], lots)
                take_id(b, ids, where, lots)
            else:
                at = emit(out, at, ns[i], what, -1, side[i], price[i], qty[i])
                take_unknown(b, side[i], price[i], qty[i], what == schema.EXECUTE)
        elif what == schema.ROLL_OUT:
            drop_level(b, ids, key_of, side[i], price[i])
            at = emit(out, at, ns[i], what, -1, side[i], price[i], qty[i])
        elif what == schema.ROLL_IN:
            slot = block_in(b, side[i], price[i], qty[i])
            if slot >= 0:
                at = emit(out, at, ns[i], what, slot, side[i], price[i], qty[i])
        elif what == schema.MODIFY:
            at = compile_modify(b, ids, key_of, out, at, ns[i], key, price[i], qty[i])
        elif what == schema.CLEAR or what == schema.STATUS or what == schema.TRADE_HIDDEN:
            if what == schema.CLEAR:
                clear(b, ids)
            at = emit(out, at, ns[i], what, -1, side[i], price[i], qty[i])
        elif what == schema.LEVEL_SET:
            return -1 - i
    return at


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The book between two compiled rows.

    Parameters
    ----------
    ns : int
        Every row up to this time is in the book.
    row : int
        The next compiled row.
    halted : bool
        Whether trading stood still.
    last_bid, last_ask, mid2 : int
        Last known touches in ticks and last two-sided mid in half-ticks.
    orders : int64 (n, 6)
        Slot, side, price, lots, arrival number, 1 for an anonymous block; by arrival.
    """

    ns: int
    row: int
    halted: bool
    last_bid: int
    last_ask: int
    mid2: int
    orders: Longs


@dataclass(frozen=True, eq=False)
class CompiledDay:
    """A day ready for replay.

    Parameters
    ----------
    instrument : Instrument
        Of the tape it was compiled from; its content hash keys the checkpoints.
    rows : int64 (n, 6)
        Time, kind, slot, side, price, lots.
    slots : int
        Slots that the day uses at once.
    checkpoints : tuple of Checkpoint
        The first is the empty book at the start of the tape.
    crossed : str
        Message on a crossed tape, whose fills would not be meaningful (`crossed_in_words`).
    """

    instrument: Instrument
    rows: Longs
    slots: int
    checkpoints: tuple[Checkpoint, ...]
    crossed: str = ""

    @property
    def by_level(self) -> bool:
        """Whether the tape is of level totals, so that queue positions come from a queue model."""
        return bool(np.any(self.rows[:, 1] == schema.LEVEL_SET))


def compile_day(instrument: Instrument, events: Events) -> CompiledDay:
    """Compile a day and note its book at every quarter of an hour.

    Raises
    ------
    TapeError
        For a tape that mixes level totals with single orders.
    CapacityError
        When more orders rest at once than a replay book can hold.
    """
    b = lay.new_book(MOST_ORDERS, WIDTH)
    ids = new_ids(MOST_ORDERS)
    key_of = np.zeros(MOST_ORDERS, np.int64)
    out = np.zeros((2 * events.n, ROW), np.int64)
    at, tape = 0, events.columns()
    marks = [
        Checkpoint(
            int(events.exch_ns[0]) - 1 if events.n else 0,
            0,
            False,
            0,
            0,
            0,
            np.zeros((0, 6), np.int64),
        )
    ]
    status = np.flatnonzero(events.kind == schema.STATUS)
    by_level = bool(np.any(events.kind == schema.LEVEL_SET))
    for start, stop, ns in _quarters(events):
        if by_level:
            at = compile_levels(b, tape, start, stop, out, at)
        else:
            at = compile_rows(b, ids, key_of, tape, start, stop, out, at)
        if at < 0:
            raise TapeError(
                "a tape of single orders or of level totals",
                f"a {schema.KIND_NAMES[int(events.kind[-1 - at])]} in row {-1 - at} among level totals in "
                f"{instrument.symbol} {instrument.date}",
                "import orders and levels as two tapes",
            )
        before = status[status < stop]
        halted = bool(len(before) and events.price_ticks[before[-1]] != 1)
        marks.append(_checkpoint(b, ns, at, halted, marks[-1]))
    if b[lay.OVERFLOW]:
        raise CapacityError(
            f"at most {MOST_ORDERS} orders resting at once",
            f"{int(b[lay.OVERFLOW])} more in {instrument.date}",
            "cut the tape to the session, or raise MOST_ORDERS",
        )
    said = crossed_in_words(instrument, events)
    return CompiledDay(instrument, out[:at].copy(), max(int(b[lay.HIGH]), 1), tuple(marks), said)


def _quarters(events: Events) -> list[tuple[int, int, int]]:
    """(first row, one past the last, time of the checkpoint behind them) for each quarter of an hour."""
    if events.n == 0:
        return []
    first, last = int(events.exch_ns[0]), int(events.exch_ns[-1])
    ends = [*range((first // CHECKPOINT_NS + 1) * CHECKPOINT_NS, last, CHECKPOINT_NS), last]
    cuts = [0, *np.searchsorted(events.exch_ns, ends, side="right").tolist()]
    return [(cuts[i], cuts[i + 1], ends[i]) for i in range(len(ends))]


def _checkpoint(
    b: NDArray[np.int32], ns: int, row: int, halted: bool, before: Checkpoint
) -> Checkpoint:
    records = (
        b[lay.HEADER : lay.HEADER + int(b[lay.HIGH]) * lay.ORDER]
        .reshape(-1, lay.ORDER)
        .astype(np.int64)
    )
    live = np.flatnonzero(records[:, lay.QTY] > 0)
    rec = records[live]
    anonymous = (rec[:, lay.FLAGS] & lay.ANONYMOUS) != 0
    orders = np.stack(
        [
            live,
            rec[:, lay.SIDE],
            rec[:, lay.PRICE],
            rec[:, lay.QTY],
            rec[:, lay.ARR],
            anonymous.astype(np.int64),
        ],
        axis=1,
    )
    orders = orders[np.argsort(orders[:, 4], kind="stable")]
    bids, asks = orders[orders[:, 1] > 0, 2], orders[orders[:, 1] < 0, 2]
    bid = int(bids.max()) if len(bids) else before.last_bid
    ask = int(asks.min()) if len(asks) else before.last_ask
    two_sided = len(bids) > 0 and len(asks) > 0
    return Checkpoint(ns, row, halted, bid, ask, bid + ask if two_sided else before.mid2, orders)


# -- checkpoints -----------------------------------------------------------------------------------
# Book checkpoints beside the tape: one Parquet file of orders and one JSON of marks, keyed by the tape's hash.
#
# They are made at the first replay of a day and again when the tape, or the way it is compiled, has changed, or when
# a file is not the one that was written. A lake that cannot be written to does without: they are then made each time.

VERSION = 3
ORDERS = "checkpoints.parquet"
ROWS = "compiled.parquet"
MARKS = "checkpoints.json"
_COLUMNS = ("slot", "side", "price", "lots", "arrival", "anonymous")
_ROW_COLUMNS = ("ns", "kind", "slot", "side", "price", "lots")


def compiled(lake: Lake, symbol: str, date: str, venue: str | None = None) -> CompiledDay:
    """A day compiled for replay, from the store beside the tape if it matches the tape's hash."""
    folder = lake.find(symbol, date, venue)
    lake.check_prices(lake.instrument(symbol, date, venue))
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return _load(folder, lake.instrument(symbol, date, venue))
    day = compile_day(*lake.read(symbol, date, venue))
    with suppress(OSError):
        _save(folder, day)
    return day


def _key(instrument: Instrument) -> str:
    return f"{VERSION}:{instrument.content_hash}"


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Marks:
    key: str
    slots: int
    crossed: str
    checkpoints: list[dict[str, Any]]  # fields of `Checkpoint` without its orders


def _load(folder: Path, instrument: Instrument) -> CompiledDay:
    """The stored day; an error of the kinds that `compiled` suppresses when it is damaged or of another tape."""
    import polars as pl
    from polars.exceptions import PolarsError

    stored = json.loads((folder / MARKS).read_text())
    text, orders_bytes, rows_bytes = (
        stored["marks"],
        (folder / ORDERS).read_bytes(),
        (folder / ROWS).read_bytes(),
    )
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
    """Data first, the mark that makes them valid last; each written aside and renamed."""
    import polars as pl

    orders = np.concatenate([c.orders for c in day.checkpoints])
    owner = np.concatenate(
        [np.full(len(c.orders), i, np.int32) for i, c in enumerate(day.checkpoints)]
    )
    frame = pl.DataFrame({name: orders[:, j] for j, name in enumerate(_COLUMNS)}).with_columns(
        pl.Series("checkpoint", owner)
    )
    rows = pl.DataFrame({name: day.rows[:, j] for j, name in enumerate(_ROW_COLUMNS)})
    orders_bytes, rows_bytes = _parquet(frame), _parquet(rows)
    checkpoints = [
        {
            name: getattr(one, name)
            for name in ("ns", "row", "halted", "last_bid", "last_ask", "mid2")
        }
        for one in day.checkpoints
    ]
    text = json.dumps(vars(_Marks(_key(day.instrument), day.slots, day.crossed, checkpoints)))
    seal = json.dumps({"sha256": _digest(text.encode(), orders_bytes, rows_bytes), "marks": text})
    for left in folder.glob(".part.*"):  # of a killed process
        left.unlink(missing_ok=True)
    (folder / MARKS).unlink(missing_ok=True)
    for name, data in ((ORDERS, orders_bytes), (ROWS, rows_bytes), (MARKS, seal.encode())):
        write_atomic(folder / name, data)


def _parquet(frame: "pl.DataFrame") -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
