"""Moves of the mid by what the next one does: it goes on (trend) or turns (bounce)."""

from typing import Final

import numpy as np

from tercel.core import NS_PER_SECOND
from tercel.market import Adder, SumFigure, Sums, safe_ratio
from tercel.market.observed import Observed
from tercel.market.score import returns

TURNS_S: Final = (10, 60, 300)


def turns(o: Observed) -> Sums:
    """Sums over pairs of moves, one behind the other: products above and below 0, and squares."""
    adder = Adder(o.open_ns)
    lead = int(np.argmax(o.mid2 != 0))
    for seconds in TURNS_S:
        moved = returns(o, seconds)[::seconds]
        product = moved[:-1] * moved[1:]
        ns = o.start_ns + (lead + seconds * np.arange(len(product), dtype=np.int64)) * NS_PER_SECOND
        adder.add(f"turn_{seconds}s +", ns, np.maximum(product, 0.0))
        adder.add(f"turn_{seconds}s -", ns, np.maximum(-product, 0.0))
        adder.add(f"turn_{seconds}s 2", ns, (moved[:-1] ** 2 + moved[1:] ** 2) / 2.0)
    return adder.sums


TURNS: Final = [
    SumFigure(f"{name}_{h}s", (f"turn_{h}s {sign}", f"turn_{h}s 2"), safe_ratio)
    for name, sign in (("trend", "+"), ("bounce", "-"))
    for h in TURNS_S
]
