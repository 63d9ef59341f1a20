"""Days of tape as hftbacktest reads them: a `.npz` whose array `data` has its event records, and back.

Each row of a tape becomes 1 to 3 records. One of them, whose `ival` is not 0, names the row: `ival` is kind + 16 flags
+ 128 (side + 1) + 512 lots, `fval` is seq, `px` its price, `order_id` its id. A row that hftbacktest has no event for
(STATUS, messages about unknown ids) is a record of event 0, which its engines pass over.

A day whose orders all have ids becomes events of orders: add, cancel, modify, fill; an execution is a trade, a fill, and
what is left. Another day becomes events of levels: after each row the lots that its level shows, an execution a trade
before. A backtest of such a day knows no queues.
"""

from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Ints
from tercel.core.errors import FeedError, refuse_if
from tercel.core.jit import Longs, Packed
from tercel.feeds import export_kernels as k
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

DEPTH, TRADE, CLEAR, ADD, CANCEL, MODIFY, FILL = 1, 2, 3, 10, 11, 12, 13
"""Events of hftbacktest; 0 is none of them."""
AT_EXCHANGE, AT_TRADER, BUY, SELL = (1 << bit for bit in (31, 30, 29, 28))
RECORD: Final = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ]
)
_MOST_SEQ: Final = 1 << 53
_ON_BOOK: Final = np.isin(
    np.arange(256),
    (
        *(schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE),
        *(schema.MODIFY, schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN),
    ),
)


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write a day as `path`; FeedError for a number of a message that its `fval` cannot hold.

    Raises
    ------
    FeedError
        A message has a number of 2**53 or more.
    """
    refuse_if(
        int(events.seq[-1]) >= _MOST_SEQ,
        "numbers of messages below 2**53, which hftbacktest's records hold",
        f"{events.seq[-1]}",
        "export it as parquet",
        FeedError,
    )
    np.savez_compressed(
        path, data=market_events(instrument, events), instrument=np.array(instrument.to_json())
    )


def read(path: Path) -> tuple[Instrument, Events]:
    """The day that :func:`write` wrote."""
    with np.load(path) as arrays:
        instrument = Instrument.from_json(str(arrays["instrument"]), str(path))
        data = arrays["data"]
    rows = data[(data["ev"] & AT_EXCHANGE != 0) & (data["ival"] != 0)]
    code = rows["ival"]
    ticks = np.rint(rows["px"] / instrument.tick) - instrument.price_origin
    names = schema.COLUMN_NAMES
    columns = (
        *(rows["exch_ts"], rows["local_ts"], rows["fval"], code & 15, rows["order_id"].view("i8")),
        *((code >> 7 & 3) - 1, ticks, code >> 9, code >> 4 & 7),
    )
    return instrument, Events.from_columns(dict(zip(names, columns, strict=True)))


def market_events(instrument: Instrument, events: Events) -> AnyArray:
    """Records of `RECORD` for a day: those for the exchange in the order of the tape, those for the trader by time of receipt.

    Where rows were received in another order than they happened, a record is there twice, once for either.

    >>> day = Instrument("NASDAQ", "TOY", "2012-06-21", 0.01)
    >>> tape = Events.of_messages(*np.array([[5, 9], [1, 4], [7, 7], [1, 1], [99, 99], [3, 2]]))
    >>> market_events(day, tape)[["px", "qty", "order_id"]].tolist()
    [(0.99, 3.0, 7), (0.99, 2.0, 7), (0.99, 2.0, 7), (0.99, 1.0, 7)]
    """
    met = np.zeros((events.n, k.MET), np.int32)

    def replay(book: Packed, ids: Ids, key_of: Longs) -> None:
        """Replay the tape on the arrays of an empty book."""
        met[:] = 0
        k.orders_met(book, ids, key_of, *events.columns()[3:8], met)

    run_with_room(replay)
    has_queues = not (
        np.isin(events.kind, (schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN)).any()
        or ((events.kind == schema.ADD) & (events.order_id == 0)).any()
    )
    event, side, ticks, lots, names = (_of_orders if has_queues else _of_levels)(events, met)
    row, slot = np.nonzero(event >= 0)
    data = np.zeros(len(row), RECORD)
    sides = side[row, slot]
    data["ev"] = event[row, slot] + BUY * (sides > 0) + SELL * (sides < 0)
    data["exch_ts"], data["local_ts"] = events.exch_ns[row], events.recv_ns[row]
    data["px"] = _decimal(
        ticks[row, slot] + instrument.price_origin, Fraction(str(instrument.tick))
    )
    data["qty"] = _decimal(lots[row, slot], instrument.lot_units)
    data["order_id"] = events.order_id[row].view("u8")
    is_row = names[row] == slot
    code = events.kind + (events.flags.astype(np.int64) << 4)
    code += (events.side.astype(np.int64) + 1 << 7) + (events.qty_lots.astype(np.int64) << 9)
    data["ival"], data["fval"] = is_row * code[row], is_row * events.seq[row]
    return _in_both_orders(data)


Plan = tuple[Ints, Ints, Ints, Ints, Ints]


def _blank(events: Events) -> Plan:
    """Events (-1: none), sides, ticks and lots int64 (n, 3) of the records of each row, and which of them names it."""
    event = np.full((events.n, 3), -1)
    event[:, 1] = 0
    side, ticks, lots = (
        np.repeat(column.astype(np.int64)[:, None], 3, axis=1)
        for column in (events.side, events.price_ticks, events.qty_lots)
    )
    traded = np.isin(events.kind, (schema.EXECUTE, schema.TRADE, schema.TRADE_HIDDEN, schema.CROSS))
    event[traded & (events.qty_lots > 0), 0] = TRADE
    side[:, 0] *= -1  # of the aggressor
    side[events.kind == schema.CROSS, 0] = 0
    event[event[:, 0] == TRADE, 1] = -1
    event[events.kind == schema.CLEAR, 1] = CLEAR
    side[events.kind == schema.CLEAR, 1] = 0
    return event, side, ticks, lots, np.where(event[:, 0] == TRADE, 0, 1)


def _of_orders(events: Events, met: Packed) -> Plan:
    """Plan of records where each order has an id."""
    event, side, ticks, lots, names = _blank(events)
    kind = events.kind
    known = met[:, k.SIDE] != 0
    taken = np.where(
        kind == schema.DELETE, met[:, k.LOTS], np.minimum(events.qty_lots, met[:, k.LOTS])
    )
    left = met[:, k.LOTS] - taken

    def put(rows: Bools, slot: int, what: int, price: AnyArray, size: AnyArray) -> None:
        """One record of the order met, for some rows."""
        event[rows, slot], side[rows, slot] = what, met[rows, k.SIDE]
        ticks[rows, slot], lots[rows, slot] = price[rows], size[rows]

    here, before = events.price_ticks, met[:, k.PRICE]
    executed = known & (kind == schema.EXECUTE)
    put(executed, 1, FILL, before, taken)
    withdrawn = known & np.isin(kind, (schema.REDUCE, schema.DELETE))
    for rows, slot in ((executed, 2), (withdrawn, 1)):
        put(rows & (left == 0), slot, CANCEL, here, taken)
        put(rows & (left > 0), slot, MODIFY, before, left)
    named_otherwise = withdrawn & (left > 0) & (here != before)
    event[named_otherwise, 0] = 0
    names[named_otherwise] = 0
    added = kind == schema.ADD
    event[added, 1] = ADD
    modified = known & (kind == schema.MODIFY)
    keeps_place = (here == before) & (events.qty_lots < met[:, k.LOTS])
    put(modified & keeps_place, 1, MODIFY, here, events.qty_lots)
    put(modified & ~keeps_place, 1, ADD, here, events.qty_lots)
    put(known & (added | modified & ~keeps_place), 0, CANCEL, before, met[:, k.LOTS])
    return event, side, ticks, lots, names


def _of_levels(events: Events, met: Packed) -> Plan:
    """Plan of records of levels: what the row's level, and that of the order it met, show after it."""
    event, side, ticks, lots, names = _blank(events)
    known = met[:, k.SIDE] != 0
    modified = events.kind == schema.MODIFY
    on_level = _ON_BOOK[events.kind] & (known | ~modified)
    event[on_level, 1] = DEPTH
    side[:, 1] = np.where(modified & known, met[:, k.SIDE], side[:, 1])
    lots[on_level, 1] = met[on_level, k.LEFT_AT_ROW]
    elsewhere = (side[:, 1] != met[:, k.SIDE]) | (events.price_ticks != met[:, k.PRICE])
    left = on_level & known & elsewhere
    event[left, 2] = DEPTH
    side[left, 2], ticks[left, 2] = met[left, k.SIDE], met[left, k.PRICE]
    lots[left, 2] = met[left, k.LEFT_AT_ORDER]
    return event, side, ticks, lots, names


def _decimal(numbers: Ints, unit: Fraction) -> Floats:
    """Integers times a unit, each the double next to the exact product (for a unit of at most 15 digits)."""
    return numbers * float(unit.numerator) / float(unit.denominator)


def _in_both_orders(data: AnyArray) -> AnyArray:
    """Records marked for exchange and trader; two copies of each where their orders differ."""
    if bool((np.diff(data["local_ts"]) >= 0).all()):
        data["ev"] |= AT_EXCHANGE | AT_TRADER
        return data
    received = data[np.argsort(data["local_ts"], kind="stable")]
    data["ev"] |= AT_EXCHANGE
    received["ev"] |= AT_TRADER
    both = np.concatenate([data, received])
    times = np.concatenate([data["exch_ts"], received["local_ts"]])
    return both[np.argsort(times, kind="stable")]
