"""Parse the limit price of an order: a price, or text such as ``25bps`` beyond the mid at arrival."""

import re
from fractions import Fraction
from math import ceil, floor
from typing import Final

from tercel.core.errors import refuse_if

LIMIT_PARTS: Final = 100_000_000
"""Unit of a limit beyond the mid at arrival: the mid has so many parts."""
FARTHEST_BPS: Final = 5_000
_BPS: Final = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*bps\s*")


def limit_of(price: float | str | None, side: int, tick: float = 0.01) -> tuple[int, int]:
    """Limit price of an order as (ticks, 0), or as (0, share of the arrival mid in 10^-8) for text such as ``25bps``.
    None is (0, 0), no limit; a buyer's limit is rounded down, a seller's up; one of a buyer below a tick is -1.

    Returns
    -------
    tuple of int
        Ticks, and `LIMIT_PARTS`-ths of the mid; 0 if not given so.

    Raises
    ------
    ConfigError
        No price above 0, and no distance of at most 5,000 bps.

    >>> limit_of("25bps", -1), limit_of(20.056, 1)
    ((0, 99750000), (2005, 0))
    """
    if price is None:
        return 0, 0
    match = _BPS.fullmatch(price) if isinstance(price, str) else None
    if match is not None and abs(float(match[1])) <= FARTHEST_BPS:
        return 0, LIMIT_PARTS + side * round(float(match[1]) * LIMIT_PARTS / 1e4)
    try:
        exact = Fraction(str(price))
    except ValueError:
        exact = Fraction(0)
    refuse_if(
        isinstance(price, str | bool) or not 0 < exact < 2**40,
        f"a limit price above 0, or text such as 25bps, within {FARTHEST_BPS:,} bps",
        repr(price),
        "such as 241.5, or '25bps' beyond the mid at arrival",
    )
    ticks = exact / Fraction(str(tick))
    return (floor(ticks) or -1) if side > 0 else ceil(ticks), 0


def limit_at(price: float | str | None, side: int, tick: float, mid2: int) -> int:
    """Limit of an order in ticks at a mid of `mid2` half ticks, rounded down to buy, up to sell; 0: none, -1: below a tick.

    >>> limit_at("25bps", -1, 0.01, 4000), limit_at(20.056, 1, 0.01, 4000)
    (1995, 2005)
    """
    ticks, of_mid = limit_of(price, side, tick)
    if of_mid == 0:
        return ticks
    exact = Fraction(mid2 * of_mid, 2 * LIMIT_PARTS)
    return (floor(exact) if side > 0 else ceil(exact)) or -1
