"""Learners and their environments: protocols, native PPO and DQN, Stable-Baselines3, checkpoints and metrics."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
