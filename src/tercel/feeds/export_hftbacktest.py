"""Days of tape as hftbacktest reads them: a `.npz` whose array `data` has its event records, and back.

Each row of a tape becomes 1 to 3 records (`export_plan`). One of them, whose `ival` is not 0, names the row: `ival` is
kind + 16 flags + 128 (side + 1) + 512 lots, `fval` is seq, `px` the row's price, `order_id` its id. A row that
hftbacktest has no event for (STATUS, messages about unknown orders) is a record of event 0, which its engines pass over.
"""

from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.feeds.export_plan import decimals, market_events, times_heard
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

AT_EXCHANGE, AT_TRADER, BUY, SELL = (1 << bit for bit in (31, 30, 29, 28))
"""Marks of a record: for the exchange's book, for the trader's, and its side."""
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


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write a day as `path`."""
    data = records(instrument, events)
    np.savez_compressed(path, data=data, instrument=np.array(instrument.to_json()))


def read(path: Path) -> tuple[Instrument, Events]:
    """The day that :func:`write` wrote."""
    with np.load(path) as arrays:
        instrument = Instrument.from_json(str(arrays["instrument"]), str(path))
        data = arrays["data"]
    rows = data[(data["ev"] & AT_EXCHANGE != 0) & (data["ival"] != 0)]
    code = rows["ival"]
    columns = (
        *(rows["exch_ts"], rows["local_ts"], rows["fval"], code & 15, rows["order_id"].view("i8")),
        *((code >> 7 & 3) - 1, np.rint(rows["px"] / instrument.tick) - instrument.price_origin),
        *(code >> 9, code >> 4 & 7),
    )
    return instrument, Events.from_columns(dict(zip(schema.COLUMN_NAMES, columns, strict=True)))


def records(instrument: Instrument, events: Events) -> AnyArray:
    """Records of `RECORD` for a day: those for the exchange in the order of the tape, those for the trader by time of receipt.

    Where rows were received in another order than they happened, a record is there twice, once for either. A trader hears
    of an order's end never before its beginning, whatever the clock said: his copies have such times put right.

    >>> day = Instrument("NASDAQ", "TOY", "2012-06-21", 0.01)
    >>> tape = Events.of_messages(*np.array([[5, 9], [1, 4], [7, 7], [1, 1], [99, 99], [3, 2]]))
    >>> records(day, tape)[["px", "qty", "order_id"]].tolist()
    [(0.99, 3.0, 7), (0.99, 2.0, 7), (0.99, 2.0, 7), (0.99, 1.0, 7)]
    """
    row, event, side, ticks, lots, names_row = market_events(events)
    flags, sides, sizes = np.stack([events.flags, events.side, events.qty_lots], dtype=np.int64)
    code = events.kind + (flags << 4) + (sides + 1 << 7) + (sizes << 9)
    columns = (
        event + BUY * (side > 0) + SELL * (side < 0),
        *(events.exch_ns[row], events.recv_ns[row]),
        decimals(ticks + instrument.price_origin, Fraction(str(instrument.tick))),
        decimals(lots, instrument.lot_units),
        *(events.order_id[row].view("u8"), names_row * code[row], names_row * events.seq[row]),
    )
    data = np.zeros(len(row), RECORD)
    for name, column in zip(RECORD.names or (), columns, strict=True):
        data[name] = column
    if bool((np.diff(data["local_ts"]) >= 0).all()):
        data["ev"] |= AT_EXCHANGE | AT_TRADER
        return data
    heard = times_heard(data["local_ts"], event)
    order = np.argsort(heard, kind="stable")
    received = data[order]
    received["local_ts"] = heard[order]
    data["ev"] |= AT_EXCHANGE
    received["ev"] |= AT_TRADER
    times = np.concatenate([data["exch_ts"], heard[order]])
    return np.concatenate([data, received])[np.argsort(times, kind="stable")]
