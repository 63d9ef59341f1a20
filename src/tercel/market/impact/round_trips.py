"""Round trips: buy, wait, sell again. A market whose impact can be played with would pay somebody for them.

Searched are 25 pairs of speeds and 4 waits, in the market with its spread (cash, and at the mids that our orders met)
and on the law alone, without spread or fluctuations, where every trade is booked at the target itself.
"""

from itertools import product
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.metaorder import AT_MIDS, CASH, HELD, Leg, paired
from tercel.market.simulator.source import Source

Floats = NDArray[np.float64]

SPEEDS_S: Final = (30.0, 60.0, 150.0, 300.0, 600.0)
"""Lengths of the buying and of the selling leg."""
WAITS_S: Final = (0.0, 60.0, 300.0, 900.0)
SHARE: Final = 0.1
"""Size: share of the public volume expected in the longest leg."""
TRIP_PAIRS: Final = 40
SURE: Final = 0.05
"""Chance that the best of all searched looks profitable while none is."""
_LAW_STEPS: Final = 200


def schedules() -> list[tuple[float, float, float]]:
    """(seconds of the first leg, wait, seconds of the second leg)."""
    return [(first, wait, second) for first, second in product(SPEEDS_S, SPEEDS_S) for wait in WAITS_S]


def round_trips(
    market: Source,
    volume_per_s: float,
    child_lots: float,
    *,
    pairs: int = TRIP_PAIRS,
    seed: int = 0,
    participation: float | None = None,
) -> dict[str, Any]:
    """Search the market: gain of the best schedule in ticks a lot, after spread and at mids.

    A pair is a trip that buys first and one that sells first. A schedule makes money when its gain is above zero
    beyond what the best of so many could show by chance (Bonferroni, one-sided). All are of one size, or, with
    `participation`, of that share of the volume expected in their own shorter leg.
    """
    lots = max(round(SHARE * volume_per_s * max(SPEEDS_S)), 1)
    gains, at_mids = [], []
    for first, wait, second in schedules():
        if participation is not None:
            lots = max(int(participation * volume_per_s * min(first, second)), 1)
        length = first + wait + second
        legs = [Leg(lots, 0.0, first), Leg(-lots, first + wait, second)]
        paths = paired(market, legs, child_lots, pairs=pairs, seed=seed, step_s=length + 1.0, points=2)[:, :, 1]
        closed = np.abs(paths[:, :, HELD]).max(axis=1) == 0.0
        gains.append(-paths[closed][:, :, CASH].mean(axis=1) / lots)
        at_mids.append(-paths[closed][:, :, AT_MIDS].mean(axis=1) / lots)
    return {"lots": lots, "pairs": pairs, "after_spread": _best(gains), "at_mids": _best(at_mids)}


def _best(gains: list[Floats]) -> dict[str, Any]:
    """The schedule with the largest gain, and whether any gains for certain."""
    means = np.array([g.mean() if len(g) > 1 else -np.inf for g in gains])
    errors = np.array([g.std(ddof=1) / np.sqrt(len(g)) if len(g) > 1 else np.inf for g in gains])
    fine = np.isfinite(means)
    best = int(means.argmax())
    limit = NormalDist().inv_cdf(1.0 - SURE / len(gains))
    first, wait, second = schedules()[best]
    return {
        "best_ticks": float(means[best]),
        "se": float(errors[best]),
        "schedule_s": [first, wait, second],
        "largest_z": float(np.max(means[fine] / np.maximum(errors[fine], 1e-12))) if fine.any() else 0.0,
        "makes_money": bool(np.any(means > limit * errors)),
        "searched": len(gains),
    }


def trips_on_the_law(law: ImpactLaw) -> dict[str, Any]:
    """The same schedules on the target alone: gain over size times the largest displacement, best of all.

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


def _law_trip(law: ImpactLaw, rates: Floats, weights: Floats, first: float, wait: float, second: float) -> float:
    total = SHARE * law.trades * max(SPEEDS_S) / law.horizon_s
    steps = [(total / _LAW_STEPS, first / _LAW_STEPS)] * _LAW_STEPS
    steps += [(0.0, wait)] if wait > 0.0 else []
    steps += [(-total / _LAW_STEPS, second / _LAW_STEPS)] * _LAW_STEPS
    z, cost, peak = np.zeros(len(rates)), 0.0, 0.0
    for volume, seconds in steps:
        z = z * np.exp(-rates * seconds / 2.0) + volume / 2.0
        phi = float(weights @ z)
        price = law.scale_ticks * np.sign(phi) * abs(phi) ** law.exponent
        cost += volume * price
        peak = max(peak, abs(price))
        z = (z + volume / 2.0) * np.exp(-rates * seconds / 2.0)
    return -cost / (total * peak) if peak > 0.0 else 0.0
