"""Training of a router: estimates of dealers, session and book from training orders (`execution.routing` uses them)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

import numpy as np

from tercel.core.arrays import AnyArray, Floats
from tercel.core.errors import refuse_if
from tercel.execution import step as kernels
from tercel.execution.costs import BPS
from tercel.execution.outside import OffBookTrading, Terms
from tercel.execution.routing import (
    BLOCK,
    BOOK,
    SPLIT,
    Knowledge,
    Route,
    Routed,
    explore_route,
)
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.runs import BATCH
from tercel.market.simulator.source import Source

PARENTS: Final = 200
"""Training orders from which a router learns before it is judged."""
ORDERS_PER_UPDATE: Final = 20
"""Training orders between two updates of a router's knowledge."""
PRIOR_ORDERS: Final = 1024
"""Number of simulated orders for the costs of book and session, before the first request."""
PRIOR_WEIGHT: Final = 50
"""Weight of the session's fills in these orders, in traded orders."""


def book_rule(built: BuiltMarket) -> Strategy:
    """Rule that works the book part of a routed order."""
    return build("twap_repeg", built.estimates)


def run_strategies_outside(
    source: Source,
    built: BuiltMarket,
    plan: Plan,
    strategies: Sequence[Strategy],
    pushes: Sequence[float] = (),
) -> list[tuple[Floats, OffBookTrading]]:
    """Costs, bps, of each strategy over the episodes of a plan, and its trading beside the book, with dealers and session.

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
        episodes.share_backgrounds(Backgrounds())
    episodes.start(plan)
    arrival_snapshot = episodes.snapshot()
    costs_and_outside = []
    for strategy, push in zip(strategies, pushes or [0.0] * len(strategies), strict=True):
        episodes.restore(arrival_snapshot)
        outside = episodes.outside
        assert outside is not None
        outside.move(
            episodes.states, np.multiply(plan.rows[:, kernels.E_SIDE], push, dtype=np.float64)
        )
        episodes.run(strategy)
        costs = episodes.costs()
        costs_and_outside.append((costs.shortfall / costs.denominator * BPS, outside))
    return costs_and_outside


@lru_cache(maxsize=2)
def prior_knowledge(built: BuiltMarket) -> Knowledge:
    """Estimates of book and session before the first request to dealers, from training episodes.

    Fills of the session count for few orders, so that later fills can correct them.
    """
    terms: Terms = built.judged.outside
    source = replace(built.training, outside=terms)
    no_knowledge = Knowledge.prior(terms, {})
    book, block = (
        Routed(book_rule(built), no_knowledge, fixed=Route(block=use_block))
        for use_block in (False, True)
    )
    push = SPLIT * units_of(built)
    rested = list[Floats]()
    costs = dict[tuple[float, str], list[Floats]]()
    for share in (1.0, 1.0 - SPLIT):
        for first in range(0, PRIOR_ORDERS, BATCH):
            plan = built.sampler(0, first, BATCH)
            quantity = plan.rows[:, kernels.E_QUANTITY]
            plan.rows[:, kernels.E_QUANTITY] = np.maximum(quantity * share, 1)
            pushes = [0.0, 0.0, push][: 2 if share == 1.0 else 3]
            runs = run_strategies_outside(
                source, built, plan, [book, block, book][: len(pushes)], pushes
            )
            for name, (bps, outside) in zip(("book", "block", "push"), runs, strict=False):
                costs.setdefault((share, name), []).append(bps)
                mid = outside.sides * outside.mids[1] / outside.mids[0] * BPS
                costs.setdefault((share, f"{name} moved"), []).append(mid)
            rested += session_rests(runs[1][1]) * (share == 1.0)
    mean = {key: (float(np.mean(values)), float(np.std(values))) for key, values in costs.items()}
    base = {
        (share, name == "block"): mean[share, name] for share, name in mean if name in (BOOK, BLOCK)
    }
    paid, moved = (
        mean[1.0 - SPLIT, f"push{suffix}"][0] - mean[1.0 - SPLIT, f"book{suffix}"][0]
        for suffix in ("", " moved")
    )
    units, crossed = np.concatenate(rested, axis=1)
    ended, present = usual = no_knowledge.update_crossing(units, crossed, 0).crosses
    return replace(
        Knowledge.prior(terms, base),
        crosses=(ended * PRIOR_WEIGHT / PRIOR_ORDERS, present * PRIOR_WEIGHT / PRIOR_ORDERS),
        usual=usual,
        rests=float(units.sum()) / max(len(units), 1),
        follows=paid / moved,
    )


def session_rests(outside: OffBookTrading) -> list[Floats]:
    """For each interval units that rested in the session and units that were crossed, (2, r); first an empty array."""
    lots = outside.terms.lots
    rested = [
        np.stack([sent / lots, cross.lots])[:, sent > 0] for _, sent, cross in outside.crosses
    ]
    return [np.zeros((2, 0)), *rested]


@lru_cache(maxsize=8)
def learn_knowledge(built: BuiltMarket, seed: int, parents: int = PARENTS) -> Knowledge:
    """Knowledge of a router after training orders with the dealers of a seed."""
    terms: Terms = built.judged.outside
    source = replace(built.training, outside=replace(terms, panel=terms.dealers(seed), drawn=False))
    knowledge = prior_knowledge(built)
    rng = np.random.default_rng((seed, 17))
    units = units_of(built)
    for batch in range(0, parents, ORDERS_PER_UPDATE):
        ways = [explore_route(knowledge, units, rng)[0] for _ in range(ORDERS_PER_UPDATE)]
        plan = built.sampler(seed, PRIOR_ORDERS + batch, ORDERS_PER_UPDATE)
        strategy = Routed(book_rule(built), knowledge, fixed=ways)
        [(_, outside)] = run_strategies_outside(source, built, plan, [strategy])
        knowledge = update_knowledge(knowledge, outside, ORDERS_PER_UPDATE)
    return knowledge


def units_of(built: BuiltMarket) -> float:
    """Size of the first judged order in the dealers' units."""
    terms: Terms = built.judged.outside
    return float(built.plan.rows[0, kernels.E_QUANTITY]) / terms.lots


def update_knowledge(knowledge: Knowledge, outside: OffBookTrading, orders: int) -> Knowledge:
    """Knowledge of a router updated with the requests and sessions of a batch of orders."""
    for turn, asks, outcome in outside.requests:
        rows = asks.dealers.any(axis=1)
        units = asks.lots[rows] / knowledge.terms.lots
        knowledge = knowledge.update_quotes(
            units, asks.dealers[rows], outcome.answers.distance[rows]
        )
        if turn + 1 < len(outside.mids):
            before, later = outside.mids[turn : turn + 2]
            moved = (outside.sides * (later - before) / before * BPS)[rows]
            losers = (outcome.answers.has_quote.sum(axis=1) - outcome.traded)[rows]
            noise = max(float(moved.std()), 1e-3)
            knowledge = knowledge.update_drift(units, losers, outcome.traded[rows], moved, noise)
    rested, crossed = np.concatenate(session_rests(outside), axis=1)
    return knowledge.update_crossing(rested, crossed, orders)


def inform_router(strategy: Strategy, built: BuiltMarket, plan: Plan) -> Strategy:
    """A router with the knowledge learned from the dealers of a plan's seed (raises without dealers); others unchanged."""
    if not isinstance(strategy, Routed):
        return strategy
    refuse_if(
        built.judged.outside is None,
        "a market with dealers",
        f"{strategy.name} in {built.name} without",
        "add `dealers=drawn`, a panel's name, or its file",
    )
    return replace(
        strategy, knowledge=learn_knowledge(built, abs(int(plan.rows[0, kernels.E_SEED])))
    )


@dataclass(frozen=True, eq=False)
class WaysExplained:
    """Expected costs of all ways (w,) that a router could take for an order, the cheapest first.

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
        ways = strategy.routes(units_of(built))
        columns = zip(
            *((costing.route.name, costing.mean, costing.sd, costing.reason) for costing in ways),
            strict=True,
        )
        return cls(*(np.array(column) for column in columns))

    def in_words(self, name: str) -> str:
        """Sentence on the way taken and its expected cost."""
        return f"{name} takes for the first seed's dealers: {self.way[0]} ({self.why[0]}), {self.mean[0]:.2f} bps expected"
