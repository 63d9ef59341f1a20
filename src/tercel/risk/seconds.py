"""A market's state second by second: what an anomaly score reads, from a simulated market or from a followed one.

A second is one row of eight numbers. The same kernel measures a simulated market and the book that a live session
follows, since both are the same pair of arrays.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import CapacityError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.features.microstructure import imbalance, public_depth
from tercel.market.book import layout as lay
from tercel.market.flow.santa_fe import CANCEL_MAX, LIMIT_TOTAL, MARKET_RATE
from tercel.market.simulator import layout as sim
from tercel.market.simulator.engine import advance
from tercel.market.simulator.source import NO_TAPE, Source
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

LEVELS: Final = 5
COLUMNS: Final = 8
SPREAD, OWN5, FAR5, IMBALANCE, CANCELS, TRADES, ADDS, MOVE = range(COLUMNS)
RECORD_ROWS: Final = 1 << 14
"""Rows of a record that is read every second: more than any preset sends in one."""


class Second(NamedTuple):
    """One second of a market.

    Parameters
    ----------
    spread_ticks : float
        Ask less bid at its end; the last known one while a side is empty.
    depth_own5, depth_far5 : float
        Public lots on the best five levels of the own side (bid, where there is no own order) and of the other.
    imbalance : float
        (own - far) / (own + far).
    cancels, trades, adds : float
        Public orders withdrawn (in part or whole), resting orders executed, orders that came to rest, in this second.
    move_ticks : float
        Move of the public mid within it.
    """

    spread_ticks: float
    depth_own5: float
    depth_far5: float
    imbalance: float
    cancels: float
    trades: float
    adds: float
    move_ticks: float


@kernel
def measure(b: Packed, k: Longs, since: int, mid2_before: int, depth: Longs, out: Floats) -> None:
    """One second into `out`: rows of the record from number `since` on are counted; `depth` is room for 2 x 5."""
    bid, ask = k[sim.PUBLIC_BID], k[sim.PUBLIC_ASK]
    public_depth(b, 1, bid, depth, 0, LEVELS)
    public_depth(b, -1, ask, depth, LEVELS, LEVELS)
    own, far = 0.0, 0.0
    for level in range(LEVELS):
        own += depth[level]
        far += depth[LEVELS + level]
    two_sided = bid != NO_BID and ask != NO_ASK
    out[SPREAD] = ask - bid if two_sided else k[sim.LAST_ASK] - k[sim.LAST_BID]
    out[OWN5], out[FAR5] = own, far
    out[IMBALANCE] = imbalance(own, far)
    out[MOVE] = 0.5 * (k[sim.MID2] - mid2_before)
    out[CANCELS], out[TRADES], out[ADDS] = 0.0, 0.0, 0.0
    rows = k[sim.RECORD_ROWS]
    for n in range(since, k[sim.RECORD]):
        kind = k[k[sim.RECORD_AT] + (n % rows) * sim.RECORD_WORDS + sim.R_KIND]
        if kind == DELETE or kind == REDUCE:
            out[CANCELS] += 1.0
        elif kind == EXECUTE:
            out[TRADES] += 1.0
        elif kind == ADD:
            out[ADDS] += 1.0


@kernel
def _run(b: Packed, k: Longs, flow: Floats, tape: Longs, rates: Floats, depth: Longs, out: Floats) -> int:
    """Seconds `0 .. len(out)`, the flow's rates scaled by `rates[t]` (limit, market, cancel)."""
    limit, market, cancel = flow[LIMIT_TOTAL], flow[MARKET_RATE], flow[CANCEL_MAX]
    start = k[sim.NOW]
    for t in range(len(out)):
        flow[LIMIT_TOTAL] = limit * rates[t, 0]
        flow[MARKET_RATE] = market * rates[t, 1]
        flow[CANCEL_MAX] = cancel * rates[t, 2]
        since, mid2 = k[sim.RECORD], k[sim.MID2]
        k[sim.DUE_NS] = start + (t + 1) * NS_PER_SECOND
        advance(b, k, flow, tape)
        if b[lay.OVERFLOW] > 0 or k[sim.RECORD] - since > k[sim.RECORD_ROWS]:
            return t
        measure(b, k, since, mid2, depth, out[t])
    flow[LIMIT_TOTAL], flow[MARKET_RATE], flow[CANCEL_MAX] = limit, market, cancel
    return -1


def simulate(
    source: Source, rates: NDArray[np.float64], seed: int, index: int = 0, world: int = 0
) -> NDArray[np.float64]:
    """Seconds of a reactive market whose rates change as it runs.

    Parameters
    ----------
    source : Source
        Of model SANTA_FE.
    rates : float64[n, 3]
        What limit, market and cancel rates are multiplied by, second by second; ones are an ordinary market.
    seed, index, world : int
        Of the flow's stream, and the book to start from.

    Returns
    -------
    float64[n, 8]
        One row a second, columns as in :class:`Second`, the bid being the own side.

    Raises
    ------
    CapacityError
        When the changed rates bring more orders than the book has slots for.
    """
    b = source.worlds_b[world].copy()
    k = sim.extend(source.worlds_k[world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    out = np.zeros((len(rates), COLUMNS))
    scaled = np.ascontiguousarray(rates, np.float64)
    full = _run(b, k, source.flow.copy(), NO_TAPE, scaled, np.zeros(2 * LEVELS, np.int64), out)
    if full >= 0:
        raise CapacityError("room for the orders of every second", f"too many in second {full}", "scale rates less")
    return out
