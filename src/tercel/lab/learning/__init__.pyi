from tercel.lab.learning.envs import ExecutionVec as ExecutionVec
from tercel.lab.learning.envs import TrainingTerms as TrainingTerms
from tercel.lab.learning.envs import action_space as action_space
from tercel.lab.learning.mixed_env import MixedVec as MixedVec
from tercel.lab.learning.native.dqn import Dqn as Dqn
from tercel.lab.learning.native.dqn import DqnSettings as DqnSettings
from tercel.lab.learning.native.normalisation import CLIP as CLIP
from tercel.lab.learning.native.normalisation import EPSILON as EPSILON
from tercel.lab.learning.native.ppo import Ppo as Ppo
from tercel.lab.learning.native.ppo import PpoSettings as PpoSettings
from tercel.lab.learning.port import AnyVectorEnv as AnyVectorEnv
from tercel.lab.learning.port import Info as Info
from tercel.lab.learning.port import Learner as Learner
from tercel.lab.learning.port import LearningError as LearningError
from tercel.lab.learning.port import State as State
from tercel.lab.learning.port import SameStepVectorEnv as SameStepVectorEnv
from tercel.lab.learning.port import action_sizes as action_sizes
from tercel.lab.learning.port import check_env as check_env
from tercel.lab.learning.port import observation_size as observation_size
from tercel.lab.learning.port import vectors as vectors
from tercel.lab.learning.reward_terms import RewardTerm as RewardTerm
from tercel.lab.learning.reward_terms import RewardWeights as RewardWeights

__all__ = [
    "CLIP",
    "EPSILON",
    "AnyVectorEnv",
    "Dqn",
    "DqnSettings",
    "ExecutionVec",
    "Info",
    "Learner",
    "LearningError",
    "MixedVec",
    "Ppo",
    "PpoSettings",
    "RewardTerm",
    "RewardWeights",
    "SameStepVectorEnv",
    "State",
    "TrainingTerms",
    "action_sizes",
    "action_space",
    "check_env",
    "observation_size",
    "vectors",
]
