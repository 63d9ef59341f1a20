"""The canonical event: one row of the tape, whatever feed it came from.

| column        | dtype | meaning |
|---------------|-------|---------|
| `exch_ns`     | int64 | exchange time, ns since 1970-01-01 UTC |
| `recv_ns`     | int64 | when it was received here; equal to `exch_ns` where the feed does not say |
| `seq`         | int64 | number of the source message, from 1; rows made from one message share it |
| `kind`        | uint8 | what happened, one of the constants below |
| `order_id`    | int64 | the exchange's id; 0 where there is none |
| `side`        | int8  | side of the *resting* order: +1 bid, -1 ask, 0 none |
| `price_ticks` | int32 | price, from `Instrument.price_origin` on; for STATUS the new trading status |
| `qty_lots`    | int32 | lots added, removed, executed, or the new total (LEVEL_SET, MODIFY) |
| `flags`       | uint8 | bits below |

Rows are in file order; equal times keep it.
"""

from typing import Final

ADD: Final = 1
"""A limit order comes to rest: order_id, side, price, lots."""
REDUCE: Final = 2
"""A resting order loses `qty_lots` by its owner's will and keeps its place."""
DELETE: Final = 3
"""A resting order is withdrawn whole (`qty_lots` is what the feed says was left)."""
EXECUTE: Final = 4
"""`qty_lots` of a resting, visible order are executed."""
TRADE_HIDDEN: Final = 5
"""An execution against a hidden order: the book stays as it is."""
CROSS: Final = 6
"""An auction print: the book stays as it is."""
STATUS: Final = 7
"""Trading status; `price_ticks` is -1 halted, 0 quoting only, 1 trading."""
MODIFY: Final = 8
"""An order's price and lots become these; fewer lots at the same price keep the place, else it is lost."""
CLEAR: Final = 9
"""The book is emptied."""
LEVEL_SET: Final = 10
"""(L2 feeds) the level's total becomes `qty_lots`; 0 removes it."""
ROLL_OUT: Final = 11
"""The level at `price_ticks` left the feed's window: its orders are forgotten."""
ROLL_IN: Final = 12
"""A level came into the feed's window: `qty_lots` of unknown orders as one anonymous block."""
TRADE: Final = 13
"""(L2 feeds) A print against the visible `side`: the book stays as it is, a LEVEL_SET says what became of the level."""
SHIFTED: Final = 40
"""Never on a tape, in a simulated venue's market data: the public book was moved by `price` ticks (up is positive)."""

KIND_NAMES: Final = {
    ADD: "add",
    REDUCE: "reduce",
    DELETE: "delete",
    EXECUTE: "execute",
    TRADE_HIDDEN: "trade_hidden",
    CROSS: "cross",
    STATUS: "status",
    MODIFY: "modify",
    CLEAR: "clear",
    LEVEL_SET: "level_set",
    ROLL_OUT: "roll_out",
    ROLL_IN: "roll_in",
    TRADE: "trade",
}

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
