"""Floats in a market's int64 array: their bits, so that a world stays two arrays of integers."""

import numpy as np

from tercel.core.jit import Longs, kernel


@kernel
def real(k: Longs, at: int) -> float:
    """The float64 whose bits stand at `k[at]`."""
    return np.int64(k[at]).view(np.float64)


@kernel
def put_real(k: Longs, at: int, value: float) -> None:
    """Keep a float64 at `k[at]`."""
    k[at] = np.float64(value).view(np.int64)
