"""Floats stored as bits in a market's int64 array, so that a world stays two integer arrays."""

import numpy as np

from tercel.core.jit import Longs, kernel


@kernel
def real(k: Longs, at: int) -> float:
    """The float64 with the bits at `k[at]`."""
    return np.int64(k[at]).view(np.float64)


@kernel
def put_real(k: Longs, at: int, value: float) -> None:
    """Store a float64's bits at `k[at]`."""
    k[at] = np.float64(value).view(np.int64)
