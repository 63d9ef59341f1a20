"""Environments and learners keep to their ports; resume, checkpoints, metrics."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from tests.lab.learning.tiny import TinyMarket
from tests.lab.learning.toy import MaskedToyVec, SharesToyVec, ToyVec, VectorToyVec

from certify.kits.learner import LearnerContract, VecEnvContract
from tercel.core.errors import ConfigError
from tercel.lab.evaluation.training_files import read_metrics
from tercel.lab.learning.native import learner
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import (
    CheckpointError,
    Learner,
    LearningError,
    MetricsLog,
    load_checkpoint,
    save_checkpoint,
    train,
)

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


class TestTinyMarket(VecEnvContract):
    @pytest.fixture
    def env(self):
        return TinyMarket(8)


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
    obs = env().reset(9)
    assert (made.policy().act(obs) == obs[:, :-1].argmax(axis=1)).all()


def test_values_stay_the_same_when_their_scale_moves():
    class Far(ToyVec):
        def step(self, actions):
            obs, reward, done, info = super().step(actions)
            return obs, 500 + 300 * reward, done, info

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
    from tercel.lab.learning import port

    monkeypatch.setattr(port.json, "dumps", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
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
        (lambda: Ppo(ToyVec(actions=1), PPO), "n_actions"),
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
            obs, reward, done, info = super().step(actions)
            return obs, reward * np.nan, done, info

    with pytest.raises(LearningError, match="weights"):
        kind(ToyVec(actions=4)).restore(kind(ToyVec()).state())
    with pytest.raises(LearningError, match="gradient norm nan"):
        train(kind(Broken()), 5_000)


def test_blas_gets_its_threads_back():
    def threads() -> list[int]:
        pools = learner._libraries().info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = threads()
    with learner.one_thread():
        assert set(threads()) == {1}
    assert threads() == before
