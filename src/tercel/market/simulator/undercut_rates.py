"""Measured rates of undercutting: which table is a tape's, and how kernels read it (`undercut.json`, with its card).

A table is that of the name and its year where both were measured; else the mean of the names of that year, as reactions
became faster by orders of magnitude; else the mean of all names. `python -m studies undercut` counts them.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.market.simulator import undercut

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
