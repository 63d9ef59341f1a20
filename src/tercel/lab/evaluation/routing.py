"""Training of a router: estimates of dealers, session and book from orders before the evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

import numpy as np

from tercel.core.arrays import AnyArray, Floats
from tercel.core.errors import refuse_if
from tercel.execution import step as kernels
from tercel.execution.costs import BPS
from tercel.execution.outside import Outside, Terms
from tercel.execution.routing import (
    BLOCK,
    BOOK,
    SPLIT,
    Knowledge,
    Routed,
    Way,
    explored,
)
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.episodes import Backgrounds, Episodes, Plan
from tercel.lab.evaluation.market import BuiltMarket
from tercel.market.simulator.source import Source

PARENTS: Final = 200
"""Orders that a router works before it is judged."""
AT_ONCE: Final = 20
"""Orders between two looks at what was learned."""
USUAL: Final = 1024
"""Number of simulated orders for the costs of book and session, before the first request."""
COUNTS_FOR: Final = 50
"""Weight of the session's fills in these orders, in traded orders."""
BATCH: Final = 256


def book_rule(built: BuiltMarket) -> Strategy:
    """The rule-based strategy that works orders in the book."""
    return build("twap_repeg", built.estimates)


def costs_of(
    source: Source,
    built: BuiltMarket,
    plan: Plan,
    strategies: Sequence[Strategy],
    pushes: Sequence[float] = (),
) -> list[tuple[Floats, Outside]]:
    """Costs of strategies in episodes of a plan, bps, and what became of all that they sent beside the book.

    Parameters
    ----------
    source : Source
    built : BuiltMarket
    plan : Plan
    strategies : sequence of Strategy
    pushes : sequence of float
        Units that others trade in each order's direction as it arrives, for each strategy; none: 0.
    """
    episodes = Episodes(source, built.task, len(plan), run_out=False)
    if len(strategies) > 1:
        episodes.share(Backgrounds())
    episodes.start(plan)
    arrived = episodes.snapshot()
    found = []
    for strategy, push in zip(strategies, pushes or [0.0] * len(strategies), strict=True):
        episodes.restore(arrived)
        outside = episodes.outside
        assert outside is not None
        outside.move(
            episodes.states, np.multiply(plan.rows[:, kernels.E_SIDE], push, dtype=np.float64)
        )
        while episodes.working.any():
            episodes.work(strategy)
        costs = episodes.costs()
        found.append((costs.shortfall / costs.denominator * BPS, outside))
    return found


@lru_cache(maxsize=2)
def base_of(built: BuiltMarket) -> Knowledge:
    """Estimates of book and session from training episodes, before the first request to dealers.

    Fills of the session count for few orders, so that later fills can correct them.
    """
    terms: Terms = built.judged.outside
    source = replace(built.training, outside=terms)
    nothing = Knowledge.expected(terms, {})
    book, block = (Routed(book_rule(built), nothing, fixed=Way(block=one)) for one in (False, True))
    push = SPLIT * units_of(built)
    rested = list[Floats]()
    costs = dict[tuple[float, str], list[Floats]]()
    for share in (1.0, 1.0 - SPLIT):
        for first in range(0, USUAL, BATCH):
            plan = built.sampler(0, first, BATCH)
            quantity = plan.rows[:, kernels.E_QUANTITY]
            plan.rows[:, kernels.E_QUANTITY] = np.maximum(quantity * share, 1)
            pushes = [0.0, 0.0, push][: 2 if share == 1.0 else 3]
            found = costs_of(source, built, plan, [book, block, book][: len(pushes)], pushes)
            for name, (bps, outside) in zip(("book", "block", "push"), found, strict=False):
                costs.setdefault((share, name), []).append(bps)
                mid = outside.sides * outside.mids[1] / outside.mids[0] * BPS
                costs.setdefault((share, f"{name} moved"), []).append(mid)
            rested += rests_of(found[1][1]) * (share == 1.0)
    mean = {key: (float(np.mean(one)), float(np.std(one))) for key, one in costs.items()}
    base = {
        (share, name == "block"): mean[share, name] for share, name in mean if name in (BOOK, BLOCK)
    }
    paid, moved = (
        mean[1.0 - SPLIT, f"push{of}"][0] - mean[1.0 - SPLIT, f"book{of}"][0]
        for of in ("", " moved")
    )
    units, crossed = np.concatenate(rested, axis=1)
    ended, there = usual = nothing.saw_rest(units, crossed, 0).crosses
    return replace(
        Knowledge.expected(terms, base),
        crosses=(ended * COUNTS_FOR / USUAL, there * COUNTS_FOR / USUAL),
        usual=usual,
        rests=float(units.sum()) / max(len(units), 1),
        follows=paid / moved,
    )


def rests_of(outside: Outside) -> list[Floats]:
    """Units that rested in the session in each interval, and units crossed, arrays (2, r)."""
    lots = outside.terms.lots
    rested = [np.stack([sent / lots, one.lots])[:, sent > 0] for _, sent, one in outside.crosses]
    return [np.zeros((2, 0)), *rested]


@lru_cache(maxsize=8)
def learned(built: BuiltMarket, seed: int, parents: int = PARENTS) -> Knowledge:
    """Knowledge after orders in training episodes, with the dealers that the judged episodes of a seed meet."""
    terms: Terms = built.judged.outside
    source = replace(built.training, outside=replace(terms, panel=terms.dealers(seed), drawn=False))
    known = base_of(built)
    rng = np.random.default_rng((seed, 17))
    units = units_of(built)
    for batch in range(0, parents, AT_ONCE):
        ways = [explored(known, units, rng)[0] for _ in range(AT_ONCE)]
        plan = built.sampler(seed, USUAL + batch, AT_ONCE)
        strategy = Routed(book_rule(built), known, fixed=ways)
        [(_, outside)] = costs_of(source, built, plan, [strategy])
        known = after(known, outside, AT_ONCE)
    return known


def units_of(built: BuiltMarket) -> float:
    """Units of the judged order."""
    terms: Terms = built.judged.outside
    return float(built.plan.rows[0, kernels.E_QUANTITY]) / terms.lots


def after(known: Knowledge, outside: Outside, orders: int) -> Knowledge:
    """Knowledge after a batch of so many orders."""
    for turn, asks, found in outside.requests:
        rows = asks.dealers.any(axis=1)
        units = asks.lots[rows] / known.terms.lots
        known = known.saw_quotes(units, asks.dealers[rows], found.answers.distance[rows])
        if turn + 1 < len(outside.mids):
            before, later = outside.mids[turn : turn + 2]
            moved = (outside.sides * (later - before) / before * BPS)[rows]
            losers = (found.answers.there.sum(axis=1) - found.traded)[rows]
            noise = max(float(moved.std()), 1e-3)
            known = known.saw_drift(units, losers, found.traded[rows], moved, noise)
    rested, crossed = np.concatenate(rests_of(outside), axis=1)
    return known.saw_rest(rested, crossed, orders)


def informed(strategy: Strategy, built: BuiltMarket, plan: Plan) -> Strategy:
    """A router with what it has learned of the dealers whom episodes of a plan meet; any other strategy as it is."""
    if not isinstance(strategy, Routed):
        return strategy
    refuse_if(
        built.judged.outside is None,
        "a market with dealers",
        f"{strategy.name} in {built.name} without",
        "add `dealers=drawn`, a panel's name, or its file",
    )
    return replace(strategy, known=learned(built, abs(int(plan.rows[0, kernels.E_SEED]))))


@dataclass(frozen=True, eq=False)
class WaysExplained:
    """Why a router took its way for an order: all that it might have taken, the best first, (w,) each.

    Attributes
    ----------
    way : str (w,)
    mean, sd : float64 (w,)
        Expected cost, bps, and its standard deviation.
    why : str (w,)
        Parts of the expectation.
    """

    way: AnyArray
    mean: Floats
    sd: Floats
    why: AnyArray

    @classmethod
    def of(cls, strategy: Strategy, built: BuiltMarket) -> Self | None:
        """Expected costs of a router's ways for the judged order; None for any other strategy."""
        if not isinstance(strategy, Routed):
            return None
        ways = strategy.ways(units_of(built))
        columns = zip(*((one.way.name, one.mean, one.sd, one.why) for one in ways), strict=True)
        return cls(*(np.array(column) for column in columns))

    def in_words(self, name: str) -> str:
        """Sentence on the way taken and its expected cost."""
        return f"{name} takes for the first seed's dealers: {self.way[0]} ({self.why[0]}), {self.mean[0]:.2f} bps expected"
