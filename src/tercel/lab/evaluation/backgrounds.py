"""Public events of simulated markets, simulated once and shared by all episodes that run in the same market."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.packed_events import PACKED_WORDS

MAX_MB: Final = 256
"""Memory that the packed events of one batch take at most, MB. A half hour of ibm takes .1."""
_MAX_LATENCIES: Final = 4
"""Latencies one after another that an order at the horizon waits for at most; a second is added."""
_MAX_EXPONENTIAL_MEANS: Final = 37
"""Means of an exponential latency that none is longer than: a uniform number of 53 bits is drawn for it."""
PAYS_FROM: Final = 1.25
"""Horizons that markets must follow of each that is stored: below it, a market that simulates itself costs less."""
REMEMBERED: Final = 200
"""Stored horizons over which that is counted."""
_ORDER_COLUMNS: Final = [
    kernels.E_SIDE,
    kernels.E_QUANTITY,
    kernels.E_LIMIT,
    kernels.E_LIMIT_OF_MID,
]
_CURSORS: Final = [sim.CURSOR, sim.CURSOR_END]


def last_needed_ns(k: Ints) -> int:
    """Latest market time, ns, up to which an episode's market can matter: start, horizon, four times the largest
    latencies, and a second.
    """
    latency_ns = 0
    for a, b, table in (
        (sim.LATENCY_A, sim.LATENCY_B, sim.ENTRY_TABLE),
        (sim.FEED_A, sim.FEED_B, sim.FEED_TABLE),
    ):
        latency_ns += int(
            k[a] + _MAX_EXPONENTIAL_MEANS * k[b] + k[table : table + sim.LATENCY_VALUES].max()
        )
    return int(k[sim.START_NS] + k[sim.HORIZON_NS]) + _MAX_LATENCIES * latency_ns + NS_PER_SECOND


class Backgrounds:
    """Store of packed public events of markets, in one array that the kernels of all batches read.

    Markets are stored in the order in which they come, as many as fit. The others simulate their public events
    themselves, with the same results. After one did not fit, the next batch that starts as a whole empties the store:
    no other batch may be running then.

    Parameters
    ----------
    max_mb : float
        Memory that they take at most; it is taken as they come.
    evicts : bool
        For trainings, whose markets start one by one: where a market does not fit, those are forgotten that no running
        market follows; and while orders end so early that storing whole horizons does not pay, few are stored. Markets
        restored from a snapshot may follow what was forgotten: none may be.
    """

    def __init__(self, max_mb: float = MAX_MB, *, evicts: bool = False) -> None:
        """Reserve an array of `max_mb` MB for packed events."""
        self.evicts = evicts
        # Part of the horizon that markets followed, on average; how many followed, and how many were stored. Late ones
        # weigh most.
        self._mean_used = 1.0
        self._followers = self._stored = 0.0
        self._batches: dict[int, Ints] = {}
        self.rows = np.zeros(
            (int(max_mb * 1_000_000) // (8 * PACKED_WORDS), PACKED_WORDS), np.int64
        )
        self._clear()

    def _clear(self) -> None:
        """Forget all stored events."""
        self._spans: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._used, self._end = 0, len(self.rows)

    def share(self, books: Int32, states: Ints, rows: Ints, markets: Ints, flow: Floats) -> None:
        """Set the cursors in `states` to the stored public events of the markets' seeds, simulating new ones; (0, 0)
        for none. May empty the store first.

        None are stored of markets whose events own orders change, and of those that do not fit.
        """
        self._batches[id(states)] = states
        if len(markets) == len(states) and (0, 0) in self._spans.values():
            self._clear()
        for i, market in zip(
            markets.tolist(), np.delete(rows, _ORDER_COLUMNS, axis=1), strict=True
        ):
            key = market.tobytes(), last_needed_ns(states[i])
            is_shareable = (
                states[i, sim.APART] == sim.PARTED and states[i, sim.IMPACT] != sim.WEIGHTS
            )
            if is_shareable and key not in self._spans and self._pays(int(market[kernels.E_INDEX])):
                span = self._store_background(books[i], states[i], flow, key[1])
                if span == (0, 0) and self.evicts:
                    self._make_room()
                    span = self._store_background(books[i], states[i], flow, key[1])
                self._spans[key] = span
                self._stored = (1 - 1 / REMEMBERED) * self._stored + 1
                self._followers *= 1 - 1 / REMEMBERED
            states[i, _CURSORS] = span = self._spans.get(key, (0, 0))
            self._followers += float(span[1] > 0)

    def leave(self, states: Ints, markets: Ints) -> None:
        """Let go of the events that markets followed, before other episodes start there."""
        ended = states[markets]
        ended = ended[ended[:, sim.CURSOR_END] > 0]
        times = ended[:, sim.NOW] - ended[:, sim.START_NS]
        for used in (times / ended[:, sim.HORIZON_NS]).tolist():
            self._mean_used += (used - self._mean_used) / REMEMBERED
        states[markets[:, None], _CURSORS] = 0

    def _pays(self, number: int) -> bool:
        """Whether to store the market of an episode: always one of many, so that it is known again when it pays."""
        if not self.evicts or self._stored < REMEMBERED / 4 or number % 16 == 0:
            return True
        return self._mean_used * self._followers >= PAYS_FROM * self._stored

    def _store_background(self, b: Int32, k: Ints, flow: Floats, until: int) -> tuple[int, int]:
        """Simulate and store a market's public events up to time `until`: first and end row, (0, 0) if they do not fit."""
        first_row = self._used
        self._used += max(
            engine.pack_background(
                b.copy(), k.copy(), flow, self.rows[first_row : self._end], until
            ),
            0,
        )
        return (first_row, self._used) if self._used > first_row else (0, 0)

    def _make_room(self) -> None:
        """Go on in the widest part of the store that no running market follows, and forget what is stored there."""
        followed = sorted(
            (int(k[sim.CURSOR]), int(k[sim.CURSOR_END]))
            for states in self._batches.values()
            for k in states[(states[:, sim.PHASE] != sim.DONE) & (states[:, sim.CURSOR_END] > 0)]
        )
        starts = [0, *(end for _, end in followed)]
        ends = [*(first for first, _ in followed), len(self.rows)]
        _, self._used, self._end = max(
            (end - start, start, end) for start, end in zip(starts, ends, strict=True)
        )
        self._spans = {
            key: (first, end)
            for key, (first, end) in self._spans.items()
            if end > 0 and (end <= self._used or first >= self._end)
        }

    def rows_ahead(self, states: Ints) -> Ints:
        """Stored event rows that the markets have not processed yet, once for all that share them, int64 (n, 2)."""
        return np.concatenate(
            [self.rows[:0], *(self.rows[first_row:end] for _, first_row, end in _spans(states))]
        )

    def restore_rows_ahead(self, states: Ints, ahead: Ints) -> None:
        """Store rows from `rows_ahead` (of this or another process) and shift the cursors in `states`, in place, to
        them; a store too full for them is emptied first.
        """
        if self._used + len(ahead) > self._end:
            self._clear()
        self.rows[self._used : self._used + len(ahead)] = ahead
        for markets, first_row, end in _spans(states):
            states[markets[:, None], _CURSORS] += self._used - first_row
            self._used += end - first_row


def _spans(states: Ints) -> Iterator[tuple[Ints, int, int]]:
    """Group markets by the stored events that they follow: market numbers, first row still needed, end row.

    Markets that follow no stored events are left out.
    """
    ends = np.where(states[:, sim.APART] == sim.PARTED, states[:, sim.CURSOR_END], 0)
    for end in np.unique(ends).tolist():
        markets = np.flatnonzero(ends == end)
        if end > 0:
            yield markets, int(states[markets, sim.CURSOR].min()), end
