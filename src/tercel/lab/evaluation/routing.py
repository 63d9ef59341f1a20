"""What a router learns of dealers, session and book from orders that it works before it is judged."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from tercel.core.errors import refuse_if
from tercel.execution import step as kernels
from tercel.execution.costs import BPS
from tercel.execution.outside import Outside, Terms
from tercel.execution.routing import Knowledge, Routed, Way
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.market import BuiltMarket
from tercel.market.simulator.source import Source

PARENTS: Final = 200
"""Orders that a router works before it is judged."""
AT_ONCE: Final = 20
"""Orders between two looks at what was learned."""
USUAL: Final = 512
"""Orders of which a desk knows what the book cost, before it asks anybody."""
BUDGET_BPS: Final = 0.5
"""What exploring may cost an order in expectation, bps."""


def book_rule(built: BuiltMarket) -> Strategy:
    """The written rule that works orders in the book."""
    return build("twap_repeg", built.estimates)


def costs_of(
    source: Source, built: BuiltMarket, strategy: Strategy, seed: int, first: int, n: int
) -> tuple[np.ndarray, Episodes]:
    """Costs of a strategy in training episodes, bps, and the batch as it ended."""
    episodes = Episodes(source, built.task, n, run_out=False)
    episodes.start(built.sampler(seed, first, n))
    while episodes.working.any():
        episodes.work(strategy)
    costs = episodes.costs()
    return costs.shortfall / costs.denominator * BPS, episodes


@lru_cache(maxsize=8)
def learned(built: BuiltMarket, seed: int, parents: int = PARENTS) -> Knowledge:
    """Knowledge after orders in training episodes, with the dealers that the judged episodes of a seed meet."""
    terms: Terms = built.judged.outside
    mine = replace(terms, panel=terms.dealers(seed), drawn=False)
    source = replace(built.training, outside=mine)
    rule = book_rule(built)
    usual, _ = costs_of(replace(built.training, outside=None), built, rule, seed, 0, USUAL)
    known = Knowledge.expected(terms, float(usual.mean()), float(usual.std()))
    rng = np.random.default_rng((seed, 17))
    for batch in range(0, parents, AT_ONCE):
        way = explored(Routed(rule, known), built, rng)
        strategy = Routed(rule, known, fixed=way)
        costs, episodes = costs_of(source, built, strategy, seed, USUAL + batch, AT_ONCE)
        if episodes.outside is not None:
            known = after(known, way, episodes.outside, costs)
    return known


def explored(router: Routed, built: BuiltMarket, rng: np.random.Generator) -> Way:
    """The best way, or now and then one that is expected to cost little more."""
    quantity = float(built.plan.rows[0, 3])
    assert router.known is not None
    ranked = router.ways(quantity / router.known.terms.lots, built.task.decisions)
    near = [one for one in ranked if one.mean <= ranked[0].mean + 2.0 * BUDGET_BPS]
    return near[rng.integers(len(near))].way if rng.random() < 0.5 else ranked[0].way


def after(known: Knowledge, way: Way, outside: Outside, costs: np.ndarray) -> Knowledge:
    """Knowledge after a batch of orders."""
    for decision, asks, found in outside.requests:
        rows = asks.dealers.any(axis=1)
        units = asks.lots[rows] / known.terms.lots
        known = known.saw_quotes(units, asks.dealers[rows], found.answers.distance[rows])
        mids = outside.mids
        if decision + 1 < len(mids):
            moved = outside.sides * (mids[decision + 1] - mids[decision]) / mids[decision] * BPS
            losers = found.answers.there.sum(axis=1) - found.traded
            known = known.saw_drift(units, losers[rows], moved[rows], max(float(moved.std()), 1e-3))
    for _, lots, crossed in outside.crosses:
        known = known.saw_rest(lots, np.round(crossed.lots * known.terms.lots).astype(np.int64))
    return known.saw_book(costs) if way == Way() else known


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
