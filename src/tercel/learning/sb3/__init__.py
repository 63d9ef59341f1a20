"""Stable-Baselines3 on our environments: judge of the native learner, and the learner of networks that we do not write.

``Sb3Ppo`` is its PPO with the native learner's settings, to compare the two. ``Sb3Learner`` is a learner like any other
with PPO, DQN, QR-DQN, recurrent PPO or maskable PPO behind it, custom networks and a device by name. Both need the
extra ``[learn]``; torch is imported inside functions, never with this room.
"""

from tercel.learning.sb3.env import available, one_thread, to_sb3
from tercel.learning.sb3.judge import Sb3Ppo, torch_call
from tercel.learning.sb3.learner import Sb3Learner
from tercel.learning.sb3.settings import ALGORITHMS, Sb3Settings

__all__ = ["ALGORITHMS", "Sb3Learner", "Sb3Ppo", "Sb3Settings", "available", "one_thread", "to_sb3", "torch_call"]
