"""Crossed states of a tape (best bid above best ask while it trades): found, counted, refused when frequent."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import Book
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

ROOM: Final = 1 << 17
MAX_CROSSED_SHARE: Final = 0.001
"""Share of crossed states from which on a tape is not replayed."""


def crossings(events: Events) -> tuple[Int32, Ints, Ints]:
    """Find the rows after which a tape is crossed while it trades.

    A moment in several messages counts once, after the last of them.

    Returns
    -------
    quotes : int32 (n, 2)
        Best bid and ask after each row, ticks.
    states, crossed : int64
        Rows that end a moment while trading is on; those of them after which the bid is above the ask.
    """
    quotes = Book(ROOM, own_orders=0).quotes(events)
    ns = events.exch_ns
    status = np.flatnonzero(events.kind == schema.STATUS)
    trading = (
        np.append(1, events.price_ticks[status])[
            np.searchsorted(status, np.arange(events.n), side="right")
        ]
        > 0
    )
    states = np.flatnonzero(trading & np.append(ns[1:] != ns[:-1], True)[: events.n])
    return quotes, states, states[quotes[states, 0] > quotes[states, 1]]


def describe_crossed(instrument: Instrument, events: Events) -> str:
    """Message with the number of crossed states of a tape and the first row; empty for at most one in a thousand."""
    quotes, states, crossed = crossings(events)
    if len(crossed) <= MAX_CROSSED_SHARE * len(states):
        return ""
    row = int(crossed[0])
    moment = datetime.fromtimestamp(
        int(events.exch_ns[row]) / NS_PER_SECOND, ZoneInfo(instrument.timezone)
    )
    return (
        f"{len(crossed):,} of {len(states):,} states of {instrument.symbol} {instrument.date} crossed, the first "
        f"after row {row} at {moment:%H:%M:%S}: a bid of {quotes[row, 0]} ticks and an ask of {quotes[row, 1]}"
    )


def refuse_crossed(message: str) -> None:
    """Raise TapeError for a tape with too many crossed states (`describe_crossed`).

    Raises
    ------
    TapeError
        With these words.
    """
    if message:
        raise TapeError(
            "a tape whose best bid lies below its best ask",
            message,
            "`tercel data verify` names the likely cause; where updates were lost, import the files again with "
            "`uncross = true` under [clean] in the map",
        )
