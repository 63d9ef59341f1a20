"""What a pair cost: the spread that was paid beside that at arrival, and why they differ, in money.

With side s of the first leg, and of each leg fills (p, q) and the mids m at their time and a at arrival:

    cost    = first + second, a leg's sum of side (p - a) q
    halves  = a leg's sum of side (p - m) q: its half spread, for both legs
    legging = the hedge leg's move from each fill of the first leg to its hedge, first in first hedged
    moved   = what the mids moved before the first leg filled, and whatever was not hedged
    cost    = half_first + half_second + legging + moved, exactly but for rounding
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from math import nan

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.orders import ONE
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.journal.blobs import unpack

PairCost = dict[str, float | str]
"""`pair`, `side`; lots `filled`, `unfilled`, `hedged` (of the second leg), `flattened`; spreads `arrival`, `paid`,
`limit`; money `first`, `second`, `half_first`, `half_second`, `legging`, `moved`; seconds `unhedged_s` to the hedge."""


def pair_costs(entries: Iterable[Entry]) -> list[PairCost]:
    """Costs of pairs of which both legs are analysed, from the last analysis of each parent."""
    legs: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        if (pair := entry.body.get("pair")) is not None:
            legs[pair["of"]][entry.parent.removeprefix(pair["of"])] = entry
    return [_cost(of, found) for of, found in legs.items() if {"", "-hedge"} <= found.keys()]


def _cost(of: str, found: dict[str, Entry]) -> PairCost:
    first, hedge = (found[name].body for name in ("", "-hedge"))
    pair, side = first["pair"], first["side"]
    weight = float(Fraction(str(pair.get("ratio", "1")))) * hedge["pair"]["lot"] / pair["lot"]
    (one, mids), (two, hedge_mids) = (_leg(found[name]) for name in ("", "-hedge"))
    began, hedge_began = float(mids[0, 1]), float(hedge_mids[0, 1])
    whole = side * _above(one, began), -side * _above(two, hedge_began)
    half = side * _above(one, one[3]), -side * _above(two, two[3])
    moved, waited = _legging(one, two, hedge_mids, weight)
    average = [_above(leg, 0.0) / (leg[2].sum() or nan) for leg in (one, two)]
    flattened = found.get("-flatten")
    return {
        "pair": of,
        "side": side,
        "filled": first["filled"],
        "unfilled": first["unfilled"],
        "hedged": hedge["filled"],
        "flattened": 0 if flattened is None else flattened.body["filled"],
        "arrival": began - weight * hedge_began,
        "paid": float(average[0] - weight * average[1]),
        "limit": float(pair["spread"]),
        "first": whole[0],
        "second": whole[1],
        "half_first": half[0],
        "half_second": half[1],
        "legging": -side * moved,
        "moved": sum(whole) - sum(half) + side * moved,
        "unhedged_s": waited,
    }


def _leg(entry: Entry) -> tuple[Floats, Floats]:
    """Times, prices, shares and mids of a leg's fills, (4, f), and its times and mids, (m, 2); prices in price units."""
    tick, lot = entry.body["pair"]["tick"], entry.body["pair"]["lot"]
    arrays = unpack(entry.blob)
    units = (1, tick / ONE, lot / ONE, tick / 2)
    return (arrays["executions"][:, :4] * units).T, arrays["mids"] * (1, tick / 2)


def _above(leg: Floats, against: Floats | float) -> float:
    """Money paid above some prices, below 0: below them."""
    return float(((leg[1] - against) * leg[2]).sum())


def _legging(first: Floats, hedge: Floats, mids: Floats, weight: float) -> tuple[float, float]:
    """What the hedge leg's mid moved from each fill to its hedge, times shares; mean seconds between them."""
    needed, given = np.cumsum(first[2] * weight), np.cumsum(hedge[2])
    ends = np.union1d(needed, given)
    ends = ends[ends <= min(needed[-1:].sum(), given[-1:].sum()) + 1e-9]
    shares = np.diff(ends, prepend=0.0)
    i, k = (np.searchsorted(each, ends - shares / 2) for each in (needed, given))
    then = mids[np.searchsorted(mids[:, 0], first[0, i], "right") - 1, 1]
    waited = (shares * (hedge[0, k] - first[0, i])).sum() / (shares.sum() or nan) / NS_PER_SECOND
    return float((shares * (hedge[3, k] - then)).sum()), float(waited)
