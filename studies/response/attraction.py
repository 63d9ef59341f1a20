"""Who comes to meet our resting orders: lots and takers that hit our side, over those of the twin, read off the record.

Own passive fills by who made them: a public market order (up to the lots of the twin's where own orders are apart;
else EXECUTE rows of that moment, or no other row: it took own lots alone), a public limit order that crossed them (an
ADD row of the other side at that moment), or the law's translation, which brought the other side's orders to ours (a
row SHIFTED against our side follows them).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import ratio
from studies.response.styles import JOINS, NoTrading
from studies.response.worlds import Worlds
from tercel import Task
from tercel.core import ADD, DELETE, EXECUTE, NS_PER_SECOND, REDUCE
from tercel.execution import Strategy
from tercel.lab.evaluation import Episodes, streams_plan
from tercel.market.simulator import Source, layout as sim

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

AFTER_S: Final = (60, 180, 300)
BATCH: Final = 32
EVERY_SIZE: Final = 64
"""Worlds in which all sizes are read; the others show the smallest alone."""
RECORD_ROWS: Final = 1 << 16
ENOUGH: Final = 0.05
"""Standard error of a ratio."""
MARKET, CROSSING, TRANSLATION = range(3)


@dataclass(frozen=True, eq=False)
class PassiveFills:
    """What hit our side in one world, sorted by time.

    Attributes
    ----------
    moments : int64 (m,)
        When public market orders came, ns.
    lots : int64 (m,)
        Lots of public orders that each took.
    own_ns, own_lots, own_by : int64 (f,)
        Own passive fills, and by whom: MARKET, CROSSING or TRANSLATION.
    """

    moments: Ints
    lots: Ints
    own_ns: Ints
    own_lots: Ints
    own_by: Ints


def read_hits(rows: Rows, side: int, twin: PassiveFills | None = None) -> PassiveFills:
    """Read the record of one world whose order is on `side`.

    `twin`: what hit this side without own orders, where the public market is the twin's (own orders stand apart). Own
    orders and the public then share the lots that its market orders took; whoever else fills a resting order is a limit
    order. Without it the record has to tell.
    """
    ns, kind, lots = rows[:, sim.R_NS], rows[:, sim.R_KIND], rows[:, sim.R_LOTS]
    public = (kind == EXECUTE) & (rows[:, sim.R_SIDE] == side) & (rows[:, sim.R_TOUCH2] == 0)
    moments, of = np.unique(ns[public], return_inverse=True)
    taken = np.bincount(of, weights=lots[public], minlength=len(moments)).astype(np.int64)
    own = np.flatnonzero((kind == sim.OWN_FILL) & (rows[:, sim.R_SIDE] & 1 == 1))
    crossing = np.isin(ns[own], ns[(kind == ADD) & (rows[:, sim.R_SIDE] == -side)])
    by = np.where(crossing & ~np.isin(ns[own], moments), CROSSING, MARKET)
    if twin is not None:
        left = Counter(dict(zip(twin.moments.tolist(), twin.lots.tolist(), strict=True)))
        left.subtract(dict(zip(moments.tolist(), taken.tolist(), strict=True)))
        for n, (stamp, filled) in enumerate(zip(ns[own].tolist(), lots[own].tolist(), strict=True)):
            by[n] = MARKET if filled <= left[stamp] else CROSSING
            left[stamp] -= filled * (by[n] == MARKET)
    by[_translated(rows, own, side)] = TRANSLATION
    return PassiveFills(moments, taken, ns[own], lots[own], by)


def _translated(rows: Rows, own: Ints, side: int) -> NDArray[np.bool_]:
    """Own passive fills, by their rows, that the next move of the book against our side made, at the same moment.

    Between the two stand the other side's lots that traded; without such a row the law only answered the fill.
    """
    kind = rows[:, sim.R_KIND]
    gone = np.isin(kind, (REDUCE, DELETE))
    between = gone | np.isin(kind, (sim.OWN_FILL, sim.OWN_DEAD))
    traded = np.cumsum(gone & (rows[:, sim.R_SIDE] == -side))
    after = np.flatnonzero(~between)
    at = np.searchsorted(after, own)
    found = np.zeros(len(own), bool)
    some = at < len(after)
    end = after[at[some]]
    moved = (kind[end] == sim.SHIFTED) & (np.sign(rows[end, sim.R_PRICE]) == -side)
    lots = traded[end] > traded[own[some]]
    found[some] = moved & lots & (rows[end, sim.R_NS] == rows[own[some], sim.R_NS])
    return found


def count(hits: PassiveFills, until_ns: int) -> dict[str, int]:
    """Takers and lots of a world up to a time, own lots and the public's together."""
    seen, own = hits.moments <= until_ns, (hits.own_ns <= until_ns) & (hits.own_by == MARKET)
    crossed = (hits.own_ns <= until_ns) & (hits.own_by == CROSSING)
    moments = np.unique(np.concatenate((hits.moments[seen], hits.own_ns[own])))
    return {
        "takers": len(moments),
        "market_lots": int(hits.lots[seen].sum() + hits.own_lots[own].sum()),
        "crossing_lots": int(hits.own_lots[crossed].sum()),
        "crossings": len(np.unique(hits.own_ns[crossed])),
        "own_lots": int(hits.own_lots[own].sum()),
    }


def attraction(
    source: Source,
    task: Task,
    shown: Mapping[str, Strategy],
    lots: Mapping[str, int],
    worlds: int,
    most: int,
    seed: int,
) -> dict[str, Any]:
    """Attraction of each style at the smallest size, and who filled own passive lots at all sizes.

    In `worlds` worlds at least, and on, up to `most`, until the ratio of the style that joins is known to `ENOUGH`.

    Returns
    -------
    dict
        `attraction` {style: {seconds: {mean, ci_low, ci_high, se, n, takers, market_lots, crossings, crossing_share}}}:
        the mean is of lots, of market orders and of limit orders that crossed ours; `filled_by_translation_share`,
        over all; `translation` {style: {size: share}}.
    """
    smallest = next(iter(lots))
    apart = bool(source.worlds_k[0, sim.APART] != sim.TOGETHER)
    counted: dict[tuple[str, int], list[tuple[dict[str, int], dict[str, int]]]] = {}
    by: dict[tuple[str, str], Floats] = {}
    for first in range(0, most, BATCH):
        if first >= worlds and _known(counted):
            break
        plan = streams_plan(task, 1, seed, first, min(BATCH, most - first))
        batch = Worlds(source, task, plan, RECORD_ROWS)
        batch.run(NoTrading(), 0)
        twins = _hits(batch)
        known = twins if apart else None
        for name, strategy in shown.items():
            for size, quantity in lots.items():
                if size != smallest and first >= EVERY_SIZE:
                    continue
                batch.run(strategy, quantity)
                here = _hits(batch, known)
                by[name, size] = by.get((name, size), np.zeros(3)) + sum(
                    _by_kind(one) for one in here
                )
                if size == smallest:
                    for seconds in AFTER_S:
                        counted.setdefault((name, seconds), []).extend(
                            _counts(batch, here, twins, seconds)
                        )
    return {
        "attraction": {
            name: {str(seconds): _ratios(counted[name, seconds]) for seconds in AFTER_S}
            for name in shown
        },
        "attraction_size": smallest,
        "filled_by_translation_share": _share(list(by.values())),
        "translation": {name: {size: _share([by[name, size]]) for size in lots} for name in shown},
    }


def _known(counted: Mapping[tuple[str, int], list[tuple[dict[str, int], dict[str, int]]]]) -> bool:
    """Whether the ratios of the style that joins the touch are known well enough."""
    errors = [_ratios(pairs)["se"] for (name, _), pairs in counted.items() if name == JOINS]
    return all(error is not None and error <= ENOUGH for error in errors)


def _hits(batch: Worlds, twins: list[PassiveFills] | None = None) -> list[PassiveFills]:
    run: Episodes = batch.episodes
    return [
        read_hits(run.record(i), int(batch.side[i]), None if twins is None else twins[i])
        for i in range(run.n)
    ]


def _counts(
    batch: Worlds, here: list[PassiveFills], twins: list[PassiveFills], seconds: int
) -> list[tuple[dict[str, int], dict[str, int]]]:
    until = batch.start_ns + seconds * NS_PER_SECOND
    pairs = zip(here, twins, until.tolist(), strict=True)
    return [(count(one, at), count(twin, at)) for one, twin, at in pairs]


def _by_kind(hits: PassiveFills) -> Floats:
    return np.bincount(hits.own_by, weights=hits.own_lots, minlength=3).astype(np.float64)


def _share(parts: list[Floats]) -> float | None:
    total = np.sum(parts, axis=0)
    return float(total[TRANSLATION] / total.sum()) if total.sum() > 0.0 else None


def _ratios(pairs: list[tuple[dict[str, int], dict[str, int]]]) -> dict[str, Any]:
    """Lots, crossings counted, over the twin's; the number of takers and the lots of market orders alone beside it."""
    ours, twins = [one for one, _ in pairs], [twin for _, twin in pairs]
    lots = [one["market_lots"] + one["crossing_lots"] for one in ours]
    below = [twin["market_lots"] for twin in twins]
    own = sum(one["own_lots"] + one["crossing_lots"] for one in ours)
    return {
        **ratio(lots, below),
        "takers": ratio([one["takers"] for one in ours], [twin["takers"] for twin in twins]),
        "market_lots": ratio([one["market_lots"] for one in ours], below),
        "crossings": sum(one["crossings"] for one in ours),
        "crossing_share": sum(one["crossing_lots"] for one in ours) / own if own else None,
    }
