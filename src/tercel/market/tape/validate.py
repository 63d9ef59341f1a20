"""The rules that every tape keeps, checked before it is written; the first row that breaks one is named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import TapeError
from tercel.core.vocabulary import NO_ASK
from tercel.market.tape import schema
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument, midnight_ns, next_midnight_ns

_KINDS = 256


def _table(*kinds: int) -> NDArray[np.bool_]:
    table = np.zeros(_KINDS, np.bool_)
    table[list(kinds)] = True
    return table


_KNOWN = _table(*schema.KIND_NAMES)
_ON_A_LEVEL = _table(
    schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE, schema.MODIFY, schema.LEVEL_SET, schema.ROLL_OUT,
    schema.ROLL_IN,
)  # fmt: skip
"""Kinds that need a side and a price."""
_SOME_LOTS = _table(schema.ADD, schema.REDUCE, schema.EXECUTE, schema.TRADE_HIDDEN, schema.MODIFY, schema.ROLL_IN)
"""Kinds whose lots must be positive; the others may carry none."""
_ALL_FLAGS = schema.OPENING | schema.OFF_TICK | schema.MESSAGE_END


def validate(events: Events, instrument: Instrument) -> None:
    """Check a tape against the schema.

    Raises
    ------
    TapeError
        With the first row that breaks a rule, the field, and its value.
    """
    if events.n == 0:
        raise TapeError("at least one event", f"an empty tape for {'/'.join(instrument.key)}", "check the source file")
    kind, side, price, qty, flags = (
        events.kind,
        events.side,
        events.price_ticks,
        events.qty_lots,
        events.flags,
    )
    _require(_KNOWN[kind], "kind", "a kind of the schema, 1 to 12", events)
    _require_times(events, instrument)
    first, last = int(events.seq[0]), events.seq
    if first < 0 or not bool((last[1:] >= last[:-1]).all()):
        _require(
            np.concatenate(([first >= 0], last[1:] >= last[:-1])),
            "seq",
            "numbers from 0 that never fall",
            events,
        )
    if int(flags.max()) > _ALL_FLAGS:
        _require(flags <= _ALL_FLAGS, "flags", "bits of the schema", events)
    on_a_level = _ON_A_LEVEL[kind]
    _require(
        np.where(on_a_level, side * side == 1, side * side <= 1),
        "side",
        "+1, -1, or 0 where none is needed",
        events,
    )
    status = kind == schema.STATUS
    in_range = (price > 0) & (price < NO_ASK)
    plain = ~(on_a_level | (kind == schema.TRADE_HIDDEN)) & (price >= 0) & (price < NO_ASK)
    in_range |= np.where(status, (price >= -1) & (price <= 1), plain)
    _require(in_range, "price_ticks", "a positive price below 2**30 ticks (status: -1, 0 or 1)", events)
    _require(qty >= _SOME_LOTS[kind], "qty_lots", "a positive quantity", events)
    ends = (flags & schema.MESSAGE_END) != 0
    message_ends = np.concatenate((events.seq[1:] != events.seq[:-1], [True]))
    _require(ends == message_ends, "flags", "MESSAGE_END on the last row of each message and on no other", events)
    opening = (flags & schema.OPENING) != 0
    legal = ~opening | (np.arange(events.n) < np.count_nonzero(opening)) & (kind == schema.ROLL_IN)
    _require(legal, "flags", "OPENING on ROLL_IN rows at the head of the tape alone", events)


def _require_times(events: Events, instrument: Instrument) -> None:
    exch = events.exch_ns
    start = midnight_ns(instrument.date, instrument.timezone)
    stop = next_midnight_ns(instrument.date, instrument.timezone)
    if not bool((exch[1:] >= exch[:-1]).all()):
        _require(np.concatenate(([True], exch[1:] >= exch[:-1])), "exch_ns", "times that never go back", events)
    _require(
        (exch >= start) & (exch <= stop),
        "exch_ns",
        f"a time on {instrument.date} ({instrument.timezone})",
        events,
    )
    _require(events.recv_ns > 0, "recv_ns", "a time after 1970", events)


def _require(holds: NDArray[np.bool_], name: str, rule: str, events: Events) -> None:
    if bool(holds.all()):
        return
    row = int(np.argmin(holds))
    kind = schema.KIND_NAMES.get(int(events.kind[row]), "unknown kind")
    received = f"{getattr(events, name)[row]} in row {row} ({kind}, message {events.seq[row]})"
    raise TapeError(f"{name}: {rule}", received, "correct the feed or the importer that made this row")
