"""Weights of events as a product of tables, by iterative proportional fitting (Deming & Stephan 1940) with a prior.

P(event | cells) is proportional to the product over tables of table[cell, event], times known offsets. Each sweep fits
one table after the other, the rest held: factor = (count + p) / (expected / factor + p), where p is `prior` times the
event's share overall. A cell that never saw an event thus keeps a factor near 1 for rare events and near the data's for
frequent ones (uniform pseudo-counts would inflate the rare ones).
"""

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.market.flow.queue_reactive import layout as q


@kernel
def add_expected(
    cells: Packed,
    offsets: Floats,
    tables: Floats,
    starts: Longs,
    table: int,
    expected: Floats,
    w: Floats,
) -> None:
    """Add the probabilities of the events, by cell of table `table`, to `expected`, float64[cells, EVENTS].

    `cells` int32[n, T]; `offsets` float64[n, 6]: in the spread allowed, then the four cancels, then market; `tables`
    float64[cells, EVENTS] one behind the other from `starts`; `w` float64[EVENTS] to work in.
    """
    count = starts.shape[0]
    for i in range(cells.shape[0]):
        total = 0.0
        for e in range(q.EVENTS):
            x = 1.0
            for t in range(count):
                x *= tables[starts[t] + cells[i, t], e]
            if e < 2:
                x *= offsets[i, 0]
            elif 2 * q.CANCEL_AT_BEST <= e < 2 * q.CANCEL_AT_BEST + 4:
                x *= offsets[i, 1 + e - 2 * q.CANCEL_AT_BEST]
            elif e >= 2 * q.MARKET:
                x *= offsets[i, 5]
            w[e] = x
            total += x
        cell = starts[table] + cells[i, table]
        for e in range(q.EVENTS):
            expected[cell, e] += w[e] / total


def rake(
    cells: Packed,
    offsets: Floats,
    events: Longs,
    sizes: tuple[int, ...],
    sweeps: int = 12,
    prior: float = 20.0,
) -> list[Floats]:
    """Fit weights of events by raking: a table, float64[size, EVENTS], for each of `sizes`; the first has the shares.

    Parameters
    ----------
    cells : int32[n, T]
        Cell of each table, by observation.
    offsets : float64[n, 6]
        See `add_expected`.
    events : int64[n]
        Kind of the event.
    sizes : tuple of int
        Cells of each table.
    sweeps, prior
        See the module.
    """
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    share = np.bincount(events, minlength=q.EVENTS) / len(events)
    tables = np.ones((sum(sizes), q.EVENTS))
    tables[: sizes[0]] = np.maximum(share, 1e-9)
    counts = [
        np.bincount(
            cells[:, t].astype(np.int64) * q.EVENTS + events, minlength=n * q.EVENTS
        ).reshape(n, -1)
        for t, n in enumerate(sizes)
    ]
    w = np.zeros(q.EVENTS)
    for _ in range(sweeps):
        for t, n in enumerate(sizes):
            expected = np.zeros_like(tables)
            add_expected(cells, offsets, tables, starts, t, expected, w)
            part = tables[starts[t] : starts[t] + n]
            bare = expected[starts[t] : starts[t] + n] / part
            base = share * prior if t else prior
            factor = share if t == 0 else 1.0
            part[:] = (counts[t] + base * factor) / np.maximum(bare + base, 1e-300)
            np.clip(part, 1e-9, 1e6, out=part)
    return [tables[s : s + n].copy() for s, n in zip(starts, sizes, strict=True)]
