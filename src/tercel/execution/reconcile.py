"""From an intent to the fewest commands, never giving up queue priority that the intent does not ask to give up.

Shrink cancels the newest first, grow adds behind, move is cancel and new. Lots in a pending cancel count as live until
the cancel is acknowledged: further wanted lots wait in the market's state and are sent as acknowledgements come in. So
own lots that may still fill never exceed the parent's remaining lots, whatever the latency.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution import intent as it
from tercel.market.book import layout as lay
from tercel.market.book.ladder import ledger_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.entry import send_cancel, send_new
from tercel.market.simulator.records import state_at

# Prices lie below it on both sides of 0; int32 anchors and steps reach further.
FARTHEST: Final = NO_ASK // 2


@kernel
def open_lots(b: Packed) -> int:
    """Own lots not known dead: in flight, resting, cancel pending."""
    total = 0
    for i in range(fixed(b, lay.OWN)):
        total += ledger_at(b, i).open
    return total


@kernel
def is_take(b: Packed, own: int) -> bool:
    """Whether an own order takes and never rests: it has no price of its own, and no cancel can reach it in time."""
    price = ledger_at(b, own).price
    return price == NO_BID or price == NO_ASK


@kernel
def rung_of(b: Packed, own: int, side: int, anchor: int, step: int) -> int:
    """The rung of an own order, -1 off the ladder."""
    if is_take(b, own):
        return -1
    away = (anchor - ledger_at(b, own).price) * side
    return -1 if away < 0 or away % step != 0 or away // step >= it.K else away // step


@kernel
def standing(b: Packed, own: int) -> int:
    """Lots of an own order that are open and in no pending cancel."""
    led = ledger_at(b, own)
    return 0 if led.state == lay.FREE_SLOT else max(led.open - led.pending_cancel, 0)


@kernel
def shrink(b: Packed, k: Longs, side: int, anchor: int, step: int, rung: int, excess: int) -> None:
    """Cancel `excess` lots of a rung, newest orders first."""
    while excess > 0:
        newest, sent = -1, -1
        for i in range(fixed(b, lay.OWN)):
            if standing(b, i) > 0 and rung_of(b, i, side, anchor, step) == rung:
                # Newest first: the oldest order of a rung has the best place in the queue.
                if ledger_at(b, i).sent > sent:
                    newest = i
                    sent = ledger_at(b, i).sent
        if newest < 0:
            return
        lots = min(excess, standing(b, newest))
        if not send_cancel(b, k, newest, lots):
            return
        excess -= lots


@kernel
def send_waiting(b: Packed, k: Longs) -> None:
    """Send waiting lots, the take first and then rungs from the best price, within the parent's lots.

    A rung whose lots do not all have room waits for the cancels that are on their way, and is one order: sent with each
    acknowledgement, an order that moves would come apart in as many pieces as it had, and more at each move.
    """
    s = state_at(k)
    # Lots with a cancel on its way count as open: they may still fill, and the parent would be exceeded.
    room, leaving = s.left, 0
    for i in range(fixed(b, lay.OWN)):
        room -= ledger_at(b, i).open
        leaving += ledger_at(b, i).pending_cancel
    lots = min(s.waiting_take, room)
    if lots > 0:
        how = sim.IMMEDIATE | (sim.FORCED if s.phase == sim.CLOSING else 0)
        if send_new(b, k, s.waiting_limit, lots, how):
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
    """Restrict the wanted orders to the parent's limit price: no order is sent beyond it, whatever the strategy.

    A take goes no further. Lots on rungs beyond the limit are wanted on the first rung within it; without such a rung,
    at the limit itself.
    """
    s = state_at(k)
    side, limit = s.side, s.limit
    if (s.waiting_limit - limit) * side > 0:
        s.waiting_limit = limit
    beyond, first = 0, it.K
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
    """Compare an intent row with the own orders and send the difference.

    Parameters
    ----------
    b, k : int32[...], int64[...]
        The market's two arrays.
    intent : int32[10]
        See `execution.intent`; a step below 1 counts as 1, rungs beyond any price are held back.
        The parent's limit holds whatever it says (`keep_limit`).
    """
    s = state_at(k)
    side, step = s.side, max(intent[it.STEP], 1)
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
    anchor, step = s.waiting_anchor, s.waiting_step
    for i in range(fixed(b, lay.OWN)):
        lots = standing(b, i)
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
    """At the horizon cancel everything, then take the remaining lots, as acknowledgements and the parent's limit
    allow."""
    s = state_at(k)
    for i in range(fixed(b, lay.OWN)):
        lots = standing(b, i)
        # A take on its way fills or dies by itself; a cancel would come too late.
        if lots > 0 and not is_take(b, i):
            send_cancel(b, k, i, lots)
    for j in range(it.K):
        k[sim.WAITING_REST + j] = 0
    s.waiting_take = s.left
    s.waiting_limit = s.limit if s.limit != 0 else s.side * it.MARKET_LIMIT
    send_waiting(b, k)
