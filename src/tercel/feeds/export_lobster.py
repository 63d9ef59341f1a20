"""Days of tape as LOBSTER's message and orderbook files, which the importer of LOBSTER reads again.

The tape does not say where between two ticks a price lay that was on none (OFF_TICK). It is written 0.0001 dollars
nearer to the touch, so that no bid meets an ask; that of a hidden trade half a tick nearer, as most are at the mid.
Rows that the orderbook file implies (opening levels, ROLL rows) are no messages. A day that shows all levels has a file
of ten beside it, which the way back leaves alone.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
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


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write the instrument as `path` and both files beside it; FeedError for rows and units that have no place there.

    Raises
    ------
    FeedError
        Rows of other kinds than its seven types; a lot of other than a share; a tick that is no multiple of 0.0001.
    """
    kind = events.kind
    is_message = ~np.isin(kind, (schema.ROLL_IN, schema.ROLL_OUT))
    foreign = kind[(kind > schema.STATUS) & is_message]
    tick = Fraction(str(instrument.tick)) * UNITS_PER_DOLLAR
    refuse_if(
        len(foreign) or instrument.lot_units != 1 or tick.denominator != 1,
        "rows of LOBSTER's types 1 to 7, lots of 1 share, a tick of whole 0.0001 dollars",
        f"{len(foreign)} rows of {', '.join(schema.KIND_NAMES[one] for one in np.unique(foreign)) or 'other kinds'}, a lot "
        f"of {instrument.lot_units}, a tick of {instrument.tick:g}",
        "export it as parquet or hftbacktest",
        FeedError,
    )
    side = np.where(events.side, events.side, np.where(kind == schema.TRADE_HIDDEN, 1, -1))
    thirds = 3 * events.price_ticks + side * ((events.flags & schema.OFF_TICK) != 0)
    price = _price(thirds, int(tick))
    price += (
        (thirds - 3 * events.price_ticks) * (kind == schema.TRADE_HIDDEN) * (int(tick) // 2 - 1)
    )
    price = np.where(kind == schema.STATUS, events.price_ticks, price)
    seconds, ns = np.divmod(events.exch_ns - midnight_ns(instrument.date, TIMEZONE), NS_PER_SECOND)
    columns = (seconds, kind, events.order_id, events.qty_lots, price, side)
    messages = pl.DataFrame(dict(zip(MESSAGE_FIELDS, columns, strict=True))).with_columns(
        time=pl.format("{}.{}", "time", pl.Series(ns).cast(pl.String).str.zfill(9))
        .str.strip_chars_end("0")
        .str.strip_chars_end(".")
    )
    book = _orderbook(
        replace(events, price_ticks=thirds.astype(np.int32)), int(tick), instrument.levels or SHOWN
    )
    for file, table in zip(
        _files(instrument, path), (messages.filter(is_message), book), strict=True
    ):
        table.write_csv(file, include_header=False)
    path.write_text(instrument.to_json(), encoding="utf-8")


def read(path: Path) -> tuple[Instrument, Events]:
    """The day that :func:`write` wrote; FeedError from the importer of LOBSTER."""
    instrument = Instrument.from_json(path.read_text(encoding="utf-8"), str(path))
    files = _files(instrument, path)[: 2 if instrument.levels else 1]
    with LobsterFeed().days(files, FeedOptions(tick=instrument.tick)) as days:
        return instrument, days[0].read().events


def _files(instrument: Instrument, path: Path) -> list[Path]:
    """Message and orderbook file beside `path`, named with the session in ms after midnight: the day, where none is known."""
    midnight = midnight_ns(instrument.date, TIMEZONE)
    span = [
        (ns - midnight) // 1_000_000 if instrument.session_close_ns else whole_day_ms
        for ns, whole_day_ms in (
            (instrument.session_open_ns, 0),
            (instrument.session_close_ns, 86_400_000),
        )
    ]
    stem = "_".join(map(str, (instrument.symbol, instrument.date, *span)))
    levels = instrument.levels or SHOWN
    return [path.with_name(f"{stem}_{role}_{levels}.csv") for role in ("message", "orderbook")]


def _price(thirds: Ints, tick: int) -> Ints:
    """Prices in the file's units: a third beside a tick is one unit beside it, so that no bid meets an ask.

    >>> _price(np.array([299, 300, 301]), 100).tolist()
    [9999, 10000, 10001]
    """
    return (thirds + 1) // 3 * tick + (thirds + 1) % 3 - 1


def _orderbook(events: Events, tick: int, levels: int) -> pl.DataFrame:
    """Rows of the orderbook file: after each message the best levels, of events with prices in thirds of ticks."""
    message = np.unique(events.seq, return_inverse=True)[1] - int(events.seq[0] == 0)
    shown = np.zeros((int(message[-1]) + 1, 2, 2, levels), np.int32)

    def replay(book: Packed, ids: Ids, key_of: Longs) -> None:
        """Replay the tape on the arrays of an empty book."""
        shown[:] = 0
        k.levels_after(book, ids, key_of, *events.columns()[3:8], message, shown)

    run_with_room(replay)
    prices, lots = shown.astype(np.int64).transpose(2, 0, 3, 1)[..., ::-1]
    prices = np.where(lots > 0, _price(prices, tick), [EMPTY_ASK, EMPTY_BID])
    table = np.stack([prices, lots], -1).reshape(len(shown), 4 * levels)
    return pl.DataFrame(table, schema=orderbook_fields(levels))
