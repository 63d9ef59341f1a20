"""Laws of regimes: the chain against its closed form, scripts to the nanosecond, seasons by the time of day."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.markets import martingale_market

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.market.flow.registry import load
from tercel.market.regimes.law import RegimeChain, RegimeScript, Season, pack_law, with_regimes
from tercel.market.regimes.named import NAMED, Factors, Phase, Regime, impose, steady
from tercel.market.regimes.occupancy import regime_occupancy, regime_path
from tercel.market.regimes.switching import begin_regimes, regime_event, with_law
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import real
from tercel.market.simulator.source import NO_TAPE, Source

S = NS_PER_SECOND
RATES = np.array([[0.0, 0.02, 0.01], [0.05, 0.0, 0.03], [0.04, 0.0, 0.0]])
STATES = ("plain", "thin", "volatile")


def source(law: RegimeChain | RegimeScript | None, season: Season | None = None) -> Source:
    """A flow that is never run: its law alone matters."""
    nothing = np.zeros((1, 0), np.int32)
    blank = Source(
        "none",
        sim.SANTA_FE,
        np.zeros(sim.FLOW_HEAD),
        NO_TAPE,
        nothing,
        np.zeros((1, sim.GRID), np.int64),
        0.01,
        1,
    )
    return with_regimes(blank, law, season)


def exact(rates: np.ndarray, first: np.ndarray, seconds: float) -> np.ndarray:
    """Expected seconds in each state: the integral of first exp(Q s) over [0, seconds], by eigenvectors."""
    generator = rates - np.diag(rates.sum(axis=1))
    value, vector = np.linalg.eig(generator)
    inside = np.where(
        np.abs(value) < 1e-12, seconds, np.expm1(value * seconds) / np.where(value == 0, 1, value)
    )
    return np.real(first @ vector @ np.diag(inside) @ np.linalg.inv(vector))


def test_occupation_and_jumps_are_those_of_the_chain() -> None:
    first, seconds, n = np.array([1.0, 0.0, 0.0]), 120, 3000
    market = source(RegimeChain(STATES, RATES, first))
    held, jumps = np.zeros((n, 3)), np.zeros((n, 3, 3))
    for i in range(n):
        rows = regime_path(market.flow, 7, i, 0, 0, seconds * S)
        state = rows[:, 1] - 1
        np.add.at(held[i], state, np.diff(rows[:, 0], append=seconds * S) / S)
        np.add.at(jumps[i], (state[:-1], state[1:]), 1)
    wanted = exact(RATES, first, seconds)
    assert wanted.sum() == pytest.approx(seconds)
    z = (held.mean(axis=0) - wanted) / (held.std(axis=0) / n**0.5)
    assert np.abs(z).max() < 3.5
    counted = jumps.mean(axis=0)
    spread = np.maximum(jumps.std(axis=0), 1e-9) / n**0.5
    assert (np.abs(counted - RATES * wanted[:, None]) < 3.5 * spread + 1e-12).all()


def test_a_chain_begins_in_its_stationary_law_and_stays_there() -> None:
    chain = RegimeChain(STATES, RATES)
    share = chain.stationary
    generator = RATES - np.diag(RATES.sum(axis=1))
    np.testing.assert_allclose(share @ generator, 0, atol=1e-12)
    n = 2000
    zero, index = np.zeros(n, np.int64), np.arange(n)
    truth = regime_occupancy(source(chain), zero + 3, index, zero, zero + 50 * S, 60 * S)
    assert truth.names == ("none", *STATES)
    np.testing.assert_allclose(truth.seconds.sum(axis=1), 60)
    mean, error = (
        truth.seconds[:, 1:].mean(axis=0) / 60,
        truth.seconds[:, 1:].std(axis=0) / 60 / n**0.5,
    )
    assert (np.abs(mean - share) < 3.5 * error).all()


def test_a_script_is_kept_to_the_nanosecond() -> None:
    script = RegimeScript(
        [(-5.0, "calm"), (10.0, "thin"), (30.0, "flash_crash"), (200.0, "volatile")]
    )
    market = source(script)
    names = market.regimes
    rows = regime_path(market.flow, 1, 1, 1000 * S, 1100 * S, 1400 * S)
    told = [(int(ns - 1100 * S), names[number]) for ns, number, _ in rows.tolist()]
    assert told[:3] == [(-100 * S, "plain"), (-5 * S, "calm"), (10 * S, "thin")]
    crash = NAMED["flash_crash"]
    begins = np.cumsum([30.0] + [phase.seconds for phase in crash.phases[:-1]])
    assert [ns for ns, name in told if name == "flash_crash"] == [round(t * S) for t in begins[:-1]]
    assert told[-2:] == [(round(begins[-1] * S), "thin"), (200 * S, "volatile")]


@pytest.mark.parametrize(
    ("script", "season", "wanted"),
    [
        (RegimeScript([(-1e6, "thin")]), None, [[0, 2]]),  # before the warm-up: it begins with it
        (
            RegimeScript([(60.0, "thin")], since="session"),
            Season((1.0,), arrival_s=50.0),
            [[0, 1], [110 * S, 2]],
        ),
    ],
)
def test_when_a_script_begins(
    script: RegimeScript, season: Season | None, wanted: list[list[int]]
) -> None:
    rows = regime_path(source(script, season).flow, 1, 1, 0, 100 * S, 200 * S)
    assert rows[:, :2].tolist() == wanted


def test_a_season_is_read_by_the_time_of_day_and_moves_the_event_that_waits() -> None:
    season = Season((2.0, 1.0, 0.5), step_s=100.0, arrival_s=150.0)
    flow = with_law(np.zeros(sim.FLOW_HEAD), pack_law(None, season))
    k = np.zeros(sim.GRID, np.int64)
    k[sim.FLOW_NS] = 8 * S
    begin_regimes(k, flow, 1, 1, 100 * S)
    assert k[sim.SESSION_NS] == -50 * S
    assert real(k, sim.PACE_FACTOR) == 2.0
    assert k[sim.FLOW_NS] == 4 * S  # twice the pace, half the wait
    seen = []
    while k[sim.REGIME_NS] < FOREVER_NS:
        k[sim.NOW] = k[sim.REGIME_NS]
        k[sim.FLOW_NS] = k[sim.NOW] + 10 * S
        regime_event(k, flow)
        seen.append(
            (int(k[sim.NOW] // S), real(k, sim.PACE_FACTOR), int(k[sim.FLOW_NS] - k[sim.NOW]) / S)
        )
    assert seen == [(50, 1.0, 20.0), (150, 0.5, 20.0)]


def test_drawn_times_of_day_fill_the_day_up_to_a_horizon_before_its_end() -> None:
    flow = with_law(np.zeros(sim.FLOW_HEAD), pack_law(None, Season((1.0, 2.0), step_s=500.0)))
    days = []
    for index in range(500):
        k = np.zeros(sim.GRID, np.int64)
        k[sim.HORIZON_NS] = 200 * S
        begin_regimes(k, flow, 1, index, 0)
        days.append(-int(k[sim.SESSION_NS]) / S)
    assert 0 <= min(days) < 20
    assert 780 < max(days) <= 800
    assert np.mean(days) == pytest.approx(400, abs=35)


def test_the_season_of_a_preset_keeps_the_day() -> None:
    season = Season.of(load("csco-santa-fe"))
    assert len(season.factors) == 13
    assert np.mean(season.factors) == pytest.approx(1.0)
    assert season.factors[0] > min(season.factors)  # mornings are busy


@settings(max_examples=25)
@given(st.lists(st.floats(0.001, 1000), min_size=4, max_size=4), st.floats(-1, 1))
def test_factors_reach_the_state_as_they_are(four: list[float], lean: float) -> None:
    own = steady("own", Factors(*four, lean))
    market = source(RegimeScript([(0.0, "own")], own_regimes={"own": own}))
    k, imposed = np.zeros(sim.GRID, np.int64), np.zeros((2, sim.GRID), np.int64)
    begin_regimes(k, market.flow, 1, 1, 0)
    impose(imposed, own.phases[0].factors)
    block = slice(sim.LIMIT_FACTOR, sim.LEAN + 1)
    np.testing.assert_array_equal(imposed[:, block], np.tile(k[block], (2, 1)))
    assert [real(k, at) for at in range(sim.LIMIT_FACTOR, sim.LEAN + 1)] == [*four, lean]


TWO = ("thin", "plain")
REFUSED = [
    ("order of time", lambda: RegimeScript([(5.0, "thin"), (5.0, "plain")])),
    ("order of time", lambda: RegimeScript([(0.0, "thin")], since="lunch")),
    ("each once", lambda: RegimeChain(("thin", "thin"), ((0, 1), (1, 0)))),
    ("rates", lambda: RegimeChain(TWO, ((0, -1), (1, 0)))),
    ("rates", lambda: RegimeChain(TWO, ((1, 1), (1, 0)))),
    ("rates", lambda: RegimeChain(TWO, ((0, 1),))),
    ("rates", lambda: RegimeChain(TWO, ((0, float("nan")), (1, 0)))),
    ("rates", lambda: RegimeChain(TWO, (("a", 0), (0, 0)))),  # type: ignore[arg-type]
    ("stationary", lambda: pack_law(RegimeChain(TWO, ((0, 0), (0, 0))), None)),
    ("add up", lambda: RegimeChain(TWO, ((0, 1), (1, 0)), (0.5, 0.4))),
    ("factor limit", lambda: Factors(limit=0.0)),
    ("lean", lambda: Factors(lean=1.5)),
    ("phases", lambda: Regime("odd", (Phase(Factors(), 0.0), Phase(Factors(), 0.0)))),
    ("season", lambda: Season(())),
    ("reactive", lambda: with_regimes(martingale_market(), RegimeScript([(0.0, "thin")]))),
]


@pytest.mark.parametrize(("said", "make"), REFUSED)
def test_what_is_no_law_is_refused(said: str, make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def test_an_unknown_regime_is_offered_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="volatile"):
        RegimeScript([(0.0, "volatil")])
