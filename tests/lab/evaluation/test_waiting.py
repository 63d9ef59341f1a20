"""What a policy is told of a market: what waiting costs there, measured once; a placebo hears what is forecast elsewhere."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.api.tca.parent_replay import ReplayRuns
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import BUY, NS_PER_SECOND as S
from tercel.execution import columns as c, step as kernels
from tercel.execution.foresight.forecaster import (
    Forecaster,
    shipped_forecaster,
    spread_only_forecaster,
)
from tercel.execution.intent import Intents
from tercel.execution.market import Market
from tercel.execution.orders import Order
from tercel.execution.policies.parts import PLACEBO, PlaceboForecast, without_part
from tercel.execution.policies_packaged import build_named
from tercel.execution.strategies import build
from tercel.execution.strategies.guarded import WAITING
from tercel.execution.strategy import Strategy, hold
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market import build_market, waiting_cost_on
from tercel.lab.evaluation.market_estimates import (
    PRIOR_DAYS,
    PRIOR_RATIO,
    Waiting,
    scaled_waiting,
    with_waiting,
)
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.windows import DAY_NS, forecast_outlooks, placebo_plan
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.simulator.source import Source, reactive, with_impact
from tercel.market.simulator.tape_source import replay
from tercel.market.simulator.terms import NO_FEES, Fees
from tercel.market.tape import Lake

TASK = Task(horizon_s=120.0, decisions=12, warmup_s=90.0, share=0.3)


@pytest.fixture(scope="module")
def source() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


class Sampler:
    """Few episodes, and how often they were drawn."""

    drawn = 0

    def __call__(self, seed: int, first: int, n: int) -> Plan:
        self.drawn += 1
        return seeded_plan(TASK, 300, seed, first, 32)


class Watching:
    """A policy, and what it was told."""

    name = "watching"

    def __init__(self) -> None:
        self.policy = build_named("default")
        self.forecaster, self.gap_ns = self.policy.forecaster, self.policy.gap_ns  # type: ignore[attr-defined]
        self.told: set[float] = set()

    def decide(self, view: View) -> Intents:
        self.told |= set(view.waiting.tolist())
        return self.policy.decide(view)


def test_it_is_what_guarded_pays_over_half_the_spread_drawn_to_what_is_usual(
    source: Source,
) -> None:
    sampler = Sampler()
    measured = Waiting(source, TASK, sampler)

    plan = seeded_plan(TASK, 300, 1_800_000_000, 0, 32)
    rests, takes = run_strategies(
        with_impact(source, None), TASK, plan, [build("guarded"), build("twap_take")]
    )
    spread = ((takes.spread + takes.walk) / takes.denominator).mean()
    saved = (takes.shortfall / takes.denominator).mean() - (
        rests.shortfall / rests.denominator
    ).mean()
    streams = len(np.unique(plan.cluster))
    expected = (streams * (1 - saved / spread) + PRIOR_DAYS * PRIOR_RATIO) / (streams + PRIOR_DAYS)
    assert measured.value == pytest.approx(max(expected, 0.01), rel=1e-12)
    assert measured.value == measured.value
    assert sampler.drawn == 1


def test_who_listens_is_told_and_the_policy_is_guarded_where_it_is_not_known(
    source: Source,
) -> None:
    plan, sampler = seeded_plan(TASK, 300, 3, 0, 16), Sampler()
    knows = with_waiting(source, TASK, sampler)
    listening, rule = Watching(), build("guarded")
    told, _ = run_strategies(knows, TASK, plan, [listening, rule])
    assert knows.waiting is not None
    assert listening.told == {round(knows.waiting.value, 6)}
    blind, plain = run_strategies(source, TASK, plan, [Watching(), rule])
    np.testing.assert_array_equal(blind.shortfall, plain.shortfall)
    assert (told.shortfall != plain.shortfall).any()
    silent, _ = run_strategies(knows, TASK, plan, [rule, rule])
    assert sampler.drawn == 1
    np.testing.assert_array_equal(silent.shortfall, plain.shortfall)


@pytest.mark.parametrize(
    ("fees", "price", "expected"),
    [
        (Fees(-0.5, 8.0, "bps"), 20.0, 8.5),
        (Fees(3.0, -2.0, "bps"), 20.0, -5.0),
        (Fees(-0.002, 0.003), 25.0, 2.0),
    ],
)
def test_a_policy_is_told_what_taking_is_charged_more(
    source: Source, fees: Fees, price: float, expected: float
) -> None:
    """In bps of the mid, whatever the schedule is written in, and by the state that desks drive too."""
    state = np.zeros((1, source.worlds_k.shape[1]), np.int64)
    state[:, sim.PHASE], state[:, sim.MID2] = sim.WORKING, round(2 * price / source.tick)
    state[:, sim.MAKER_FEE : sim.TAKER_RATE + 1] = fees.kernel_values(source.tick)
    outlook = np.zeros((1, c.OUTLOOK), np.int64)
    spread_only_forecaster().forecast_writer().write_forecasts(source.worlds_b[:1], state, outlook)
    assert outlook[0, c.FEES] == 1000 * expected


@pytest.mark.usefixtures("one_tick_counts")
def test_fees_enter_what_taking_costs_and_not_what_waiting_costs(source: Source) -> None:
    dear, plan = Fees(0.0, 8.0, "bps"), seeded_plan(TASK, 300, 3, 0, 64)
    markets = [
        with_waiting(replace(source, fees=fees), TASK, Sampler())
        for fees in (dear, NO_FEES, Fees(0.0, -8.0, "bps"))
    ]
    told = [run_strategies(one, TASK, plan, [build_named("default")])[0] for one in markets]
    assert len({one.waiting.value for one in markets if one.waiting}) == 1
    rests = [(costs.passive_lots / costs.qty).mean() for costs in told]
    assert rests[0] > rests[1] > 0.1
    assert rests[2] < rests[1] - 0.05


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three simulated days of an hour."""
    return simulated_lake(tmp_path_factory.mktemp("lake"), 1)


def order(day: str, at: str = "10:15:00") -> Order:
    return Order(f"{day} {at}", "SIM", BUY, 40, 300.0)


@pytest.mark.parametrize(
    ("told", "before"),
    [
        ({"orders": (order(DAYS[1]), order(DAYS[2]))}, 1),
        ({"orders": (order(DAYS[2]),)}, 2),
        ({"days": (DAYS[1],)}, 1),
        ({"days": (DAYS[2],)}, 2),
        ({}, 2),
        ({"orders": (order(DAYS[0]), order(DAYS[2]))}, 0),
        ({"start": "10:15"}, 0),
    ],
)
def test_what_waiting_costs_is_of_days_before_the_judged_ones(
    lake: Lake, told: dict[str, Any], before: int
) -> None:
    """Where agents learn from other hours and later days, too; without an earlier day it is scaled, and that is said."""
    market = Market(lake=str(lake.root), symbol="SIM", days=told.get("days", ()))
    task = Task(horizon_s=300.0, warmup_s=300.0, start=told.get("start", ""))
    built = build_market(Scenario(market, task, orders=told.get("orders", ())))
    measured = built.judged.waiting
    said = any("No earlier day tells what waiting costs" in note for note in built.notes)
    assert isinstance(measured, Waiting)
    assert said == (measured.sampler is None) == (before == 0)
    if measured.sampler is not None:
        starts = measured.sampler(1, 0, 400).rows[:, kernels.E_START_NS]
        days = {lake.read("SIM", day)[1].exch_ns[0] // DAY_NS: day for day in DAYS}
        assert {days[one] for one in (starts // DAY_NS).tolist()} == set(DAYS[:before])
    else:
        mid2 = np.abs(built.judged.worlds_k[:, sim.MID2])
        first = mid2[mid2 > 0][0]
        assert measured.value == pytest.approx(0.24 + 0.13 * np.log(2e4 / first))
        with pytest.raises(ConfigError, match="import earlier days"):
            assert measured.measured


def test_own_fills_worked_again_know_it_of_the_day_before_alone(lake: Lake) -> None:
    """Volume and volatility are those of the very day where there is no earlier one, and so it is said; this is scaled."""
    market = Market(lake=str(lake.root), impact="none")
    runs = ReplayRuns(lake, {"default": lambda known: build_named("default", known)}, market, 1, {})
    task = Task(horizon_s=300.0, warmup_s=300.0)
    first, second = (runs._estimates(lake.instrument("SIM", day), task) for day in DAYS[:2])
    assert runs.hindsight
    assert first.waiting == scaled_waiting(replay(lake, "SIM", DAYS[:1])[0])
    assert 0 < second.waiting != first.waiting


@pytest.mark.release
@pytest.mark.parametrize("preset", sorted(WAITING))
def test_a_desk_is_told_what_is_measured_in_its_market(preset: str) -> None:
    measured = build_market(Scenario(Market(preset=preset))).judged.waiting
    assert measured is not None
    assert measured.value == pytest.approx(WAITING[preset], abs=0.03)


@pytest.mark.long
def test_a_table_of_days_says_what_an_evaluation_of_later_days_measures(tmp_path: Path) -> None:
    dates = ("2003-01-13", "2003-01-14", "2003-01-15")
    lake = simulated_lake(tmp_path, 2, dates)
    [symbol] = {about.symbol for about in lake.list()}
    later = Scenario(Market(lake=str(lake.root), symbol=symbol, days=dates[2:]), seeds=(0,))
    measured = build_market(later).training.waiting
    assert measured is not None
    assert waiting_cost_on(lake, symbol, dates[:2]) == measured.value


# -- a placebo is told what is forecast elsewhere: whose episode, at what time, for which side ------------------------


LOOKS = Task(horizon_s=40.0, decisions=8, warmup_s=120.0)


@pytest.fixture(scope="module")
def foretold() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


@dataclass
class Noting(Strategy):
    """Does nothing, and notes what it is told."""

    name: str = "noting"
    told: list[np.ndarray] = field(default_factory=list)

    @property
    def forecaster(self) -> Forecaster:
        return shipped_forecaster()

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


def test_who_is_told_elsewhere_hears_the_other_stream_for_its_own_side(foretold: Source) -> None:
    plan = seeded_plan(LOOKS, 20, 5, 0, 4)
    met = placebo_plan(plan)
    assert met is not None
    own, other, placebo = Noting(), Noting(), Noting()
    run_strategies(foretold, LOOKS, plan, [own])
    run_strategies(foretold, LOOKS, met, [other])
    run_strategies(foretold, LOOKS, plan, [PlaceboForecast(placebo)], placebo=met)
    assert len(placebo.told) == len(own.told) == len(other.told)
    for mine, theirs, heard in zip(own.told, other.told, placebo.told, strict=True):
        np.testing.assert_array_equal(heard[:, c.USUAL_SPREAD], mine[:, c.USUAL_SPREAD])
        np.testing.assert_array_equal(heard[:, c.FORECAST_10 :], theirs[:, c.FORECAST_10 :])
    assert any((mine != heard).any() for mine, heard in zip(own.told, placebo.told, strict=True))


def test_forecasts_elsewhere_are_those_of_a_market_alone_second_by_second(foretold: Source) -> None:
    plan = seeded_plan(LOOKS, 0, 5, 0, 2)
    found = forecast_outlooks(foretold, LOOKS, plan, shipped_forecaster())
    assert found.shape == (40, 2, c.OUTLOOK)
    alone = Noting()
    run_strategies(foretold, replace(LOOKS, decisions=40), plan, [alone])
    np.testing.assert_array_equal(found, np.stack(alone.told[:40]))
    np.testing.assert_array_equal(
        found[:, 0, c.FORECAST_30], -found[:, 1, c.FORECAST_30], "a buy and a sell in one market"
    )
    assert found.any()


def test_an_episode_without_room_or_before_its_time_is_told_the_nearest(foretold: Source) -> None:
    """Looks are evenly over the horizon, the last one to its end."""
    plan = seeded_plan(LOOKS, 20, 5, 0, 2)
    episodes = Episodes(foretold, LOOKS, 2, looks_back=True)
    episodes.start(plan)
    told = np.arange(1, 4)[:, None, None] * np.ones((3, 2, c.OUTLOOK), np.int64)
    episodes.set_forecaster(shipped_forecaster(), told)
    heard = []
    while episodes.working.any():
        heard.append(int(episodes.view.outlook_rows[0, c.FORECAST_10]))
        episodes.step(hold(episodes.view))
    assert heard == [1, 1, 1, 2, 2, 2, 3, 3]


def test_who_listens_has_a_placebo_and_nobody_else() -> None:
    for one, listens in (
        (build_named("default"), True),
        (build("take_timed"), True),
        (build("spread_rule"), False),
    ):
        assert (without_part(one, PLACEBO) is not None) == listens
    told = without_part(build_named("default+posture"), PLACEBO)
    assert isinstance(told, PlaceboForecast)
    assert told.name == "default+posture"


@pytest.mark.parametrize(
    ("entry", "feed", "late_s"),
    [
        (Latency("constant", 10**9), Latency(), 1.0),
        (Latency("uniform", 0, 10**9), Latency("constant", 10**8), 0.6),
        (Latency("exponential", 10**8, 10**9), Latency("constant", 10**10), 11.1),
    ],
)
def test_a_forecast_is_of_the_move_that_is_left_when_the_order_arrives(
    source: Source, entry: Latency, feed: Latency, late_s: float
) -> None:
    """Late by L, 1 / (1 + L / .12 h) of the move over h seconds is left, feed and entry together."""
    task = replace(TASK, latency=entry, feed_latency=feed)
    markets = Episodes(source, task, 8, looks_back=True)
    markets.follow(build_named("default"))
    markets.start(seeded_plan(TASK, 300, 3, 0, 8))
    states, told = markets.states.copy(), np.zeros((2, 8, c.OUTLOOK), np.int64)
    writer = build_named("default").forecaster.forecast_writer()  # type: ignore[attr-defined]
    writer.write_forecasts(markets.books, states, told[1])
    states[:, sim.DELAY_NS] = 0
    writer.write_forecasts(markets.books, states, told[0])
    assert told[0][:, c.FORECAST_30].any()
    for column, horizon in ((c.FORECAST_10, 10), (c.FORECAST_30, 30)):
        left = 1.0 / (1.0 + late_s / (0.12 * horizon))
        np.testing.assert_allclose(told[1][:, column], left * told[0][:, column], atol=0.51)
        np.testing.assert_array_equal(told[1][:, column + 1], told[0][:, column + 1])
