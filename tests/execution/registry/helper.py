"""Small policies to register."""

from pathlib import Path

import numpy as np

from tercel.execution.observation import observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import save_policy
from tercel.execution.policies.mlp import MlpPolicy


def small_policy(folder: Path, seed: int = 0) -> Path:
    """A random policy of the package's observation and placement actions, saved to `folder`."""
    rng = np.random.default_rng(seed)
    entries = observer("v3").entries
    width = len(entries)
    weights = rng.normal(size=(width, 8)).astype(np.float32)
    layers = ((weights, np.zeros(8, np.float32)),)
    policy = MlpPolicy(layers, np.zeros(width, np.float32), np.ones(width, np.float32))
    save_policy(folder, policy, Card("ppo", entries, "placement", 8, seed=seed))
    return folder
