"""The tape: one canonical, integer event stream, in memory (:class:`Events`) and on disk (:class:`Lake`)."""

from tercel.market.tape import schema
from tercel.market.tape.events import Columns, Events, Instrument
from tercel.market.tape.lake import Lake
from tercel.market.tape.local_times import midnight_ns
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    CROSS,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    MESSAGE_END,
    MODIFY,
    OPENING,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)
from tercel.market.tape.validation import validate

__all__ = [
    "ADD",
    "CLEAR",
    "CROSS",
    "DELETE",
    "EXECUTE",
    "LEVEL_SET",
    "MESSAGE_END",
    "MODIFY",
    "OPENING",
    "REDUCE",
    "ROLL_IN",
    "ROLL_OUT",
    "STATUS",
    "TRADE",
    "TRADE_HIDDEN",
    "Columns",
    "Events",
    "Instrument",
    "Lake",
    "midnight_ns",
    "schema",
    "validate",
]
