"""Turn an intent into the fewest commands, without giving up queue priority that the intent keeps.

Shrink cancels the newest first, grow adds behind, move is cancel and new. Lots in a pending cancel count as live until
the cancel is acknowledged: further wanted lots wait in the market's state and are sent as acknowledgements come in. So
own lots that may still fill never exceed the parent's remaining lots, whatever the latency.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution import intent as it
from tercel.market.book import layout as lay
from tercel.market.book.book_records import ledger_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.entry import send_cancel, send_new
from tercel.market.simulator.records import state_at

# Prices lie below it on both sides of 0; int32 anchors and steps reach further.
FARTHEST: Final = NO_ASK // 2


@kernel
def open_lots(b: Packed) -> int:
    """Own lots that may still fill: in flight, resting, or with a pending cancel."""
    total = 0
    for i in range(load_fixed(b, lay.OWN)):
        total += ledger_at(b, i).open
    return total


@kernel
def is_take(b: Packed, slot: int) -> bool:
    """Whether an own order takes without resting, so that no cancel can reach it."""
    price = ledger_at(b, slot).price
    return price == NO_BID or price == NO_ASK


@kernel
def rung_of(b: Packed, slot: int, side: int, anchor: int, step: int) -> int:
    """Rung of an own order on the ladder from `anchor` in steps of `step` ticks; -1 if off the ladder, or a take."""
    if is_take(b, slot):
        return -1
    away = (anchor - ledger_at(b, slot).price) * side
    return -1 if away < 0 or away % step != 0 or away // step >= it.K else away // step


@kernel
def standing_lots(b: Packed, slot: int) -> int:
    """Lots of an own order that are open and not being cancelled."""
    led = ledger_at(b, slot)
    return 0 if led.state == lay.FREE_SLOT else max(led.open - led.pending_cancel, 0)


@kernel
def shrink(b: Packed, k: Longs, side: int, anchor: int, step: int, rung: int, excess: int) -> None:
    """Send cancels for `excess` lots of a rung, newest orders first; fewer if no command fits."""
    while excess > 0:
        newest = -1
        sent = -1
        for i in range(load_fixed(b, lay.OWN)):
            if standing_lots(b, i) > 0 and rung_of(b, i, side, anchor, step) == rung:
                # Newest first: the oldest order of a rung has the best place in the queue.
                if ledger_at(b, i).sent > sent:
                    newest = i
                    sent = ledger_at(b, i).sent
        if newest < 0:
            return
        lots = min(excess, standing_lots(b, newest))
        if not send_cancel(b, k, newest, lots):
            return
        excess -= lots


@kernel
def send_waiting(b: Packed, k: Longs) -> None:
    """Send waiting lots, the take first and then rungs from the best price, as far as lots left exceed open own lots.

    A rung whose lots do not all have room waits for the cancels that are on their way, and is one order: sent with each
    acknowledgement, an order that moves would come apart in as many pieces as it had, and more at each move.
    """
    s = state_at(k)
    # Lots with a cancel on its way count as open: they may still fill, and the parent would be exceeded.
    room = s.left
    leaving = 0
    for i in range(load_fixed(b, lay.OWN)):
        room -= ledger_at(b, i).open
        leaving += ledger_at(b, i).pending_cancel
    lots = min(s.waiting_take, room)
    if lots > 0:
        flags = sim.IMMEDIATE | (sim.FORCED if s.phase == sim.CLOSING else 0)
        if send_new(b, k, s.waiting_limit, lots, flags):
            s.waiting_take -= lots
            room -= lots
    # From the best price on: where the lots do not reach, the worst rungs wait.
    for j in range(it.K):
        if room < k[sim.WAITING_REST + j] and leaving > 0:
            return
        lots = min(k[sim.WAITING_REST + j], room)
        if lots > 0:
            price = s.waiting_anchor - s.side * s.waiting_step * j
            if send_new(b, k, price, lots, 0):
                k[sim.WAITING_REST + j] -= lots
                room -= lots


@kernel
def keep_limit(k: Longs) -> None:
    """Restrict waiting lots to the parent's limit price: rungs beyond it move to the best rung within, else to the limit itself.

    A take goes no further. Lots on rungs beyond the limit are wanted on the first rung within it; without such a rung,
    at the limit itself.
    """
    s = state_at(k)
    side = s.side
    limit = s.limit
    if (s.waiting_limit - limit) * side > 0:
        s.waiting_limit = limit
    beyond = 0
    first = it.K
    # From the worst price up: the last one within the limit that is met is the best.
    for j in range(it.K - 1, -1, -1):
        if (s.waiting_anchor - side * s.waiting_step * j - limit) * side <= 0:
            first = j
        else:
            beyond += k[sim.WAITING_REST + j]
            k[sim.WAITING_REST + j] = 0
    if beyond == 0:
        return
    if first == it.K:
        first = 0
        s.waiting_anchor = limit
        s.waiting_step = FARTHEST
    k[sim.WAITING_REST + first] += beyond


@kernel
def reconcile(b: Packed, k: Longs, intent: Packed) -> None:
    """Compare an intent row, clipped to the lots left, with the own orders; send cancels, and new orders as far as room is.

    Parameters
    ----------
    b, k : int32[...], int64[...]
        The market's two arrays.
    intent : int32[10]
        See `execution.intent`; a step below 1 counts as 1, rungs beyond any price are held back.
        The parent's limit holds whatever it says (`keep_limit`).
    """
    s = state_at(k)
    side = s.side
    step = max(intent[it.STEP], 1)
    # Clipped whatever the strategy says: a learned one may ask for anything.
    s.waiting_take = min(max(intent[it.TAKE], 0), s.left)
    s.waiting_limit = intent[it.TAKE_LIMIT]
    s.waiting_anchor = intent[it.ANCHOR]
    s.waiting_step = step
    for j in range(it.K):
        price = intent[it.ANCHOR] - side * step * j
        k[sim.WAITING_REST + j] = (
            max(intent[it.REST0 + j], 0) if -FARTHEST < price < FARTHEST else 0
        )
    # After the intent is stored, so that the limit holds for every strategy.
    if s.limit != 0:
        keep_limit(k)
    anchor = s.waiting_anchor
    step = s.waiting_step
    for i in range(load_fixed(b, lay.OWN)):
        lots = standing_lots(b, i)
        if lots == 0:
            continue
        rung = rung_of(b, i, side, anchor, step)
        if rung >= 0:
            # Lots resting at a wanted price stay: cancelled and sent again they would lose their queue position.
            k[sim.WAITING_REST + rung] -= lots
        elif intent[it.OUTSIDE] == it.CANCEL and not is_take(b, i):
            send_cancel(b, k, i, lots)
    for j in range(it.K):
        if k[sim.WAITING_REST + j] < 0:
            shrink(b, k, side, anchor, step, j, -k[sim.WAITING_REST + j])
            k[sim.WAITING_REST + j] = 0
    send_waiting(b, k)


@kernel
def force(b: Packed, k: Longs) -> None:
    """At the horizon cancel all own orders but takes on their way; the lots left are sent as a take within the parent's limit,
    as far as there is room now."""
    s = state_at(k)
    for i in range(load_fixed(b, lay.OWN)):
        lots = standing_lots(b, i)
        # A take on its way fills or dies by itself; a cancel would come too late.
        if lots > 0 and not is_take(b, i):
            send_cancel(b, k, i, lots)
    for j in range(it.K):
        k[sim.WAITING_REST + j] = 0
    s.waiting_take = s.left
    s.waiting_limit = s.limit if s.limit != 0 else s.side * it.MARKET_LIMIT
    send_waiting(b, k)
