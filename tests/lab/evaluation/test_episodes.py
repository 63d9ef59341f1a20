"""Episodes at their edges: costs by hand, the horizon, halts, latency, tiny and huge orders."""

import numpy as np
import pytest
from tests.markets import martingale_market

from tercel.core.errors import CapacityError, ConfigError
from tercel.execution import intent as it, step as kernels
from tercel.execution.costs import attribute
from tercel.execution.strategy import hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import Source
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, STATUS

MS = 1_000_000
BOOK = [(0, ADD, 0, 1, 99, 10), (0, ADD, 1, -1, 101, 4), (0, ADD, 2, -1, 103, 6)]
TASK = Task(side=1, horizon_s=0.1, decisions=2, warmup_s=0.0, grid_points=3, latency=Latency())


def tape(rows):
    """A tape of rows in milliseconds as a source; arrival at 1 ms."""
    table = np.array(rows, np.int64)
    table[:, sim.T_NS] *= MS
    return Source(
        "tape",
        sim.REPLAY,
        np.zeros(1),
        table,
        lay.new_book(64, 64, 32)[None],
        blank_state(sim.REPLAY)[None],
        0.01,
        1,
    )


def begin(rows, quantity, task=TASK, side=1, **options):
    source = tape(rows)
    episodes = Episodes(source, task, 1, log_rows=64, record_rows=256, **options)
    plan = seeded_plan(task, quantity, 1, 0, 1)
    plan.rows[:, kernels.E_SIDE] = side
    plan.rows[:, [kernels.E_START_NS, kernels.E_CURSOR_END]] = MS, len(source.tape)
    episodes.start(plan)
    return episodes


def take(episodes, lots):
    intents = it.ladder(episodes.view.side, episodes.view.touch)
    intents[:, it.TAKE] = lots
    episodes.step(intents)


def finish(episodes):
    while episodes.working.any():
        episodes.step(hold(episodes.view))
    costs = episodes.costs()
    costs.check()
    return costs


def parts(costs):
    names = ("spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing")
    return tuple(int(getattr(costs, name)[0]) for name in names)


def test_a_take_that_walks_the_book_by_hand():
    """7 lots: 4 at 101, 3 at 103, arrival mid 100: touch 101 pays 1, the walk 2 ticks on three lots."""
    episodes = begin(BOOK, 7)
    take(episodes, 7)
    costs = finish(episodes)
    assert parts(costs) == (14, 12, 0, 0, 0, 0)
    assert costs.mid2_grid[0].tolist()[0] == 200
    assert episodes.fills(0).tolist() == [
        [MS, 101, 4, 200, 202, 0, 0],
        [MS, 103, 3, 200, 202, 0, 0],
    ]
    assert attribute(costs, None)["is_bps"][0] == pytest.approx(26 / (200 * 7) * 1e4)


def test_a_sale_is_a_purchase_seen_in_a_mirror():
    mirrored = [
        (ns, kind, slot, -side, 200 - price, lots) for ns, kind, slot, side, price, lots in BOOK
    ]
    episodes = begin(mirrored, 7, side=-1)
    take(episodes, 7)
    assert parts(finish(episodes)) == (14, 12, 0, 0, 0, 0)


def test_what_is_left_is_taken_at_the_horizon():
    episodes = begin([*BOOK, (50, ADD, 3, 1, 100, 5)], 7)
    costs = finish(episodes)
    # the mid has risen by half a tick: 100.5
    assert parts(costs) == (0, 0, 0, 7, 12, 7)
    assert costs.forced_lots[0] == 7
    assert costs.forced_lots_grid[0].tolist() == [0, 0, 7]
    assert costs.mid2_grid[0].tolist() == [200, 201, 201]


def test_lots_that_the_book_cannot_fill_pay_the_worst_displayed_price():
    episodes = begin(BOOK, 50)
    costs = finish(episodes)
    assert costs.unfilled_lots[0] == 40
    assert costs.lots_filled[0] == 10
    # 4 at 101 and 6 at 103 fill; 40 have price = touch = 103
    assert parts(costs)[3:] == (10 * 2 + 40 * 6, 6 * 4, 0)
    assert costs.shortfall[0] == 4 * 2 + 46 * 6


def test_an_empty_side_pays_the_last_known_price():
    episodes = begin([*BOOK, (20, DELETE, 1, -1, 101, 4), (30, DELETE, 2, -1, 103, 6)], 5)
    costs = finish(episodes)
    assert costs.unfilled_lots[0] == 5
    assert episodes.fills(0)[0, 1:6].tolist() == [103, 5, 202, 206, 0]


def test_a_horizon_in_a_halt_waits_for_its_end():
    halt = [(60, STATUS, -1, 0, -1, 0), (150, ADD, 3, -1, 102, 9), (200, STATUS, -1, 0, 1, 0)]
    episodes = begin([*BOOK, *halt], 7)
    costs = finish(episodes)
    assert (episodes.fills(0)[:, 0] == 200 * MS).all()
    assert [f[1] for f in episodes.fills(0).tolist()] == [101, 102]
    assert costs.forced_lots[0] == 7


def test_a_tape_that_ends_in_a_halt_books_the_rest_as_unfilled():
    episodes = begin([*BOOK, (60, STATUS, -1, 0, -1, 0)], 7)
    costs = finish(episodes)
    assert costs.unfilled_lots[0] == 7
    assert costs.forced_spread[0] == 7 * 2
    assert (costs.mid2_grid[0] == 200).all()


def test_decisions_that_fall_due_in_a_halt_are_left_out():
    """The first of them is taken when trading resumes; the next one at its own time, and time never goes back."""
    task = Task(side=1, horizon_s=0.1, decisions=10, warmup_s=0.0, grid_points=3, latency=Latency())
    episodes = begin([*BOOK, (15, STATUS, -1, 0, -1, 0), (55, STATUS, -1, 0, 1, 0)], 7, task)
    seen = []
    while episodes.working.any():
        x = episodes.view.x[0]
        seen.append((int(x[3]), int(episodes.states[0, sim.NOW]) // MS))
        episodes.step(hold(episodes.view))
    assert seen == [(0, 1), (1, 11), (2, 55), (6, 61), (7, 71), (8, 81), (9, 91)]


def test_zero_latency_trades_at_the_mid_of_the_decision():
    episodes = begin([*BOOK, (2, ADD, 3, 1, 100, 1)], 3)
    take(episodes, 3)
    assert episodes.fills(0).tolist() == [[MS, 101, 3, 200, 202, 0, 0]]
    assert episodes.terms[0].tolist() == [3 * 2, 0, 0]


def test_latency_beyond_the_decision_interval():
    """Each take arrives 80 ms later, two decisions on; the horizon's order 80 ms after the horizon."""
    task = Task(
        side=1,
        horizon_s=0.1,
        decisions=4,
        warmup_s=0.0,
        grid_points=3,
        latency=Latency("constant", 80 * MS),
    )
    episodes = begin(BOOK, 6, task)
    take(episodes, 1)
    take(episodes, 1)
    while episodes.working.any():
        take(episodes, 0)
    costs = episodes.costs()
    costs.check()
    assert [(f[0] // MS, f[2], f[6]) for f in episodes.fills(0).tolist()] == [
        (81, 1, 0),
        (106, 1, 0),
        (181, 2, 1),
        (181, 2, 1),
    ]
    assert costs.forced_lots[0] == 4


def test_filled_early_stops_or_runs_out():
    for run_out, now in ((False, 51), (True, 101)):
        episodes = begin([*BOOK, (70, ADD, 3, 1, 100, 5)], 2, run_out=run_out)
        take(episodes, 2)
        while episodes.working.any():
            episodes.step(hold(episodes.view))
        assert episodes.states[0, sim.NOW] == now * MS or not run_out
        if run_out:
            assert episodes.costs().mid2_grid[0].tolist() == [200, 200, 201]


def test_passive_fills_earn_the_spread_against_the_mid_before_the_aggressor():
    episodes = begin([*BOOK, (20, EXECUTE, 0, 1, 99, 10)], 3)
    intents = it.ladder(episodes.view.side, episodes.view.touch)
    intents[:, it.REST0 + it.IMPROVE] = 3
    episodes.step(intents)
    costs = finish(episodes)
    assert episodes.fills(0).tolist() == [[20 * MS, 100, 3, 200, 200, 1, 0]]
    assert parts(costs) == (0, 0, 0, 0, 0, 0)
    assert costs.double_lots[0] == 3


def test_a_plan_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="3 episodes"):
        Episodes(martingale_market(), TASK, 3).start(seeded_plan(TASK, 5, 1, 0, 2))


def test_a_full_record_is_refused():
    task = Task(horizon_s=30.0, warmup_s=0.0, decisions=3, latency=Latency())
    episodes = Episodes(martingale_market(), task, 1, record_rows=4)
    episodes.start(seeded_plan(TASK, 5, 1, 0, 1))
    while episodes.working.any():
        episodes.step(hold(episodes.view))
    with pytest.raises(CapacityError, match="record_rows"):
        episodes.record(0)
