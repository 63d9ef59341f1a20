"""Days of a market left to itself, looked at second by second: does it run away, dry up, or lose its volatility?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import NS_PER_SECOND
from tercel.market.flow import Preset
from tercel.market.simulator import engine, first_world

SESSION_S: Final = 22_500
"""A session of 6.5 hours without its first quarter of an hour."""
SKIP_S: Final = 900
RUNAWAY: Final = 8.0
"""A day whose mid leaves its start by so many standard deviations of a random walk with the tape's volatility."""
LONG_EMPTY_S: Final = 60
"""Seconds on end that a side may be empty."""
WITHIN: Final = 0.20


@dataclass(frozen=True)
class FreeDay:
    """One day.

    Parameters
    ----------
    seed : int
    sd1, sd10, sd60, sd600 : float
        Root mean square of the mid's changes over so many seconds, ticks.
    mean_spread, max_spread : float
        Ticks, over seconds with two sides.
    farthest : float
        Largest distance of the mid from its start, ticks.
    longest_empty_s : int
        Longest run of seconds with an empty side.
    volume, events : int
        Lots traded, public events.
    overflow : int
        Orders that found no slot.
    """

    seed: int
    sd1: float
    sd10: float
    sd60: float
    sd600: float
    mean_spread: float
    max_spread: float
    farthest: float
    longest_empty_s: int
    volume: int
    events: int
    overflow: int


def free_day(preset: Preset, seed: int, seconds: int = SESSION_S, warmup_s: int = 600) -> FreeDay:
    """A day of the preset's market, the first quarter of an hour of the session left out."""
    b, k, flow = first_world(preset, seed, session_ns=(warmup_s - SKIP_S) * NS_PER_SECOND)
    out = np.zeros((seconds + 1, 8))
    engine.sample_market(b, k, flow, warmup_s * NS_PER_SECOND, NS_PER_SECOND, out)
    mid, spread = out[:, 0], out[:, 1]
    two_sided = spread >= 0
    sd1, sd10, sd60, sd600 = (_rms(mid[h:] - mid[:-h]) for h in (1, 10, 60, 600))
    return FreeDay(
        seed,
        sd1,
        sd10,
        sd60,
        sd600,
        float(spread[two_sided].mean()) if two_sided.any() else float("nan"),
        float(spread.max()),
        float(np.abs(mid - mid[0]).max()),
        longest_run(~two_sided),
        int(out[-1, 2] - out[0, 2]),
        int(out[-1, 3] - out[0, 3]),
        int(out[-1, 4]),
    )


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True, False]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(x * x))) if len(x) else float("nan")


@dataclass(frozen=True)
class Sanity:
    """What many days come to.

    Parameters
    ----------
    days : int
    runaway_days, empty_days, overflow_days : int
        Days that left their start by `RUNAWAY` standard deviations; with a side empty for over `LONG_EMPTY_S`; with
        orders that found no slot.
    volatility : float
        Mean over days of the standard deviation of 60 s changes, over the tape's.
    within_share : float
        Share of days within 20 % of the tape's.
    lowest, highest : float
        Of the days' ratios.
    mean_spread_ratio : float
        Mean spread over the tape's.
    max_spread : float
        Ticks.
    volume_ratio : float
        Lots a second over the tape's.
    longest_empty_s : int
    passed : bool
        No such day, and the mean volatility within 20 %.
    """

    days: int
    runaway_days: int
    empty_days: int
    overflow_days: int
    volatility: float
    within_share: float
    lowest: float
    highest: float
    mean_spread_ratio: float
    max_spread: float
    volume_ratio: float
    longest_empty_s: int
    passed: bool


def summary(preset: Preset, days: Sequence[FreeDay], seconds: int = SESSION_S) -> Sanity:
    """The days of a preset in one line; the tape's figures are those on the preset's card."""
    ratio = np.array([day.sd60 for day in days]) / preset.sd60_ticks
    walk = preset.sd60_ticks * np.sqrt(seconds / 60.0)
    runaway = sum(day.farthest > RUNAWAY * walk for day in days)
    empty = sum(day.longest_empty_s > LONG_EMPTY_S for day in days)
    overflow = sum(day.overflow > 0 for day in days)
    mean = float(ratio.mean())
    return Sanity(
        len(days),
        int(runaway),
        int(empty),
        int(overflow),
        mean,
        float(np.mean(np.abs(ratio - 1.0) <= WITHIN)),
        float(ratio.min()),
        float(ratio.max()),
        float(np.mean([day.mean_spread for day in days])) / preset.mean_spread_ticks,
        float(max(day.max_spread for day in days)),
        float(np.mean([day.volume for day in days])) / seconds / preset.volume_per_s,
        max(day.longest_empty_s for day in days),
        runaway == empty == overflow == 0 and abs(mean - 1.0) <= WITHIN,
    )
