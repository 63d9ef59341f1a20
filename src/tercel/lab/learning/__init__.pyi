from tercel.lab.learning.envs import ExecutionVec as ExecutionVec, MixedVec as MixedVec
from tercel.lab.learning.native.dqn import Dqn as Dqn, DqnSettings as DqnSettings
from tercel.lab.learning.native.learner import CLIP as CLIP, EPSILON as EPSILON
from tercel.lab.learning.native.ppo import Ppo as Ppo, PpoSettings as PpoSettings
from tercel.lab.learning.port import (
    Info as Info,
    Learner as Learner,
    LearningError as LearningError,
    State as State,
    VecEnv as VecEnv,
    action_sizes as action_sizes,
)

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
