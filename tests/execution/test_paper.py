"""Paper trading against the batch: a growing tape, fed in any pieces, is the replay of the whole one."""

import copy
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
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
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


def replayed(source: Source, began: int, strategy: Strategy) -> tuple[PaperTrial, float]:
    """A trial from the arrival on, and the bps that the replay of the whole tape costs."""
    episodes = Episodes(source, TASK, 1, run_out=False, looks_back=True)
    episodes.pace(gap_of(strategy))
    forecaster = forecaster_of(strategy)
    if forecaster is not None:
        episodes.foresee(forecaster)
    episodes.start(plan_of(source, began, 40))
    trial = PaperTrial(episodes.books[0], episodes.states[0], strategy)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    k = episodes.states[0]
    sums = int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum())
    return trial, 1e4 * sums / int(k[sim.ARRIVAL_MID2] * 40)


@pytest.mark.parametrize(
    "name", ["twap_take", "twap_passive", "peg_behind", "immediate", "submit_and_leave"]
)
def test_a_trial_fed_in_pieces_costs_what_the_replay_of_the_whole_tape_costs(
    name, recorded
) -> None:
    source, tape, began = recorded
    start = began + TASK.warmup_ns
    fresh, wanted = replayed(source, began, build(name))

    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.integers(0, 150_000_000_000), max_size=12))
    def any_pieces(cuts: list[int]) -> None:
        trial, seen = copy.deepcopy(fresh), start
        for cut in [*sorted(start + cut for cut in cuts), start + 10**12]:
            trial.feed(tape[(tape[:, sim.T_NS] > seen) & (tape[:, sim.T_NS] <= cut)], cut)
            seen = cut
        assert trial.done
        assert trial.is_bps == pytest.approx(wanted, abs=1e-12)

    any_pieces()


def test_a_policy_on_paper_hears_its_forecast(recorded) -> None:
    """Without one it would decide as `guarded`, and its paired gain on that rule would be 0 in every trial."""
    source, tape, began = recorded
    start, costs = began + TASK.warmup_ns, []
    for strategy in (
        build("guarded"),
        replace(policy_strategy(folder_of("default-1")), waiting=0.18),
    ):
        trial, wanted = replayed(source, began, strategy)
        trial.feed(tape[tape[:, sim.T_NS] > start], start + 10**12)
        assert trial.is_bps == pytest.approx(wanted)
        costs.append(wanted)
    assert costs[0] != costs[1]


def test_rows_that_go_back_in_time_are_refused(recorded) -> None:
    source, tape, began = recorded
    trial, _ = replayed(source, began, build("twap_take"))
    trial.feed(tape[:0], began + TASK.warmup_ns + 10**9)
    with pytest.raises(TapeError, match="in order of time"):
        trial.feed(tape[:1], began + TASK.warmup_ns + 2 * 10**9)
