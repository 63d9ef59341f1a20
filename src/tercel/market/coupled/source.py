"""A market whose twins are coupled, from one whose twins share a stream."""

from dataclasses import replace

import numpy as np

from tercel.core.errors import ConfigError
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

ROOM = 1.5
"""(SANTA_FE) Slots of the dominating clock over the most that any world ever used: its cost grows with it; all in use
are an overflow, which is counted as any other."""


def couple(source: Source, room: float = ROOM) -> Source:
    """The same law with keyed draws (see `coupled.kernel`); its worlds differ from those of `source` in nothing else.

    Parameters
    ----------
    source : Source
        A market of a flow model, as `reactive` gives it.
    room : float
        (SANTA_FE) As `ROOM`; above 1.

    Raises
    ------
    ConfigError
        A market without a flow model, a room of no more than 1.
    """
    if source.model not in (sim.SANTA_FE, sim.QUEUE_REACTIVE, sim.HAWKES):
        raise ConfigError("a market of a flow model", f"'{source.name}'", "couple a market that `reactive` made")
    if room <= 1.0:
        raise ConfigError("room above 1", f"room={room}", "leave the default")
    books, states = source.worlds_b.copy(), source.worlds_k.copy()
    states[:, sim.COUPLED] = 1
    states[:, sim.COUPLED_LEFT] = 0
    if source.model == sim.SANTA_FE:
        used = int(books[:, lay.HIGH].max())
        slots = min(int(np.ceil(room * used)), int(books[0, lay.ORDERS]))
        states[:, sim.COUPLED_SLOTS] = slots
        books[:, lay.HIGH] = slots
    return replace(source, worlds_b=books, worlds_k=states)
