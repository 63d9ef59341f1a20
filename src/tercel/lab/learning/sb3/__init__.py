"""Stable-Baselines3 on our environments: the learner of networks that we do not write.

``Sb3Learner`` is a learner like any other with PPO, DQN, QR-DQN, recurrent PPO or maskable PPO behind it, custom
networks and a device by name. It needs the extra ``[learn]``; torch is imported inside functions, never with this package.
"""

from tercel.lab.learning.sb3.bridge import ALGORITHMS, Sb3Settings, monitored, to_sb3
from tercel.lab.learning.sb3.learner import Sb3Learner

__all__ = ["ALGORITHMS", "Sb3Learner", "Sb3Settings", "monitored", "to_sb3"]
