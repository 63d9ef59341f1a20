from tercel.lab.learning.envs import ExecutionVec as ExecutionVec
from tercel.lab.learning.native.dqn import Dqn as Dqn
from tercel.lab.learning.native.dqn import DqnSettings as DqnSettings
from tercel.lab.learning.native.learner import CLIP as CLIP
from tercel.lab.learning.native.learner import EPSILON as EPSILON
from tercel.lab.learning.native.ppo import Ppo as Ppo
from tercel.lab.learning.native.ppo import PpoSettings as PpoSettings
from tercel.lab.learning.port import Learner as Learner
from tercel.lab.learning.port import State as State
from tercel.lab.learning.port import VecEnv as VecEnv
from tercel.lab.learning.port import action_sizes as action_sizes
from tercel.lab.learning.ray.cluster import on_cluster as on_cluster

__all__ = [
    "CLIP",
    "EPSILON",
    "Dqn",
    "DqnSettings",
    "ExecutionVec",
    "Learner",
    "Ppo",
    "PpoSettings",
    "State",
    "VecEnv",
    "action_sizes",
    "on_cluster",
]
