"""What an agent of the paper sees at a decision: a row of numbers for rules, another one for networks.

The seller acts at bid + 1 ... bid + 5 and looks at its lots from the best ask on; best prices and lots on the book
include its own orders, as published.
"""

from typing import Final

from studies.flows.cheridito_weiss import layout as cw
from tercel.core import NO_ASK, NO_BID, Floats, Longs, Packed, Singles, fixed_word as fixed, kernel
from tercel.execution import standing_lots
from tercel.market.book import best, in_window, layout as lay, ledger_at, level_at
from tercel.market.simulator import layout as sim

# -- the row that rules read: float64 columns --------------------------------------------------------------------------
TIME: Final = 0  # share of the horizon that is over
LEFT: Final = 1  # lots
QUANTITY: Final = 2
BID: Final = 3  # ticks
ASK: Final = 4
BID_LOTS: Final = 5  # lots at the best bid
BID_DRIFT: Final = 6  # ticks since arrival
MID_DRIFT: Final = 7
TILT: Final = 8  # imbalance of both sides as the market weighs it, -1 to 1
IMBALANCE: Final = 9  # of five levels from the opposite best
TRADES: Final = 10  # imbalance of market orders in the last interval
LIMITS: Final = 11  # ... of limit orders
MOVE: Final = 12  # ticks that the mid moved in the last interval
OWN_ASK: Final = 13  # own lots at the best ask, +1, .. +4
OWN_DEEPER: Final = 18  # own lots on other prices
UNPLACED: Final = 19
OWN_BID: Final = 20  # own lots at bid + 1, .. bid + 5
BIDS: Final = 25  # lots at ask - 1, .. ask - 5
ASKS: Final = 30  # lots at bid + 1, .. bid + 5
AHEAD: Final = 35  # lots ahead of the first own order at the best ask, -1: there is none
PUBLIC_TILT: Final = 36  # as `TILT`, own lots left out
PUBLIC_ASK: Final = 37  # best ask of others
COLUMNS: Final = 38
RUNGS: Final = 5

# -- what a market's row looked back on: int64 -------------------------------------------------------------------------
SEEN: Final = 8  # five words of the last look (flows, mid2), bid and mid2 at arrival, paid so far

OBSERVED: Final = 31
"""Entries of the network's row: the 26 of the paper without its per-lot ones, then lots at the bid, `AHEAD`, both tilts
and the spread without own orders."""

START_MID2: Final = 2001
"""Of the first book, at the start of the warm-up."""
DAMPING: Final = 0.5220457767610161  # exp(-0.65)
REACH: Final = 20
SHAPE: Final = (4.0, 11.0, 16.0, 19.0, 20.0)


@kernel
def share(plus: float, minus: float) -> float:
    """(plus - minus) / (plus + minus), 0 where both are."""
    return (plus - minus) / (plus + minus) if plus + minus > 0.0 else 0.0


@kernel
def lots_from(b: Packed, side: int, price: int, out: Floats, at: int) -> float:
    """Lots at `price` and four ticks further away into `out[at:]`; their sum."""
    total = 0.0
    for j in range(RUNGS):
        p = price - side * j
        out[at + j] = level_at(b, side, p).lots if in_window(b, side, p) else 0
        total += out[at + j]
    return total


@kernel
def damped(b: Packed, side: int, near: int, own: bool) -> float:
    """Lots of a side, with own ones or without, each level at `DAMPING` times the weight of the one before."""
    total, weight = 0.0, 1.0
    for j in range(REACH):
        p = near - side * j
        if not in_window(b, side, p):
            break
        lv = level_at(b, side, p)
        total += weight * (lv.lots if own else lv.lots - lv.own_lots)
        weight *= DAMPING
    return total


@kernel
def look(b: Packed, k: Longs, seen: Longs, c: Floats) -> None:
    """Fill a market's row of columns; the interval since the last look ends here."""
    bid, ask = best(b, 1), best(b, -1)
    bid = k[sim.LAST_BID] if bid == NO_BID else bid
    ask = k[sim.LAST_ASK] if ask == NO_ASK else ask
    mid2 = bid + ask
    if k[sim.DECISION] == 0:
        for j in range(SEEN):
            seen[j] = 0
        seen[4] = START_MID2
        seen[5] = bid
        seen[6] = mid2
    c[TIME] = (k[sim.NOW] - k[sim.START_NS]) / k[sim.HORIZON_NS]
    c[LEFT] = k[sim.LEFT]
    c[QUANTITY] = k[sim.QUANTITY]
    c[BID] = bid
    c[ASK] = ask
    c[BID_LOTS] = level_at(b, 1, bid).lots if best(b, 1) != NO_BID else 0
    c[BID_DRIFT] = bid - seen[5]
    c[MID_DRIFT] = 0.5 * (mid2 - seen[6])
    others = k[sim.PUBLIC_ASK] if k[sim.PUBLIC_ASK] != NO_ASK else ask
    c[PUBLIC_ASK] = others
    bids = damped(b, 1, bid, True)
    c[TILT] = share(bids, damped(b, -1, ask, True))
    c[PUBLIC_TILT] = share(bids, damped(b, -1, others, False))
    c[IMBALANCE] = share(lots_from(b, 1, ask - 1, c, BIDS), lots_from(b, -1, bid + 1, c, ASKS))
    c[TRADES] = share(float(k[cw.TOOK_BUY] - seen[0]), float(k[cw.TOOK_SELL] - seen[1]))
    c[LIMITS] = share(float(k[cw.LAID_BID] - seen[2]), float(k[cw.LAID_ASK] - seen[3]))
    c[MOVE] = 0.5 * (mid2 - seen[4])
    for j in range(4):
        seen[j] = k[cw.TOOK_BUY + j]
    seen[4] = mid2
    _own(b, k, bid, ask, c)


@kernel
def _own(b: Packed, k: Longs, bid: int, ask: int, c: Floats) -> None:
    """Own lots by place."""
    for j in range(RUNGS):
        c[OWN_ASK + j] = 0.0
        c[OWN_BID + j] = 0.0
    c[OWN_DEEPER] = 0.0
    c[UNPLACED] = k[sim.LEFT]
    c[AHEAD] = -1.0
    for i in range(fixed(b, lay.OWN)):
        lots = standing_lots(b, i)
        if lots == 0:
            continue
        led = ledger_at(b, i)
        price = led.price
        c[UNPLACED] -= lots
        if 0 <= price - ask < RUNGS:
            c[OWN_ASK + price - ask] += lots
        else:
            c[OWN_DEEPER] += lots
        if 0 <= price - bid - 1 < RUNGS:
            c[OWN_BID + price - bid - 1] += lots
        if price == ask and (c[AHEAD] < 0.0 or led.ahead < c[AHEAD]):
            c[AHEAD] = led.ahead


@kernel
def encode(c: Floats, o: Singles) -> None:
    """The network's row."""
    left = max(c[LEFT], 1.0)
    o[0] = c[TIME]
    o[1] = c[LEFT] / c[QUANTITY]
    o[2] = c[BID_DRIFT] / 10.0
    o[3] = c[MID_DRIFT] / 10.0
    o[4] = (c[ASK] - c[BID]) / 10.0
    o[5] = c[IMBALANCE]
    o[6] = c[TRADES]
    o[7] = c[LIMITS]
    o[8] = c[MOVE] / 10.0
    for j in range(7):
        o[9 + j] = c[OWN_ASK + j] / left
    for j in range(RUNGS):
        o[16 + j] = c[BIDS + j] / SHAPE[j]
        o[21 + j] = c[ASKS + j] / SHAPE[j]
    o[26] = c[TILT]
    o[27] = c[BID_LOTS] / 10.0
    o[28] = c[AHEAD] / 20.0
    o[29] = c[PUBLIC_TILT]
    o[30] = (c[PUBLIC_ASK] - c[BID]) / 10.0


@kernel
def look_batch(bs: Packed, ks: Longs, which: Longs, seen: Longs, c: Floats, o: Singles) -> None:
    """Look at the markets `which` and encode their rows."""
    for n in range(which.shape[0]):
        i = which[n]
        look(bs[i], ks[i], seen[i], c[i])
        encode(c[i], o[i])


@kernel
def earn(ks: Longs, seen: Longs, rewards: Floats) -> None:
    """Ticks a lot of the order over the arrival bid that each market earned since it was last asked.

    Tercel's account is in half-ticks x lots against the arrival mid, costs positive.
    """
    for i in range(ks.shape[0]):
        paid = 0
        for j in range(sim.SPREAD, sim.FORCED_TIMING + 1):
            paid += ks[i, j]
        sold = ks[i, sim.QUANTITY] - ks[i, sim.LEFT]
        total = sold * (ks[i, sim.ARRIVAL_MID2] - 2 * seen[i, 5]) - paid
        rewards[i] = (total - seen[i, 7]) / (2.0 * ks[i, sim.QUANTITY])
        seen[i, 7] = total


@kernel
def encode_rows(cs: Floats, os: Singles) -> None:
    """The networks' rows of all markets."""
    for i in range(cs.shape[0]):
        encode(cs[i], os[i])
