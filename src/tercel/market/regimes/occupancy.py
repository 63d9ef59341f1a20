"""Regimes that were in force in simulated episodes, as ground truth: their path, and the time in each.

Regimes have a stream of their own and no trade changes them, so nothing has to be simulated to know them.
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.jit import Floats, Longs, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.regimes.switching import begin_regimes, regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import Source


@kernel
def _play_regimes(
    state: Longs, flow: Floats, seed: int, index: int, arrival_ns: int, end_ns: int, rows: Longs
) -> int:
    """Run the regime law from NOW to `end_ns`, writing rows (ns, regime, phase); how many there are, also beyond `rows`."""
    s = state_at(state)
    begin_regimes(state, flow, seed, index, arrival_ns)
    n = 0
    while True:
        if n < rows.shape[0]:
            rows[n, 0] = s.now
            rows[n, 1] = s.regime
            rows[n, 2] = s.regime_phase
        n += 1
        if s.regime_ns >= end_ns:
            return n
        s.now = s.regime_ns
        regime_event(state, flow)


def regime_path(
    flow: Floats, seed: int, index: int, now_ns: int, arrival_ns: int, end_ns: int
) -> Longs:
    """Regimes in force in one episode from `now_ns` (the start of its warm-up) to `end_ns`.

    Parameters
    ----------
    flow : float64 (p,)
        Of a market with a law of regimes.

    Returns
    -------
    int64 (n, 3)
        Ns from which on, regime (a place in the source's `regimes`), phase (counted over all regimes); steps of a
        season alone repeat both.
    """
    capacity = 64
    while True:
        table = np.zeros((capacity, 3), np.int64)
        state = np.zeros(sim.GRID, np.int64)
        state[sim.NOW] = now_ns
        state[sim.HORIZON_NS] = end_ns - arrival_ns
        n = _play_regimes(state, flow, seed, index, arrival_ns, end_ns, table)
        if n <= capacity:
            return table[:n]
        capacity = n


@dataclass(frozen=True, eq=False)
class RegimeOccupancy:
    """Time in each regime, for each of n episodes.

    Parameters
    ----------
    names : tuple of str
        Of the regimes.
    seconds : float64 (n, r)
        Between arrival and horizon.
    """

    names: tuple[str, ...]
    seconds: Floats

    @property
    def longest(self) -> Longs:
        """Regime in force longest, int64 (n,); ties go to the first."""
        return np.asarray(self.seconds.argmax(axis=1), np.int64)


def regime_occupancy(
    source: Source,
    seed: Longs,
    index: Longs,
    now_ns: Longs,
    warmup_ns: Longs,
    horizon_ns: int,
) -> RegimeOccupancy:
    """Seconds that each regime was in force between arrival and horizon.

    Parameters
    ----------
    seed, index, now_ns, warmup_ns : int64 (n,)
        Of each episode: its streams, the time of its world, and how long it is warmed up.
    """
    names = source.regimes or ("none",)
    seconds = np.zeros((len(seed), len(names)))
    for i in range(len(seed)):
        start = int(now_ns[i] + warmup_ns[i])
        if not source.regimes:
            seconds[i, 0] = horizon_ns / NS_PER_SECOND
            continue
        rows = regime_path(
            source.flow, int(seed[i]), int(index[i]), int(now_ns[i]), start, start + horizon_ns
        )
        starts = np.maximum(rows[:, 0], start)
        durations = np.diff(starts, append=start + horizon_ns)
        np.add.at(seconds[i], rows[:, 1], durations / NS_PER_SECOND)
    return RegimeOccupancy(names, seconds)
