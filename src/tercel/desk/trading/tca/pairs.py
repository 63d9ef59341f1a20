"""Cost of a pair order: the spread paid against the spread at arrival, and the parts of the difference, in money.

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
from tercel.core.fixed_point import ONE
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
            first_id = str(pair.get("of"))
            legs[first_id][entry.parent.removeprefix(first_id)] = entry
    return [
        _cost(pair_legs, first_entry, hedge)
        for pair_legs in legs.values()
        if (first_entry := pair_legs.get("")) and (hedge := pair_legs.get("-hedge"))
    ]


def _cost(pair_legs: dict[str, Entry], first_entry: Entry, hedge_entry: Entry) -> PairCost:
    """Cost of one pair, from the cost analyses of its legs."""
    first_cost = AnalysedCost.of(first_entry)
    hedge_cost = AnalysedCost.of(hedge_entry)
    pair = first_entry.body.get("pair", {})
    first_leg, mids, lot = _leg(first_entry)
    hedge_leg, hedge_mids, hedge_lot = _leg(hedge_entry)
    weight = float(Fraction(str(pair.get("ratio", "1")))) * hedge_lot / lot
    at_arrival = _paid_above(first_leg, mids[0, 1]), -_paid_above(hedge_leg, hedge_mids[0, 1])
    halves = _paid_above(first_leg, first_leg[3]), -_paid_above(hedge_leg, hedge_leg[3])
    moved, waited = _legging(first_leg, hedge_leg, hedge_mids, weight)
    average = [_paid_above(leg, 0.0) / (leg[2].sum() or nan) for leg in (first_leg, hedge_leg)]
    flattened = pair_legs.get("-flatten")
    return {
        "pair": first_entry.parent,
        "side": first_cost.side,
        "filled": first_cost.filled,
        "unfilled": first_cost.unfilled,
        "hedged": hedge_cost.filled,
        "flattened": AnalysedCost.of(flattened).filled if flattened else 0,
        "arrival": float(mids[0, 1] - weight * hedge_mids[0, 1]),
        "paid": float(average[0] - weight * average[1]),
        "limit": float(pair.get("spread", nan)),
        "first": first_cost.side * at_arrival[0],
        "second": first_cost.side * at_arrival[1],
        "half_first": first_cost.side * halves[0],
        "half_second": first_cost.side * halves[1],
        "legging": -first_cost.side * moved,
        "moved": first_cost.side * (sum(at_arrival) - sum(halves) + moved),
        "unhedged_s": waited,
    }


def _leg(entry: Entry) -> tuple[Floats, Floats, int]:
    """Times, prices, shares and mids of a leg's fills, (4, f), its times and mids, (m, 2), and shares of a lot; prices in
    price units."""
    tick, lot = itemgetter("tick", "lot")(itemgetter("pair")(entry.body))
    fills, mids = itemgetter("executions", "mids")(unpack(entry.blob))
    return (fills[:, :4] * (1, tick / ONE, lot / ONE, tick / 2)).T, mids * (1, tick / 2), lot


def _paid_above(leg: Floats, against: Floats | float) -> float:
    """Sum of (price - `against`) x unsigned shares over a leg's fills, whichever its side; negative if they were below."""
    return float(((leg[1] - against) * leg[2]).sum())


def _legging(first: Floats, hedge: Floats, mids: Floats, weight: float) -> tuple[float, float]:
    """Move of the hedge leg's mid from each fill of the first leg to its hedge, times shares, summed; and the mean seconds
    between them, NaN if nothing was hedged."""
    needed = np.cumsum(first[2] * weight)
    hedged = np.cumsum(hedge[2])
    ends = np.union1d(needed, hedged)
    ends = ends[ends <= min(needed[-1:].sum(), hedged[-1:].sum()) + 1e-9]
    shares = np.diff(ends, prepend=0.0)
    i, k = (np.searchsorted(cumulative, ends - shares / 2) for cumulative in (needed, hedged))
    mid_at_fill = mids[np.searchsorted(mids[:, 0], first[0, i], "right") - 1, 1]
    waited = (shares * (hedge[0, k] - first[0, i])).sum() / (shares.sum() or nan) / NS_PER_SECOND
    return float((shares * (hedge[3, k] - mid_at_fill)).sum()), float(waited)
