"""What `tercel run` trains with."""

from tercel.learning.envs import RewardWeights
from tercel.learning.native.dqn import DqnSettings
from tercel.learning.native.ppo import PpoSettings

PPO_FRAMES = 1_000_000
DQN_FRAMES = 500_000


def reward_weights() -> RewardWeights:
    """Weights that add up to minus the implementation shortfall."""
    return RewardWeights(1.0, 1.0, 0.0)


def ppo_settings(frames: int = PPO_FRAMES) -> PpoSettings:
    """Settings of PPO for a training of `frames` decisions."""
    return PpoSettings(minibatch=512, learning_rate=1e-3, anneal_frames=frames, lam=0.99)


def dqn_settings(frames: int = DQN_FRAMES) -> DqnSettings:
    """Settings of DQN for a training of `frames` decisions; exploration falls over the first 40 %."""
    return DqnSettings(
        learning_rate=1e-3,
        anneal_frames=frames,
        gradient_steps=2,
        n_step=10,
        epsilon_frames=max(2 * frames // 5, 1),
    )
