"""Schedules with a forecast against dynamic programming and the model's own equations; tilts and caps against plain rules."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize
from tests.execution.plain_tilt import capped, tilted

from certify.kits.strategy import random_views
from replications.almgren_chriss.model import cost_variance, expected_cost, holdings
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.messages import Posture, Style
from tercel.execution import columns as c, intent as i, intent as it
from tercel.execution.guidance import Guidance, expected_move
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.almgren_chriss import (
    AlmgrenChriss,
    AlmgrenChrissAlpha,
    Parameters,
    alpha_lots,
    kappa,
    share_left,
)
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.baselines import Immediate, Peg, SubmitAndLeave, TwapTake
from tercel.execution.strategies.cartea_jaimungal import CarteaJaimungal, shrink, speed_weight
from tercel.execution.strategies.posture_cap import PostureCap, pace
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow import registry as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

P = Parameters(sigma=0.08, eta=0.5, gamma=0.001, urgency=0.7)
MARKET = MarketEstimates(expected_volume=5000.0, sigma=0.05, eta=0.4, spread=1.2)
S = 10**9


def by_dynamic_programming(
    x: float, moves: np.ndarray, risk: float, tau: float, p: Parameters
) -> np.ndarray:
    """Optimal x_0..x_N of the module's objective, by backward induction on V_j(x) = a x^2 + b x + const."""
    eta = p.eta - p.gamma * tau / 2
    n = len(moves)
    laws = []
    a = b = 0.0
    for j in range(n, 0, -1):  # x_{j-1} -> x_j costs eta/tau (x_{j-1} - x_j)^2, then x_j is exposed
        q, h = eta / tau, a + risk * p.sigma**2 * tau
        g = b + moves[j - 1]
        if j == n:
            laws.append((0.0, 0.0))
            a, b = q, 0.0
        else:
            slope, shift = q / (q + h), -g / (2 * (q + h))
            laws.append((slope, shift))
            a, b = (
                q * (1 - slope) ** 2 + h * slope**2,
                -2 * q * (1 - slope) * shift + 2 * h * slope * shift + g * slope,
            )
    left = [x]
    for slope, shift in reversed(laws):
        left.append(slope * left[-1] + shift)
    return np.array(left)


@given(
    st.integers(1, 60), st.floats(0.0, 0.02), st.floats(-30, 30), st.floats(5, 5000), st.floats(1, 120),
)  # fmt: skip
def test_first_step_is_that_of_dynamic_programming(
    n: int, risk: float, move: float, half_s: float, tau: float
) -> None:
    """To 1e-9, any urgency, decay and number of intervals."""
    p = Parameters(sigma=0.3, eta=0.5, gamma=0.002, risk_aversion=risk)
    edges = np.arange(n + 1) * tau
    moves = np.diff(expected_move(move, half_s * 1e9, edges * 1e9))
    exact = by_dynamic_programming(1000.0, moves, risk, tau, p)
    plain = by_dynamic_programming(1000.0, np.zeros(n), risk, tau, p)
    k = kappa(risk, tau, p)
    lots = alpha_lots(
        moves[None],
        np.array([n]),
        np.array([k * tau]),
        np.array([tau]),
        np.array([p.eta - p.gamma * tau / 2]),
    )
    np.testing.assert_allclose(plain[1] - exact[1], lots[0], rtol=1e-9, atol=1e-8)


def test_followed_to_the_end_it_is_the_whole_trajectory() -> None:
    """Decision after decision, the strategy's blocks are the optimum's, within the rounding of a lot."""
    p, n, move, half_s = Parameters(sigma=0.08, eta=0.5, risk_aversion=1e-6), 30, 1.5, 240.0
    horizon, x = 1800.0, 60_000
    tau = horizon / n
    exact = by_dynamic_programming(
        x, np.diff(expected_move(move, half_s, np.arange(n + 1) * tau)), 1e-6, tau, p
    )
    left, seen = x, [x]
    for k in range(n):
        bps = move * 2 ** (-k * tau / half_s) / 100_000 * 1e4
        view = view_of(
            qty0=x, left=left, decision=k, decisions=n, horizon_ns=int(horizon * S),
            time_left_ns=int((n - k) * tau * S), alpha=round(1000 * bps),
            half_life_ns=int(half_s * S), touch=99_999, far=100_001, mid2=200_000,
        )  # fmt: skip
        left -= int(AlmgrenChrissAlpha(p).decide(view)[0, it.TAKE])
        seen.append(left)
    assert seen[-1] == 0
    np.testing.assert_allclose(seen, exact, atol=0.004 * x)


@given(st.integers(1, 40), st.integers(1, 100_000), st.floats(0, 20))
def test_without_a_forecast_it_is_the_plain_schedule(n: int, x: int, urgency: float) -> None:
    """Both schedules, lot by lot, from arrival to the horizon."""
    p = Parameters(sigma=0.08, eta=0.5, urgency=urgency)
    left = x
    for k in range(n):
        view = view_of(qty0=x, left=left, decision=k, decisions=n, horizon_ns=1800 * S)
        expected = AlmgrenChriss(p).decide(view)
        np.testing.assert_array_equal(AlmgrenChrissAlpha(p).decide(view), expected)
        np.testing.assert_array_equal(CarteaJaimungal(p).decide(view), expected)
        left -= int(expected[0, it.TAKE])
    assert left == 0


def test_what_a_forecast_brought_forward_is_not_given_back() -> None:
    view = view_of(qty0=1000, left=300, decision=5, decisions=10)
    assert AlmgrenChriss(Parameters(0.1, 0.5, risk_aversion=0)).decide(view)[0, it.TAKE] == 0
    assert AlmgrenChrissAlpha(Parameters(0.1, 0.5, risk_aversion=0)).decide(view)[0, it.TAKE] == 60


@pytest.mark.parametrize("g", [0.0, 1e-9, 3e-4, 0.004, 0.05])
@pytest.mark.parametrize("rest", [0.0, 30.0])
@pytest.mark.parametrize("theta", [0.0, 1e-7, 0.002, 0.004, 0.1])
def test_speed_is_that_of_the_riccati_equation(g: float, rest: float, theta: float) -> None:
    """Oracle: chi' = phi - chi^2 / k solved by Runge-Kutta, the integral by quadrature."""
    k, horizon = 0.5, 900.0
    phi = k * g**2
    if rest > 0:
        ode = solve_ivp(
            lambda s, y: [-(phi - y[0] ** 2 / k), y[0] / k],  # backwards in time, with int chi / k
            (0.0, horizon), [-k / rest, 0.0], method="DOP853", rtol=1e-13, atol=1e-14, dense_output=True,
        )  # fmt: skip
        chi, area = ode.sol(horizon)
        ratio = lambda s: np.exp(area - ode.sol(s)[1])  # noqa: E731 - no-signal inventory, s to go
        slope = (1 - float(shrink(g, rest, horizon, horizon - 1e-4))) / 1e-4
        assert slope == pytest.approx(-chi / k, rel=1e-5)
    else:
        ratio = lambda s: s / horizon if g < 1e-8 else np.sinh(g * s) / np.sinh(g * horizon)  # noqa: E731
    after = horizon - 60.0
    assert float(shrink(g, rest, horizon, after)) == pytest.approx(ratio(after), abs=1e-9)
    exact, _ = quad(
        lambda u: ratio(horizon - u) * np.exp(-theta * u),
        0,
        horizon,
        epsabs=1e-11,
        epsrel=1e-11,
        limit=400,
    )
    assert float(speed_weight(g, rest, theta, horizon)) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(
    "strategy",
    [
        build("almgren_chriss_alpha", MARKET),
        build("cartea_jaimungal", MARKET),
        AlphaTilt(TwapTake()),
    ],
    ids=lambda strategy: strategy.name,
)
def test_haste_when_waiting_costs_patience_when_it_pays(strategy: Strategy) -> None:
    base = {
        "qty0": 1000,
        "left": 500,
        "decision": 5,
        "decisions": 10,
        "half_life_ns": 200 * S,
        "time_left_ns": 300 * S,
    }
    depths = {f"far{k}": 40 for k in range(1, 6)}
    takes = [
        int(strategy.decide(view_of(alpha=a, **base, **depths))[0, it.TAKE])
        for a in (-90_000, 0, 90_000)
    ]
    assert takes[0] <= takes[1] < takes[2]


@pytest.mark.parametrize(
    ("name", "parameters", "error", "told"),
    [
        ("pov+beta", {}, UnknownNameError, "alpha or"),
        ("povv+alpha", {}, UnknownNameError, "pov"),
        ("twap_take+alpha", {}, UnknownNameError, "gained it nothing"),
        ("twap_take+posture+alpha", {}, UnknownNameError, "take .alpha out"),
        ("cartea_jaimungal", {"rest_s": -1.0}, ConfigError, "rest_s"),
    ],
)
def test_names_of_wrapped_strategies(
    name: str, parameters: dict[str, float], error: type[Exception], told: str
) -> None:
    assert build("pov+alpha+posture", MARKET).name == "pov+alpha+posture"
    with pytest.raises(error, match=told):
        build(name, MARKET, parameters)
    with pytest.raises(ConfigError, match="strength"):
        AlphaTilt(Peg(), strength=-1)


# -- what a posture allows --------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("styles", "far", "lots"),
    [
        (Style.IMPROVE | Style.JOIN, 1002, [0, 100, 0, 0, 0, 0]),
        (Style.IMPROVE | Style.JOIN, 1000, [0, 0, 100, 0, 0, 0]),
        (Style.JOIN, 1002, [0, 0, 100, 0, 0, 0]),
        (Style.TAKE, 1002, [100, 0, 0, 0, 0, 0]),
        (Style.IMPROVE, 1000, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_lots_that_may_not_take_rest_where_they_may(
    styles: Style, far: int, lots: list[int]
) -> None:
    view = view_of(styles=int(styles), far=far, mid2=999 + far)
    row = PostureCap(Immediate()).decide(view)[0]
    assert [int(row[it.TAKE]), *row[it.REST0 :].tolist()] == lots


@pytest.mark.parametrize("name", ["immediate", "twap_passive", "submit_and_leave", "random"])
def test_the_cap_holds_through_whole_episodes(name: str) -> None:
    """Own share of all lots traded, at every decision of a market that answers; the horizon order apart."""
    source = reactive(presets.load("csco-santa-fe"), settle_s=60.0)
    task = Task(horizon_s=300.0, decisions=10, warmup_s=60.0)
    episodes = Episodes(source, task, 16)
    episodes.set_guidance(Guidance.of([None] * 16, [Posture("A", 0, 0.4, 0.15)] * 16))
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


# -- Almgren and Chriss (2000): the worked example of the paper, the limits -------------------------------------------


X, T, N = 1e6, 5.0, 5
TAU = T / N


def example(risk_aversion: float) -> Parameters:
    """S0 = $50, 30 % annual volatility, spread 1/8, daily volume 5 M; dollars, shares and days."""
    return Parameters(
        sigma=0.95, eta=2.5e-6, gamma=2.5e-7, epsilon=0.0625, risk_aversion=risk_aversion
    )


@pytest.mark.parametrize(
    ("risk_aversion", "kappa_day", "thousands", "cost", "sd"),
    [
        (0.0, 0.0, [1000, 800, 600, 400, 200, 0], 662_500, 1_040_673),
        (1e-6, 0.607, [1000, 542, 290, 148, 62, 0], 911_227, 603_431),
        (2e-6, 0.846, [1000, 429, 183, 76, 28, 0], 1_140_715, 449_368),
        (1e-7, None, None, 670_057, 961_623),
    ],
)
def test_worked_example(risk_aversion, kappa_day, thousands, cost, sd) -> None:  # type: ignore[no-untyped-def]
    p = example(risk_aversion)
    left = holdings(X, T, N, p)
    if thousands is not None:
        assert round(float(kappa(risk_aversion, TAU, p)), 3) == kappa_day
        assert (left / 1000).round().tolist() == thousands
    assert round(expected_cost(left, TAU, p)) == cost
    assert round(cost_variance(left, TAU, p) ** 0.5) == sd


def test_no_other_trajectory_is_better() -> None:
    p = example(1e-6)

    def objective(inner: np.ndarray) -> float:
        left = np.concatenate([[X], inner * X, [0.0]])
        return (expected_cost(left, TAU, p) + 1e-6 * cost_variance(left, TAU, p)) / X

    best = minimize(objective, np.linspace(0.8, 0.2, N - 1), tol=1e-12)
    np.testing.assert_allclose(holdings(X, T, N, p)[1:-1] / X, best.x, atol=1e-5)


def test_small_kappa_runs_into_twap_and_a_large_one_does_not_overflow() -> None:
    u = np.linspace(0, 1, 11)
    np.testing.assert_allclose(share_left(1.0001e-6, u), share_left(0.0, u), atol=1e-9)
    far = share_left(1e5, u)
    assert far.tolist() == [1.0] + [0.0] * 10


def test_strategy_takes_the_trajectory() -> None:
    p = Parameters(sigma=0.95, eta=2.5e-6, gamma=2.5e-7, risk_aversion=1e-6)
    left, taken = 10**6, []
    for k in range(N):
        view = view_of(qty0=10**6, left=left, decision=k, decisions=N, horizon_ns=5 * 10**9)
        taken.append(int(AlmgrenChriss(p).decide(view)[0, i.TAKE]))
        left -= taken[-1]
    np.testing.assert_allclose(10**6 - np.cumsum(taken), holdings(X, T, N, p)[1:], atol=0.5)


def test_without_volatility_it_is_twap() -> None:
    calm = MarketEstimates(1000.0, sigma=0.0, eta=0.1)
    view = view_of(qty0=100, left=[100, 90, 10], decision=[0, 1, 9])
    twap = build("twap_take").decide(view)
    np.testing.assert_array_equal(build("almgren_chriss", calm).decide(view), twap)


def test_urgency_has_no_units() -> None:
    """The same order counted in other lots, ticks and seconds has the same shape."""
    lots, ticks, seconds = 100.0, 4.0, 60.0
    p = Parameters(sigma=2.0, eta=0.3)
    scaled = Parameters(sigma=2.0 * ticks * seconds**0.5, eta=0.3 * ticks * lots / seconds)
    shape = holdings(1000.0, 600.0, 10, p) / 1000.0
    np.testing.assert_allclose(
        holdings(1000.0 / lots, 600.0 / seconds, 10, scaled) * lots / 1000.0, shape
    )


BAD = [{"eta": 0.0}, {"sigma": -1.0}, {"risk_aversion": -1.0}, {"urgency": np.nan}]


@pytest.mark.parametrize("change", BAD)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Parameters(**{"sigma": 1.0, "eta": 1.0, **change})
    with pytest.raises(ConfigError, match="gamma"):
        kappa(1.0, 10.0, Parameters(sigma=1.0, eta=1.0, gamma=1.0))
