"""Environments and learners keep to their ports; resume, checkpoints, metrics; laws of vectors and shares; risk."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count, product

import gymnasium
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special, stats
from tests.lab.learning.tiny import TinyMarket
from tests.lab.learning.toy import MaskedToyVec, SharesToyVec, ToyVec, VectorToyVec

from certify.kits.learner import LearnerContract, VecEnvContract
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.policies.onnx_policy import from_onnx, to_onnx
from tercel.lab.evaluation.training_files import read_metrics
from tercel.lab.learning.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from tercel.lab.learning.metrics import MetricsLog
from tercel.lab.learning.native import continuous_kernels, learner
from tercel.lab.learning.native.distributions import HeadOutput, distribution
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import Learner, LearningError, SameStepVectorEnv, train
from tercel.lab.learning.risk_objective import Risk, RiskTransform

PPO = PpoSettings(hidden=(16, 16), steps=16, minibatch=32, epochs=2)
DQN = DqnSettings(
    hidden=(16, 16),
    steps=16,
    minibatch=32,
    capacity=512,
    warmup=64,
    gradient_steps=1,
    target_every=8,
)


class TestToys(VecEnvContract):
    @pytest.fixture(params=[TinyMarket, MaskedToyVec])
    def env(self, request):
        return request.param(8)


GAUSSIAN = replace(PPO, anneal_frames=1024, entropy_end=0.0)
LEARNERS: dict[str, Callable[[int], Learner]] = {
    "ppo": lambda seed: Ppo(TinyMarket(8), PPO, seed),
    "ppo of normalised values": lambda seed: Ppo(
        TinyMarket(8), replace(PPO, normalise_values=True, threads=2), seed
    ),
    "ppo of risk": lambda seed: Ppo(
        TinyMarket(8), replace(PPO, risk_aversion=0.5, risk_measure="mean_variance"), seed
    ),
    "gaussian": lambda seed: Ppo(VectorToyVec(), replace(GAUSSIAN, distribution="gaussian"), seed),
    "logistic normal": lambda seed: Ppo(
        SharesToyVec(), replace(GAUSSIAN, distribution="logistic_normal"), seed
    ),
    "dirichlet": lambda seed: Ppo(
        SharesToyVec(), replace(GAUSSIAN, distribution="dirichlet"), seed
    ),
    "dqn": lambda seed: Dqn(TinyMarket(8), DQN, seed),
    "dqn of risk": lambda seed: Dqn(TinyMarket(8), replace(DQN, risk_aversion=0.5), seed),
}


@pytest.mark.parametrize("name", LEARNERS)
class TestLearner(LearnerContract):
    @pytest.fixture
    def make(self, name):
        self.updates = 6 if "dqn" in name else 3  # the replay ring of 64 steps comes round
        return LEARNERS[name]


@pytest.mark.parametrize("env", [ToyVec, MaskedToyVec])
@pytest.mark.parametrize("learner", ["ppo", "dqn"])
def test_the_toy_is_learned(learner, env):
    made = Ppo(env(), PPO, 1) if learner == "ppo" else Dqn(env(), DQN, 1)
    train(made, 20_000)
    obs = env().reset(seed=9)[0]
    assert (made.policy().act(obs) == obs[:, :-1].argmax(axis=1)).all()


@pytest.mark.parametrize("kind", [lambda e: Ppo(e, PPO, 1), lambda e: Dqn(e, DQN, 1)])
def test_without_env_state_a_resume_starts_new_episodes(kind):
    first, again = kind(ToyVec()), kind(ToyVec())
    for _ in range(6):
        first.update()
    again.restore(first.state())
    assert "env" not in first.state()
    assert again.frames == first.frames
    assert np.array_equal(again.policy().packed[0], first.policy().packed[0])
    assert np.isfinite(list(again.update().values())).all()


def test_values_stay_the_same_when_their_scale_moves():
    class Far(ToyVec):
        def step(self, actions):
            obs, reward, *more = super().step(actions)
            return obs, 500 + 300 * reward, *more

    settings = replace(PPO, normalise_values=True, scale_rewards=False)
    learner = Ppo(Far(64), replace(settings, minibatch=256, learning_rate=3e-3), 1)
    rows = [learner.update() for _ in range(30)]
    assert rows[-1]["explained_variance"] > 0.9, "targets are of one size, whatever the rewards'"
    learner.collect()
    said = learner.valuer.values(learner.rollout.last)
    learner.valuer.learn(
        np.full(999, 7e4, np.float32), learner.net.head_weights[1], learner.net.head_biases[1]
    )
    x = learner.net.forward(learner.x, learner.acting)[1][:, 0] + learner.net.head_biases[1]
    np.testing.assert_allclose(learner.valuer.values(x), said, rtol=1e-4)


def test_checkpoint_round_trip_and_resume(tmp_path):
    straight = Ppo(TinyMarket(8), PPO, 2)
    train(straight, 128 * 3, checkpoint=lambda state: save_checkpoint(tmp_path, state), every=1)
    train(straight, 128 * 6)
    resumed = Ppo(TinyMarket(8), PPO, 2)
    resumed.restore(load_checkpoint(tmp_path))
    assert resumed.frames == 128 * 3
    train(resumed, 128 * 6)
    assert np.array_equal(straight.policy().packed[0], resumed.policy().packed[0])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_checkpoint_is_refused_and_an_absent_one_is_none(tmp_path):
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, Dqn(TinyMarket(8), DQN, 2).state())
    store = next(tmp_path.glob("*.npz"))
    store.write_bytes(store.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="hash"):
        load_checkpoint(tmp_path)


def test_a_killed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(
        tmp_path,
        {"a": np.arange(3), "rng": np.random.default_rng(0).bit_generator.state, "n": None},
    )
    from tercel.lab.learning import checkpoint

    monkeypatch.setattr(
        checkpoint.json, "dumps", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, {"a": np.arange(4)})
    monkeypatch.undo()
    state = load_checkpoint(tmp_path)
    assert state["a"].tolist() == [0, 1, 2]
    assert state["rng"] == np.random.default_rng(0).bit_generator.state
    assert state["n"] is None


def test_training_stops_between_updates(tmp_path):
    learner, calls, saved, seen = Ppo(TinyMarket(8), PPO, 0), count(), [], []
    finished = train(
        learner,
        10_000,
        on_update=seen.append,
        checkpoint=saved.append,
        every=2,
        stop=lambda: next(calls) == 3,
    )
    assert not finished
    assert [row["frames"] for row in seen] == [128, 256, 384]
    assert [state["frames"] for state in saved] == [256, 384]


def test_metrics_file_survives_a_resume(tmp_path):
    path = tmp_path / "metrics.csv"
    log = MetricsLog(path)
    for frames in (1.0, 2.0, 3.0):
        log.add({"frames": frames, "return_mean": -frames / 3})
    with path.open("a") as file:
        file.write("4.0,")  # killed while writing
    again = MetricsLog(path, frames=2)
    again.add({"frames": 3.0, "return_mean": 7.0})
    assert read_metrics(path) == again.rows
    assert [row["return_mean"] for row in again.rows] == [-1 / 3, -2 / 3, 7.0]
    assert MetricsLog(path).rows == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"frames,loss\r\n1.0,2.0\r\nx,2.0\r\n3.0,2.0\r\n", "row 2"),
        (b"loss\r\n1.0\r\n", "no column 'frames'"),
        (b"frames,\xff\xfe\r\n", "decode"),
        (b"", "no whole row"),
        (b"frames,loss\r\n1.0,", "no whole row"),
    ],
)
def test_a_damaged_metrics_file_is_named_and_not_gone_on_with(tmp_path, raw, said):
    path = tmp_path / "metrics.csv"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=f"metrics.csv: .*{said}"):
        MetricsLog(path, frames=2)
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda: Ppo(TinyMarket(8), PpoSettings(steps=10, minibatch=64)),
            "multiple of the minibatch",
        ),
        (lambda: Dqn(TinyMarket(8), DqnSettings(capacity=100)), "capacity"),
        (lambda: Ppo(ToyVec(actions=1), PPO), "two or more actions"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(made, told):
    with pytest.raises(ConfigError, match=told):
        made()


def test_weights_start_orthogonal_and_the_policy_s_last_ones_small():
    """As those of Stable-Baselines3: norms of orthogonal columns are square roots of their number times the gain."""
    net = Ppo(TinyMarket(8), PpoSettings(steps=16, minibatch=64), 0).net
    norms = [float(np.linalg.norm(w)) for w in net.head_weights]
    assert norms == pytest.approx([0.01 * 4**0.5, 1.0], rel=1e-5)
    hidden = [float(np.linalg.norm(w[0])) for w in net.weights]
    assert hidden == pytest.approx([(2 * min(w[0].shape)) ** 0.5 for w in net.weights], rel=1e-5)


@pytest.mark.parametrize(
    "kind", [lambda e: Ppo(e, PPO, 1), lambda e: Dqn(e, DQN, 1)], ids=["ppo", "dqn"]
)
def test_a_state_of_other_sizes_and_lost_numbers_are_refused(kind):
    class Broken(ToyVec):
        def step(self, actions):
            obs, reward, *more = super().step(actions)
            return obs, reward * np.nan, *more

    with pytest.raises(LearningError, match="weights"):
        kind(ToyVec(actions=4)).restore(kind(ToyVec()).state())
    with pytest.raises(LearningError, match="gradient norm nan"):
        train(kind(Broken()), 5_000)


def test_blas_gets_its_threads_back():
    def threads() -> list[int]:
        pools = learner._thread_pools().info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = threads()
    with learner.one_thread():
        assert set(threads()) == {1}
    assert threads() == before


# -- vectors and shares -----------------------------------------------------------------------------------------------


TOYS = {"gaussian": VectorToyVec, "logistic_normal": SharesToyVec, "dirichlet": SharesToyVec}
SMALL = {"hidden": (16, 16), "steps": 16, "minibatch": 32, "epochs": 2}


@pytest.mark.parametrize("x", [1.0, 1.5, 2.0, 5.9, 6.0, 40.0, 1e4])
def test_special_functions(x):
    assert continuous_kernels.digamma(x) == pytest.approx(special.digamma(x), abs=1e-9)
    assert continuous_kernels.trigamma(x) == pytest.approx(special.polygamma(1, x), abs=1e-9)


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


@pytest.mark.parametrize("name", TOYS)
def test_what_is_wanted_is_learned_and_exported_exactly(name):
    pytest.importorskip("onnxruntime")
    from tercel.execution.policies.onnx_policy import OnnxPolicy

    env, frames = TOYS[name](64), 60_000 if name != "dirichlet" else 100_000
    learner = Ppo(env, PpoSettings(distribution=name, learning_rate=2e-3, anneal_frames=frames), 1)
    obs = env.reset(seed=9)[0]
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
    env = TOYS[name](8)
    policy = Ppo(env, PpoSettings(**SMALL, distribution=name, start=start), 0).policy()
    np.testing.assert_allclose(
        policy.act(env.reset(seed=0)[0]), np.tile(expected, (8, 1)), atol=1e-6
    )


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


@pytest.mark.parametrize(
    ("env", "more", "told"),
    [
        (VectorToyVec(), {"distribution": "normal"}, "gaussian"),
        (ToyVec(), {"distribution": "gaussian"}, "actions are vectors"),
        (VectorToyVec(), {}, "actions are numbers"),
        (SharesToyVec(size=1), {"distribution": "dirichlet"}, "2 or more shares"),
        (VectorToyVec(), {"distribution": "gaussian", "start": (1.0,)}, "start of 2 finite"),
    ],
)
def test_laws_that_do_not_fit_are_refused(env, more, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        Ppo(env, PpoSettings(**SMALL, **more))
    with pytest.raises(ConfigError, match="take PPO"):
        Dqn(VectorToyVec())


# -- risk -------------------------------------------------------------------------------------------------------------


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


class TwoSteps(SameStepVectorEnv):
    """A cost of 0 or 4 comes by itself and is seen; then pay 1 for sure, or 3 once in four times."""

    def __init__(self, n=64):
        super().__init__(n, 2, gymnasium.spaces.Discrete(2))

    def reset(self, *, seed=None, options=None):
        self.rng, self.t = np.random.default_rng(seed), 0
        return np.zeros((self.num_envs, 2), np.float32), {}

    def step(self, actions):
        u = self.rng.random(self.num_envs)
        cost = 4.0 * (u < 0.2) if self.t == 0 else np.where(actions == 1, 3.0 * (u < 0.25), 1.0)
        self.t = 1 - self.t
        seen = np.stack([np.full(self.num_envs, self.t), cost * self.t], axis=1).astype(np.float32)
        return seen, -cost, np.full(self.num_envs, self.t == 0), self.truncated, {}


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
    plain.reset(seed=3)
    cost, paid = np.zeros(8), np.zeros(8)
    for _ in range(20):
        threshold = risk_transform._threshold.copy()
        _, reward, done, *_ = plain.step(rng.normal(size=(8, 2)).astype(np.float32))
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
