"""Features of an order book that agents observe: depth, imbalance, microprice, flow, volatility.

Kernels over the market's arrays; own orders are left out of all of them.
"""

import math

from tercel.core.jit import kernel
from tercel.market.book.ladder import public_depth

__all__ = ["imbalance", "public_depth", "signed_log"]


@kernel
def imbalance(own: float, far: float) -> float:
    """(own - far) / (own + far), 0 when both are empty."""
    total = own + far
    return (own - far) / total if total > 0 else 0.0


@kernel
def signed_log(x: float) -> float:
    """sign(x) log(1 + |x|): lots and squared moves span decades."""
    return math.log1p(x) if x >= 0 else -math.log1p(-x)
