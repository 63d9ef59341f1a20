"""Bounds on passive fills in a replay: `kind`, `strict` (no fill twice), and `undercut` by measured rates; on level totals
`optimistic` and `pessimistic`.

In a replay the question is whether trades that the tape gave to its own orders also fill ours. Each bound is kinder than
the next: `kind` lets such trades fill own orders too, `strict` leaves the tape what trades at an own order's price,
`undercut` is strict and draws public orders that come because an own order improves the touch.

A tape of level totals does not show where an own order stands in a queue. `optimistic` lets every cancel be ahead of it,
`pessimistic` lets all that is shown at its price, now and later, be ahead: it fills by trades beyond its price alone. Between
them lies the queue model that a replay is asked for.

The measured rates of undercutting are those of `undercut.json`, with its card. The table for a tape is that of the name
and its year where both were measured; else the mean of the names of that year, as reactions became faster by orders of
magnitude; else the mean of all names. `python -m studies undercut` counts them.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.market.simulator import layout as sim
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.queue_models import FIRST, RISK_AVERSE
from tercel.market.simulator.source import Source, with_impact
from tercel.market.simulator.undercutting import RATE_WORDS
from tercel.market.tape.schema import ADD

KIND = "kind"
STRICT = "strict"
UNDERCUT = "undercut"
BOUNDS: Final = (KIND, STRICT, UNDERCUT)
OPTIMISTIC = "optimistic"
PESSIMISTIC = "pessimistic"
DEPTH_BOUNDS: Final = (OPTIMISTIC, PESSIMISTIC)
"""Bounds on tapes of level totals, beside the queue model."""
ALL_BOUNDS: Final = (*BOUNDS, *DEPTH_BOUNDS)
ROOM_BPS: Final = (0.0, 2.0, 4.0, 8.0, 16.0)
AGE_S: Final = (0.0, 0.1, 1.0, 3.0, 10.0, 30.0)
SIZE_OVER_USUAL: Final = (0.0, 0.5, 2.0)
"""Where the classes begin: room left inside the spread, age of the own order there, its size."""
FILE: Final = Path(__file__).with_name("undercut.json")
# parts of a table, in the order in which kernels read them
PARTS: Final = ("rates", "by_size", "steps", "lots", "lives_s")


@cache
def undercut_tables() -> dict[str, dict[str, Any]]:
    """Every table, by name and year, by year, and "" for all."""
    return json.loads(FILE.read_text(encoding="utf-8"))["tables"]


def undercut_table(symbol: str, date: str) -> str:
    """Key of the table of undercutting rates that applies to a symbol's day.

    >>> undercut_table("IBM", "2003-02-03"), undercut_table("SIM", "2003-02-03"), undercut_table("SIM", "2030-01-02")
    ('IBM 2003', '2003', '')
    """
    return next((key for key in (f"{symbol} {date[:4]}", date[:4]) if key in undercut_tables()), "")


def pack_table(table: str, usual_lots: float) -> Floats:
    """Float64 words (RATE_WORDS,) of a table of undercutting rates, as kernels read it."""
    rates = undercut_tables()[table]
    parts = [np.ravel(rates[part]) for part in PARTS]
    values = np.concatenate([[max(usual_lots, 1.0)], *parts])
    assert len(values) == RATE_WORDS
    return values


def by_level(source: Source) -> bool:
    """Whether a tape shows level totals alone, so that queues are guessed there."""
    return bool(source.worlds_k[:, QUEUE].any())


def bounds_of(source: Source) -> tuple[str, ...]:
    """Bounds on fills that a tape has beside each other: :data:`BOUNDS`, of level totals :data:`DEPTH_BOUNDS`."""
    return DEPTH_BOUNDS if by_level(source) else BOUNDS


def with_strict_bound(source: Source) -> Source:
    """The same recorded days under the bound `strict`: a trade of the tape at an own order's price fills no own order.

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


def with_undercutting(source: Source, table: str) -> Source:
    """The same recorded days under the bound `undercut`, the strictest.

    As :func:`with_strict_bound`, and an own order alone inside the spread is undercut (`market.simulator.undercutting`) at
    the rates of a `table` (`undercut_table`).

    Raises
    ------
    ConfigError
        As :func:`with_strict_bound`.
    """
    lots = source.tape[source.tape[:, sim.T_KIND] == ADD, sim.T_LOTS]
    plain = with_impact(with_strict_bound(source), None)
    law = source.impact
    rates = pack_table(table, float(np.median(lots)) if len(lots) else 1.0)
    states = plain.worlds_k.copy()
    states[:, sim.UNDERCUT] = len(plain.flow)
    return with_impact(
        replace(plain, flow=np.concatenate((plain.flow, rates)), worlds_k=states), law
    )


def with_bound(source: Source, bound: str, symbol: str, date: str) -> Source:
    """Recorded days under a bound of :data:`BOUNDS`, or of :data:`DEPTH_BOUNDS` on level totals.

    Tapes of level totals stay as they are under `BOUNDS`: these say who trades at equal place in a queue.

    Raises
    ------
    ConfigError
        A bound of level totals on a tape of single orders.
    """
    if by_level(source):
        return with_depth_bound(source, bound) if bound in DEPTH_BOUNDS else source
    if bound in DEPTH_BOUNDS:
        raise ConfigError(
            f"a bound on fills of single orders: {', '.join(BOUNDS)}",
            f"`bound={bound}`, and {symbol} on {date} shows single orders",
            f"`bound={bound}` is for tapes of level totals; leave it out, or `bound={STRICT}`",
        )
    if bound == KIND:
        return source
    return (
        with_strict_bound(source)
        if bound == STRICT
        else with_undercutting(source, undercut_table(symbol, date))
    )


def with_depth_bound(source: Source, bound: str) -> Source:
    """Recorded days of level totals under a bound of :data:`DEPTH_BOUNDS`, whatever their queue model was."""
    states = source.worlds_k.copy()
    states[:, QUEUE] = FIRST if bound == OPTIMISTIC else RISK_AVERSE
    states[:, sim.THEIRS] = int(bound == PESSIMISTIC)
    return replace(source, worlds_k=states)
