"""Crossed tapes: states in which a bid stands above an ask, though trading is on."""

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
MOST_CROSSED: Final = 0.001
"""Share of crossed states from which on a tape is not replayed."""


def crossings(events: Events) -> tuple[Int32, Ints, Ints]:
    """Where a tape is crossed while it trades.

    A moment that is told in several messages counts once, when all of it has been told.

    Returns
    -------
    quotes : int32 (n, 2)
        Best bid and ask after each row, ticks.
    states, crossed : int64
        Rows that end a moment while trading is on; those of them after which the bid is above the ask.
    """
    quotes = Book(ROOM, own=0).quotes(events)
    ns, status = events.exch_ns, np.flatnonzero(events.kind == schema.STATUS)
    trading = (
        np.append(1, events.price_ticks[status])[
            np.searchsorted(status, np.arange(events.n), side="right")
        ]
        > 0
    )
    states = np.flatnonzero(trading & np.append(ns[1:] != ns[:-1], True)[: events.n])
    return quotes, states, states[quotes[states, 0] > quotes[states, 1]]


def crossed_in_words(instrument: Instrument, events: Events) -> str:
    """How many states of a tape are crossed, and after which row the first; "" for no more than a thousandth."""
    quotes, states, crossed = crossings(events)
    if len(crossed) <= MOST_CROSSED * len(states):
        return ""
    row = int(crossed[0])
    at = datetime.fromtimestamp(
        int(events.exch_ns[row]) / NS_PER_SECOND, ZoneInfo(instrument.timezone)
    )
    return (
        f"{len(crossed):,} of {len(states):,} states of {instrument.symbol} {instrument.date} crossed, the first "
        f"after row {row} at {at:%H:%M:%S}: a bid of {quotes[row, 0]} ticks and an ask of {quotes[row, 1]}"
    )


def refuse_crossed(said: str) -> None:
    """Refuse a tape of which `crossed_in_words` says something.

    Raises
    ------
    TapeError
        With these words.
    """
    if said:
        raise TapeError(
            "a tape whose best bid lies below its best ask",
            said,
            "`tercel data verify` names the likely cause; where updates were lost, import the files again with "
            "`uncross = true` under [clean] in the map",
        )
