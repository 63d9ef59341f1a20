"""Rules of a valid tape, checked before it is written; the first offending row is named."""

from __future__ import annotations

import numpy as np

from tercel.core.arrays import Bools, Ints
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NO_ASK
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

_KINDS = 256


_ALL_FLAGS = schema.OPENING | schema.OFF_TICK | schema.MESSAGE_END


def _table(*kinds: int) -> Bools:
    """Bools by kind, 256 entries, true for the given kinds."""
    table = np.zeros(_KINDS, np.bool_)
    table[list(kinds)] = True
    return table


_KNOWN = _table(*schema.KIND_NAMES)
# Kinds that need a side and a price.
_ON_A_LEVEL = _table(
    *(schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE),
    *(schema.MODIFY, schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN, schema.TRADE),
)
# Kinds whose lots must be positive; the others may carry none.
_SOME_LOTS = _table(
    *(schema.ADD, schema.REDUCE, schema.EXECUTE, schema.TRADE_HIDDEN),
    *(schema.MODIFY, schema.ROLL_IN, schema.TRADE),
)
# Kinds that an opening snapshot is made of.
_OPENING_KINDS = _table(schema.ADD, schema.ROLL_IN, schema.LEVEL_SET)


def validate(events: Events, instrument: Instrument) -> None:
    """Raise TapeError for the first row of a tape that breaks a rule of the schema, or for no row.

    Raises
    ------
    TapeError
        With the first row that breaks a rule, the field, and its value.
    """
    if events.n == 0:
        raise TapeError(
            "at least one event",
            f"an empty tape for {'/'.join(instrument.key)}",
            "check the source file",
        )
    kind = events.kind
    side = events.side
    price = events.price_ticks
    flags = events.flags
    _require(_KNOWN[kind], "kind", "a kind of the schema, 1 to 13", events)
    _require_times(events, instrument)
    _require(_never_falls(events.seq), "seq", "numbers from 0 that never fall", events)
    _require(flags <= _ALL_FLAGS, "flags", "bits of the schema", events)
    needed = _ON_A_LEVEL[kind]
    size = np.abs(side)
    _require((size <= 1) & (size >= needed), "side", "+1, -1, or 0 where none is needed", events)
    low = np.where(
        needed | (kind == schema.TRADE_HIDDEN), 1, np.where(kind == schema.STATUS, -1, 0)
    )
    high = np.where(kind == schema.STATUS, 1, NO_ASK - 1)
    _require(
        (price >= low) & (price <= high),
        "price_ticks",
        "a positive price below 2**30 ticks (status: -1, 0 or 1)",
        events,
    )
    _require(events.qty_lots >= _SOME_LOTS[kind], "qty_lots", "a positive quantity", events)
    _require_marks(events)


def _require_marks(events: Events) -> None:
    """Raise TapeError unless the flags of all rows are known and stand where they may."""
    ends = (events.flags & schema.MESSAGE_END) != 0
    message_ends = np.append(events.seq[1:] != events.seq[:-1], True)
    _require(
        ends == message_ends,
        "flags",
        "MESSAGE_END on the last row of each message and on no other",
        events,
    )
    opening = (events.flags & schema.OPENING) != 0
    at_head = np.arange(events.n) < np.count_nonzero(opening)
    _require(
        ~opening | (at_head & _OPENING_KINDS[events.kind]),
        "flags",
        "OPENING on ADD, ROLL_IN and LEVEL_SET rows at the head of the tape alone",
        events,
    )


def _require_times(events: Events, instrument: Instrument) -> None:
    """Raise TapeError unless times are positive, rise where they must, and lie on the instrument's day."""
    start, stop = instrument.span
    exch = events.exch_ns
    rule = f"a time on {instrument.date} ({instrument.timezone})"
    _require(_never_falls(exch), "exch_ns", "times that never go back", events)
    _require((exch >= start) & (exch <= stop), "exch_ns", rule, events)
    _require(events.recv_ns > 0, "recv_ns", "a time after 1970", events)


def _never_falls(column: Ints) -> Bools:
    """Whether each value of a column is at least the one before it (the first: at least 0)."""
    return np.append(column[0] >= 0, column[1:] >= column[:-1])


def _require(holds: Bools, name: str, rule: str, events: Events) -> None:
    """Raise TapeError naming the first row where a rule does not hold."""
    if bool(holds.all()):
        return
    row = int(np.argmin(holds))
    kind = schema.KIND_NAMES.get(int(events.kind[row]), "unknown kind")
    raise TapeError(
        f"{name}: {rule}",
        f"{getattr(events, name)[row]} in row {row} ({kind}, message {events.seq[row]})",
        "correct the feed or the importer that made this row",
    )
