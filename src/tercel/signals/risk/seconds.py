"""Seconds of a market, the input of an anomaly score, from a simulated market or from a followed one.

A second is one row of eight numbers. The same kernel measures a simulated market and the book that a live session
follows, since both are the same pair of arrays.
"""

from typing import Final, NamedTuple

import numpy as np

from tercel.core.errors import CapacityError
from tercel.core.jit import Floats
from tercel.core.seeds import seed_stream
from tercel.market.simulator import layout as sim
from tercel.market.simulator import lockstep
from tercel.market.simulator.seconds import COLUMNS
from tercel.market.simulator.source import Source

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


def simulate(source: Source, rates: Floats, seed: int, index: int = 0, world: int = 0) -> Floats:
    """Seconds of a reactive market whose rates change as it runs.

    Parameters
    ----------
    source : Source
        A market that answers.
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
    b, k = source.worlds_b[world].copy(), sim.extend(source.worlds_k[world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    out = np.zeros((len(rates), COLUMNS))
    out[:, :3] = rates
    full = lockstep.measure_seconds(b, k, source.flow, out)
    if full >= 0:
        raise CapacityError(
            "room for the orders of every second", f"too many in second {full}", "scale rates less"
        )
    return out
