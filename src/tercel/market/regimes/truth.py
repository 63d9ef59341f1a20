"""Ground truth of regimes: which was in force when, from an episode's seed alone.

Regimes have a stream of their own and no trade changes them, so nothing has to be simulated to know them.
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.jit import Floats, Longs, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.regimes.kernel import begin_regimes, regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import Source


@kernel
def _play(
    k: Longs, flow: Floats, seed: int, index: int, arrival_ns: int, end_ns: int, out: Longs
) -> int:
    """Rows (ns, regime, phase) of `out` from NOW to `end_ns`; how many there are, also beyond what `out` holds."""
    s = state_at(k)
    begin_regimes(k, flow, seed, index, arrival_ns)
    n = 0
    while True:
        if n < out.shape[0]:
            out[n, 0], out[n, 1], out[n, 2] = s.now, s.regime, s.regime_phase
        n += 1
        if s.regime_ns >= end_ns:
            return n
        s.now = s.regime_ns
        regime_event(k, flow)


def path(flow: Floats, seed: int, index: int, now_ns: int, arrival_ns: int, end_ns: int) -> Longs:
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
    rows = 64
    while True:
        out = np.zeros((rows, 3), np.int64)
        k = np.zeros(sim.GRID, np.int64)
        k[sim.NOW], k[sim.HORIZON_NS] = now_ns, end_ns - arrival_ns
        n = _play(k, flow, seed, index, arrival_ns, end_ns, out)
        if n <= rows:
            return out[:n]
        rows = n


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
    def most(self) -> Longs:
        """Regime in force longest, int64 (n,); ties go to the first."""
        return np.asarray(self.seconds.argmax(axis=1), np.int64)


def in_force(
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
    out = np.zeros((len(seed), len(names)))
    for i in range(len(seed)):
        start = int(now_ns[i] + warmup_ns[i])
        if not source.regimes:
            out[i, 0] = horizon_ns / NS_PER_SECOND
            continue
        rows = path(
            source.flow, int(seed[i]), int(index[i]), int(now_ns[i]), start, start + horizon_ns
        )
        since = np.maximum(rows[:, 0], start)
        lasts = np.diff(since, append=start + horizon_ns)
        np.add.at(out[i], rows[:, 1], lasts / NS_PER_SECOND)
    return RegimeOccupancy(names, out)
