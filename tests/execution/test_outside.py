"""Trades beside the book: booked exactly, felt by the market, the same dealers for every strategy."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tercel.core.errors import ConfigError
from tercel.execution.intent import empty
from tercel.execution.market import Market
from tercel.execution.outside import Asks, terms_in
from tercel.execution.routing import Knowledge, Routed, Way
from tercel.execution.strategies.baselines import TwapTake
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.blocks import CrossingSession
from tercel.market.dealers import load_panel
from tercel.market.flow import load
from tercel.market.impact.fitted import law_for
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

TASK = Task(horizon="2min", decisions=8, warmup_s=10.0)
LOTS = 40
N = 12


@pytest.fixture(scope="module")
def source():
    """csco-santa-fe with ten dealers and a busy session."""
    preset = load("csco-santa-fe")
    made = reactive(preset, impact=law_for(preset, "translation"))
    mid = float(made.worlds_k[0, sim.MID2]) / 2
    terms = terms_in(load_panel("equity"), preset.volume_per_s, made.impact, mid, drawn=True)
    return replace(
        made, outside=replace(terms, session=CrossingSession(per_hour=2_000.0, size=20.0))
    )


@dataclass
class Sends:
    """Everything to dealers at arrival, or everything to the session; nothing to the book."""

    lots: int = 0
    block: int = 0
    within: float = np.inf
    name: str = "sends"

    def ask(self, view):
        n, none = view.n, np.zeros(view.n, np.int64)
        lots = np.where(view.decision == 0, self.lots, 0)
        return Asks(
            lots, np.ones((n, 10), np.bool_), np.full(n, self.within), none + self.block, none
        )

    def decide(self, view):
        return empty(view.n)


def run(source, strategy):
    episodes = Episodes(source, TASK, N)
    episodes.start(seeded_plan(TASK, LOTS, 3, 0, N))
    while episodes.working.any():
        episodes.work(strategy)
    costs = episodes.costs()
    costs.check()
    return episodes, costs


def test_a_request_is_booked_at_its_quote_to_the_half_tick_lot(source):
    episodes, costs = run(source, Sends(lots=LOTS))
    found = episodes.outside.requests[0][2]
    assert found.traded.any()
    exact = found.paid[found.traded] * 1e-4 * costs.denominator[found.traded]
    assert (costs.shortfall[found.traded] == np.ceil(exact - 1e-9)).all()
    assert (costs.lots_filled[found.traded] == LOTS).all()


def test_a_cross_costs_what_the_mid_has_moved(source):
    """And what was not crossed is forced at the horizon, never more than the order."""
    episodes, costs = run(source, Sends(block=LOTS))
    crossed = sum(one.lots for _, _, one in episodes.outside.crosses) * source.outside.lots
    assert (costs.forced_lots == LOTS - np.round(crossed).clip(0, LOTS)).all()
    assert (costs.forced_lots < LOTS).any()
    assert (costs.spread == 0).all()


def test_dealers_move_the_market_of_who_asked(source):
    """Where the request traded, the mid ends where the law puts it for the dealers' trades."""
    asked, _ = run(source, Sends(lots=LOTS))
    silent, _ = run(source, Sends(lots=0))
    found = asked.outside.requests[0][2]
    volume = found.ahead + found.hedge
    moved = asked.outside.sides * (asked.outside.mids[1] - silent.outside.mids[1])
    some = volume * source.outside.lots > 2 * source.impact.mean_trade_lots
    assert some.any()
    assert moved[some].mean() > 0


def test_every_strategy_meets_the_same_dealers(source):
    first, _ = run(source, Sends(lots=LOTS))
    again, _ = run(source, Sends(lots=LOTS, within=1.0))
    one, other = (e.outside.requests[0][2].answers.distance for e in (first, again))
    assert np.array_equal(one, other, equal_nan=True)


def test_without_an_ask_nothing_beside_the_book_is_touched(source):
    """The same bytes as in the market without dealers."""
    _, beside = run(source, TwapTake())
    _, alone = run(replace(source, outside=None), TwapTake())
    assert (beside.shortfall == alone.shortfall).all()


def test_orders_are_never_overfilled(source):
    """Half by request, the rest in the book and in the session at once."""
    known = Knowledge.expected(source.outside, {})
    both = Routed(
        TwapTake(),
        replace(known, base={(s, b): (9.0, 1.0) for s in (0.5, 1.0) for b in (True, False)}),
    )
    _, costs = run(source, replace(both, fixed=Way(0.5, 5, True)))
    assert (costs.lots_filled + costs.unfilled_lots == LOTS).all()
    assert (costs.lots_grid.sum(axis=1) + costs.forced_lots_grid.sum(axis=1) == LOTS).all()


def test_dealers_need_a_market_that_answers():
    with pytest.raises(ConfigError, match="answers"):
        terms_in(load_panel("equity"), 1.0, None, 100.0)
    with pytest.raises(ConfigError, match="simulated"):
        Market(lake="lake", symbol="AMZN", dealers="drawn")
    with pytest.raises(ConfigError, match="panel"):
        Market("csco", dealers="nobody")
