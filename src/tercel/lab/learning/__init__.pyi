from tercel.lab.learning.envs import ExecutionVec as ExecutionVec
from tercel.lab.learning.native.dqn import Dqn as Dqn
from tercel.lab.learning.native.dqn import DqnSettings as DqnSettings
from tercel.lab.learning.native.ppo import Ppo as Ppo
from tercel.lab.learning.native.ppo import PpoSettings as PpoSettings
from tercel.lab.learning.port import AnyVecEnv as AnyVecEnv
from tercel.lab.learning.port import State as State
from tercel.lab.learning.port import VecEnv as VecEnv
from tercel.lab.learning.ray.jobs import on_cluster as on_cluster

__all__ = [
    "AnyVecEnv",
    "Dqn",
    "DqnSettings",
    "ExecutionVec",
    "Ppo",
    "PpoSettings",
    "State",
    "VecEnv",
    "on_cluster",
]
