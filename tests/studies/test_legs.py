"""Several orders in one world: a leg of nothing is the twin, a second order is accounted as if it were alone."""

import numpy as np
import pytest
from tests.markets import martingale_market

from studies.legs.legs import begin_legs
from tercel.core.errors import CapacityError
from tercel.execution.costs import fills_of
from tercel.execution.intent import empty
from tercel.execution.strategies import build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

pytestmark = pytest.mark.release

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=60.0, grid_points=7)
N = 6


@pytest.fixture(scope="module")
def market():
    return reactive(load("sh600961"), settle_s=300.0)


def started(market, lots, task=TASK):
    episodes = Episodes(market, task, N, log_rows=256)
    episodes.start(seeded_plan(task, lots, 3, 0, N))
    return episodes


def play(episodes, strategy):
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))


def rest_of_time(episodes, until):
    begin_legs(episodes, np.arange(N), side=1, lots=0, until_ns=until, decisions=1, run_out=True)
    while episodes.working.any():
        episodes.step(empty(N))


def test_a_leg_of_nothing_is_the_market_alone(market) -> None:
    """Two legs of nothing of a minute each end where one order of nothing of two minutes ends."""
    once, twice = (
        started(market, 0, Task(horizon_s=120.0, decisions=6, warmup_s=60.0)),
        started(market, 0),
    )
    until = twice.states[:, sim.START_NS] + 120 * 10**9
    for episodes in (once, twice):
        while episodes.working.any():
            episodes.step(empty(N))
    rest_of_time(twice, until)
    words = [sim.NOW, sim.MID2, sim.EVENTS, sim.BOUGHT, sim.SOLD, sim.FLOW_RNG, sim.FLOW_RNG + 1]
    assert (twice.states[:, sim.NOW] == until).all()
    np.testing.assert_array_equal(once.states[:, words], twice.states[:, words])


def test_a_second_order_has_an_account_of_its_own(market) -> None:
    episodes = started(market, 4000)
    play(episodes, build("twap_take"))
    first = [fills_of(state).copy() for state in episodes.states]
    side, now = -episodes.states[:, sim.SIDE], episodes.states[:, sim.NOW].copy()
    begin_legs(
        episodes, np.arange(N), side=side, lots=4000, until_ns=now + 60 * 10**9, decisions=6, run_out=False
    )  # fmt: skip
    play(episodes, build("peg_touch"))
    costs = episodes.costs()
    costs.check()
    for i, state in enumerate(episodes.states):
        fills = fills_of(state)
        assert fills[:, 2].sum() == 4000
        assert fills[:, 0].min() >= now[i] >= first[i][:, 0].max()
        paid = (side[i] * (2 * fills[:, 1] - costs.arrival_mid2[i]) * fills[:, 2]).sum()
        assert costs.shortfall[i] == paid


def test_a_leg_refuses_to_begin_while_lots_are_alive(market) -> None:
    episodes = started(
        market, 4000, Task(horizon_s=60.0, decisions=6, warmup_s=60.0, latency=Latency(a_ns=10**6))
    )
    episodes.step(build("submit_and_leave").decide(episodes.view))
    now = episodes.states[:, sim.NOW].copy()
    with pytest.raises(CapacityError, match="nothing of ours is alive"):
        begin_legs(
            episodes, np.arange(N), side=1, lots=1, until_ns=now + 10**9, decisions=1, run_out=True
        )


def test_the_guard_market_gives_back_what_it_took() -> None:
    """Where every fill is booked at the mid of its time, a take costs nothing against it."""
    episodes = started(martingale_market(), 60)
    now = episodes.states[:, sim.NOW].copy()
    begin_legs(
        episodes, np.arange(N), side=-1, lots=60, until_ns=now + 10**9, decisions=1, run_out=False
    )
    play(episodes, build("immediate"))
    costs = episodes.costs()
    assert (costs.side == -1).all()
    assert (costs.shortfall == 0).all()
