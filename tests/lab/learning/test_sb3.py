"""Every algorithm of Stable-Baselines3 learns on our environments, resumes, and leaves as a policy.

The oracle of an export is torch's own forward pass on the same observations.
"""

import numpy as np
import pytest
from tests.lab.learning import tiny
from tests.lab.learning.toy import MaskedToyVec, SharesToyVec, ToyVec, VectorToyVec

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.features import FEATURES
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy, RecurrentPolicy, from_onnx
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")


from tercel.execution.policies.strategy import policy_strategy
from tercel.lab.learning import sb3
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.sb3.export import export_onnx

pytestmark = pytest.mark.release

ON = {"n_steps": 16, "batch_size": 32, "n_epochs": 4, "learning_rate": 3e-3}
SMALL = {
    "name": "small",
    "market": {"worlds": 2},
    "task": {"horizon_s": 240, "decision_s": 60},
}
OFF = {
    "learning_starts": 64,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "buffer_size": 2_000,
    "target_update_interval": 100,
}
FRAMES = {"ppo": 6_000, "maskable_ppo": 6_000, "recurrent_ppo": 4_000, "dqn": 6_000, "qrdqn": 6_000}


def settings(algorithm, **more):
    parameters = OFF if algorithm in ("dqn", "qrdqn") else ON
    network = {"net_arch": [16, 16]}
    if algorithm == "recurrent_ppo":
        network = {"net_arch": [16], "lstm_hidden_size": 16}
    if algorithm == "qrdqn":
        network |= {"n_quantiles": 16}
    return sb3.Sb3Settings(
        algorithm,
        FRAMES[algorithm],
        **{"parameters": parameters, "network": network, "device": "cpu", **more},
    )


@pytest.mark.parametrize(
    "algorithm",
    [
        "ppo",
        *(
            pytest.param(name, marks=pytest.mark.release)
            for name in sb3.ALGORITHMS
            if name != "ppo"
        ),
    ],
)
def test_each_algorithm_learns_the_toy_and_exports_what_it_learned(algorithm):
    env = MaskedToyVec() if algorithm == "maskable_ppo" else ToyVec()
    learner = sb3.Sb3Learner(env, settings(algorithm), 1)
    rows = []
    train(learner, FRAMES[algorithm], rows.append)
    assert rows[-1]["frames"] >= FRAMES[algorithm]
    obs = ToyVec().reset(seed=9)[0]
    policy = learner.policy()
    assert (policy.act(obs) == obs[:, :-1].argmax(axis=1)).mean() >= 0.99
    assert isinstance(
        policy, {"recurrent_ppo": RecurrentPolicy, "qrdqn": OnnxPolicy}.get(algorithm, MlpPolicy)
    )


@pytest.mark.parametrize("algorithm", list(sb3.ALGORITHMS))
def test_an_export_gives_torchs_numbers(algorithm):
    import torch

    env = ToyVec()
    learner = sb3.Sb3Learner(
        MaskedToyVec() if algorithm == "maskable_ppo" else env, settings(algorithm), 3
    )
    learner.update()
    obs = env.reset(seed=2)[0] + np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    seen = torch.tensor(learner.venv.normalize_obs(obs))
    model = learner.model.policy
    with torch.no_grad():
        if algorithm == "dqn":
            want = model.q_net(seen)
        elif algorithm == "qrdqn":
            want = model.quantile_net(seen).mean(dim=1)
        elif algorithm == "recurrent_ppo":
            memory = (torch.zeros(1, 8, 16),) * 2
            want = model.get_distribution(seen, memory, torch.ones(8))[0].distribution.logits
        else:
            want = model.get_distribution(seen).distribution.logits
    for policy in (
        learner.policy(),
        from_onnx(export_onnx(learner.trained_model()), learner.policy().head),
    ):
        got = policy.logits(obs)
        if "ppo" in algorithm:
            got = got - np.log(np.exp(got).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(got, want.numpy(), atol=2e-5)


def test_memory_goes_on_and_starts_anew():
    import torch

    learner = sb3.Sb3Learner(ToyVec(), settings("recurrent_ppo"), 3)
    policy, model = learner.policy(), learner.model.policy
    rng = np.random.default_rng(1)
    memory = (torch.zeros(1, 8, 16),) * 2
    for t in range(5):
        obs = rng.normal(size=(8, 4)).astype(np.float32)
        starts = np.full(8, t == 0)
        starts[3] |= t == 2
        with torch.no_grad():
            seen = torch.tensor(learner.venv.normalize_obs(obs))
            law, memory = model.get_distribution(
                seen, memory, torch.tensor(starts, dtype=torch.float32)
            )
        assert np.array_equal(
            policy.proceed(obs, starts), law.distribution.probs.argmax(dim=1).numpy()
        )
        np.testing.assert_allclose(policy._h, memory[0][0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("head", "env"), [("vector", VectorToyVec), ("simplex", SharesToyVec)])
def test_vectors_and_shares(head, env):
    learner, toy = sb3.Sb3Learner(env(64), settings("ppo", head=head), 2), env(64)
    obs = toy.reset(seed=1)[0]
    wanted = toy.wanted(toy.goal)
    before = np.abs(learner.policy().act(obs) - wanted).mean()
    train(learner, FRAMES["ppo"])
    assert learner.policy().head == head
    assert np.abs(learner.policy().act(obs) - wanted).mean() < before / 2


@pytest.mark.parametrize("algorithm", ["ppo", "dqn", "recurrent_ppo"])
def test_a_state_goes_on_elsewhere(algorithm):
    first = sb3.Sb3Learner(ToyVec(), settings(algorithm), 1)
    for _ in range(2):
        first.update()
    again = sb3.Sb3Learner(ToyVec(), settings(algorithm), 5)
    again.restore(first.state())
    obs = ToyVec().reset(seed=4)[0]
    assert np.array_equal(first.policy().logits(obs), again.policy().logits(obs))
    assert again.frames == first.frames
    row = again.update()
    assert row["frames"] > first.frames
    assert np.isfinite(row["return_mean"])


def test_rates_fall_with_our_count_of_frames():
    learner = sb3.Sb3Learner(ToyVec(), settings("ppo"), 1)
    rates = [learner.update()["learning_rate"] for _ in range(3)]
    np.testing.assert_allclose(rates, [3e-3 * (1 - i * 128 / 6_000) for i in range(3)], rtol=1e-6)
    values = sb3.Sb3Learner(ToyVec(), settings("dqn"), 1)
    values.update()
    left = values.model.exploration_rate
    assert 0.05 < left < 1
    np.testing.assert_allclose(left, 1 - 0.95 * values.frames / (0.1 * 6_000), atol=0.02)


def test_custom_networks_by_name_and_through_the_loader(tmp_path):
    network = {
        "net_arch": {"pi": [16], "vf": [8, 8]},
        "activation_fn": "elu",
        "features_extractor_class": "stable_baselines3.common.torch_layers:FlattenExtractor",
    }
    learner = sb3.Sb3Learner(tiny.TinyMarket(8), settings("ppo", network=network), 1)
    learner.update()
    policy = learner.policy()
    assert isinstance(policy, OnnxPolicy)
    card = Card("ppo", FEATURES[:4], "placement", tiny.ACTIONS)
    save_policy(tmp_path / "policy", policy, card)
    loaded, _ = load_policy(tmp_path / "policy")
    obs = tiny.TinyMarket(8).reset(seed=3)[0]
    assert np.array_equal(loaded.logits(obs), policy.logits(obs))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"algorithm": "recurent_ppo"}, "recurrent_ppo"),
        ({"parameters": {"nsteps": 3}}, "'n_steps'"),
        ({"network": {"activation_fn": "swoosh"}}, r"package\.module:Class"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(wrong, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        sb3.Sb3Learner(ToyVec(), sb3.Sb3Settings(**wrong), 1)


@pytest.mark.parametrize(
    ("algo", "more"),
    [
        ("sb3_ppo", {"n_steps": 16, "batch_size": 64}),
        (
            "sb3_recurrent_ppo",
            {"n_steps": 16, "batch_size": 64, "network": {"net_arch": [8], "lstm_hidden_size": 8}},
        ),
        ("sb3_qrdqn", {"learning_starts": 64, "batch_size": 32, "train_freq": 8}),
    ],
)
def test_stable_baselines_by_configuration(tmp_path, algo, more):
    policy = {"actions": "placement"} if algo == "sb3_qrdqn" else {}
    told = {
        **SMALL,
        "learner": {"algo": algo, "frames": 1_024, "markets": 8, "device": "cpu", **more},
        "policy": {"hidden": [8], **policy},
        "validation": {"episodes": 8, "every": 512},
    }
    result = run_training(parse(told, "test"), tmp_path, 1)
    assert result.done
    assert result.frames >= 1_024
    assert np.isfinite(result.best["is_bps"])
    assert policy_strategy(tmp_path / "policy").name == "small"


def test_values_of_vectors_are_refused(tmp_path):
    told = {**SMALL, "learner": {"algo": "sb3_dqn"}, "policy": {"actions": "levers"}}
    with pytest.raises(ConfigError, match="discrete actions"):
        run_training(parse(told, "test"), tmp_path, 1)


# -- both learn the same ----------------------------------------------------------------------------------------------


SEEDS = (0, 1, 2)


def within_two_pooled_errors(a, b):
    """|mean difference| <= 2 sqrt(var_a / n + var_b / n)."""
    a, b = np.asarray(a), np.asarray(b)
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return abs(a.mean() - b.mean()) <= 2 * error


def as_sb3(settings):
    """The same settings for the learner that stands on Stable-Baselines3."""
    names = {
        "n_steps": "steps",
        "batch_size": "minibatch",
        "n_epochs": "epochs",
        "learning_rate": "learning_rate",
    }
    names |= {"gae_lambda": "lam", "clip_range": "clip", "ent_coef": "entropy", "vf_coef": "value"}
    parameters = {theirs: getattr(settings, ours) for theirs, ours in names.items()}
    network = {"net_arch": list(settings.hidden)}
    return sb3.Sb3Settings("ppo", settings.anneal_frames, parameters, network, device="cpu")


def test_learning_curves_in_the_tiny_market():
    """Exact costs at four looks on the way: alike on the whole, and at the end."""
    frames, looks = 131_072, 4
    settings = PpoSettings(anneal_frames=frames)
    curves = {"native": [], "sb3": []}
    for seed in SEEDS:
        for name, learner in (
            ("native", Ppo(tiny.TinyMarket(64), settings, seed)),
            ("sb3", sb3.Sb3Learner(tiny.TinyMarket(64), as_sb3(settings), seed)),
        ):
            curve = []
            for look in range(1, looks + 1):
                train(learner, look * frames // looks)
                curve.append(tiny.expected_cost(tiny.table_of(learner.policy())))
            curves[name].append(curve)
    native, other = (np.array(curves[name]) for name in ("native", "sb3"))
    assert within_two_pooled_errors(native.mean(axis=1), other.mean(axis=1)), (native, other)
    assert within_two_pooled_errors(native[:, -1], other[:, -1]), (native, other)
    assert (native[:, 0] > native[:, -1]).all(), "no curve at all"
