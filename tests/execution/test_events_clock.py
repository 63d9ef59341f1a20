"""The clock of events: when it wakes a strategy, and that a strategy which sleeps between its slices gains nothing."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from tests.execution.test_identity import (
    ROWS,
    TASK,
    Watched,
    assert_same_markets,
    markets as markets,  # noqa: PLC0414 - a fixture
    plan_of,
    recorded_tape,
    through_both,
)

from certify.kits.strategy import random_views
from tercel.core.errors import ConfigError
from tercel.execution import columns as c, intent as it
from tercel.execution.decoder_kernels import round_lots
from tercel.execution.intent import Intents, ladder
from tercel.execution.strategies import build
from tercel.execution.strategies.event_clock import EventClock, between_slices
from tercel.execution.strategies.posture_cap import PostureCap
from tercel.execution.strategy import Strategy, gap_of, hold
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.runs import run_strategy
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

LATE = Latency("exponential", 5_000_000, 400_000_000)
GAP = 2 * 10**9
EVERY = ["santa_fe", "queue_reactive", "martingale", "tape", "tape_of_5_levels", "translated"]


@dataclass
class OnSchedule(Strategy):
    """A strategy that holds between the decisions of the schedule."""

    inner: Strategy
    name: str = "on schedule"
    numbers: NDArray[np.int64] | None = None
    held: int = 0

    def decide(self, view: View) -> Intents:
        new = np.ones(view.n, np.bool_) if self.numbers is None else view.decision != self.numbers
        self.numbers = view.decision.copy()
        wanted = self.inner.decide(view)
        wanted[~new] = hold(view)[~new]
        self.held += int((~new).sum())
        return wanted


@dataclass
class Noted(Strategy):
    """A strategy that notes when it was asked, and what it saw of the touch and of its fills."""

    inner: Strategy
    name: str = "noted"
    seen: list[tuple[int, ...]] = field(default_factory=list)
    state: NDArray[np.int64] | None = None

    def decide(self, view: View) -> Intents:
        assert self.state is not None
        words = [sim.NOW, sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.PASSIVE_LOTS, sim.LEFT]
        self.seen.append((*self.state[0, words].tolist(), int(view.decision[0])))
        return self.inner.decide(view)


@pytest.mark.parametrize(
    ("market", "strategy"),
    [*((market, "random") for market in EVERY), ("santa_fe", "twap_repeg"), ("tape", "immediate")],
)
def test_a_session_on_the_clock_of_events_is_the_same_through_the_driver(
    markets: dict[str, Source], market: str, strategy: str
) -> None:
    source, task = markets[market], Task(latency=LATE, **TASK)
    episodes = Episodes(source, task, 1, record_rows=ROWS)
    episodes.set_gap(GAP)
    batch, mine = Watched(build(strategy)), Watched(build(strategy))
    _, driver = through_both(episodes, plan_of(source, task, 600, 0), batch, mine)
    assert driver.state[sim.GAP_NS] == GAP
    assert_same_markets(batch, mine)
    assert driver.state[sim.TAKEN] == episodes.states[0, sim.TAKEN] == len(batch.seen)


@pytest.mark.parametrize("market", EVERY)
def test_who_holds_between_slices_does_as_on_the_schedule(
    markets: dict[str, Source], market: str
) -> None:
    # a hold is no hold while lots wait for a halt to end
    source = recorded_tape(1, halts=False) if market == "tape" else markets[market]
    task = Task(latency=Latency("constant", 40_000_000), **TASK)
    plan = plan_of(source, task, 300, 0)
    plain = run_strategy(source, task, plan, build("twap_passive"))
    sleeper = OnSchedule(build("twap_passive"))
    paced = run_strategy(source, task, plan, EventClock(sleeper, GAP))
    assert sleeper.held > 10
    for name in (
        "spread",
        "walk",
        "timing",
        "passive_lots",
        "forced_lots",
        "mid2_grid",
        "lots_grid",
    ):
        np.testing.assert_array_equal(getattr(paced, name), getattr(plain, name), err_msg=name)


@pytest.mark.parametrize("market", ["santa_fe", "queue_reactive", "tape"])
def test_it_wakes_for_a_reason_not_too_soon_and_not_too_late(
    markets: dict[str, Source], market: str
) -> None:
    source, task = markets[market], Task(latency=LATE, **TASK)
    episodes, plan = Episodes(source, task, 1), plan_of(source, task, 300, 0)
    episodes.set_gap(GAP)
    noted = Noted(build("twap_passive"), state=episodes.states)
    episodes.start(plan)
    while episodes.working.all():
        episodes.step(noted.decide(episodes.view))
    seen = np.array(noted.seen)
    start, slice_ns = seen[0, 0], task.horizon_ns // task.decisions
    gaps, changed = np.diff(seen[:, 0]), (np.diff(seen[:, 1:4], axis=0) != 0).any(axis=1)
    live = seen[:-1, 4] > 0
    on_schedule = ((seen[1:, 0] - start) % slice_ns) == 0
    if market != "tape":  # its halts hold decisions up
        assert (gaps[live] <= sim.LONGEST_GAPS * GAP).all()
        assert (seen[:, 5] == (seen[:, 0] - start) // slice_ns).all(), (
            "a decision's number tells the time"
        )
        assert (gaps[~on_schedule] % GAP == 0).all(), "looks are a gap apart"
        assert sorted(set(seen[:, 5].tolist())) == list(range(task.decisions))
    assert (~on_schedule).sum() > 5
    # what woke him off the schedule has changed something, unless it was put back since
    told = changed | on_schedule | (gaps == sim.LONGEST_GAPS * GAP)
    assert told.mean() > 0.6


def test_a_market_in_which_nothing_happens_asks_at_the_longest_wait(
    markets: dict[str, Source],
) -> None:
    tape = markets["tape"]
    task = Task(horizon_s=200.0, decisions=1, warmup_s=20.0, grid_points=3)
    plan = plan_of(tape, task, 300, 0)
    plan.rows[:, 6:8] = 0
    episodes = Episodes(replace(tape, tape=tape.tape[:0]), task, 1)
    episodes.set_gap(GAP)
    episodes.start(plan)
    times = []
    while episodes.working.all():
        times.append(int(episodes.states[0, sim.NOW] - episodes.states[0, sim.START_NS]))
        episodes.step(hold(episodes.view))
    assert times == [n * sim.LONGEST_GAPS * GAP for n in range(10)]


def test_names_and_bounds() -> None:
    inside = build("twap_repeg+events+posture+alpha")
    assert inside.name == "twap_repeg+events+posture+alpha"
    assert gap_of(inside) == 10**9
    assert gap_of(build("twap_repeg+posture")) == gap_of(build("twap_take")) == 0
    with pytest.raises(ConfigError, match="a gap"):
        EventClock(build("twap_take"), 10)


# -- what stands between two slices ------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_what_stands_at_the_touch_or_inside_stays_between_two_slices(seed: int) -> None:
    """Row by row, in school arithmetic: the best places first, and never more than is wanted at rest."""
    view = random_views(32, seed)
    rng = np.random.default_rng(seed)
    view.x[:, c.TIME_LEFT_NS] -= rng.integers(0, 2, view.n) * 1_000
    view.x[:, c.QTY0] = np.maximum(view.qty0 // 24 * 24, 24)
    wanted = ladder(view.side, view.touch)
    wanted[:, it.REST0 :] = rng.integers(0, 50, (view.n, it.K)) * (rng.random((view.n, it.K)) < 0.5)
    other = rng.random(view.n) < 0.2
    wanted[other, it.ANCHOR] += 1
    found = between_slices(wanted.copy(), view)
    for row in range(view.n):
        if view.on_schedule[row]:
            assert found[row].tolist() == wanted[row].tolist()
            continue
        want, rest, room = (
            wanted[row, it.REST0 :].tolist(),
            view.rest[row].tolist(),
            int(wanted[row, it.REST0 :].sum()),
        )
        keeps = [0] * it.K
        for rung in range(it.AT_TOUCH + 1):
            if not other[row]:
                keeps[rung] = min(rest[rung], room)
                room -= keeps[rung]
        for rung in range(it.K):
            more = min(max(want[rung] - keeps[rung], 0), room)
            keeps[rung] += more
            room -= more
        wanted[row, it.REST0 :] = keeps
        round_lots(np.ascontiguousarray(view.x[row : row + 1]), wanted[row : row + 1])
        assert found[row].tolist() == wanted[row].tolist()


def test_a_strategys_clock_is_read_once_however_many_layers_are_around_it() -> None:
    """A desk asks at every turn: what doubles with each layer of guidance was half of its time."""

    class Counted(EventClock):
        asked = 0

        @property
        def gap_ns(self) -> int:  # type: ignore[override]
            Counted.asked += 1
            return GAP

    layered: Strategy = Counted.__new__(Counted)
    for _ in range(12):
        layered = PostureCap(layered)
    assert (gap_of(layered), Counted.asked) == (GAP, 1)
