"""Native PPO and Stable-Baselines3's learn the same: final costs over three seeds within two pooled standard errors."""

import numpy as np
import pytest

from tercel.learning import tiny
from tercel.learning.native.ppo import Ppo, PpoSettings
from tercel.learning.port import train

pytest.importorskip("stable_baselines3")

from tercel.learning import sb3

SEEDS = (0, 1, 2)


def within_two_pooled_errors(a, b):
    """|mean difference| <= 2 sqrt(var_a / n + var_b / n)."""
    a, b = np.asarray(a), np.asarray(b)
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return abs(a.mean() - b.mean()) <= 2 * error


@pytest.mark.slow
def test_final_costs_in_the_tiny_market():
    sb3.one_thread()
    frames = 204_800
    settings = PpoSettings(anneal_frames=frames)
    native, other = [], []
    for seed in SEEDS:
        mine = Ppo(tiny.TinyMarket(64), settings, seed)
        train(mine, frames)
        theirs = sb3.Sb3Ppo(tiny.TinyMarket(64), settings, seed)
        theirs.learn(frames)
        native.append(tiny.expected_cost(tiny.table_of(mine.policy())))
        other.append(tiny.expected_cost(tiny.table_of(theirs.policy())))
    assert within_two_pooled_errors(native, other), (native, other)


def test_its_policy_as_arrays_is_its_own():
    import torch

    theirs = sb3.Sb3Ppo(tiny.TinyMarket(8), PpoSettings(steps=16, minibatch=64), 3)
    theirs.learn(512)
    obs = tiny.TinyMarket(50).reset(1) + np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    seen = torch.tensor(theirs.venv.normalize_obs(obs))
    logits = theirs.model.policy.get_distribution(seen).distribution.logits.detach().numpy()
    mine = theirs.policy().logits(obs)
    mine -= np.log(np.exp(mine).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(mine, logits, atol=1e-5)


def test_both_start_from_the_same_kind_of_weights():
    env = tiny.TinyMarket(8)
    mine = Ppo(env, PpoSettings(steps=16, minibatch=64), 0).net
    theirs = sb3.Sb3Ppo(env, PpoSettings(steps=16, minibatch=64), 0).model.policy
    norms = [float(torch_layer.weight.detach().norm()) for torch_layer in (theirs.action_net, theirs.value_net)]
    assert [float(np.linalg.norm(w)) for w in mine.head_weights] == pytest.approx(norms, rel=1e-5)
    hidden = [float(theirs.mlp_extractor.policy_net[i].weight.detach().norm()) for i in (0, 2)]
    assert [float(np.linalg.norm(w[0])) for w in mine.weights] == pytest.approx(hidden, rel=1e-5)
