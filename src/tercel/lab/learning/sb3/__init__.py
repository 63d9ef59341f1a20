"""Stable-Baselines3 algorithms as learners on the vector environments, and their models as policies.

``Sb3Learner`` is a learner like any other with PPO, DQN, QR-DQN, recurrent PPO or maskable PPO behind it, custom
networks and a device by name. It needs the extra ``[learn]``; torch is imported inside functions, never with this package.
"""

from tercel.lab.learning.sb3.learner import Sb3Learner
from tercel.lab.learning.sb3.settings import ALGORITHMS, Sb3Settings
from tercel.lab.learning.sb3.vec_env import to_sb3, with_monitor

__all__ = ["ALGORITHMS", "Sb3Learner", "Sb3Settings", "to_sb3", "with_monitor"]
