"""Bounds on fills in replay: who gets a trade that the tape gave to its own orders, and who undercuts.

A bound is kinder than the next: `kind` lets such trades fill own orders too, `strict` leaves the tape what trades at an
own order's price, `undercut` is strict and draws public orders that come because an own order improves the touch.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.market.simulator import layout as sim
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.source import Source, with_impact
from tercel.market.simulator.undercut_rates import packed, table_of
from tercel.market.tape.schema import ADD

KIND, STRICT, UNDERCUT = "kind", "strict", "undercut"
BOUNDS: Final = (KIND, STRICT, UNDERCUT)


def by_level(source: Source) -> bool:
    """Whether a tape shows level totals alone: queues are guessed there, and no bound is known."""
    return bool(source.worlds_k[:, QUEUE].any())


def theirs(source: Source) -> Source:
    """The same recorded days under the other bound on double fills (`docs/design.md`, rule 6).

    What a tape's trade fills twice at an own order's price stays the tape's: own orders fill by trades beyond their
    price, and by orders that arrive through them.

    Raises
    ------
    ConfigError
        A tape of level totals, or no tape.
    """
    if source.model != sim.REPLAY or by_level(source):
        raise ConfigError(
            "a tape of single orders", f"{source.name} without any", "leave the bound out"
        )
    states = source.worlds_k.copy()
    states[:, sim.THEIRS] = 1
    return replace(source, worlds_k=states)


def undercutting(source: Source, table: str) -> Source:
    """The same recorded days under the strictest bound: as :func:`theirs`, and who stands alone inside the spread is
    undercut (`market.simulator.undercut`) at the rates of a `table` (`undercut_rates.table_of`).

    Raises
    ------
    ConfigError
        As :func:`theirs`.
    """
    lots = source.tape[source.tape[:, sim.T_KIND] == ADD, sim.T_LOTS]
    plain, law = with_impact(theirs(source), None), source.impact
    words = packed(table, float(np.median(lots)) if len(lots) else 1.0)
    states = plain.worlds_k.copy()
    states[:, sim.UNDERCUT] = len(plain.flow)
    return with_impact(
        replace(plain, flow=np.concatenate((plain.flow, words)), worlds_k=states), law
    )


def bounded(source: Source, bound: str, symbol: str, date: str) -> Source:
    """Recorded days under a bound of :data:`BOUNDS`; tapes of level totals stay as they are."""
    if bound == KIND or by_level(source):
        return source
    return theirs(source) if bound == STRICT else undercutting(source, table_of(symbol, date))
