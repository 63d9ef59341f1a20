"""Does an L2 tape of Binance show the best quotes that the venue sent on another stream?

A best quote (`bookTicker`) names the update after which it held. Where a depth update ends with the same id, the book
of the tape must show the same best bid and ask with the same lots. Nothing of the tape was made from these quotes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import FeedError
from tercel.feeds.binance import BinanceFeed
from tercel.feeds.capture_day import CaptureDay
from tercel.feeds.captures import exact
from tercel.market.book import Book
from tercel.market.feed import FeedOptions
from tercel.market.tape import Events, Instrument


def verify_quotes(instrument: Instrument, events: Events, capture: Path) -> dict[str, Any]:
    """Replay a tape and compare it with the best quotes in its capture (a file, or a folder of them).

    Returns
    -------
    dict
        ``quotes`` in the capture; ``coincide``, those whose update ends a message of the tape; ``matched`` of them;
        ``first_mismatch`` (None, or update, expected and got as [bid, lots, ask, lots] in ticks and lots);
        ``same_tape``, whether the capture gives this very tape; ``explained``, the verdict.

    Raises
    ------
    FeedError
        When the capture has no such market or day.
    """
    day = _day_of(instrument, capture)
    same = day.imported.events == events
    tick = exact(repr(instrument.tick), "the instrument")
    lot = exact(str(instrument.extra["lot_size"]), "the instrument")
    wanted = {
        quote.last: [
            quote.bid[0] // tick,
            quote.bid[1] // lot,
            quote.ask[0] // tick,
            quote.ask[1] // lot,
        ]
        for quote in day.quotes
    }
    found: dict[str, Any] = {
        "quotes": len(day.quotes),
        "coincide": 0,
        "matched": 0,
        "first_mismatch": None,
    }
    book, at = Book(own=0), 0
    for row in np.flatnonzero(day.updates).tolist() if same else []:
        book.apply(events, at, row + 1)
        at = row + 1
        update = int(day.updates[row])
        if update not in wanted:
            continue
        bid, ask = book.best_bid, book.best_ask
        got = [bid, book.lots_at(1, bid), ask, book.lots_at(-1, ask)]
        found["coincide"] += 1
        if got == wanted[update]:
            found["matched"] += 1
        elif found["first_mismatch"] is None:
            found["first_mismatch"] = {"update": update, "expected": wanted[update], "got": got}
    return {**found, "same_tape": same, "explained": same and found["matched"] == found["coincide"]}


def _day_of(instrument: Instrument, capture: Path) -> CaptureDay:
    options = FeedOptions(instrument.symbol, instrument.date, instrument.tick)
    with BinanceFeed(str(instrument.extra["lot_size"])).days([capture], options) as days:
        mine = [day for day in days if day.imported.instrument.venue == instrument.venue]
    if len(mine) != 1:
        raise FeedError(
            "the capture that the tape was made from",
            f"{len(mine)} days of {'/'.join(instrument.key)} in {capture}",
            "give that file or folder",
        )
    return mine[0]
