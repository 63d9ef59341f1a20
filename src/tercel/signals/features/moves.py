"""Which moves of a day are no moves where nothing adjusts the closes: the one rule of the panel and of risk."""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import polars as pl

LARGEST: Final = -0.6, 0.65
"""Moves of a day, as fractions, beyond which there is a split or a bad print far more often than news."""
DOUBTFUL: Final = -0.32
"""A fall beyond which it may be a split."""
SPLITS: Final = np.array([1.5, 2.0, 2.5, *range(3, 101)])
"""New shares for one old; a fall to 3/4 or 4/5 is more often a crash."""
NEAR: Final = 0.015
"""What the day itself may have moved a split's ratio by, as a share of it."""


def unadjusted(move: "pl.Expr") -> "pl.Expr":
    """Whether moves of a day (close over close before, less 1) are larger than moves are, or a split's.

    Parameters
    ----------
    move : expression of Float64
        Null where there is none: then null. A loss of all, -1, is a move: no split ends at 0.

    >>> import polars as pl
    >>> pl.DataFrame({"m": [-0.33, -0.45, -0.505, -0.7, 0.5, 0.7]}).select(unadjusted(pl.col("m")))["m"].to_list()
    [True, False, True, True, False, True]
    """
    ratio = 1 / (1 + move)
    split = [
        (ratio / float(new) - 1).abs() <= NEAR
        for new in SPLITS
        if new * (1 - NEAR) <= 1 / (1 + LARGEST[0])
    ]
    found = ~move.is_between(*LARGEST)
    for one in split:
        found |= one
    return found & move.is_finite() & (move > -1)


def split_of(move: float) -> str:
    """What split a day's move suggests; empty where none is near.

    >>> split_of(-0.334), split_of(1.01), split_of(-0.45)
    ('3:2', '1:2', '')
    """
    ratio = 1 / max(1 + move, 1e-9) if move < 0 else 1 + move
    near = SPLITS[np.abs(SPLITS / ratio - 1).argmin()]
    if abs(ratio / near - 1) > NEAR:
        return ""
    new, old = float(near).as_integer_ratio()
    return f"{new}:{old}" if move < 0 else f"{old}:{new}"
