"""Survey of a tape in one pass: oddities counted, and whether every lot is accounted for; `verify` runs it."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book.book_records import best, order_at
from tercel.market.book.ladder import first_at, lots_at
from tercel.market.book.order_ids import Ids, find_entry
from tercel.market.book.tape_kernels import apply_row
from tercel.market.tape import schema
from tercel.market.tape.events import Events

Signs = NDArray[np.int8]
COUNTS: Final = (
    "messages",
    "crossed",
    "crossed_not_trading",
    "locked",
    "one_sided",
    "prints",
    "prints_outside_quotes",
    "executed_behind_best",
    "executed_off_head",
    "executed_not_trading",
    "hidden_prints",
    "hidden_outside_quotes",
    "auction_prints",
    "auction_lots",
    "halts",
    "level_repeats",
    "levels_gone_unknown",
    "lots_added",
    "lots_executed",
    "lots_cancelled",
    "lots_shown",
    "lots_hidden_again",
    "lots_cleared",
)
"""Slots of the report, in order."""
(
    SURVEYED,
    CROSSED,
    QUOTING,
    LOCKED,
    ONE_SIDED,
    PRINTS,
    OUTSIDE,
    BEHIND,
    OFF_HEAD,
    NOT_TRADING,
    HIDDEN,
    HIDDEN_OUTSIDE,
    AUCTIONS,
    AUCTION_LOTS,
    HALTS,
    REPEATS,
    GONE,
    ADDED,
    EXECUTED,
    CANCELLED,
    SHOWN,
    HIDDEN_AGAIN,
    CLEARED,
) = range(len(COUNTS))
_KINDS: Final = {
    **dict.fromkeys(COUNTS[PRINTS:HIDDEN], (schema.EXECUTE, schema.TRADE)),
    **dict.fromkeys(
        ("executed_behind_best", "executed_off_head", "lots_executed"), (schema.EXECUTE,)
    ),
    **dict.fromkeys(COUNTS[HIDDEN:AUCTIONS], (schema.TRADE_HIDDEN,)),
    **dict.fromkeys(COUNTS[AUCTIONS:HALTS], (schema.CROSS,)),
    **dict.fromkeys(COUNTS[REPEATS:ADDED], (schema.LEVEL_SET,)),
    **dict.fromkeys(COUNTS[SHOWN:CLEARED], (schema.ROLL_IN, schema.ROLL_OUT)),
    "lots_cleared": (schema.CLEAR,),
}
"""Kinds of rows of which a tape must have one that a count is told; the others are told of every tape."""
Findings = dict[str, Any]
"""Results of a verification, the JSON of `tercel data verify`; `explained` is its verdict."""


@kernel
def _account(kind: int, change: int, report: Longs) -> None:
    """Add a change of a level's lots to the report, under its cause (the row's kind)."""
    if kind == schema.EXECUTE:
        report[EXECUTED] -= change
    elif kind == schema.ROLL_IN or kind == schema.ROLL_OUT:
        report[SHOWN if kind == schema.ROLL_IN else HIDDEN_AGAIN] += abs(change)
    elif change > 0:
        report[ADDED] += change
    else:
        report[CANCELLED] -= change


@kernel
def _count_print(
    b: Packed, kind: int, side: int, price: int, lots: int, trading: int, report: Longs
) -> None:
    """Count a print, by its kind, and whether it is outside the quotes just before it, or executes behind the best price."""
    bid = best(b, 1)
    ask = best(b, -1)
    outside = (bid != NO_BID and price < bid) or (ask != NO_ASK and price > ask)
    if kind == schema.CROSS:
        report[AUCTIONS] += 1
        report[AUCTION_LOTS] += lots
    elif kind == schema.TRADE_HIDDEN:
        report[HIDDEN] += 1
        report[HIDDEN_OUTSIDE] += outside
    else:
        report[PRINTS] += 1
        report[OUTSIDE] += outside
        report[NOT_TRADING] += trading <= 0
        touch = bid if side > 0 else ask
        if kind == schema.EXECUTE and touch != NO_BID and touch != NO_ASK:
            report[BEHIND] += (touch - price) * side > 0


@kernel
def survey(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: Signs,
    price: Packed,
    qty: Packed,
    flags: Bytes,
    report: Longs,
) -> None:
    """Replay a tape on an empty book and add to the oddities in `report` (slots: `COUNTS`)."""
    trading = 1
    running = 0
    for i in range(kind.shape[0]):
        row_kind = kind[i]
        s = side[i]
        p = price[i]
        if row_kind == schema.STATUS:
            trading = p
            report[HALTS] += p < 0
        elif (
            row_kind == schema.EXECUTE
            or row_kind == schema.TRADE
            or row_kind == schema.TRADE_HIDDEN
            or row_kind == schema.CROSS
        ):
            _count_print(b, row_kind, s, p, qty[i], trading, report)
        on_level = (
            row_kind <= schema.EXECUTE
            or row_kind == schema.MODIFY
            or row_kind == schema.LEVEL_SET
            or row_kind == schema.ROLL_IN
            or row_kind == schema.ROLL_OUT
        )
        old_side = 0
        old_price = 0
        old_lots = 0
        if row_kind == schema.EXECUTE and order_id[i] != 0:
            entry = find_entry(ids, order_id[i])
            report[OFF_HEAD] += entry >= 0 and first_at(b, s, p) != ids[entry].slot
        elif (row_kind == schema.ADD or row_kind == schema.MODIFY) and order_id[i] != 0:
            entry = find_entry(ids, order_id[i])
            if entry >= 0:  # the order leaves where it was
                o = order_at(b, ids[entry].slot)
                old_side, old_price = o.side, o.price
                old_lots = lots_at(b, old_side, old_price)
                s = old_side if row_kind == schema.MODIFY else s
        before = lots_at(b, s, p) if on_level and s != 0 else 0
        if row_kind == schema.LEVEL_SET:
            report[GONE] += qty[i] == 0 and before == 0
            report[REPEATS] += qty[i] == before and before > 0
        apply_row(b, ids, key_of, row_kind, order_id[i], side[i], p, qty[i])
        if on_level and s != 0:
            change = lots_at(b, s, p) - before
            running += change
            _account(row_kind, change, report)
            if old_side != 0 and (old_side != s or old_price != p):
                change = lots_at(b, old_side, old_price) - old_lots
                running += change
                _account(schema.DELETE, change, report)
        elif row_kind == schema.CLEAR:
            report[CLEARED] += running
            running = 0
        if flags[i] & schema.MESSAGE_END:
            bid = best(b, 1)
            ask = best(b, -1)
            report[SURVEYED] += flags[i] & schema.OPENING == 0
            report[CROSSED if trading > 0 else QUOTING] += bid > ask
            report[LOCKED] += bid == ask
            report[ONE_SIDED] += (bid == NO_BID) != (ask == NO_ASK)


def describe_tape(events: Events) -> str:
    """Kind of a tape as text: "level totals", "orders", or "orders within a window".

    >>> describe_tape(Events.empty(0))
    'orders'
    """
    if bool(np.any(events.kind == schema.LEVEL_SET)):
        return "level totals"
    return "orders within a window" if bool(np.any(events.kind == schema.ROLL_OUT)) else "orders"


def clock_oddities(events: Events) -> dict[str, int]:
    """Oddities of times and numbers: receive times that go back or lie before the exchange's, jumps in sequence."""
    jumps = np.diff(events.seq)
    gaps = jumps > 1
    return {
        "receive_backwards": int(np.count_nonzero(np.diff(events.recv_ns) < 0)),
        "received_before_sent": int(np.count_nonzero(events.recv_ns < events.exch_ns)),
        "sequence_gaps": int(np.count_nonzero(gaps)),
        "sequence_missing": int((jumps[gaps] - 1).sum()),
    }


def findings(events: Events, report: NDArray[np.int64], resting: int) -> Findings:
    """Counts of a survey's report by name, without those that cannot occur on this kind of tape; lots unaccounted for."""
    kinds = set(np.unique(events.kind).tolist())
    counts = {
        name: count
        for name, count in zip(COUNTS, report.tolist(), strict=True)
        if name not in _KINDS or not kinds.isdisjoint(_KINDS[name])
    }
    signs = {"lots_added": 1, "lots_shown": 1}
    accounted = sum(
        signs.get(name, -1) * n for name, n in counts.items() if name.startswith("lots_")
    )
    counts["lots_resting"] = resting
    counts["lots_unaccounted"] = accounted - resting
    return counts
