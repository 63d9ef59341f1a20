"""Guidance: the words against Python's own arithmetic, there and back, and what a batch and a driver see of them."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.execution.test_identity import Watched
from tests.markets import martingale_market

from benchmarks.arrival import at_arrival
from tercel.core.errors import ConfigError
from tercel.core.messages import ANY_STYLE, Alpha, Posture, Style
from tercel.execution.driver import Driver
from tercel.execution.guidance import Guidance, expected_move, guided_row, pack
from tercel.execution.strategies import build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

S = 10**9
TASK = Task(side=-1, horizon_s=60.0, decisions=6, warmup_s=10.0)


def alpha(
    expected: float = 8.0, at: int = 0, horizon: int = 600 * S, half: int = 200 * S, sd: float = 2.0
) -> Alpha:
    return Alpha("A", at, horizon, expected, sd, half)


@given(
    st.floats(-500, 500),
    st.integers(1, 10**13),
    st.integers(1, 10**13),
    st.integers(0, 2 * 10**13),
)
def test_words_are_what_is_left(expected: float, horizon: int, half: int, past: int) -> None:
    """Oracle: the definition, term by term; what remains plus what is over is the whole."""
    words = pack(alpha(expected, 0, horizon, half), None, past)
    if past >= horizon:
        assert words[:3].tolist() == [0, 0, 0]
        return
    if horizon / half > 1e-6:
        over = (1 - 2 ** (-past / half)) / (1 - 2 ** (-horizon / half))
        assert words[0] == pytest.approx(
            1000 * expected * (1 - over), abs=0.51 + 1e-5 * abs(expected)
        )
    span = horizon - past
    # half of what is left is over after the time that the words give
    after = pack(alpha(expected, 0, horizon, half), None, past + int(words[2]))
    if span > 1000:
        assert after[0] == pytest.approx(words[0] / 2, abs=1.0 + 2 * abs(expected))
    assert 1 <= words[2] <= max(half, 1)


def test_a_constant_drift_is_used_up_evenly() -> None:
    drift = alpha(9.0, 0, 900 * S, 10**18)
    assert [int(pack(drift, None, t * S)[0]) for t in (0, 300, 600, 900)] == [9000, 6000, 3000, 0]
    assert int(pack(drift, None, 300 * S)[2]) == pytest.approx(300 * S, rel=1e-5)


@given(
    st.floats(0, 1),
    st.floats(1e-6, 1),
    st.integers(1, 7),
    st.floats(0, 1),
)
def test_postures_come_back(urgency: float, cap: float, styles: int, size: float) -> None:
    words = pack(None, Posture("A", 0, urgency, cap, Style(styles), size), 5)
    _, _, half_life, *parts, allowed, last = words.tolist()
    assert (*parts, last) == pytest.approx((urgency * 1e6, cap * 1e6, size * 1e6), abs=0.51)
    assert Style(allowed) == Style(styles)
    assert parts[1] > 0
    assert half_life == 0


def test_nothing_said_is_what_a_market_starts_with() -> None:
    state = martingale_market().worlds_k[0]
    np.testing.assert_array_equal(pack(None, None, 0), state[sim.ALPHA : sim.ALPHA + 7])


def test_a_forecast_from_later_is_refused() -> None:
    with pytest.raises(ConfigError, match="known by now"):
        pack(alpha(at=7), None, 6)


def test_expected_move_ends_at_the_whole() -> None:
    assert expected_move(4.0, 10, 10**6).item() == pytest.approx(4.0)
    assert expected_move(4.0, 0, 10**6).item() == 0.0
    assert expected_move([4.0, -4.0], [10, 10], 10).tolist() == [2.0, -2.0]


def started(n: int = 3, guidance: Guidance | None = None) -> Episodes:
    episodes = Episodes(martingale_market(), TASK, n)
    if guidance is not None:
        episodes.set_guidance(guidance)
    episodes.start(seeded_plan(TASK, 50, 1, 0, n))
    return episodes


def test_episodes_say_it_at_once_and_decay_it() -> None:
    episodes = started()
    now = int(episodes.states[0, sim.NOW])
    said = Guidance.of(
        [alpha(6.0, now, 30 * S, 10**15), None, None], [None, Posture("B", 0, 0.25), None]
    )
    episodes.set_guidance(said)
    assert episodes.view.alpha_bps.tolist() == [-6.0, 0.0, 0.0]  # against an order that sells
    assert episodes.view.urgency.tolist() == [0.0, 0.25, 0.0]
    left = []
    while episodes.working.any():
        episodes.step(build("twap_passive").decide(episodes.view))
        left.append(float(episodes.view.alpha_bps[0]))
    assert left[:4] == [-4.0, -2.0, 0.0, 0.0]
    assert episodes.view.urgency[1] == 0.25
    episodes.set_guidance(None, np.array([1]))
    assert episodes.view.urgency[1] == 0
    assert episodes.view.styles.tolist() == [int(ANY_STYLE)] * 3


def test_said_before_the_start_and_not_before_it_was_known() -> None:
    arrival = int(started().states[0, sim.NOW])
    known = Guidance.of(
        [alpha(6.0, arrival, 60 * S, 10**15)] * 2 + [alpha(6.0, arrival + 15 * S, 60 * S, 10**15)]
    )
    episodes = started(guidance=known)
    assert episodes.view.alpha_bps.tolist() == [-6.0, -6.0, 0.0]
    episodes.step(build("twap_passive").decide(episodes.view))
    episodes.step(build("twap_passive").decide(episodes.view))
    assert episodes.view.alpha_bps.tolist() == [-4.0, -4.0, -5.5]


def test_guidance_of_another_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 markets"):
        started().set_guidance(Guidance.none(2))
    with pytest.raises(ConfigError, match="risk states"):
        Guidance.of([None], [])


def test_a_guided_session_through_the_driver_is_the_batch_s() -> None:
    """The record with a GUIDED row at every decision gives the driver the same views and the same commands."""
    task = Task(
        horizon_s=240.0,
        decisions=24,
        warmup_s=20.0,
        grid_points=13,
        latency=Latency("constant", 40_000_000),
    )
    source = reactive(load("csco-santa-fe"), settle_s=300.0)
    episodes, plan = Episodes(source, task, 1, record_rows=15_000), seeded_plan(task, 120, 3, 0, 1)
    strategy = "twap_passive+alpha+posture"
    batch, mine = Watched(build(strategy)), Watched(build(strategy))
    episodes.start(plan)
    b, k = at_arrival(episodes, plan)
    arrival = int(episodes.states[0, sim.NOW])
    forecast = Alpha("A", arrival, 200 * S, 25.0, 5.0, 90 * S)
    guided = []
    for number in range(task.decisions):
        now = int(episodes.states[0, sim.NOW])
        posture = Posture("A", now, 0.3 * (number > 8), 0.4, Style.JOIN | Style.TAKE)
        episodes.set_guidance(Guidance.of([forecast], [posture]))
        guided.append(guided_row(forecast, posture, now))
        episodes.step(batch.decide(episodes.view))
    record = episodes.record(0)[k[sim.RECORD] :]
    rows = np.concatenate([record, guided])
    rows = rows[np.argsort(rows[:, sim.R_NS], kind="stable")]
    # guidance of a moment is said after the market's rows of that moment and before what was decided then
    order = np.lexsort(
        (np.select([rows[:, 1] == sim.GUIDED, rows[:, 1] == sim.OWN_SENT], [1, 2], 0), rows[:, 0])
    )
    sent = Driver(b, k, mine).run(rows[order])
    assert len(batch.seen) == task.decisions
    assert mine.seen[: len(batch.seen)] == batch.seen
    assert len(sent) == int((record[:, sim.R_KIND] == sim.OWN_SENT).sum()) > 10
