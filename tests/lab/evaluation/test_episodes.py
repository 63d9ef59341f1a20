"""Episodes at their edges: costs by hand, the horizon, halts, latency, tiny and huge orders."""

import numpy as np
import pytest
from tests.markets import martingale_market

from tercel.core.errors import CapacityError, ConfigError
from tercel.execution import intent as it, step as kernels
from tercel.execution.costs import attribute
from tercel.execution.strategy import hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
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


def take(episodes, lots, column=it.TAKE):
    intents = it.ladder(episodes.view.side, episodes.view.touch)
    intents[:, column] = lots
    episodes.step(intents)


def finish(episodes):
    while episodes.working.any():
        episodes.step(hold(episodes.view))
    costs = episodes.costs()
    costs.check()
    return costs


PARTS = ("spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing")


INSIDE = it.REST0 + it.IMPROVE
MIRRORED = [
    (ns, kind, slot, -side, 200 - price, lots) for ns, kind, slot, side, price, lots in BOOK
]
HALT = [(60, STATUS, -1, 0, -1, 0), (150, ADD, 3, -1, 102, 9), (200, STATUS, -1, 0, 1, 0)]


@pytest.mark.parametrize(
    ("rows", "quantity", "side", "column", "expected"),
    [
        pytest.param(
            BOOK, 7, 1, it.TAKE,
            {
                "parts": [14, 12, 0, 0, 0, 0], "shortfall": 26, "forced_lots": 0,
                "fills": [[MS, 101, 4, 200, 202, 0], [MS, 103, 3, 200, 202, 0]],
            },
            id="4 at 101, 3 at 103: the touch pays 1 tick, the walk 2 on three lots",
        ),
        pytest.param(
            MIRRORED, 7, -1, it.TAKE,
            {
                "parts": [14, 12, 0, 0, 0, 0], "shortfall": 26,
                "fills": [[MS, 99, 4, 200, 198, 0], [MS, 97, 3, 200, 198, 0]],
            },
            id="a sale is a purchase seen in a mirror",
        ),
        pytest.param(
            [*BOOK, (50, ADD, 3, 1, 100, 5)], 7, 1, None,
            {
                "parts": [0, 0, 0, 7, 12, 7], "forced_lots": 7, "forced_lots_grid": [0, 0, 7],
                "mid2_grid": [200, 201, 201],
            },
            id="what is left is taken at the horizon, the mid half a tick higher",
        ),
        pytest.param(
            BOOK, 50, 1, None,
            {
                "parts": [0, 0, 0, 10 * 2 + 40 * 6, 6 * 4, 0], "unfilled_lots": 40, "lots_filled": 10,
                "shortfall": 4 * 2 + 46 * 6,
            },
            id="lots that the book cannot fill pay the worst displayed price",
        ),
        pytest.param(
            [*BOOK, (20, DELETE, 1, -1, 101, 4), (30, DELETE, 2, -1, 103, 6)], 5, 1, None,
            {"unfilled_lots": 5, "fills": [[101 * MS, 103, 5, 202, 206, 0]]},
            id="an empty side pays the last known price",
        ),
        pytest.param(
            [*BOOK, *HALT], 7, 1, None,
            {
                "forced_lots": 7,
                "fills": [[200 * MS, 101, 4, 200, 202, 0], [200 * MS, 102, 3, 200, 202, 0]],
            },
            id="a horizon in a halt waits for its end",
        ),
        pytest.param(
            [*BOOK, HALT[0]], 7, 1, None,
            {"unfilled_lots": 7, "forced_spread": 14, "mid2_grid": [200, 200, 200]},
            id="a tape that ends in a halt",
        ),
        pytest.param(
            [*BOOK, (2, ADD, 3, 1, 100, 1)], 3, 1, it.TAKE,
            {"fills": [[MS, 101, 3, 200, 202, 0]]},
            id="zero latency trades at the mid of the decision",
        ),
        pytest.param(
            [*BOOK, (20, EXECUTE, 0, 1, 99, 10)], 3, 1, INSIDE,
            {
                "parts": [0, 0, 0, 0, 0, 0], "double_lots": 3, "passive_lots": 3,
                "fills": [[20 * MS, 100, 3, 200, 200, 1]],
            },
            id="a passive fill earns the spread against the mid before the aggressor",
        ),
    ],
)  # fmt: skip
def test_costs_by_hand(rows, quantity, side, column, expected):
    episodes = begin(rows, quantity, side=side)
    if column is not None:
        take(episodes, quantity, column)
    costs = finish(episodes)
    seen = {name: sums[0].tolist() for name, sums in vars(costs).items()}
    seen |= {
        "parts": [seen[name] for name in PARTS],
        "fills": [row[:6] for row in episodes.fills(0).tolist()],
        "shortfall": int(costs.shortfall[0]),
    }
    assert {name: seen[name] for name in expected} == expected
    bps = 1e4 * seen["shortfall"] / (200 * quantity)
    assert attribute(costs, None)["is_bps"][0] == pytest.approx(bps)


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
