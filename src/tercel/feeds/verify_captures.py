"""Verification of captured days against what the venue itself sent: whole books of Bitstamp, best quotes of Binance.

A Bitstamp snapshot (``order_book?group=2``) says at its microsecond which orders rest, at which price, with what left.
The tape opens with the first one; every later one in the capture, or in another capture of the same hours, is a
reference independent of the events between. Where the importer found a difference it reset the book: here that counts
as an error.

A Binance best quote (`bookTicker`) names the update after which it held. Where a depth update ends with the same id,
the book of the tape must show the same best bid and ask with the same lots. Nothing of the tape was made from these
quotes.
"""

from pathlib import Path

import numpy as np

from tercel.core.errors import FeedError
from tercel.feeds.binance import BinanceFeed
from tercel.feeds.bitstamp_messages import OrderBookAnswer, pairs_of
from tercel.feeds.capture_day import CaptureDay, book_after
from tercel.feeds.captures import CaptureWarnings, exact, lines_of
from tercel.feeds.members import members
from tercel.feeds.survey import Findings
from tercel.market.book import Book
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument


def verify_orders(instrument: Instrument, events: Events, capture: Path) -> Findings:
    """Compare a Bitstamp tape's orders with the later snapshots in a capture (a file or folder); findings by name.

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
    first = int(events.exch_ns[0])
    last = int(events.exch_ns[-1])
    answers = [a for a in _snapshots(instrument.symbol, capture) if first < a.exch_ns <= last]
    if not answers:
        raise FeedError(
            "a snapshot after the tape's opening",
            f"none of {instrument.symbol} in {capture} within the tape's time",
            "capture another one later in the day",
        )
    findings: Findings = {
        "snapshots": len(answers),
        "orders": 0,
        "matched": 0,
        "surplus": 0,
        "first_mismatch": None,
    }
    for answer in answers:
        stop = int(np.searchsorted(events.exch_ns, answer.exch_ns, "right"))
        start = int(np.searchsorted(events.exch_ns, answer.exch_ns, "left"))
        reopened = np.flatnonzero(events.kind[start:stop] == schema.CLEAR)
        ours = book_after(events, start + int(reopened[0]) if len(reopened) else stop)
        theirs = {
            number: (side, price // tick, -(-amount // lot))
            for side, price, amount, number in answer.orders
        }
        wrong = [number for number, order in theirs.items() if ours.get(number) != order]
        surplus = [number for number in ours if number not in theirs]
        findings["orders"] += len(theirs)
        findings["matched"] += len(theirs) - len(wrong)
        findings["surplus"] += len(surplus)
        if findings["first_mismatch"] is None and (wrong or surplus):
            findings["first_mismatch"] = {"ns": answer.exch_ns, "order": [*wrong, *surplus][0]}
    return {**findings, "explained": findings["first_mismatch"] is None}


def _snapshots(symbol: str, capture: Path) -> list[OrderBookAnswer]:
    """Bitstamp snapshots of a pair in a capture, in order of receipt; FeedError if the pair is not in it."""
    with members([capture]) as files:
        pairs = pairs_of(lines_of(files, CaptureWarnings()))
    if symbol not in pairs:
        known = ", ".join(sorted(pairs)) or "no pair"
        raise FeedError(
            f"a capture of {symbol}", f"{known} in {capture}", "give the capture of this pair"
        )
    return pairs[symbol].snapshots


def verify_quotes(instrument: Instrument, events: Events, capture: Path) -> Findings:
    """Replay a Binance tape and compare it with the best quotes in its capture (a file or folder), where update ids coincide.

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
    if not day.quotes:
        raise FeedError(
            "quotes (bookTicker) in the capture", f"none in {capture}", "verify the day alone"
        )
    is_same_tape = day.imported.events == events
    tick = exact(repr(instrument.tick), "the instrument")
    lot = exact(str(instrument.extra["lot_size"]), "the instrument")
    quotes_by_update = {
        quote.last: [
            quote.bid[0] // tick,
            quote.bid[1] // lot,
            quote.ask[0] // tick,
            quote.ask[1] // lot,
        ]
        for quote in day.quotes
    }
    findings: Findings = {
        "quotes": len(day.quotes),
        "coincide": 0,
        "matched": 0,
        "first_mismatch": None,
    }
    book = Book(own_orders=0)
    applied = 0
    for row in np.flatnonzero(day.updates).tolist() if is_same_tape else []:
        book.apply(events, applied, row + 1)
        applied = row + 1
        update = int(day.updates[row])
        if update not in quotes_by_update:
            continue
        bid, ask = book.best_bid, book.best_ask
        got = [bid, book.lots_at(1, bid), ask, book.lots_at(-1, ask)]
        findings["coincide"] += 1
        if got == quotes_by_update[update]:
            findings["matched"] += 1
        elif findings["first_mismatch"] is None:
            findings["first_mismatch"] = {
                "update": update,
                "expected": quotes_by_update[update],
                "got": got,
            }
    return {
        **findings,
        "same_tape": is_same_tape,
        "explained": is_same_tape and findings["matched"] == findings["coincide"],
    }


def _day_of(instrument: Instrument, capture: Path) -> CaptureDay:
    """The day that a Binance capture gives for a tape's venue, symbol and date; FeedError unless there is one."""
    options = FeedOptions(instrument.symbol, instrument.date, instrument.tick)
    with BinanceFeed(str(instrument.extra["lot_size"])).days([capture], options) as days:
        matching = [day for day in days if day.imported.instrument.venue == instrument.venue]
    if len(matching) != 1:
        raise FeedError(
            "the capture that the tape was made from",
            f"{len(matching)} days of {'/'.join(instrument.key)} in {capture}",
            "give that file or folder",
        )
    return matching[0]
