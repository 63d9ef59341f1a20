"""Risk: the price's threshold is the best one, and learners find optima that are known in closed form."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from tests.lab.learning.toy import ToyVec, VectorToyVec

from tercel.core.errors import ConfigError
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train
from tercel.lab.learning.rewards import Risk, RiskTransform


@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=40),
    st.sampled_from([Risk(1.0), Risk(2.0, "mean_variance")]),
)
def test_no_other_threshold_is_better(costs, risk):
    costs = np.array(costs)
    best = risk.value(costs)
    # numpy's quantile interpolates between two costs, anywhere between which the mean price differs by rounding only
    # where (1 - level) n is whole; elsewhere one of the costs themselves is best.
    tried = [
        risk.price(costs, np.full(costs.shape, w)).mean()
        for w in (*costs, costs.mean(), *np.linspace(-60, 60, 25))
    ]
    assert best <= min(tried) + (1e-9 if risk.measure == "mean_variance" else np.ptp(costs) * 1.01)
    assert best >= costs.mean() - 1e-9


def test_value_is_the_known_risk_of_a_normal_sample():
    costs = np.random.default_rng(0).normal(1.0, 2.0, 200_000)
    tail = stats.norm.pdf(stats.norm.ppf(0.9)) / 0.1
    assert Risk(1.0).value(costs) == pytest.approx(1 + 2 * tail, abs=0.03)
    assert Risk(0.25).value(costs) == pytest.approx(1 + 0.5 * tail, abs=0.03)
    assert Risk(0.5, "mean_variance").value(costs) == pytest.approx(3.0, abs=0.03)
    assert Risk().value(costs) == pytest.approx(costs.mean())


def priced(risk):
    """The settings of a learner that prices by `risk`."""
    return {"risk_aversion": risk.aversion, "risk_measure": risk.measure, "risk_level": risk.level}


class TwoSteps:
    """A cost of 0 or 4 comes by itself and is seen; then pay 1 for sure, or 3 once in four times."""

    observation_size, n_actions = 2, 2

    def __init__(self, n=64):
        self.n = n

    def reset(self, seed):
        self.rng, self.t = np.random.default_rng(seed), 0
        return np.zeros((self.n, 2), np.float32)

    def step(self, actions):
        u = self.rng.random(self.n)
        cost = 4.0 * (u < 0.2) if self.t == 0 else np.where(actions == 1, 3.0 * (u < 0.25), 1.0)
        self.t = 1 - self.t
        seen = np.stack([np.full(self.n, self.t), cost * self.t], axis=1).astype(np.float32)
        return seen, -cost, np.full(self.n, self.t == 0), {}


def exact(risk, after_none, after_four):
    """The objective of gambling or not after either cost, from the whole law of the total cost."""
    weights = {}
    for first, p in ((0, 0.8), (4, 0.2)):
        gamble = after_four if first else after_none
        for second, q in ((3, 0.25), (0, 0.75)) if gamble else ((1, 1.0),):
            weights[first + second] = weights.get(first + second, 0) + p * q
    sample = np.repeat(list(weights), [round(1000 * w) for w in weights.values()]).astype(float)
    return risk.value(sample)


def test_what_it_has_cost_so_far_decides():
    risk, frames = Risk(0.5, "cvar", 0.9), 40_000
    best = min(product((0, 1), repeat=2), key=lambda choice: exact(risk, *choice))
    assert best == (1, 0), "gamble while nothing is lost, not afterwards"
    settings = PpoSettings(
        (16,), steps=16, minibatch=256, learning_rate=3e-3, anneal_frames=frames, **priced(risk)
    )
    learner = Ppo(TwoSteps(), settings, 1)
    train(learner, frames)
    assert tuple(learner.policy().act(np.array([[1, 0], [1, 4]], np.float32))) == best
    assert exact(risk, *best) < min(exact(risk, 0, 0), exact(risk, 1, 1)) - 0.09
    assert learner.risk_transform.threshold == 5.0


def test_prices_add_up():
    risk = Risk(0.7, "mean_variance")
    plain, risk_transform = VectorToyVec(), RiskTransform(8, risk)
    rng = np.random.default_rng(0)
    plain.reset(3)
    cost, paid = np.zeros(8), np.zeros(8)
    for _ in range(20):
        threshold = risk_transform._threshold.copy()
        _, reward, done, _ = plain.step(rng.normal(size=(8, 2)).astype(np.float32))
        cost -= reward
        paid -= risk_transform.pay(reward, done)
        expected = risk.price(cost, threshold) - risk.price(np.zeros(8), threshold)
        np.testing.assert_allclose(paid, expected, atol=1e-9)
        cost[done], paid[done] = 0, 0


def test_what_was_earned_is_logged_not_what_was_paid():
    learner = Ppo(ToyVec(), PpoSettings((8,), steps=16, minibatch=64, risk_aversion=0.4), 1)
    for _ in range(4):
        row = learner.update()
        assert row["risk_threshold"] == learner.risk_transform.threshold
    assert row["return_mean"] >= 0


def test_nonsense_is_refused():
    for wrong in (
        {"aversion": -1.0},
        {"aversion": 1.5},
        {"level": 1.0},
        {"measure": "variance"},
        {"aversion": np.nan},
    ):
        with pytest.raises(ConfigError):
            Risk(**wrong)
