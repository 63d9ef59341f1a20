from tercel.lab.learning.envs import ExecutionVec as ExecutionVec
from tercel.lab.learning.mixed_env import MixedVec as MixedVec
from tercel.lab.learning.native.dqn import Dqn as Dqn
from tercel.lab.learning.native.dqn import DqnSettings as DqnSettings
from tercel.lab.learning.native.normalisation import CLIP as CLIP
from tercel.lab.learning.native.normalisation import EPSILON as EPSILON
from tercel.lab.learning.native.ppo import Ppo as Ppo
from tercel.lab.learning.native.ppo import PpoSettings as PpoSettings
from tercel.lab.learning.port import Info as Info
from tercel.lab.learning.port import Learner as Learner
from tercel.lab.learning.port import LearningError as LearningError
from tercel.lab.learning.port import State as State
from tercel.lab.learning.port import VecEnv as VecEnv
from tercel.lab.learning.port import action_sizes as action_sizes

__all__ = [
    "CLIP",
    "EPSILON",
    "Dqn",
    "DqnSettings",
    "ExecutionVec",
    "Info",
    "Learner",
    "LearningError",
    "MixedVec",
    "Ppo",
    "PpoSettings",
    "State",
    "VecEnv",
    "action_sizes",
]
