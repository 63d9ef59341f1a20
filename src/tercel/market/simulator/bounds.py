"""Bounds on fills in replay: who gets a trade that the tape gave to its own orders, and who undercuts.

A bound is kinder than the next: `kind` lets such trades fill own orders too, `strict` leaves the tape what trades at an
own order's price, `undercut` is strict and draws public orders that come because an own order improves the touch.

Measured rates of undercutting: which table is a tape's, and how kernels read it (`undercut.json`, with its card).

A table is that of the name and its year where both were measured; else the mean of the names of that year, as reactions
became faster by orders of magnitude; else the mean of all names. `python -m studies undercut` counts them.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.market.simulator import layout as sim
from tercel.market.simulator import undercut
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.source import Source, with_impact
from tercel.market.tape.schema import ADD

# -- measured rates of undercutting: which table is a tape's --

ROOM_BPS: Final = (0.0, 2.0, 4.0, 8.0, 16.0)
AGE_S: Final = (0.0, 0.1, 1.0, 3.0, 10.0, 30.0)
SIZE_OVER_USUAL: Final = (0.0, 0.5, 2.0)
"""Where the classes begin: room left inside the spread, age of the own order there, its size."""
FILE: Final = Path(__file__).with_name("undercut.json")


@cache
def tables() -> dict[str, Any]:
    """Every table, by name and year, by year, and "" for all."""
    return json.loads(FILE.read_text(encoding="utf-8"))["tables"]


def table_of(symbol: str, date: str) -> str:
    """Which table is that of a symbol's day.

    >>> table_of("IBM", "2003-02-03"), table_of("SIM", "2003-02-03"), table_of("SIM", "2030-01-02")
    ('IBM 2003', '2003', '')
    """
    return next((key for key in (f"{symbol} {date[:4]}", date[:4]) if key in tables()), "")


def packed(table: str, usual_lots: float) -> Floats:
    """A table as kernels read it: float64 (RATE_WORDS,)."""
    one = tables()[table]
    parts = (
        [max(usual_lots, 1.0)],
        np.ravel(one["rates"]),
        one["by_size"],
        one["steps"],
        one["lots"],
        one["lives_s"],
    )
    words = np.concatenate([np.asarray(part, np.float64) for part in parts])
    assert len(words) == undercut.RATE_WORDS
    return words


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
    undercut (`market.simulator.undercut`) at the rates of a `table` (`table_of`).

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
