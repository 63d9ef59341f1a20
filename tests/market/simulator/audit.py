"""What every market must hold: :func:`audit` walks its two arrays and compares every incremental count (lots by level,
lots ahead of own orders, the own ledger, the public touch, the parent's lots) with what the walk finds."""

import numpy as np
from numpy.typing import NDArray

from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

Packed = NDArray[np.int32]
Longs = NDArray[np.int64]
Level = tuple[int, int]
"""Side and price."""


def orders_of(b: Packed) -> dict[Level, list[tuple[int, int, int]]]:
    """Resting orders by level as (arrival, slot, lots), in arrival order."""
    slots = int(b[lay.ORDERS] + 2 * b[lay.OWN])
    table = b[lay.HEADER : lay.HEADER + slots * lay.ORDER].reshape(slots, lay.ORDER)
    levels: dict[Level, list[tuple[int, int, int]]] = {}
    for slot in np.flatnonzero(table[:, lay.QTY]):
        o = table[slot]
        levels.setdefault((int(o[lay.SIDE]), int(o[lay.PRICE])), []).append(
            (int(o[lay.ARR]), int(slot), int(o[lay.QTY]))
        )
    return {level: sorted(queue) for level, queue in levels.items()}


def is_own(b: Packed, slot: int) -> bool:
    """Whether a slot is an own order's."""
    return bool(b[lay.ORDERS] <= slot < b[lay.ORDERS] + b[lay.OWN])


def public_lots(b: Packed) -> dict[Level, int]:
    """Lots of others by level, none where there are none."""
    totals = {
        lv: sum(q for _, slot, q in queue if not is_own(b, slot))
        for lv, queue in orders_of(b).items()
    }
    return {level: lots for level, lots in totals.items() if lots}


def commands_of(k: Longs) -> list[Longs]:
    """Own commands on their way, oldest first."""
    ring = k[sim.COMMANDS : sim.COMMANDS + sim.COMMAND_SLOTS * sim.COMMAND].reshape(-1, sim.COMMAND)
    return [
        ring[i % sim.COMMAND_SLOTS]
        for i in range(int(k[sim.COMMAND_HEAD]), int(k[sim.COMMAND_TAIL]))
    ]


def ledger_of(b: Packed) -> Packed:
    """The own ledger, int32 (own, LEDGER)."""
    at = int(b[lay.AT_LEDGER])
    return b[at : at + int(b[lay.OWN]) * lay.LEDGER].reshape(-1, lay.LEDGER)


def announce(b: Packed, own: int, side: int, price: int, lots: int) -> None:
    """An own order is on its way, as the ledger says it."""
    led = int(b[lay.AT_LEDGER]) + own * lay.LEDGER
    words = [led + lay.STATE, led + lay.OPEN, led + lay.OWN_SIDE, led + lay.OWN_PRICE]
    b[words] = lay.IN_FLIGHT, lots, side, price


def audit(b: Packed, k: Longs) -> None:
    """Compare every incremental count of one market with a walk over its orders.

    Raises
    ------
    AssertionError
        Names the first count that is wrong.
    """
    levels = orders_of(b)
    _audit_levels(b, levels)
    _audit_touch(k, b, levels)
    _audit_ledger(b, k, levels)
    filled = int(k[sim.QUANTITY] - k[sim.LEFT])
    points = int(k[sim.GRID_POINTS])
    if points:
        assert k[sim.GRID + points : sim.GRID + 3 * points].sum() == filled, (
            "left + filled is not the order"
        )
    assert 0 <= k[sim.LEFT] <= k[sim.QUANTITY], "the parent is overfilled"


def _audit_levels(b: Packed, levels: dict[Level, list[tuple[int, int, int]]]) -> None:
    ring = {1: 0, -1: 0}
    for (side, price), queue in levels.items():
        lo, width = int(b[lay.LO_BID if side > 0 else lay.LO_ASK]), int(b[lay.WIDTH])
        if not lo <= price < lo + width:
            for _, slot, _ in queue:
                assert b[lay.HEADER + slot * lay.ORDER + lay.FLAGS] & lay.FAR, (
                    "an order beyond the window is not far"
                )
            continue
        ring[side] += 1
        lv = int(b[lay.AT_LEVELS]) + ((0 if side > 0 else width) + price % width) * lay.LEVEL
        linked, slot = [], int(b[lv + lay.HEAD])
        while slot >= 0:
            linked.append(slot)
            slot = int(b[lay.HEADER + slot * lay.ORDER + lay.NEXT])
        assert linked == [slot for _, slot, _ in queue], (
            f"the queue at {side, price} is not in arrival order"
        )
        assert b[lv + lay.TAIL] == linked[-1], f"the last order at {side, price}"
        assert b[lv + lay.LOTS] == sum(q for *_, q in queue), f"lots at {side, price}"
        own = sum(q for _, slot, q in queue if is_own(b, slot))
        assert b[lv + lay.OWN_LOTS] == own, f"own lots at {side, price}"
    assert (ring[1], ring[-1]) == (b[lay.LEVELS_BID], b[lay.LEVELS_ASK]), "occupied levels"
    bids, asks = ([p for s, p in levels if s == side] for side in (1, -1))
    assert b[lay.BEST_BID] == max(bids, default=NO_BID), "best bid"
    assert b[lay.BEST_ASK] == min(asks, default=NO_ASK), "best ask"
    assert b[lay.BEST_BID] < b[lay.BEST_ASK], "crossed"


def is_drawn(b: Packed, k: Longs, slot: int) -> bool:
    """Whether a slot is that of an order which the bound `undercut` drew."""
    return bool(k[sim.UNDERCUT] and 0 <= b[lay.ORDERS] - 1 - slot < sim.RIVAL_SLOTS)


def _audit_touch(k: Longs, b: Packed, levels: dict[Level, list[tuple[int, int, int]]]) -> None:
    public = [
        level
        for level, queue in levels.items()
        if any(not is_own(b, slot) and not is_drawn(b, k, slot) for _, slot, _ in queue)
    ]
    bid = max((p for s, p in public if s > 0), default=NO_BID)
    ask = min((p for s, p in public if s < 0), default=NO_ASK)
    assert (k[sim.PUBLIC_BID], k[sim.PUBLIC_ASK]) == (bid, ask), "public touch"
    if bid != NO_BID and ask != NO_ASK:
        assert k[sim.MID2] == bid + ask, "mid"


def _audit_ledger(b: Packed, k: Longs, levels: dict[Level, list[tuple[int, int, int]]]) -> None:
    flying, cancels = {}, dict.fromkeys(range(int(b[lay.OWN])), 0)
    for c in commands_of(k):
        who = int(c[sim.WHO])
        if c[sim.WHAT] == sim.NEW:
            assert who not in flying, "two new orders in one ledger place"
            flying[who] = int(c[sim.HOW_MANY])
        else:
            cancels[who] += int(c[sim.HOW_MANY])
    resting = {}
    for queue in levels.values():
        for at, (_, slot, lots) in enumerate(queue):
            if is_own(b, slot):
                resting[slot - int(b[lay.ORDERS])] = (lots, sum(q for *_, q in queue[:at]))
    assert len(resting) == b[lay.OWN_RESTING], "own orders in the book"
    for i, led in enumerate(ledger_of(b)):
        assert led[lay.PENDING_CANCEL] == cancels[i], f"pending cancels of own {i}"
        if led[lay.STATE] == lay.FREE_SLOT:
            assert led[lay.OPEN] == 0, f"a free place {i} with open lots"
            assert i not in flying, f"a free place {i} in flight"
            assert i not in resting, f"a free place {i} in the book"
        elif led[lay.STATE] == lay.IN_FLIGHT:
            assert led[lay.OPEN] == flying.get(i, 0), f"lots in flight of own {i}"
        else:
            lots, ahead = resting.get(i, (0, 0))
            assert led[lay.OPEN] == lots, f"open lots of own {i}"
            if lots and led[lay.AHEAD_STATE] == lay.AHEAD_KNOWN:
                assert led[lay.AHEAD] == ahead, (
                    f"lots ahead of own {i}: {led[lay.AHEAD]}, a walk finds {ahead}"
                )
    if k[sim.PHASE] == sim.WORKING:
        assert ledger_of(b)[:, lay.OPEN].sum() <= k[sim.LEFT], (
            "own lots not known dead exceed what is left"
        )
