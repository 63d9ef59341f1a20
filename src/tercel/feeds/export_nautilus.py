"""Days of tape as a Parquet catalog of NautilusTrader: order book deltas and trades, in its 128-bit fixed precision.

A catalog has no place for statuses, auctions, flags and messages about unknown orders. So the day lies in it as
`tape/NAME.parquet` too (`export_parquet`), and that is what is read again. Instruments are for the host to define: a tape
has no currency.
"""

from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import FeedError, refuse_if
from tercel.core.extras import import_optional
from tercel.feeds import export_parquet, export_plan as plan
from tercel.market.tape.events import Events, Instrument

DIGITS: Final = 16
"""Decimals of a raw price or size, an integer of 128 bits."""
# Actions of deltas: 1 add, 2 update, 3 delete, 4 clear.
_ACTIONS: Final = {plan.ADD: 1, plan.DEPTH: 2, plan.MODIFY: 2, plan.CANCEL: 3, plan.CLEAR: 4}
_IN_NAMES: Final = str.maketrans(":.", "--")
_FILES: Final = {
    "order_book_delta": (
        *(
            "action",
            "side",
            "price",
            "size",
            "order_id",
            "flags",
            "sequence",
            "ts_event",
            "ts_init",
        ),
    ),
    "trade_tick": ("price", "size", "aggressor_side", "trade_id", "ts_event", "ts_init"),
}
"""Columns of the catalog's files, in its order."""
read = export_parquet.read


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write a day into the catalog that `path` lies in, as `CATALOG/tape/NAME.parquet`.

    Raises
    ------
    ConfigError
        The extra [nautilus] is not installed.
    FeedError
        The tick or the lot has more than 16 decimals.
    """
    arrow = import_optional("pyarrow", "nautilus")
    parquet = import_optional("pyarrow.parquet", "nautilus")
    name = f"{instrument.symbol}.{instrument.venue}"
    metadata = {
        "instrument_id": name,
        "price_precision": str(_decimals(Fraction(str(instrument.tick)))),
        "size_precision": str(_decimals(instrument.lot_units)),
    }
    columns = deltas_and_trades(instrument, events)
    is_trade = columns["action"] == 0
    for kind, rows in (("order_book_delta", ~is_trade), ("trade_tick", is_trade)):
        if rows.any():
            arrays = {
                column: arrow.array(
                    columns[column][rows],
                    arrow.binary(16) if column in ("price", "size") else None,
                )
                for column in _FILES[kind]
            }
            fields = [
                arrow.field(column, array.type, nullable=False) for column, array in arrays.items()
            ]
            folder = path.parent.parent / "data" / kind / name
            folder.mkdir(parents=True, exist_ok=True)
            first, last = columns["ts_init"][rows][[0, -1]].astype("M8[ns]").astype(str)
            parquet.write_table(
                arrow.table([*arrays.values()], schema=arrow.schema(fields, metadata)),
                folder / f"{f'{first}Z_{last}Z'.translate(_IN_NAMES)}.parquet",
            )
    path.parent.mkdir(exist_ok=True)
    export_parquet.write(instrument, events, path)


def deltas_and_trades(instrument: Instrument, events: Events) -> dict[str, AnyArray]:
    """Columns of both files in one table, by time of receipt; rows of action 0 are trades.

    >>> day = Instrument("NASDAQ", "TOY", "2012-06-21", 0.01)
    >>> tape = Events.of_messages(*np.array([[5, 9], [1, 4], [7, 7], [1, 1], [99, 99], [3, 2]]))
    >>> found = deltas_and_trades(day, tape)
    >>> found["action"].tolist(), found["flags"].tolist()
    ([1, 0, 2], [128, 0, 128])
    """
    found = plan.market_events(events)
    kept = np.flatnonzero(np.isin(found[1], (plan.TRADE, *_ACTIONS)))
    heard = plan.times_heard(events.recv_ns[found[0][kept]], found[1][kept])
    order = np.argsort(heard, kind="stable")
    row, event, side, ticks, lots = (column[kept[order]] for column in found[:5])
    action = np.select([event == known for known in _ACTIONS], list(_ACTIONS.values()), 0)
    action[(event == plan.DEPTH) & (lots == 0)] = _ACTIONS[plan.CANCEL]
    deltas = np.flatnonzero(action)
    flags = np.zeros(len(row), np.uint8)  # 128: the last delta of its message
    flags[deltas[np.flatnonzero(np.diff(events.seq[row[deltas]], append=-1))]] = 128
    stands = event != plan.CLEAR
    sides = np.select([side > 0, side < 0], [1, 2], 0).astype(np.uint8)
    return {
        "action": action.astype(np.uint8),
        "side": sides,
        "aggressor_side": sides,
        "price": _raw((ticks + instrument.price_origin) * stands, Fraction(str(instrument.tick))),
        "size": _raw(lots * stands, instrument.lot_units),
        "order_id": events.order_id[row].view("u8") * (event != plan.DEPTH),
        "trade_id": row.astype(str),
        "flags": flags,
        "sequence": events.seq[row].view("u8"),
        "ts_event": events.exch_ns[row].view("u8"),
        "ts_init": heard[order].view("u8"),
    }


def _decimals(unit: Fraction) -> int:
    """Decimals that multiples of a unit need; FeedError for more than `DIGITS`.

    >>> _decimals(Fraction("0.25")), _decimals(Fraction(100))
    (2, 0)
    """
    refuse_if(
        (unit * 10**DIGITS).denominator > 1,
        f"a tick and a lot of at most {DIGITS} decimals",
        f"{unit}",
        "export it as parquet or hftbacktest",
        FeedError,
    )
    return next(digits for digits in range(DIGITS + 1) if (unit * 10**digits).denominator == 1)


def _raw(numbers: Ints, unit: Fraction) -> AnyArray:
    """Integers times a unit as little-endian integers of 16 bytes, in units of 1e-16."""
    known, places = np.unique(numbers, return_inverse=True)
    scaled = (int(number) * int(unit * 10**DIGITS) for number in known)
    return np.array([n.to_bytes(16, "little", signed=True) for n in scaled], object)[places]
