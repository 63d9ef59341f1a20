"""Which daily price moves are no returns: unadjusted splits, and moves too large to be real.

The panel and risk share this one rule for closes that nothing adjusts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import polars as pl

LARGEST_MOVE: Final = -0.6, 0.65
"""Moves of a day, as fractions, beyond which there is a split or a bad print far more often than news."""
DOUBTFUL_FALL: Final = -0.32
"""A fall beyond which it may be a split."""
SPLIT_RATIOS: Final = np.array([1.5, 2.0, 2.5, *range(3, 101)])
"""New shares for one old; a fall to 3/4 or 4/5 is more often a crash."""
SPLIT_TOLERANCE: Final = 0.015
"""Tolerance of a split's ratio for the day's own move, as a share of the ratio."""


def is_unadjusted(move: pl.Expr) -> pl.Expr:
    """Whether daily moves (close over previous close, less 1) look like an unadjusted split or are too large.

    Parameters
    ----------
    move : expression of Float64
        Null gives null. A total loss, -1, is a move: no split ends at 0.

    >>> import polars as pl
    >>> pl.DataFrame({"m": [-0.33, -0.45, -0.505, -0.7, 0.5, 0.7]}).select(is_unadjusted(pl.col("m")))["m"].to_list()
    [True, False, True, True, False, True]
    """
    ratio = 1 / (1 + move)
    near_splits = [
        (ratio / float(new) - 1).abs() <= SPLIT_TOLERANCE
        for new in SPLIT_RATIOS
        if new * (1 - SPLIT_TOLERANCE) <= 1 / (1 + LARGEST_MOVE[0])
    ]
    suspect = ~move.is_between(*LARGEST_MOVE)
    for near_split in near_splits:
        suspect |= near_split
    return suspect & move.is_finite() & (move > -1)


def split_of(move: float) -> str:
    """Split that a day's move suggests, such as 3:2; empty if no ratio is near.

    >>> split_of(-0.334), split_of(1.01), split_of(-0.45)
    ('3:2', '1:2', '')
    """
    ratio = 1 / max(1 + move, 1e-9) if move < 0 else 1 + move
    near = SPLIT_RATIOS[np.abs(SPLIT_RATIOS / ratio - 1).argmin()]
    if abs(ratio / near - 1) > SPLIT_TOLERANCE:
        return ""
    new, old = float(near).as_integer_ratio()
    return f"{new}:{old}" if move < 0 else f"{old}:{new}"
