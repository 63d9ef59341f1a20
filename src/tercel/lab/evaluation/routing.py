"""What a router learns of dealers, session and book from orders that it works before it is judged."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.execution import step as kernels
from tercel.execution.costs import BPS
from tercel.execution.outside import Outside, Terms
from tercel.execution.routing import SPLIT, Knowledge, Routed, Way
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.market import BuiltMarket
from tercel.market.simulator.source import Source

PARENTS: Final = 200
"""Orders that a router works before it is judged."""
AT_ONCE: Final = 20
"""Orders between two looks at what was learned."""
USUAL: Final = 1024
"""Simulated orders from which a desk knows what book and session cost, before it asks anybody."""
BATCH: Final = 256
BUDGET_BPS: Final = 0.5
"""What exploring may cost an order in expectation, bps."""


def book_rule(built: BuiltMarket) -> Strategy:
    """The rule-based strategy that works orders in the book."""
    return build("twap_repeg", built.estimates)


def costs_of(
    source: Source,
    built: BuiltMarket,
    strategy: Strategy,
    seed: int,
    first: int,
    n: int,
    share: float = 1.0,
) -> tuple[Floats, Episodes]:
    """Costs of a strategy in training episodes whose orders are a share of the task's, bps, and the batch as it ended."""
    episodes = Episodes(source, built.task, n, run_out=False)
    plan = built.sampler(seed, first, n)
    plan.rows[:, kernels.E_QUANTITY] = np.maximum(plan.rows[:, kernels.E_QUANTITY] * share, 1)
    episodes.start(plan)
    while episodes.working.any():
        episodes.work(strategy)
    costs = episodes.costs()
    return costs.shortfall / costs.denominator * BPS, episodes


@lru_cache(maxsize=2)
def base_of(built: BuiltMarket) -> tuple[dict[tuple[float, bool], tuple[float, float]], float]:
    """What orders and half of them cost without dealers, in the book alone and with the session too, in training episodes;
    and the share of what rests that the session crosses in a decision interval.
    """
    found = dict[tuple[float, bool], tuple[float, float]]()
    rule = book_rule(built)
    source = replace(built.training, outside=built.judged.outside)
    known = Knowledge.expected(built.judged.outside, {})
    crossed = 0.0
    rested = 0
    for share in (1.0, 1.0 - SPLIT):
        for block in (False, True):
            strategy = Routed(rule, known, fixed=Way(block=block))
            costs = []
            for first in range(0, USUAL, BATCH):
                bps, episodes = costs_of(source, built, strategy, 0, first, BATCH, share)
                costs.append(bps)
                for _, lots, one in episodes.outside.crosses if episodes.outside else ():
                    some = lots > 0
                    crossed += float((one.lots[some] * known.terms.lots / lots[some]).sum())
                    rested += int(some.sum())
            paid = np.concatenate(costs)
            found[share, block] = float(paid.mean()), float(paid.std())
    return found, crossed / max(rested, 1)


@lru_cache(maxsize=8)
def learned(built: BuiltMarket, seed: int, parents: int = PARENTS) -> Knowledge:
    """Knowledge after orders in training episodes, with the dealers that the judged episodes of a seed meet."""
    terms: Terms = built.judged.outside
    source = replace(built.training, outside=replace(terms, panel=terms.dealers(seed), drawn=False))
    (base, crossed), rule = base_of(built), book_rule(built)
    known = Knowledge.expected(terms, base)
    rng = np.random.default_rng((seed, 17))
    for batch in range(0, parents, AT_ONCE):
        strategy = Routed(rule, known, fixed=explored(Routed(rule, known), built, rng))
        first = USUAL + batch
        _, episodes = costs_of(source, built, strategy, seed, first, AT_ONCE)
        if episodes.outside is not None:
            known = after(known, episodes.outside, crossed)
    return known


def informed_by_dealers(built: BuiltMarket, seed: int) -> Knowledge:
    """Knowledge of the true dealers of a seed: the oracle of a router."""
    terms: Terms = built.judged.outside
    panel = terms.dealers(seed)
    known = Knowledge.expected(replace(terms, panel=panel), base_of(built)[0])
    return replace(known, answered=panel.answers * known.asked)


def explored(router: Routed, built: BuiltMarket, rng: np.random.Generator) -> Way:
    """The best way, or now and then one that is expected to cost little more."""
    quantity = float(built.plan.rows[0, kernels.E_QUANTITY])
    assert router.known is not None
    ranked = router.ways(quantity / router.known.terms.lots)
    near = [one for one in ranked if one.mean <= ranked[0].mean + 2.0 * BUDGET_BPS]
    return near[rng.integers(len(near))].way if rng.random() < 0.5 else ranked[0].way


def after(known: Knowledge, outside: Outside, crossed: float) -> Knowledge:
    """Knowledge after a batch of orders; `crossed` is the share that the session is expected to cross in an interval."""
    for decision, asks, found in outside.requests:
        rows = asks.dealers.any(axis=1)
        units = asks.lots[rows] / known.terms.lots
        known = known.saw_quotes(units, asks.dealers[rows], found.answers.distance[rows])
        if decision + 1 < len(outside.mids):
            before, later = outside.mids[decision : decision + 2]
            moved = (outside.sides * (later - before) / before * BPS)[rows]
            losers = (found.answers.there.sum(axis=1) - found.traded)[rows]
            known = known.saw_drift(units, losers, moved, max(float(moved.std()), 1e-3))
    for _, lots, one in outside.crosses:
        known = known.saw_rest(lots, one.lots * known.terms.lots, crossed)
    return known


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
