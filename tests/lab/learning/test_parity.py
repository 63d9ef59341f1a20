"""Native PPO and Stable-Baselines3's learn the same: exact costs over three seeds within two pooled standard errors."""

import numpy as np
import pytest
from tests.lab.learning import tiny

from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train

pytest.importorskip("stable_baselines3")

from tercel.lab.learning import sb3

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


@pytest.mark.release
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
