"""Paper trading against the batch: a growing tape, fed in any pieces, is the replay of the whole one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tercel.core.errors import TapeError
from tercel.execution import step
from tercel.execution.driver import PaperTrial
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies import build
from tercel.execution.strategy import forecaster_of, gap_of
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes, Plan, seeded_plan
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive

TASK = Task(
    side=1,
    share=0.1,
    horizon_s=120.0,
    decisions=12,
    warmup_s=30.0,
    latency=Latency("constant", 2_000_000),
)


@pytest.fixture(scope="module")
def recorded() -> tuple[Source, np.ndarray, int]:
    """A market without own orders, recorded: as a source of replay, its rows, and when it began."""
    source = reactive(load("csco-santa-fe"))
    episodes = Episodes(source, TASK, 1, record_rows=60_000)
    plan = seeded_plan(TASK, 0, 5, 0, 1)
    episodes.start(plan)
    idle = np.zeros((1, 10), np.int32)
    while episodes.working.any():
        episodes.step(idle)
    rows = episodes.record(0)
    tape = np.ascontiguousarray(
        rows[:, [sim.R_NS, sim.R_KIND, sim.R_WHO, sim.R_SIDE, sim.R_PRICE, sim.R_LOTS]]
    )
    worlds = source.worlds_k.copy()
    worlds[:, sim.MODEL] = sim.REPLAY
    return (
        replace(source, model=sim.REPLAY, tape=tape, worlds_k=worlds),
        tape,
        int(source.worlds_k[0, sim.NOW]),
    )


def batch(source: Source, began: int, lots: int, name: str) -> tuple[Episodes, float]:
    episodes = Episodes(source, TASK, 1, run_out=False)
    episodes.start(plan_of(source, began, lots))
    return episodes, began


def plan_of(source: Source, began: int, lots: int) -> Plan:
    rows = np.zeros((1, step.EPISODE_WORDS), np.int64)
    rows[0, : step.E_LIMIT] = (
        5,
        0,
        1,
        lots,
        began + TASK.warmup_ns,
        TASK.warmup_ns,
        0,
        len(source.tape),
        0,
    )
    return Plan(rows, np.zeros(1, np.int64))


@pytest.mark.parametrize(
    "name", ["twap_take", "twap_passive", "peg_behind", "immediate", "submit_and_leave"]
)
def test_a_trial_fed_in_pieces_costs_what_the_replay_of_the_whole_tape_costs(
    name, recorded
) -> None:
    source, tape, began = recorded
    episodes, _ = batch(source, began, 40, name)
    strategy = build(name)
    book, state = episodes.books[0].copy(), episodes.states[0].copy()
    start = int(state[sim.NOW])
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    k = episodes.states[0]
    wanted = 1e4 * int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum()) / int(k[sim.ARRIVAL_MID2] * 40)

    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.integers(0, 150_000_000_000), max_size=12))
    def any_pieces(cuts: list[int]) -> None:
        trial = PaperTrial(book, state, build(name))
        rest, seen = tape[tape[:, sim.T_NS] > start], start
        for cut in [*sorted(start + cut for cut in cuts), start + 10**12]:
            piece = rest[(rest[:, sim.T_NS] > seen) & (rest[:, sim.T_NS] <= cut)]
            trial.feed(piece, cut)
            seen = cut
        assert trial.done
        assert trial.is_bps == pytest.approx(wanted, abs=1e-12)

    any_pieces()


def test_a_policy_on_paper_hears_its_forecast(recorded) -> None:
    """Without one it would decide as `guarded`, and its paired gain on that rule would be 0 in every trial."""
    source, tape, began = recorded
    whole = replace(policy_strategy(folder_of("default-1")), waiting=0.18)
    costs = {}
    for name, strategy in (("guarded", build("guarded")), ("default", whole)):
        episodes = Episodes(source, TASK, 1, run_out=False, looks_back=True)
        episodes.pace(gap_of(strategy))
        episodes.foresee(forecaster_of(strategy))
        episodes.start(plan_of(source, began, 40))
        book, state = episodes.books[0].copy(), episodes.states[0].copy()
        start = int(state[sim.NOW])
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        k = episodes.states[0]
        sums = int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum())
        trial = PaperTrial(book, state, strategy)
        trial.feed(tape[tape[:, sim.T_NS] > start], start + 10**12)
        assert trial.is_bps == pytest.approx(1e4 * sums / int(k[sim.ARRIVAL_MID2] * 40))
        costs[name] = trial.is_bps
    assert costs["default"] != costs["guarded"]


def test_rows_that_go_back_in_time_are_refused(recorded) -> None:
    source, tape, began = recorded
    episodes, _ = batch(source, began, 40, "twap_take")
    trial = PaperTrial(episodes.books[0], episodes.states[0], build("twap_take"))
    trial.feed(tape[:0], began + TASK.warmup_ns + 10**9)
    with pytest.raises(TapeError, match="in order of time"):
        trial.feed(tape[:1], began + TASK.warmup_ns + 2 * 10**9)
