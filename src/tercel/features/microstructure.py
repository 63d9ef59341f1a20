"""Features of an order book that agents observe: depth, imbalance, microprice, flow, volatility.

Kernels over the market's arrays; own orders are left out of all of them.
"""

import math

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import in_window, level_at


@kernel
def public_depth(b: Packed, side: int, touch: int, out: Longs, at: int, levels: int) -> None:
    """Public lots on the best occupied levels of a side into `out[at : at + levels]`, best first, 0 where none."""
    for n in range(levels):
        out[at + n] = 0
    if touch == NO_BID or touch == NO_ASK:
        return
    price, n = touch, 0
    while n < levels and in_window(b, side, price):
        lv = level_at(b, side, price)
        lots = b[lv + lay.LOTS] - b[lv + lay.OWN_LOTS]
        if lots > 0:
            out[at + n] = lots
            n += 1
        price -= side


@kernel
def imbalance(own: float, far: float) -> float:
    """(own - far) / (own + far), 0 when both are empty."""
    total = own + far
    return (own - far) / total if total > 0 else 0.0


@kernel
def signed_log(x: float) -> float:
    """sign(x) log(1 + |x|): lots and squared moves span decades."""
    return math.log1p(x) if x >= 0 else -math.log1p(-x)
