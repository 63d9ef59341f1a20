"""What the main job trains with: the task, the reward, the learners' settings and how long they learn."""

from tercel.evaluation.task import Task
from tercel.learning.envs import RewardWeights
from tercel.learning.native.dqn import DqnSettings
from tercel.learning.native.ppo import PpoSettings

PPO_FRAMES = 1_000_000
DQN_FRAMES = 300_000


def task() -> Task:
    """10 % of the expected half-hour volume, 60 decisions."""
    return Task()


def reward_weights() -> RewardWeights:
    """The arrival shortfall itself."""
    return RewardWeights()


def ppo_settings(frames: int) -> PpoSettings:
    """PPO for so many frames."""
    return PpoSettings(anneal_frames=frames)


def dqn_settings(frames: int) -> DqnSettings:
    """DQN for so many frames."""
    return DqnSettings(anneal_frames=frames, epsilon_frames=frames // 4)
