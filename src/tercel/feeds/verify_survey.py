"""One pass over a tape of any kind: what makes no sense in it, counted, and whether every lot is accounted for."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book.id_map import Ids, find
from tercel.market.book.ladder import best, first_at, lots_at
from tercel.market.book.layout import HIGH
from tercel.market.book.records import order_at
from tercel.market.book.tape_kernels import apply_one
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
    MESSAGES,
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


@kernel
def _account(kind: int, change: int, report: Longs) -> None:
    """Book a change of a level's lots under what caused it."""
    if kind == schema.EXECUTE:
        report[EXECUTED] -= change
    elif kind == schema.ROLL_IN or kind == schema.ROLL_OUT:
        report[SHOWN if kind == schema.ROLL_IN else HIDDEN_AGAIN] += abs(change)
    elif change > 0:
        report[ADDED] += change
    else:
        report[CANCELLED] -= change


@kernel
def _see_print(
    b: Packed, kind: int, side: int, price: int, lots: int, trading: int, report: Longs
) -> None:
    """Where a print stands against the quotes just before it."""
    bid, ask = best(b, 1), best(b, -1)
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
    """Replay every row and count; see `COUNTS`."""
    trading = 1
    running = 0
    for i in range(kind.shape[0]):
        what, s, p = kind[i], side[i], price[i]
        if what == schema.STATUS:
            trading = p
            report[HALTS] += p < 0
        elif (
            what == schema.EXECUTE
            or what == schema.TRADE
            or what == schema.TRADE_HIDDEN
            or what == schema.CROSS
        ):
            _see_print(b, what, s, p, qty[i], trading, report)
        on_level = (
            what <= schema.EXECUTE
            or what == schema.MODIFY
            or what == schema.LEVEL_SET
            or what == schema.ROLL_IN
            or what == schema.ROLL_OUT
        )
        old_side, old_price, old_lots = 0, 0, 0
        if what == schema.EXECUTE and order_id[i] != 0:
            at = find(ids, order_id[i])
            report[OFF_HEAD] += at >= 0 and first_at(b, s, p) != ids[at].slot
        elif (what == schema.ADD or what == schema.MODIFY) and order_id[i] != 0:
            at = find(ids, order_id[i])
            if at >= 0:  # the order leaves where it was
                o = order_at(b, ids[at].slot)
                old_side, old_price = o.side, o.price
                old_lots = lots_at(b, old_side, old_price)
                s = old_side if what == schema.MODIFY else s
        before = lots_at(b, s, p) if on_level and s != 0 else 0
        if what == schema.LEVEL_SET:
            report[GONE] += qty[i] == 0 and before == 0
            report[REPEATS] += qty[i] == before and before > 0
        apply_one(b, ids, key_of, what, order_id[i], side[i], p, qty[i])
        if on_level and s != 0:
            change = lots_at(b, s, p) - before
            running += change
            _account(what, change, report)
            if old_side != 0 and (old_side != s or old_price != p):
                change = lots_at(b, old_side, old_price) - old_lots
                running += change
                _account(schema.DELETE, change, report)
        elif what == schema.CLEAR:
            report[CLEARED] += running
            running = 0
        if flags[i] & schema.MESSAGE_END:
            bid, ask = best(b, 1), best(b, -1)
            report[MESSAGES] += flags[i] & schema.OPENING == 0
            report[CROSSED if trading > 0 else QUOTING] += bid > ask
            report[LOCKED] += bid == ask
            report[ONE_SIDED] += (bid == NO_BID) != (ask == NO_ASK)


@kernel
def resting_lots(b: Packed) -> int:
    """Lots of all orders in a book, whatever its levels say."""
    total = 0
    for slot in range(b[HIGH]):
        total += order_at(b, slot).qty
    return total


def described(events: Events) -> str:
    """What kind of tape it is.

    >>> described(Events.empty(0))
    'orders'
    """
    if bool(np.any(events.kind == schema.LEVEL_SET)):
        return "level totals"
    return "orders within a window" if bool(np.any(events.kind == schema.ROLL_OUT)) else "orders"


def clocks(events: Events) -> dict[str, int]:
    """Oddities of times and numbers: receive times that go back or lie before the exchange's, jumps in sequence."""
    jumps = np.diff(events.seq)
    gaps = jumps > 1
    return {
        "receive_backwards": int(np.count_nonzero(np.diff(events.recv_ns) < 0)),
        "received_before_sent": int(np.count_nonzero(events.recv_ns < events.exch_ns)),
        "sequence_gaps": int(np.count_nonzero(gaps)),
        "sequence_missing": int((jumps[gaps] - 1).sum()),
    }


def findings(events: Events, report: NDArray[np.int64], resting: int) -> dict[str, Any]:
    """The counts of a report that can be other than 0 on this kind of tape."""
    found = {name: int(report[i]) for i, name in enumerate(COUNTS)}
    there = set(np.unique(events.kind).tolist())
    if not there & {schema.EXECUTE, schema.TRADE}:
        for name in COUNTS[PRINTS:HIDDEN]:
            del found[name]
    elif schema.EXECUTE not in there:
        del found["executed_behind_best"], found["executed_off_head"], found["lots_executed"]
    if schema.TRADE_HIDDEN not in there:
        del found["hidden_prints"], found["hidden_outside_quotes"]
    if schema.CROSS not in there:
        del found["auction_prints"], found["auction_lots"]
    if schema.LEVEL_SET not in there:
        del found["level_repeats"], found["levels_gone_unknown"]
    if not there & {schema.ROLL_IN, schema.ROLL_OUT}:
        del found["lots_shown"], found["lots_hidden_again"]
    if schema.CLEAR not in there:
        del found["lots_cleared"]
    signs = {"lots_added": 1, "lots_shown": 1}
    accounted = sum(
        signs.get(name, -1) * n for name, n in found.items() if name.startswith("lots_")
    )
    found["lots_resting"] = resting
    found["lots_unaccounted"] = accounted - resting
    return found
