"""The canonical event: one row of the tape, whatever feed it came from.

| column        | dtype | meaning |
|---------------|-------|---------|
| `exch_ns`     | int64 | exchange time, ns since 1970-01-01 UTC |
| `recv_ns`     | int64 | when it was received here; equal to `exch_ns` where the feed does not say |
| `seq`         | int64 | number of the source message, from 1; rows made from one message share it |
| `kind`        | uint8 | what happened, a kind of `core.vocabulary`, which a venue's market data share |
| `order_id`    | int64 | the exchange's id; 0 if missing |
| `side`        | int8  | side of the *resting* order: +1 bid, -1 ask, 0 none |
| `price_ticks` | int32 | price, from `Instrument.price_origin` on; for STATUS the new trading status |
| `qty_lots`    | int32 | lots added, removed, executed, or the new total (LEVEL_SET, MODIFY) |
| `flags`       | uint8 | bits below |

Rows are in file order; equal times keep it.
"""

from typing import Final

from tercel.core.vocabulary import (
    ADD,
    CLEAR,
    CROSS,
    DELETE,
    EXECUTE,
    KIND_NAMES,
    LEVEL_SET,
    MODIFY,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    SHIFTED,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)

__all__ = [
    "ADD",
    "CLEAR",
    "COLUMNS",
    "COLUMN_NAMES",
    "CROSS",
    "DELETE",
    "EXECUTE",
    "KIND_NAMES",
    "LEVEL_SET",
    "MESSAGE_END",
    "MODIFY",
    "OFF_TICK",
    "OPENING",
    "REDUCE",
    "ROLL_IN",
    "ROLL_OUT",
    "SHIFTED",
    "STATUS",
    "TRADE",
    "TRADE_HIDDEN",
]

OPENING: Final = 1
"""Flag: part of the opening snapshot (an anonymous ROLL_IN block; ADD with ids known, LEVEL_SET of an L2 feed)."""
OFF_TICK: Final = 2
"""Flag: the source price was not on a tick and was rounded away from the touch (bids down, asks up)."""
MESSAGE_END: Final = 4
"""Flag: last row of its source message; the book is consistent only after such a row."""

COLUMNS: Final = (
    ("exch_ns", "int64"),
    ("recv_ns", "int64"),
    ("seq", "int64"),
    ("kind", "uint8"),
    ("order_id", "int64"),
    ("side", "int8"),
    ("price_ticks", "int32"),
    ("qty_lots", "int32"),
    ("flags", "uint8"),
)
COLUMN_NAMES: Final = tuple(name for name, _ in COLUMNS)
