"""The tick of a LOBSTER file: inferred from its prices, or stated by the user and checked against them."""

import math
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError

UNITS_PER_DOLLAR: Final = 10_000
CANDIDATES: Final = (100, 50, 10, 1)
"""1, 0.5, 0.1 and 0.01 cents in the files' units, the coarsest first."""
SHARE: Final = 0.999
"""Share of the visible prices that must lie on an inferred tick."""
COARSEST: Final = 0.02
"""A stated tick above this share of the median price cannot be meant."""
ONE_CENT: Final = 100
MOST_OFF: Final = 0.25
"""Nor one above a cent that more than this share of the visible prices are not on: where such ticks were in force,
orders respected them. Up to a cent any share goes: on days of 2003 up to 0.86 are not on cents."""
WORTH_SAYING: Final = 0.5
"""A warning says so above this share."""


def find_unit(tick: float | None, prices: Ints, location: str) -> int:
    """A stated tick in units of 0.0001 dollars, checked against the visible `prices`, or the inferred one for None."""
    return infer_unit(prices) if tick is None else stated_unit(tick, prices, location)


def infer_unit(prices: Ints) -> int:
    """Tick in units of 0.0001 dollars: the coarsest of 1, 0.5, 0.1, 0.01 cents with 99.9 % of `prices` on it.

    >>> infer_unit(np.array([100, 200, 350])), infer_unit(np.array([100, 200, 300]))
    (50, 100)
    """
    for unit in CANDIDATES[:-1]:
        if np.count_nonzero(prices % unit == 0) >= SHARE * len(prices):
            return unit
    return CANDIDATES[-1]


def stated_unit(tick: float, prices: Ints, location: str) -> int:
    """A stated tick in units of 0.0001 dollars; FeedError if it is no multiple, or the visible `prices` contradict it.

    Raises
    ------
    FeedError
        When `tick` is no positive multiple of 0.0001 dollars, or far too coarse for the prices.
    """
    units = tick * UNITS_PER_DOLLAR
    unit = round(units) if math.isfinite(units) else 0
    if unit < 1 or abs(units - unit) > 1e-6:
        received = f"`tick={tick}`"
        remedy = "give it in dollars, as in `tick=0.01`"
        raise FeedError("a tick that is a positive multiple of 0.0001 dollars", received, remedy)
    if len(prices) == 0:
        return unit
    median = float(np.median(prices))
    remedy = "give a smaller `tick=`, or leave it out to have it inferred"
    if unit > COARSEST * median:
        received = (
            f"`tick={tick}` where the median price is {median / UNITS_PER_DOLLAR} in {location}"
        )
        raise FeedError(f"a tick of at most {COARSEST:.0%} of the price", received, remedy)
    off = share_off(unit, prices)
    if off > MOST_OFF and unit > ONE_CENT:
        received = f"`tick={tick}`, which {off:.1%} of the visible prices in {location} are not on"
        raise FeedError(
            f"a tick that holds at least {1 - MOST_OFF:.0%} of the prices", received, remedy
        )
    return unit


def share_off(unit: int, prices: Ints) -> float:
    """Share of prices that are not on the tick; 0 without prices.

    >>> share_off(100, np.array([100, 250]))
    0.5
    """
    return float(np.count_nonzero(prices % unit) / max(len(prices), 1))
