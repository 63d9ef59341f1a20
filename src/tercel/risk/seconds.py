"""A market's state second by second: what an anomaly score reads, from a simulated market or from a followed one.

A second is one row of eight numbers. The same kernel measures a simulated market and the book that a live session
follows, since both are the same pair of arrays.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import CapacityError
from tercel.core.jit import Floats, Longs, Packed
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.regimes.kernel import begin_regimes
from tercel.market.regimes.truth import path
from tercel.market.simulator import layout as sim
from tercel.market.simulator import together
from tercel.market.simulator.seconds import (
    ADDS,
    CANCELS,
    COLUMNS,
    FAR5,
    IMBALANCE,
    LEVELS,
    MOVE,
    OWN5,
    SPREAD,
    TRADES,
)
from tercel.market.simulator.source import NO_TAPE, Source
from tercel.market.simulator.together import WORDS

__all__ = [
    "ADDS",
    "CANCELS",
    "COLUMNS",
    "FAR5",
    "IMBALANCE",
    "LEVELS",
    "MOVE",
    "OWN5",
    "RECORD_ROWS",
    "SPREAD",
    "TRADES",
    "WORDS",
    "Second",
    "measure",
    "simulate",
    "under_regimes",
]

RECORD_ROWS: Final = 1 << 14
"""Rows of a record that is read every second: more than any preset sends in one."""
_NO_FLOW: Final = np.zeros(0)


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


def measure(b: Packed, k: Longs, since: int, mid2_before: int, words: Longs, out: Floats) -> None:
    """One second into `out`, float64 (1, 8): rows of the record from number `since` on are counted.

    `words` is room to work in, int64 (:data:`WORDS`,).
    """
    words[0], words[1] = since, mid2_before
    together.operate(together.MEASURE, b, k, _NO_FLOW, NO_TAPE, together.NOWHERE, words, out)


def simulate(
    source: Source, rates: NDArray[np.float64], seed: int, index: int = 0, world: int = 0
) -> NDArray[np.float64]:
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
    b, k = _market(source, seed, index, world)
    out = np.zeros((len(rates), COLUMNS))
    out[:, :3] = rates
    return _run(b, k, source, out)


def under_regimes(
    source: Source, seconds: int, seed: int, index: int = 0, world: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds of a market whose own law of regimes switches (`market.regimes.law.with_regimes`), and the truth.

    Returns
    -------
    rows : float64 (seconds, 8)
        As :func:`simulate`.
    regime : int64 (seconds,)
        The regime in force at the end of each: a place in `source.regimes`.

    Raises
    ------
    CapacityError
        When a regime brings more orders than the book has slots for.
    """
    b, k = _market(source, seed, index, world)
    start = int(k[sim.NOW])
    begin_regimes(k, source.flow, seed, index, start)
    rows = _run(b, k, source, np.full((seconds, COLUMNS), -1.0))
    ends = start + np.arange(1, seconds + 1) * NS_PER_SECOND
    truth = path(source.flow, seed, index, start, start, int(ends[-1]))
    return rows, np.asarray(truth[np.searchsorted(truth[:, 0], ends, side="left") - 1, 1], np.int64)


def _market(source: Source, seed: int, index: int, world: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    k = sim.extend(source.worlds_k[world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    return source.worlds_b[world].copy(), k


def _run(b: Packed, k: Longs, source: Source, out: NDArray[np.float64]) -> NDArray[np.float64]:
    words = np.zeros(WORDS, np.int64)
    full = together.operate(together.SECONDS, b, k, source.flow, NO_TAPE, together.NOWHERE, words, out)
    if full >= 0:
        raise CapacityError("room for the orders of every second", f"too many in second {full}", "scale rates less")
    return out
