"""Schedules with a forecast in them: against dynamic programming, the model's own equations and published limits."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import quad, solve_ivp

from certify.kits.strategy import StrategyConformance, random_views
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution import columns as c, intent as it
from tercel.execution.guidance import expected_move
from tercel.execution.observation import view_of
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategies.almgren_chriss import (
    AlmgrenChriss,
    AlmgrenChrissAlpha,
    CarteaJaimungal,
    Parameters,
    ahead_ticks,
    alpha_lots,
    kappa,
    shrink,
    speed_weight,
)
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.baselines import Peg, SubmitAndLeave, TwapTake
from tercel.execution.strategy import Strategy

P = Parameters(sigma=0.08, eta=0.5, gamma=0.001, urgency=0.7)
MARKET = MarketEstimates(expected_volume=5000.0, sigma=0.05, eta=0.4, spread=1.2)
S = 10**9


class TestAlmgrenChrissAlpha(StrategyConformance):
    def strategy(self) -> AlmgrenChrissAlpha:
        return AlmgrenChrissAlpha(P)


class TestCarteaJaimungal(StrategyConformance):
    def strategy(self) -> CarteaJaimungal:
        return CarteaJaimungal(P)


class TestCarteaJaimungalThatLeavesARest(StrategyConformance):
    def strategy(self) -> CarteaJaimungal:
        return CarteaJaimungal(P, rest_s=45.0)


class TestTiltedTaker(StrategyConformance):
    def strategy(self) -> AlphaTilt:
        return AlphaTilt(TwapTake(), strength=2.0, ticks_a_rung=np.inf)


class TestTiltedRester(StrategyConformance):
    def strategy(self) -> AlphaTilt:
        return AlphaTilt(Peg(), ticks_a_rung=1.0)


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
        after = horizon - 60.0
        assert float(shrink(g, rest, horizon, after)) == pytest.approx(ratio(after), abs=1e-9)
        speed = -chi / k
        one = 1e-4
        slope = (1 - float(shrink(g, rest, horizon, horizon - one))) / one
        assert slope == pytest.approx(speed, rel=1e-5)
    else:
        ratio = lambda s: s / horizon if g < 1e-8 else np.sinh(g * s) / np.sinh(g * horizon)  # noqa: E731
    exact, _ = quad(
        lambda u: ratio(horizon - u) * np.exp(-theta * u),
        0,
        horizon,
        epsabs=1e-11,
        epsrel=1e-11,
        limit=400,
    )
    assert float(speed_weight(g, rest, theta, horizon)) == pytest.approx(exact, rel=1e-9)


def test_limits_that_are_published() -> None:
    theta, t = 0.003, 700.0
    known = 1 / theta - (1 - np.exp(-theta * t)) / (theta**2 * t)
    assert float(speed_weight(0.0, 0.0, theta, t)) == pytest.approx(known, rel=1e-12)
    assert float(speed_weight(0.0, 0.0, 0.0, t)) == pytest.approx(t / 2, rel=1e-12)
    assert float(shrink(0.0, 0.0, t, t - 1)) == pytest.approx(1 - 1 / t, rel=1e-12)


def test_discrete_and_continuous_speeds_meet() -> None:
    """Many intervals: the first block of one is the speed of the other."""
    p, n, horizon = Parameters(sigma=0.1, eta=0.5, risk_aversion=2e-4), 6000, 1800.0
    tau = horizon / n
    view = view_of(
        qty0=10**6, left=10**6, decisions=n, horizon_ns=int(horizon * S), time_left_ns=int(horizon * S),
        alpha=9_000, half_life_ns=400 * S, touch=99_999, far=100_001, mid2=200_000,
    )  # fmt: skip
    k = kappa(2e-4, tau, p)
    lots = alpha_lots(
        ahead_ticks(view, n), np.array([n]), np.array([k * tau]), np.array([tau]), np.array([p.eta])
    )[0]
    theta = np.log(2) / 400
    speed = 90.0 * theta / (2 * p.eta) * float(speed_weight(k, 0.0, theta, horizon))
    assert lots / tau == pytest.approx(speed, rel=1e-3)


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


def test_resting_lots_step_back_when_the_market_is_expected_to_come() -> None:
    def rests(bps: float) -> list[int]:
        view = view_of(alpha=round(1000 * bps), half_life_ns=200 * S)  # a tick is 10 bps
        return AlphaTilt(SubmitAndLeave()).decide(view)[0, it.REST0 :].tolist()

    assert rests(0) == rests(25) == rests(-9) == [0, 100, 0, 0, 0]
    assert rests(-10) == [0, 0, 100, 0, 0]
    assert rests(-29) == [0, 0, 0, 100, 0]
    assert rests(-500) == [0, 0, 0, 0, 100]


def test_a_tilt_without_a_forecast_is_nothing() -> None:
    for seed in range(3):
        view = random_views(200, seed)
        view.x[:, c.HALF_LIFE_NS] = 0
        for inner in (TwapTake(), Peg()):
            np.testing.assert_array_equal(
                AlphaTilt(inner, ticks_a_rung=1).decide(view), inner.decide(view)
            )


def test_a_tilt_is_bounded() -> None:
    for seed in range(3):
        view = random_views(200, seed)
        view.x[:, c.ALPHA] *= 1000
        plain = TwapTake().decide(view)[:, it.TAKE]
        more = AlphaTilt(TwapTake(), most=2.0, hold=0.5).decide(view)[:, it.TAKE] - plain
        assert (more <= np.ceil(2 * view.left / view.decisions_left)).all()
        assert (-more <= np.ceil(plain / 2)).all()


def test_names_of_wrapped_strategies() -> None:
    assert build("pov+alpha+posture", MARKET).name == "pov+alpha+posture"
    with pytest.raises(
        UnknownNameError,
        match=r"'twap_take\+posture\+alpha', which was removed after f405a0a1a: it gained nothing",
    ):
        build("twap_take+posture+alpha")
    with pytest.raises(UnknownNameError, match="alpha or"):
        build("pov+beta", MARKET)
    with pytest.raises(UnknownNameError, match="pov"):
        build("povv+alpha", MARKET)
    with pytest.raises(ConfigError, match="rest_s"):
        build("cartea_jaimungal", MARKET, {"rest_s": -1.0})
    with pytest.raises(ConfigError, match="strength"):
        AlphaTilt(Peg(), strength=-1)
    assert wrap(Peg(), []).name == "peg_behind"
