"""A placebo is told what is forecast elsewhere: whose episode, at what time, for which side."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.execution import columns as c, step as kernels
from tercel.execution.foresight.forecaster import Forecaster, shipped
from tercel.execution.intent import Intents, View
from tercel.execution.policies.strategy import PLACEBO, PlaceboForecast, without
from tercel.execution.policies_packaged import named
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, hold
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan, seeded_plan
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.windows import DAY_NS, outlooks, placebo_plan
from tercel.market.flow.preset import load
from tercel.market.simulator.source import Source, reactive

TASK = Task(horizon_s=40.0, decisions=8, warmup_s=120.0)


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


@dataclass
class Noting(Strategy):
    """Does nothing, and notes what it is told."""

    name: str = "noting"
    told: list[np.ndarray] = field(default_factory=list)

    @property
    def forecaster(self) -> Forecaster:
        return shipped()

    def decide(self, view: View) -> Intents:
        self.told.append(view.outlook_rows.copy())
        return hold(view)


def recorded(windows: list[tuple[int, int, int]]) -> Plan:
    """A plan of recorded days: (day, seconds of the day, side) each."""
    rows = np.zeros((len(windows), kernels.EPISODE_WORDS), np.int64)
    for n, (day, second, side) in enumerate(windows):
        rows[n, [kernels.E_START_NS, kernels.E_CURSOR_END]] = (
            (1 + day) * DAY_NS + second * S,
            1000 + day,
        )
        rows[n, [kernels.E_SIDE, kernels.E_QUANTITY, kernels.E_INDEX]] = side, 10 + n, n
        rows[n, kernels.E_HORIZON_NS] = n
    return Plan(rows, rows[:, kernels.E_CURSOR_END])


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from([1, -1])),
        min_size=1,
        max_size=20,
    )
)
def test_another_day_at_that_time_or_the_nearest(windows: list[tuple[int, int, int]]) -> None:
    plan = recorded(windows)
    found = placebo_plan(plan)
    days, seconds = {day for day, *_ in windows}, {second for _, second, _ in windows}
    if len(days) == 1 and len(seconds) == 1:
        assert found is None
        return
    assert found is not None
    for (day, second, side), row, own in zip(windows, found.rows, plan.rows, strict=True):
        start, last = int(row[kernels.E_START_NS]), int(row[kernels.E_CURSOR_END]) - 1000
        assert row[kernels.E_QUANTITY] == 0
        assert row[kernels.E_SIDE] == side
        assert row[kernels.E_HORIZON_NS] == own[kernels.E_HORIZON_NS]
        assert start // DAY_NS == 1 + last, "a moment of the day that its rows are of"
        if len(days) > 1:
            off = min(abs(s - second) for d, s, _ in windows if d != day)
            assert last != day
            assert abs(start % DAY_NS // S - second) == off
        else:
            assert start % DAY_NS // S != second


def test_who_is_told_elsewhere_hears_the_other_stream_for_its_own_side(market: Source) -> None:
    plan = seeded_plan(TASK, 20, 5, 0, 4)
    met = placebo_plan(plan)
    assert met is not None
    own, other, placebo = Noting(), Noting(), Noting()
    run_strategies(market, TASK, plan, [own])
    run_strategies(market, TASK, met, [other])
    run_strategies(market, TASK, plan, [PlaceboForecast(placebo)], elsewhere=met)
    assert len(placebo.told) == len(own.told) == len(other.told)
    for mine, theirs, heard in zip(own.told, other.told, placebo.told, strict=True):
        np.testing.assert_array_equal(heard[:, c.USUAL_SPREAD], mine[:, c.USUAL_SPREAD])
        np.testing.assert_array_equal(heard[:, c.FORECAST_10 :], theirs[:, c.FORECAST_10 :])
    assert any((mine != heard).any() for mine, heard in zip(own.told, placebo.told, strict=True))


def test_forecasts_elsewhere_are_those_of_a_market_alone_second_by_second(market: Source) -> None:
    plan = seeded_plan(TASK, 0, 5, 0, 2)
    found = outlooks(market, TASK, plan, shipped())
    assert found.shape == (40, 2, c.OUTLOOK)
    alone = Noting()
    run_strategies(market, replace(TASK, decisions=40), plan, [alone])
    np.testing.assert_array_equal(found, np.stack(alone.told[:40]))
    np.testing.assert_array_equal(
        found[:, 0, c.FORECAST_30], -found[:, 1, c.FORECAST_30], "a buy and a sell in one market"
    )
    assert found.any()


def test_an_episode_without_room_or_before_its_time_is_told_the_nearest(market: Source) -> None:
    """Looks are evenly over the horizon, the last one to its end."""
    plan = seeded_plan(TASK, 20, 5, 0, 2)
    episodes = Episodes(market, TASK, 2, looks_back=True)
    episodes.start(plan)
    told = np.arange(1, 4)[:, None, None] * np.ones((3, 2, c.OUTLOOK), np.int64)
    episodes.foresee(shipped(), told)
    heard = []
    while episodes.working.any():
        heard.append(int(episodes.view.outlook_rows[0, c.FORECAST_10]))
        episodes.step(hold(episodes.view))
    assert heard == [1, 1, 1, 2, 2, 2, 3, 3]


def test_who_listens_has_a_placebo_and_nobody_else() -> None:
    for one, listens in (
        (named("default"), True),
        (build("take_timed"), True),
        (build("spread_rule"), False),
    ):
        assert (without(one, PLACEBO) is not None) == listens
    told = without(named("default+posture"), PLACEBO)
    assert isinstance(told, PlaceboForecast)
    assert told.name == "default+posture"
