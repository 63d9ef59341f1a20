"""Days of tape as LOBSTER's message and orderbook files; the importer of LOBSTER reads them again.

A price that was not on a tick (OFF_TICK) is written half a tick nearer to the touch, where it lay: the tape does not say
where between two ticks. Rows that the orderbook file implies (opening levels, ROLL rows) are no messages. A day that
shows all levels has a file of ten beside it, which the way back leaves alone.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError, refuse_if
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import export_kernels as k
from tercel.feeds.lobster import LobsterFeed
from tercel.feeds.lobster_csv import MESSAGE_FIELDS, orderbook_fields
from tercel.feeds.lobster_kernels import EMPTY_ASK, EMPTY_BID
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR
from tercel.feeds.us_stocks import TIMEZONE
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.local_times import midnight_ns

SHOWN: Final = 10
"""Levels of the orderbook file of a day that shows all."""
_WHOLE_DAY_MS: Final = 86_400_000


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write the instrument as `path` and both files beside it; FeedError for rows and units that have no place there.

    Raises
    ------
    FeedError
        Rows of other kinds than its seven types; a lot of other than a share; a tick that is no multiple of 0.0001.
    """
    rolled = np.isin(events.kind, (schema.ROLL_IN, schema.ROLL_OUT))
    foreign = events.kind[(events.kind > schema.STATUS) & ~rolled]
    tick = Fraction(str(instrument.tick)) * UNITS_PER_DOLLAR
    refuse_if(
        len(foreign) or instrument.lot_units != 1 or tick.denominator != 1,
        "rows of LOBSTER's types 1 to 7, lots of 1 share, a tick of whole 0.0001 dollars",
        f"{len(foreign)} rows of {', '.join(schema.KIND_NAMES[kind] for kind in np.unique(foreign)) or 'other kinds'}, a lot "
        f"of {instrument.lot_units}, a tick of {instrument.tick:g}",
        "export it as parquet or hftbacktest",
        FeedError,
    )
    hidden = events.kind == schema.TRADE_HIDDEN
    side = np.where(events.side == 0, np.where(hidden, 1, -1), events.side)
    off = (events.flags & schema.OFF_TICK) != 0
    halves = 2 * events.price_ticks + side * off
    status = events.kind == schema.STATUS
    midnight = midnight_ns(instrument.date, TIMEZONE)
    seconds, ns = np.divmod(events.exch_ns - midnight, NS_PER_SECOND)
    columns = (
        *(seconds, events.kind, events.order_id, events.qty_lots),
        *(np.where(status, events.price_ticks, halves * int(tick) // 2), side),
    )
    messages = pl.DataFrame(dict(zip(MESSAGE_FIELDS, columns, strict=True))).with_columns(
        time=pl.format("{}.{}", "time", pl.Series(ns).cast(pl.String).str.zfill(9))
        .str.strip_chars_end("0")
        .str.strip_chars_end(".")
    )
    stem = _stem(instrument, midnight)
    levels = instrument.levels or SHOWN
    told = messages.filter(~rolled)
    told.write_csv(path.with_name(f"{stem}_message_{levels}.csv"), include_header=False)
    finer = replace(events, price_ticks=halves.astype(np.int32))
    _levels(finer, int(tick), levels).write_csv(
        path.with_name(f"{stem}_orderbook_{levels}.csv"), include_header=False
    )
    path.write_text(instrument.to_json(), encoding="utf-8")


def read(path: Path) -> tuple[Instrument, Events]:
    """The day that :func:`write` wrote; FeedError from the importer of LOBSTER."""
    instrument = Instrument.from_json(path.read_text(encoding="utf-8"), str(path))
    stem = _stem(instrument, midnight_ns(instrument.date, TIMEZONE))
    roles = ["message", "orderbook"] if instrument.levels else ["message"]
    files = [path.with_name(f"{stem}_{role}_{instrument.levels or SHOWN}.csv") for role in roles]
    with LobsterFeed().days(files, FeedOptions(tick=instrument.tick)) as days:
        return instrument, days[0].read().events


def _stem(instrument: Instrument, midnight: int) -> str:
    """Beginning of the files' names, with the session in ms after midnight, the whole day where it is not known."""
    start, end = (
        (ns - midnight) // 1_000_000
        for ns in (instrument.session_open_ns, instrument.session_close_ns)
    )
    if not 0 <= start < end <= _WHOLE_DAY_MS:
        start, end = 0, _WHOLE_DAY_MS
    return f"{instrument.symbol}_{instrument.date}_{start}_{end}"


def _levels(events: Events, tick: int, levels: int) -> pl.DataFrame:
    """Rows of the orderbook file: after each message the best levels, of events with prices in half ticks."""
    first = int(np.count_nonzero(events.seq == 0))
    message = np.append(
        np.full(first, -1), np.cumsum(np.diff(events.seq[first:], prepend=0) > 0) - 1
    )
    shown = np.zeros((int(message[-1]) + 1, 2, 2, levels), np.int32)

    def replay(book: Packed, ids: Ids, key_of: Longs) -> None:
        """Replay the tape on the arrays of an empty book."""
        shown[:] = 0
        k.levels_after(book, ids, key_of, *events.columns()[3:8], message, shown)

    run_with_room(replay)
    numbers = shown.astype(np.int64)
    numbers[:, :, 0] = np.where(
        numbers[:, :, 1] > 0, numbers[:, :, 0] * tick // 2, [[EMPTY_BID], [EMPTY_ASK]]
    )
    table = numbers[:, ::-1].transpose(0, 3, 1, 2).reshape(len(shown), 4 * levels)
    return pl.DataFrame(table, schema=orderbook_fields(levels))
