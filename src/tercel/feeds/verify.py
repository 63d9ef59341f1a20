"""Is the tape true? The shared book replays it, alone or against the orderbook file that it came with.

Against a file, each row from the second on is `by_message` (the touch, both best prices and lots, equals the file's
before and after any roll of that row), `by_roll_in` (equal only after them, and all are legal), or `unexplained_touch`.
A ROLL_IN is legal at a price strictly worse than every level that stays after the message and than the level that the message
removed, where fewer levels stay than the file shows; a ROLL_OUT beyond the levels shown. Rows with one that is not
are `illegal_rolls`; beyond the touch they do not change it. A tape is explained when nothing differs and no roll is
illegal.

Does an order-by-order tape give the ten levels that Databento derives from the same feed?

A file of the schema mbp-10 has a row for each change within ten levels: prices, sizes and numbers of orders. Every row
must be the state of the book at some row of the tape of the same time, in order; what its venue does between two events
of one time is thus checked as well, except that a trade and the change of its order are one row of the tape. Of CSV::

    ts_event,...,bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,bid_px_01,...,symbol
    2025-07-17T07:05:09.035627674Z,...,24.100000000,150,2,24.300000000,90,1,24.050000000,...,ARL
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.errors import FeedError, TapeError
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.feeds import verify_kernels as v
from tercel.feeds.binance import BinanceFeed
from tercel.feeds.bitstamp import OrderBookAnswer, pairs_of
from tercel.feeds.capture_day import CaptureDay, book_after
from tercel.feeds.dbn_records import (
    NO_PRICE,
    csv_number,
    csv_price,
    csv_time,
    is_csv,
    metadata_of,
    read_csv,
    symbols_of,
)
from tercel.feeds.lobster_csv import EMPTY_ASK, EMPTY_BID, UNITS_PER_DOLLAR, read_orderbook
from tercel.feeds.members import CaptureWarnings, Member, exact, lines_of, members
from tercel.feeds.verify_kernels import Findings, in_room, read_book
from tercel.market.book import Book
from tercel.market.book.ladder import head_at, in_window, order_at, side_at
from tercel.market.book.tape_kernels import Ids, apply_one
from tercel.market.feed import FeedOptions
from tercel.market.tape import schema
from tercel.market.tape.compiled import crossings
from tercel.market.tape.events import Columns, Events, Instrument

LONG: Final = 20
"""Crossed states that a level lasts on average, where its removal was lost."""
SIDES: Final = (pl.lit(1, pl.Int8), pl.lit(-1, pl.Int8))
ON_LEVEL: Final = (*range(schema.EXECUTE + 1), schema.MODIFY, schema.LEVEL_SET, schema.ROLL_IN)


def verify_alone(events: Events) -> Findings:
    """Replay a tape of any kind and count what makes no sense in it.

    Returns
    -------
    dict
        ``rows`` (source messages), ``events`` (rows of the tape), ``tape`` (its kind), ``unknown_ids``,
        ``unknown_lots``, ``duplicate_ids``; the messages that left the book ``crossed`` while it traded,
        ``crossed_not_trading``, ``locked`` or ``one_sided``, and of crossed ones the ``likely_cause``; prints, how many
        of them fell outside the quotes, behind the best level or while trading stood still; auction prints and their
        lots; repeated and unknown levels; clocks that go back and jumps in sequence; and the lots that came, went and
        still rest, whose sum must be 0 (``lots_unaccounted``: a row that named another price than its order's).

    Raises
    ------
    CapacityError
        When more than 4 million orders rest at once.
    """
    report = np.zeros(len(v.COUNTS), np.int64)

    def replay(b: Packed, ids: Ids, key_of: Longs) -> None:
        report[:] = 0
        e = events
        v.survey(
            b, ids, key_of, e.kind, e.order_id, e.side, e.price_ticks, e.qty_lots, e.flags, report
        )

    book = in_room(replay)
    found = v.findings(events, report, int(v.resting_lots(book.state)))
    if found["crossed"]:
        found["likely_cause"] = crossed_by(events)
    return {
        "rows": found.pop("messages"),
        "events": events.n,
        "tape": v.described(events),
        "unknown_ids": book.unknown_ids,
        "unknown_lots": book.unknown_lots,
        "duplicate_ids": book.duplicate_ids,
        **found,
        **v.clocks(events),
    }


def crossed_by(events: Events) -> str:
    """Likely reason why a tape is crossed.

    Of two levels that cross each other the one that changed earlier is stale. A level whose
    removal was lost does so in one crossed state after the other until the price is back at it.
    """
    quotes, _, crossed = crossings(events)
    columns = {
        "row": np.arange(events.n),
        "side": events.side,
        "price": events.price_ticks,
        "kind": events.kind,
    }
    rows = pl.DataFrame(columns).with_columns(changed="row").filter(pl.col("kind").is_in(ON_LEVEL))
    touch = [pl.DataFrame({"row": crossed, "price": at}) for at in quotes[crossed].T]
    both = pl.concat(
        [one.with_columns(side=side) for one, side in zip(touch, SIDES, strict=True)]
    ).sort("row")
    last = both.join_asof(rows, on="row", by=["side", "price"], check_sortedness=False)
    stale = last.group_by("row").agg(pl.col("changed").min())["changed"].n_unique()
    if len(crossed) == 0:
        return "one moment in several messages: none is crossed at its end"
    if len(crossed) < LONG * stale:
        return f"quotes of several exchanges: {stale:,} levels are crossed for a few states each"
    words = f"updates lost in the feed: {len(crossed):,} states cross {stale:,} levels that do not change"
    return f"{words}; from tick files, import them again with `uncross = true` under [clean] in the map"


def verify_against(instrument: Instrument, events: Events, orderbook: Path) -> Findings:
    """Replay a tape and compare it with an orderbook file (plain, compressed or in an archive), row by row.

    Returns
    -------
    dict
        ``rows``, ``levels``, ``by_message``, ``by_roll_in``, ``unexplained_touch``; ``matched_by_level``, for each
        level the rows from the second on in which its four numbers are right; ``opening_matches``, whether the first
        row is right whole; ``illegal_rolls``; ``first_mismatch`` (None, or row and level from 1, side, expected and
        got as [price, size] in the file's units); ``explained``, the verdict.

    Raises
    ------
    FeedError
        When the file cannot be read, or has other rows or levels than the tape.
    TapeError
        When the tape was imported without an orderbook file.
    """
    levels, rows = instrument.levels, int(events.seq[-1])
    if levels == 0:
        raise TapeError(
            "a tape with levels",
            f"a tape of {', '.join(instrument.source)}",
            "import the messages with their orderbook file",
        )
    with members([orderbook]) as found:
        member = _orderbook_of(found, instrument)
        book = read_orderbook(member)
    if book.shape != (4 * levels, rows):
        raise FeedError(
            f"{rows} rows of {levels} levels, as on the tape",
            f"{book.shape[1]} rows of {book.shape[0] // 4} levels in {member.where}",
            "give the file of this download",
        )
    unit = round(instrument.tick * UNITS_PER_DOLLAR)
    empty = np.array([NO_BID, NO_ASK], np.int64)
    want = np.empty((rows, 2, 2, levels), np.int32)
    v.wanted_levels(book, unit, bool(instrument.extra.get("orderbook_on_tick", True)), empty, want)
    report, matched = np.zeros(v.REPORT, np.int64), np.zeros(levels, np.int64)

    def compare(b: Packed, ids: Ids, key_of: Longs) -> None:
        report[:] = matched[:] = 0
        report[v.BAD_ROW] = -1
        work, level_ok = np.zeros((2, 2, 2, levels + 8), np.int32), np.ones(levels, np.uint8)
        v.compare(b, ids, key_of, events.columns(), want, empty, work, level_ok, matched, report)

    in_room(compare)
    return _result(rows, levels, unit, report, matched)


def _result(
    rows: int, levels: int, unit: int, report: NDArray[np.int64], matched: NDArray[np.int64]
) -> Findings:
    opening = bool(report[v.OPENING_MATCHES])
    unexplained, illegal = int(report[v.UNEXPLAINED]), int(report[v.ILLEGAL])
    return {
        "rows": rows,
        "levels": levels,
        "by_message": int(report[v.BY_MESSAGE]),
        "by_roll_in": int(report[v.BY_ROLL_IN]),
        "unexplained_touch": unexplained,
        "matched_by_level": matched.tolist(),
        "opening_matches": opening,
        "illegal_rolls": illegal,
        "first_mismatch": _mismatch(report, unit) if report[v.BAD_ROW] >= 0 else None,
        "explained": opening and unexplained == illegal == 0 and bool((matched == rows - 1).all()),
    }


def _mismatch(report: NDArray[np.int64], unit: int) -> Findings:
    def shown(at: int) -> list[int]:
        price = {NO_BID: EMPTY_BID, NO_ASK: EMPTY_ASK}.get(int(report[at]), int(report[at]) * unit)
        return [price, int(report[at + 1])]

    return {
        "row": int(report[v.BAD_ROW]) + 1,
        "level": int(report[v.BAD_LEVEL]) + 1,
        "side": "bid" if report[v.BAD_SIDE] > 0 else "ask",
        "expected": shown(v.WANTED),
        "got": shown(v.GOT),
    }


def _orderbook_of(found: list[Member], instrument: Instrument) -> Member:
    """The orderbook file among the members of what was given: the only file, or the one named like the tape's."""
    if len(found) == 1:
        return found[0]
    tail = f"_orderbook_{instrument.levels}.csv"
    mine = [
        m
        for m in found
        if m.name.startswith(f"{instrument.symbol}_{instrument.date}_") and m.name.endswith(tail)
    ]
    if len(mine) != 1:
        raise FeedError(
            f"one file {instrument.symbol}_{instrument.date}_..{tail}",
            f"{len(mine)} among {len(found)} files",
            "give the orderbook file itself",
        )
    return mine[0]


# -- verify orders --------------------------------------------------------------------------------
# Does an order-by-order tape of Bitstamp show the books that the venue sent whole?
#
# A snapshot (``order_book?group=2``) says at its microsecond which orders rest, at which price, with what left. The tape
# opens with the first one; every later one in the capture, or in another capture of the same hours, is a reference
# independent of the events between. Where the importer found a difference it reset the book: here that counts as an
# error.


# -- verify captures -------------------------------------------------------------------------------
# Captured days verified against what the venue itself said: its orders, and its best quotes.


def verify_orders(instrument: Instrument, events: Events, capture: Path) -> Findings:
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
    found: Findings = {
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


# -- verify quotes --------------------------------------------------------------------------------
# Does an L2 tape of Binance show the best quotes that the venue sent on another stream?
#
# A best quote (`bookTicker`) names the update after which it held. Where a depth update ends with the same id, the book
# of the tape must show the same best bid and ask with the same lots. Nothing of the tape was made from these quotes.


def verify_quotes(instrument: Instrument, events: Events, capture: Path) -> Findings:
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
    found: Findings = {
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


# -- verify truths ---------------------------------------------------------------------------------
# Independent truths to hold a tape against: one function for each format, by the feed that a tape came from.

Truth = Callable[[Instrument, Events, Path], Findings]
"""Instrument, events, the file: findings, with the verdict as ``explained``."""

TRUTHS: Final = {
    "lobster": ("tercel.feeds.verify:verify_against", "an orderbook file"),
    "dbn": ("tercel.feeds.verify:verify_mbp10", "a Databento mbp-10 file"),
    "binance": ("tercel.feeds.verify:verify_quotes", "the capture with its bookTicker stream"),
    "bitstamp": (
        "tercel.feeds.verify:verify_orders",
        "a capture with later snapshots of the order book",
    ),
}
"""By the feed's name: where its check is, and what file it wants. A new format is one more line."""


def truth_for(instrument: Instrument) -> Truth:
    """The check for a tape.

    Raises
    ------
    TapeError
        When nothing independent is known for its feed.
    """
    feed = str(
        instrument.extra.get(
            "feed", "lobster" if instrument.levels else "files of a feed without a name"
        )
    )
    if feed not in TRUTHS:
        known = "; ".join(f"{name}: {file}" for name, (_, file) in TRUTHS.items())
        raise TapeError(
            f"a tape with an independent truth ({known})",
            f"{instrument.symbol} {instrument.date}, imported as {feed}",
            "leave `against=` out, or write a check",
        )
    found: Truth = resolve_name(TRUTHS[feed][0])
    return found


LEVELS: Final = 10
PX, SZ, CT = 0, 1, 2
RTYPE: Final = 0x0A
_LEVEL: Final = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)
_RECORD: Final = np.dtype(
    [
        *(
            ("length", "u1"),
            ("rtype", "u1"),
            ("publisher_id", "<u2"),
            ("instrument_id", "<u4"),
            ("ts_event", "<u8"),
        ),
        *(
            ("price", "<i8"),
            ("size", "<u4"),
            ("action", "u1"),
            ("side", "u1"),
            ("flags", "u1"),
            ("depth", "u1"),
        ),
        *(
            ("ts_recv", "<u8"),
            ("ts_in_delta", "<i4"),
            ("sequence", "<u4"),
            ("levels", _LEVEL, (LEVELS,)),
        ),
    ]
)

# Slots of the report.
MATCHED: Final = 0
BAD_ROW: Final = 1
"""First row that differs, -1 none; its level and side, and what: 0 price, 1 size, 2 orders; wanted and got."""
BAD_LEVEL, BAD_SIDE, BAD_WHAT, WANTED, GOT = range(2, 7)
REPORT: Final = 8


@kernel
def orders_at(b: Packed, side: int, price: int) -> int:
    """Number of orders that rest at a price."""
    n = 0
    if in_window(b, side, price):
        slot = head_at(b, side, price)
        while slot >= 0:
            n += 1
            slot = order_at(b, slot).next
        return n
    slot = side_at(b, side).far
    while slot >= 0:
        n += order_at(b, slot).price == price
        slot = order_at(b, slot).next
    return n


@kernel
def same_levels(b: Packed, want: Longs, got: Packed, work: Longs) -> bool:
    """Whether the book shows `want` int64[2 sides, 3, L]; `work` int64[5] becomes the first difference."""
    for h in range(2):
        side = 1 - 2 * h
        n = read_book(b, side, got[0], got[1])
        for level in range(want.shape[2]):
            price = got[0, level] if level < n else 0
            lots = got[1, level] if level < n else 0
            orders = orders_at(b, side, price) if level < n else 0
            for what in range(3):
                have = price if what == PX else (lots if what == SZ else orders)
                if have != want[h, what, level] and want[h, what, level] >= 0:
                    work[0], work[1], work[2], work[3], work[4] = (
                        level,
                        side,
                        what,
                        want[h, what, level],
                        have,
                    )
                    return False
    return True


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    times: Longs,
    want: Longs,
    got: Packed,
    work: Longs,
    report: Longs,
) -> None:
    """Replay a tape and look for each row of `want` int64[rows, 2, 3, L] among the states of its time."""
    ns, _, _, kind, order_id, side, price, qty, _ = tape
    at = 0
    for row in range(times.shape[0]):
        while at < ns.shape[0] and ns[at] < times[row]:
            apply_one(b, ids, key_of, kind[at], order_id[at], side[at], price[at], qty[at])
            at += 1
        same = same_levels(b, want[row], got, work)
        while not same and at < ns.shape[0] and ns[at] <= times[row]:
            apply_one(b, ids, key_of, kind[at], order_id[at], side[at], price[at], qty[at])
            at += 1
            same = same_levels(b, want[row], got, work)
        if same:
            report[MATCHED] += 1
        elif report[BAD_ROW] < 0:
            report[BAD_ROW] = row
            for i in range(5):
                report[BAD_LEVEL + i] = work[i]


def verify_mbp10(instrument: Instrument, events: Events, path: Path) -> Findings:
    """Replay a tape and compare it with an mbp-10 file, DBN or CSV, plain or compressed.

    Returns
    -------
    dict
        ``rows`` of the file, ``matched`` of them, ``levels``; ``first_mismatch`` (None, or row from 1, level from 1,
        side, field, expected and got, prices in ticks); ``explained``, whether all rows match.

    Raises
    ------
    FeedError
        When the file is no mbp-10 file, or has no row of this instrument and day.
    """
    with members([path]) as found:
        if len(found) != 1:
            raise FeedError("one mbp-10 file", f"{len(found)} in {path}", "give the file itself")
        times, levels = (_csv if is_csv(found[0]) else _dbn)(found[0], instrument.symbol)
    want = wanted(levels, round(instrument.tick * 10**9))
    inside = (times >= events.exch_ns[0] - 86_400 * 10**9) & (times <= events.exch_ns[-1])
    if not inside.any():
        raise FeedError(
            f"rows of {instrument.symbol} on {instrument.date}",
            f"none in {path}",
            "give that day's file",
        )
    report = np.zeros(REPORT, np.int64)

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        report[:] = 0
        report[BAD_ROW] = -1
        got, work = np.zeros((2, LEVELS), np.int32), np.zeros(5, np.int64)
        compare(b, ids, key_of, events.columns(), times, want, got, work, report)

    in_room(run)
    matched = int(report[MATCHED])
    return {
        "rows": len(times),
        "levels": LEVELS,
        "matched": matched,
        "first_mismatch": None if report[BAD_ROW] < 0 else _row_mismatch(report),
        "explained": matched == len(times),
    }


def _row_mismatch(report: NDArray[np.int64]) -> Findings:
    return {
        "row": int(report[BAD_ROW]) + 1,
        "level": int(report[BAD_LEVEL]) + 1,
        "side": "bid" if report[BAD_SIDE] > 0 else "ask",
        "field": ("price", "size", "orders")[int(report[BAD_WHAT])],
        "expected": int(report[WANTED]),
        "got": int(report[GOT]),
    }


def wanted(levels: NDArray[np.int64], unit: int) -> NDArray[np.int64]:
    """Levels of a file, prices in ticks: all zeros for a missing level, 2**31 for a price off the tick."""
    want = levels.copy()
    price = levels[:, :, PX]
    none = price == NO_PRICE
    want[:, :, PX] = np.where(price % unit == 0, price // unit, 2**31)
    for what in (PX, SZ, CT):
        want[:, :, what][none] = 0
    return want


def _csv(member: Member, symbol: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times int64[rows] and levels int64[rows, 2 sides, 3 (price in 1e-9, size, orders), 10] of one instrument.

    A number of orders that the file leaves empty is -1.
    """
    names = [
        f"{side}_{what}_{level:02d}"
        for level in range(LEVELS)
        for side in ("bid", "ask")
        for what in ("px", "sz")
    ]
    text = read_csv(member, ("ts_event", *names))
    if "symbol" in text.frame.columns:
        text = replace(
            text, frame=text.frame.filter(pl.col("symbol").fill_null("").is_in([symbol, ""]))
        )
    columns = {"ts_event": csv_time(text, "ts_event")}
    columns |= {
        name: csv_price(text, name) if "_px_" in name else csv_number(name) for name in names
    }
    for name in (name.replace("_sz_", "_ct_") for name in names if "_sz_" in name):
        if name in text.frame.columns and text.frame[name].is_not_null().any():
            text = replace(text, frame=text.frame.with_columns(pl.col(name).fill_null("0")))
            columns[name] = csv_number(name)
    typed = text.typed(columns, [])
    levels = np.full((typed.height, 2, 3, LEVELS), -1, np.int64)
    for h, side in enumerate(("bid", "ask")):
        for what, short in ((PX, "px"), (SZ, "sz"), (CT, "ct")):
            for level in range(LEVELS):
                if (name := f"{side}_{short}_{level:02d}") in columns:
                    levels[:, h, what, level] = typed[name].to_numpy()
    return typed["ts_event"].to_numpy().astype(np.int64), levels


def _dbn(member: Member, symbol: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same from a file of records."""
    data = member.content()
    metadata, start = metadata_of(data, member.where)
    size = _RECORD.itemsize
    if (len(data) - start) % size or "mbp" not in str(metadata.schema).lower():
        raise FeedError(
            "a whole DBN file of the schema mbp-10",
            f"{metadata.schema} in {member.where}",
            "give the mbp-10 file of this day",
        )
    rows = np.frombuffer(data, _RECORD, offset=start)
    numbers = {number for (number, _), name in symbols_of(metadata).items() if name == symbol}
    mine = (rows["rtype"] == RTYPE) & (
        np.isin(rows["instrument_id"], list(numbers)) if numbers else True
    )
    rows = rows[mine]
    levels = np.empty((len(rows), 2, 3, LEVELS), np.int64)
    for h, side in enumerate(("bid", "ask")):
        for what, field in ((PX, "px"), (SZ, "sz"), (CT, "ct")):
            levels[:, h, what] = rows["levels"][f"{side}_{field}"]
    return rows["ts_event"].astype(np.int64), levels
