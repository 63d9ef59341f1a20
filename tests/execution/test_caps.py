"""What a posture allows: caps that hold for any strategy, any view, and through whole episodes."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.execution.plain_tilt import capped, tilted

from certify.kits.strategy import random_views
from tercel.core.messages import Posture, Style
from tercel.execution import columns as c, intent as it
from tercel.execution.guidance import Guidance
from tercel.execution.observation import view_of
from tercel.execution.strategies import build
from tercel.execution.strategies.alpha_tilt import AlphaTilt, PostureCap, pace
from tercel.execution.strategies.baselines import Immediate, Peg, SubmitAndLeave
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.flow import preset as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

INNER = [
    Immediate(),
    Peg(),
    Peg(level=-1),
    SubmitAndLeave(level=2),
    AlphaTilt(Peg(), ticks_a_rung=2.0),
]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 1000]))
@settings(deadline=None)
def test_rows_equal_the_plain_rules(seed: int, loud: int) -> None:
    """Every fourth row asks for nothing, every fifth has no forecast; some forecasts reach all bounds."""
    view = random_views(64, seed)
    view.x[::4, [c.URGENCY, c.MAX_PARTICIPATION, c.STYLES]] = 0, 1_000_000, 7
    view.x[::5, c.HALF_LIFE_NS] = 0
    view.x[:, c.ALPHA] *= loud
    for inner in INNER:
        plain = inner.decide(view)
        capping = PostureCap(inner).decide(view)
        np.testing.assert_array_equal(capping, capped(plain, view))
        np.testing.assert_array_equal(capping[::4], plain[::4])
        tilt = AlphaTilt(inner, 2.0, ticks_a_rung=0.5 + seed % 5)
        np.testing.assert_array_equal(tilt.decide(view), tilted(plain, view, tilt))


def test_pace() -> None:
    left = view_of(
        left=90, decision=1, decisions=10, urgency=[0, 100_000, 500_000, 750_000, 1_000_000]
    )
    assert [pace(x) for x in left.x] == [0, 2, 10, 30, 90]


def test_lots_that_may_not_take_rest_where_they_may() -> None:
    def rests(styles: Style, far: int = 1002) -> list[int]:
        row = PostureCap(Immediate()).decide(view_of(styles=int(styles), far=far, mid2=999 + far))[
            0
        ]
        return [int(row[it.TAKE]), *row[it.REST0 :].tolist()]

    assert rests(Style.IMPROVE | Style.JOIN) == [0, 100, 0, 0, 0, 0]
    assert rests(Style.IMPROVE | Style.JOIN, far=1000) == [0, 0, 100, 0, 0, 0]
    assert rests(Style.JOIN) == [0, 0, 100, 0, 0, 0]
    assert rests(Style.TAKE) == [100, 0, 0, 0, 0, 0]
    assert rests(Style.IMPROVE, far=1000) == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", ["immediate", "twap_passive", "submit_and_leave", "random"])
def test_the_cap_holds_through_whole_episodes(name: str) -> None:
    """Own share of all lots traded, at every decision of a market that answers; the horizon order apart."""
    source = reactive(presets.load("csco-santa-fe"), settle_s=60.0)
    task = Task(horizon_s=300.0, decisions=10, warmup_s=60.0)
    episodes = Episodes(source, task, 16)
    episodes.guide(Guidance.of([None] * 16, [Posture("A", 0, 0.4, 0.15)] * 16))
    episodes.start(seeded_plan(task, 300, 3, 0, 16))
    strategy = PostureCap(build(name))
    some = 0
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
        view, k = episodes.view, episodes.states
        own = view.done - k[:, sim.FORCED_LOTS]
        assert (own * 0.85 <= 0.15 * view.v_seen + 1e-9).all()
        some += int(own.sum())
    assert some > 0
