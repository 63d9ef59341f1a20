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
from operator import itemgetter

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.orders import ONE
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.tca.measure import AnalysedCost

PairCost = dict[str, float | str]
"""`pair`, `side`; lots `filled`, `unfilled`, `hedged` (of the second leg), `flattened`; spreads `arrival`, `paid`,
`limit`; money `first`, `second`, `half_first`, `half_second`, `legging`, `moved`; seconds `unhedged_s` to the hedge."""


def pair_costs(entries: Iterable[Entry]) -> list[PairCost]:
    """Costs of pairs of which both legs are analysed, from the last analysis of each parent."""
    legs: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        if pair := entry.body.get("pair"):
            of = str(pair.get("of"))
            legs[of][entry.parent.removeprefix(of)] = entry
    return [
        _cost(found, first, hedge)
        for found in legs.values()
        if (first := found.get("")) and (hedge := found.get("-hedge"))
    ]


def _cost(found: dict[str, Entry], first: Entry, hedge: Entry) -> PairCost:
    mine = AnalysedCost.of(first)
    its = AnalysedCost.of(hedge)
    pair = first.body.get("pair", {})
    one, mids, lot = _leg(first)
    two, hedge_mids, hedge_lot = _leg(hedge)
    weight = float(Fraction(str(pair.get("ratio", "1")))) * hedge_lot / lot
    at_arrival = _above(one, mids[0, 1]), -_above(two, hedge_mids[0, 1])
    halves = _above(one, one[3]), -_above(two, two[3])
    moved, waited = _legging(one, two, hedge_mids, weight)
    average = [_above(leg, 0.0) / (leg[2].sum() or nan) for leg in (one, two)]
    flattened = found.get("-flatten")
    return {
        "pair": first.parent,
        "side": mine.side,
        "filled": mine.filled,
        "unfilled": mine.unfilled,
        "hedged": its.filled,
        "flattened": AnalysedCost.of(flattened).filled if flattened else 0,
        "arrival": float(mids[0, 1] - weight * hedge_mids[0, 1]),
        "paid": float(average[0] - weight * average[1]),
        "limit": float(pair.get("spread", nan)),
        "first": mine.side * at_arrival[0],
        "second": mine.side * at_arrival[1],
        "half_first": mine.side * halves[0],
        "half_second": mine.side * halves[1],
        "legging": -mine.side * moved,
        "moved": mine.side * (sum(at_arrival) - sum(halves) + moved),
        "unhedged_s": waited,
    }


def _leg(entry: Entry) -> tuple[Floats, Floats, int]:
    """Times, prices, shares and mids of a leg's fills, (4, f), its times and mids, (m, 2), and shares of a lot; prices in
    price units."""
    tick, lot = itemgetter("tick", "lot")(itemgetter("pair")(entry.body))
    fills, mids = itemgetter("executions", "mids")(unpack(entry.blob))
    return (fills[:, :4] * (1, tick / ONE, lot / ONE, tick / 2)).T, mids * (1, tick / 2), lot


def _above(leg: Floats, against: Floats | float) -> float:
    """Money paid above some prices, below 0: below them."""
    return float(((leg[1] - against) * leg[2]).sum())


def _legging(first: Floats, hedge: Floats, mids: Floats, weight: float) -> tuple[float, float]:
    """What the hedge leg's mid moved from each fill to its hedge, times shares; mean seconds between them."""
    needed = np.cumsum(first[2] * weight)
    given = np.cumsum(hedge[2])
    ends = np.union1d(needed, given)
    ends = ends[ends <= min(needed[-1:].sum(), given[-1:].sum()) + 1e-9]
    shares = np.diff(ends, prepend=0.0)
    i, k = (np.searchsorted(each, ends - shares / 2) for each in (needed, given))
    then = mids[np.searchsorted(mids[:, 0], first[0, i], "right") - 1, 1]
    waited = (shares * (hedge[0, k] - first[0, i])).sum() / (shares.sum() or nan) / NS_PER_SECOND
    return float((shares * (hedge[3, k] - then)).sum()), float(waited)
