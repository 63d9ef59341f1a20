"""Round trips under the law of impact alone (price manipulation test): 25 pairs of speeds and 4 waits.

There is no spread and nothing fluctuates: every trade is booked at the target itself. A law that pays one of them can
be played with. Round trips in the market, resting legs among them, are searched by the studies' `market arbitrage`.
"""

from itertools import product
from typing import Any, Final

import numpy as np

from tercel.core import Floats
from tercel.market.impact import ImpactLaw

SPEEDS_S: Final = (30.0, 60.0, 150.0, 300.0, 600.0)
"""Lengths of the buying and of the selling leg."""
WAITS_S: Final = (0.0, 60.0, 300.0, 900.0)
SHARE: Final = 0.1
"""Size: share of the public volume expected in the longest leg."""
_LAW_STEPS: Final = 200


def schedules() -> list[tuple[float, float, float]]:
    """Schedules (seconds of the first leg, wait, seconds of the second leg)."""
    return [
        (first, wait, second) for first, second in product(SPEEDS_S, SPEEDS_S) for wait in WAITS_S
    ]


def trips_on_the_law(law: ImpactLaw) -> dict[str, Any]:
    """Best relative gain of the schedules on the law's target alone.

    The price is the target of the volume so far, each piece booked at the middle of its own step.
    """
    rates, weights = law.kernel()
    gains = [_law_trip(law, rates, weights, *schedule) for schedule in schedules()]
    best = int(np.argmax(gains))
    return {
        "best_share_of_peak": float(gains[best]),
        "schedule_s": list(schedules()[best]),
        "makes_money": bool(max(gains) > 1e-9),
        "searched": len(gains),
    }


def _law_trip(
    law: ImpactLaw, rates: Floats, weights: Floats, first: float, wait: float, second: float
) -> float:
    total = SHARE * law.trades * max(SPEEDS_S) / law.horizon_s
    steps = [(total / _LAW_STEPS, first / _LAW_STEPS)] * _LAW_STEPS
    steps += [(0.0, wait)] if wait > 0.0 else []
    steps += [(-total / _LAW_STEPS, second / _LAW_STEPS)] * _LAW_STEPS
    z, cost, peak = np.zeros(len(rates)), 0.0, 0.0
    for volume, seconds in steps:
        z = z * np.exp(-rates * seconds / 2.0) + volume / 2.0
        phi = float(weights @ z)
        price = float(law.target(phi))
        cost += volume * price
        peak = max(peak, abs(price))
        z = (z + volume / 2.0) * np.exp(-rates * seconds / 2.0)
    return -cost / (total * peak) if peak > 0.0 else 0.0
