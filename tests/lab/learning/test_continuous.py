"""Vectors and shares: their laws, what is learned with them, what leaves the learner."""

import numpy as np
import pytest
from scipy import special, stats
from tests.lab.learning.toy import SharesToyVec, ToyVec, VectorToyVec

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.policies.network import from_onnx, to_onnx
from tercel.lab.learning.native import distributions
from tercel.lab.learning.native.distributions import HeadOutput, distribution
from tercel.lab.learning.native.dqn import Dqn
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train

LAWS = {"gaussian": VectorToyVec, "logistic_normal": SharesToyVec, "dirichlet": SharesToyVec}
SMALL = {"hidden": (16, 16), "steps": 16, "minibatch": 32, "epochs": 2}


@pytest.mark.parametrize("x", [1.0, 1.5, 2.0, 5.9, 6.0, 40.0, 1e4])
def test_special_functions(x):
    assert distributions.digamma(x) == pytest.approx(special.digamma(x), abs=1e-9)
    assert distributions.trigamma(x) == pytest.approx(special.polygamma(1, x), abs=1e-9)


def sampled(name, size, rows=20_000, sigma=0.4):
    rng = np.random.default_rng(1)
    law = distribution(name, 0, size)
    row = rng.normal(size=law.width).astype(np.float32)
    raw, bias = np.tile(row, (rows, 1)), np.full(law.width, 0.3, np.float32)
    actions, logps = law.store(rows), np.empty(rows, np.float32)
    given = law.sample(HeadOutput(raw, bias, np.ones(raw.shape, bool), sigma), rng, actions, logps)
    return law, row + bias, given, actions, logps


def test_gaussian_draws_and_densities():
    _, mean, given, actions, logps = sampled("gaussian", 3)
    np.testing.assert_array_equal(given, actions)
    np.testing.assert_allclose(given.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(given.std(axis=0), 0.4, atol=0.01)
    np.testing.assert_allclose(logps, stats.norm(mean, 0.4).logpdf(given).sum(axis=1), atol=1e-4)


def test_logistic_normal_draws():
    law, mean, given, latent, logps = sampled("logistic_normal", 4)
    assert latent.shape[1] == law.width == 3
    np.testing.assert_allclose(np.log(given[:, :-1] / given[:, -1:]), latent, atol=1e-5)
    np.testing.assert_allclose(logps, stats.norm(mean, 0.4).logpdf(latent).sum(axis=1), atol=1e-4)


def test_dirichlet_draws_and_densities():
    _, raw, given, _, logps = sampled("dirichlet", 3)
    alpha = np.log1p(np.exp(raw.astype(float))) + 1
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(given.mean(axis=0), alpha / alpha.sum(), atol=0.01)
    inner = given.astype(float) / given.sum(axis=1, keepdims=True, dtype=float)
    np.testing.assert_allclose(logps, stats.dirichlet(alpha).logpdf(inner.T), atol=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_what_is_wanted_is_learned_and_exported_exactly(name):
    pytest.importorskip("onnxruntime")
    from tercel.execution.policies.network import OnnxPolicy

    env, frames = LAWS[name](64), 60_000 if name != "dirichlet" else 100_000
    learner = Ppo(env, PpoSettings(distribution=name, learning_rate=2e-3, anneal_frames=frames), 1)
    obs = env.reset(9)
    wanted = env.wanted(env.goal)
    before = np.abs(learner.policy().act(obs) - wanted).mean()
    train(learner, frames)
    policy = learner.policy()
    action = policy.act(obs)
    assert action.dtype == np.float32
    assert action.shape == (64, 2)
    assert np.abs(action - wanted).mean() < min(0.06, before / 2)
    again = from_onnx(to_onnx(policy))
    assert again.head == policy.head
    assert np.array_equal(again.act(obs), action)
    np.testing.assert_allclose(OnnxPolicy(to_onnx(policy), policy.head).act(obs), action, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("gaussian", (), (0, 0)),
        ("gaussian", (1.0, -2.0), (1, -2)),
        ("logistic_normal", (), (0.5, 0.5)),
        ("logistic_normal", (0.2, 0.8), (0.2, 0.8)),
        ("dirichlet", (0.3, 0.7), (0.3, 0.7)),
    ],
)
def test_it_starts_where_it_is_told(name, start, expected):
    env = LAWS[name](8)
    policy = Ppo(env, PpoSettings(**SMALL, distribution=name, start=start), 0).policy()
    np.testing.assert_allclose(policy.act(env.reset(0)), np.tile(expected, (8, 1)), atol=1e-6)


def test_sigma_and_entropy_are_annealed():
    settings = PpoSettings(
        **SMALL, distribution="gaussian", anneal_frames=384, learning_rate_end=1e-4
    )
    learner = Ppo(VectorToyVec(), settings, 0)
    rows = [learner.update() for _ in range(4)]
    np.testing.assert_allclose(
        [row["sigma"] for row in rows], [1.0, 1 - 0.68 / 3, 1 - 1.36 / 3, 0.32]
    )
    np.testing.assert_allclose(
        [row["learning_rate"] for row in rows], np.array([5, 11 / 3, 7 / 3, 1]) * 1e-4
    )


def test_a_target_kl_stops_early():
    def kl(target):
        settings = PpoSettings(**SMALL | {"epochs": 8}, learning_rate=3e-2, target_kl=target)
        learner = Ppo(ToyVec(), settings, 1)
        return np.mean([learner.update()["kl"] for _ in range(4)]), learner.adam.steps

    free, steps = kl(0.0)
    held, fewer = kl(0.02)
    assert fewer < steps == 4 * 32
    assert held < free


class Both(VectorToyVec):
    """Vectors and numbers."""

    n_actions = 2


@pytest.mark.parametrize(
    ("env", "more", "told"),
    [
        (VectorToyVec(), {"distribution": "normal"}, "gaussian"),
        (ToyVec(), {"distribution": "gaussian"}, "actions are vectors"),
        (VectorToyVec(), {}, "actions are numbers"),
        (SharesToyVec(size=1), {"distribution": "dirichlet"}, "2 or more shares"),
        (VectorToyVec(), {"distribution": "gaussian", "start": (1.0,)}, "start of 2 finite"),
        (Both(), {}, "not both"),
    ],
)
def test_laws_that_do_not_fit_are_refused(env, more, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        Ppo(env, PpoSettings(**SMALL, **more))
    with pytest.raises(ConfigError, match="take PPO"):
        Dqn(VectorToyVec())
