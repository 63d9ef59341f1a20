"""What own orders may and may not call forth."""

import numpy as np
import pytest

from tercel.core.jit import Longs, kernel
from tercel.evaluation.episodes import seeded_plan
from tercel.evaluation.experiment import run_strategy, run_twins
from tercel.evaluation.task import Task
from tercel.execution.costs import own_displacement
from tercel.execution.intent import AT_TOUCH, REST0, Intents
from tercel.execution.strategies.peg import Peg
from tercel.execution.strategies.twap import TwapTake
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.view import View
from tercel.market.book import layout as lay
from tercel.market.book.ladder import insert_own
from tercel.market.flow import load
from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.acts import scan
from tercel.market.flow.queue_reactive.kernel import offsets
from tercel.market.simulator.source import first_world, reactive

Factors = tuple[float, float, float, float]


class Shown(Strategy):
    """So many lots at the touch at every decision, the rest out of sight."""

    name = "shown"

    def __init__(self, lots: int) -> None:
        self.lots = lots

    def decide(self, view: View) -> Intents:
        intents = ladder(view)
        intents[:, REST0 + AT_TOUCH] = np.minimum(view.left, self.lots)
        return settle(intents, view)


@kernel
def factors(b: Longs, k: Longs, flow: Longs) -> Factors:
    scan(b, k, flow, 1)
    scan(b, k, flow, -1)
    return offsets(k, flow, 0, b[lay.LIVE])


@pytest.mark.parametrize("behind", [0, 1, 2, 3])
def test_own_lots_are_not_the_publics_to_withdraw(behind: int) -> None:
    """An own order, however large, changes no weight of a cancel; the lots on show are seen all the same."""
    b, k, flow = first_world(load("csco"), 1)
    before = factors(b, k, flow)
    level = int(k[q.SCAN + behind])
    shown = int(k[q.SCAN + q.LEVELS + behind])
    insert_own(b, 0, 1, level, 1_000_000, False)
    assert factors(b, k, flow) == before
    assert k[q.SCAN + q.LEVELS + behind] == shown + 1_000_000
    assert k[q.SCAN + q.PUBLIC + behind] == shown


@pytest.mark.slow
@pytest.mark.parametrize("level", [2, 3])
def test_a_large_order_behind_the_touch_does_not_bring_the_market_to_it(level: int) -> None:
    """Ten per cent of half an hour's volume, all on show behind the touch: no displacement in its favour."""
    preset = load("csco")
    source, task = reactive(preset, impact="none"), Task()
    plan = seeded_plan(task, task.quantity(preset.volume_per_s), 5, 0, 256)
    costs = run_strategy(source, task, plan, Peg(level))
    moved = own_displacement(costs, run_twins(source, task, plan)) / 2.0
    for at in (moved.shape[1] // 2, moved.shape[1] - 1):
        error = moved[:, at].std() / np.sqrt(len(moved))
        assert moved[:, at].mean() > -2.5 * error


def test_an_own_order_alone_at_a_price_is_no_level() -> None:
    """The public quotes around its own best prices: a lone own order changes nothing that it sees."""
    b, k, flow = first_world(load("csco"), 1)
    scan(b, k, flow, 1)
    before = k[q.SCAN : q.SCAN + 2 * q.LEVELS].copy()
    insert_own(b, 0, 1, int(k[q.SCAN]) + 1, 500, False)
    scan(b, k, flow, 1)
    assert np.array_equal(k[q.SCAN : q.SCAN + 2 * q.LEVELS], before)
    assert b[lay.BEST_BID] == before[0] + 1


@pytest.mark.slow
def test_a_few_lots_kept_on_show_do_not_hold_the_price() -> None:
    """A capped peg at the touch moves the market at most a third further than taking the order evenly."""
    preset = load("csco")
    source, task = reactive(preset, impact="none"), Task()
    quantity = task.quantity(preset.volume_per_s)
    plan = seeded_plan(task, quantity, 5, 0, 256)
    twins = run_twins(source, task, plan)
    moved = {}
    for strategy in (Shown(quantity // 20), TwapTake()):
        moved[strategy.name] = own_displacement(run_strategy(source, task, plan, strategy), twins)[:, -1] / 2.0
    error = np.std(moved["shown"] - moved["twap_take"]) / np.sqrt(len(moved["shown"]))
    assert moved["shown"].mean() < 1.34 * moved["twap_take"].mean() + 2.5 * error
