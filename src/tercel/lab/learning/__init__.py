"""Learners: the port, native PPO and DQN, Stable-Baselines3 as their judge, checkpoints and metrics."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
