"""Does an order-by-order tape of Bitstamp show the books that the venue sent whole?

A snapshot (``order_book?group=2``) says at its microsecond which orders rest, at which price, with what left. The tape
opens with the first one; every later one in the capture, or in another capture of the same hours, is a truth that the
events between knew nothing of. Where the importer found them to differ it opened the book anew: here that counts
against it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import FeedError
from tercel.feeds.bitstamp_messages import OrderBookAnswer, pairs_of
from tercel.feeds.capture_day import book_after
from tercel.feeds.captures import CaptureWarnings, exact, lines_of
from tercel.feeds.members import members
from tercel.market.tape import Events, Instrument, schema


def verify_orders(instrument: Instrument, events: Events, capture: Path) -> dict[str, Any]:
    """Compare a tape with the later snapshots in a capture (a file, or a folder of them).

    Returns
    -------
    dict
        ``snapshots`` within the tape's time after its opening; ``orders`` in them; ``matched``, those that the tape
        has with the same side, price and lots; ``surplus``, orders of the tape that a snapshot lacks;
        ``first_mismatch`` (None, or the snapshot's ns and the order's id); ``explained``, the verdict.

    Raises
    ------
    FeedError
        When the capture has no such pair, or no snapshot after the tape's opening.
    """
    tick = exact(repr(instrument.tick), "the instrument")
    lot = exact(str(instrument.extra["lot_size"]), "the instrument")
    first, last = int(events.exch_ns[0]), int(events.exch_ns[-1])
    answers = [a for a in _snapshots(instrument.symbol, capture) if first < a.exch_ns <= last]
    if not answers:
        raise FeedError(
            "a snapshot after the tape's opening",
            f"none of {instrument.symbol} in {capture} within the tape's time",
            "capture another one later in the day",
        )
    found: dict[str, Any] = {
        "snapshots": len(answers),
        "orders": 0,
        "matched": 0,
        "surplus": 0,
        "first_mismatch": None,
    }
    for answer in answers:
        stop = int(np.searchsorted(events.exch_ns, answer.exch_ns, "right"))
        start = int(np.searchsorted(events.exch_ns, answer.exch_ns, "left"))
        opened_anew = np.flatnonzero(events.kind[start:stop] == schema.CLEAR)
        ours = book_after(events, start + int(opened_anew[0]) if len(opened_anew) else stop)
        theirs = {
            number: (side, price // tick, -(-amount // lot))
            for side, price, amount, number in answer.orders
        }
        wrong = [number for number, order in theirs.items() if ours.get(number) != order]
        surplus = [number for number in ours if number not in theirs]
        found["orders"] += len(theirs)
        found["matched"] += len(theirs) - len(wrong)
        found["surplus"] += len(surplus)
        if found["first_mismatch"] is None and (wrong or surplus):
            found["first_mismatch"] = {"ns": answer.exch_ns, "order": [*wrong, *surplus][0]}
    return {**found, "explained": found["first_mismatch"] is None}


def _snapshots(symbol: str, capture: Path) -> list[OrderBookAnswer]:
    with members([capture]) as files:
        pairs = pairs_of(lines_of(files, CaptureWarnings()))
    if symbol not in pairs:
        known = ", ".join(sorted(pairs)) or "no pair"
        raise FeedError(
            f"a capture of {symbol}", f"{known} in {capture}", "give the capture of this pair"
        )
    return pairs[symbol].snapshots
