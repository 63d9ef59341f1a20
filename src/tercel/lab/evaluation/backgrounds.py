"""The public's events of each seed, simulated once for a batch and kept packed (`market.simulator.background`)."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.market.simulator import layout as sim
from tercel.market.simulator import lockstep
from tercel.market.simulator.background import PACKED_WORDS

MOST_MB: Final = 256
"""Memory that the packed events of one batch take at most, MB. A half hour of csco takes .13."""
_LATE: Final = 4
"""Latencies one after another that an order at the horizon waits for at most; a second more is kept."""
_LONGEST: Final = 37
"""Means of an exponential latency that none is longer than: a uniform number of 53 bits is drawn for it."""
_OF_THE_ORDER: Final = [kernels.E_SIDE, kernels.E_QUANTITY, kernels.E_LIMIT, kernels.E_LIMIT_OF_MID]
_CURSORS: Final = [sim.CURSOR, sim.CURSOR_END]


def needed_until(k: Ints) -> int:
    """Time beyond which an episode that stands at arrival needs no market, ns."""
    late = 0
    for a, b, table in (
        (sim.LATENCY_A, sim.LATENCY_B, sim.ENTRY_TABLE),
        (sim.FEED_A, sim.FEED_B, sim.FEED_TABLE),
    ):
        late += int(k[a] + _LONGEST * k[b] + k[table : table + sim.LATENCY_VALUES].max())
    return int(k[sim.START_NS] + k[sim.HORIZON_NS]) + _LATE * late + NS_PER_SECOND


class Backgrounds:
    """Packed events of the markets that batches of one source meet, in one array that their kernels read.

    Who comes first is kept: of a pool that is larger than the room, as much as fits is found at every turn. The others
    simulate their market themselves, with the same results. When one found no room, the next batch that starts as a
    whole begins anew: no other may be under way then.

    Parameters
    ----------
    most_mb : float
        Memory that they take at most; it is taken as they come.
    """

    def __init__(self, most_mb: float = MOST_MB) -> None:
        self.rows = np.zeros(
            (int(most_mb * 1_000_000) // (8 * PACKED_WORDS), PACKED_WORDS), np.int64
        )
        self._forget()

    def _forget(self) -> None:
        self._spans: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._used = 0

    def share(self, books: Int32, states: Ints, rows: Ints, which: Ints, flow: Floats) -> None:
        """Let the markets `which`, at the arrival of the orders `rows`, follow what their seeds' public does."""
        if len(which) == len(states) and (0, 0) in self._spans.values():
            self._forget()
        for i, market in zip(which.tolist(), np.delete(rows, _OF_THE_ORDER, axis=1), strict=True):
            key = market.tobytes(), needed_until(states[i])
            alike = states[i, sim.APART] == sim.PARTED and states[i, sim.IMPACT] != sim.WEIGHTS
            if alike and key not in self._spans:
                self._spans[key] = self._simulated(books[i], states[i], flow, key[1])
            states[i, _CURSORS] = self._spans.get(key, (0, 0))

    def _simulated(self, b: Int32, k: Ints, flow: Floats, until: int) -> tuple[int, int]:
        """Simulate a market's background: where it is kept, (0, 0) where it does not fit."""
        first = self._used
        self._used += max(
            lockstep.pack_background(b.copy(), k.copy(), flow, self.rows[first:], until), 0
        )
        return (first, self._used) if self._used > first else (0, 0)

    def ahead(self, states: Ints) -> Ints:
        """The rows that markets have before them: int64 (n, 2)."""
        return np.concatenate(
            [self.rows[:0], *(self.rows[first:end] for _, first, end in _spans(states))]
        )

    def go_on(self, states: Ints, ahead: Ints) -> None:
        """Let markets follow what :meth:`ahead` said of their states, here or elsewhere."""
        if self._used + len(ahead) > len(self.rows):
            self._forget()
        self.rows[self._used : self._used + len(ahead)] = ahead
        for which, first, end in _spans(states):
            states[which[:, None], _CURSORS] += self._used - first
            self._used += end - first


def _spans(states: Ints) -> Iterator[tuple[Ints, int, int]]:
    """Which markets follow each background, from its first row that one of them still needs to its end."""
    ends = np.where(states[:, sim.APART] == sim.PARTED, states[:, sim.CURSOR_END], 0)
    for end in np.unique(ends).tolist():
        which = np.flatnonzero(ends == end)
        if end > 0:
            yield which, int(states[which, sim.CURSOR].min()), end
