"""What `tercel run` trains with, and what it was chosen among.

Chosen in the default market on greedy policies over 2,000 episodes that were then not used again: `tercel run` judges
on others and prints the figures. Tried and not clearly better for PPO: lambda 0.99, half the frames, a lower weight of
impact (the return is then the shortfall no more), 30 decisions, 256 markets with minibatches of 1,024. DQN wanted more
frames, longer returns (n-step 10 rather than 5) and fewer copies of the target than its class's defaults.
"""

from tercel.learning.envs import RewardWeights
from tercel.learning.native.dqn import DqnSettings
from tercel.learning.native.ppo import PpoSettings

PPO_FRAMES = 1_000_000
DQN_FRAMES = 800_000


def reward_weights() -> RewardWeights:
    """Weights that add up to minus the implementation shortfall."""
    return RewardWeights(1.0, 1.0, 0.0)


def ppo_settings(frames: int = PPO_FRAMES) -> PpoSettings:
    """Settings of PPO for a training of `frames` decisions."""
    return PpoSettings(minibatch=512, learning_rate=1e-3, anneal_frames=frames)


def dqn_settings(frames: int = DQN_FRAMES) -> DqnSettings:
    """Settings of DQN for a training of `frames` decisions; exploration falls over the first 40 %."""
    return DqnSettings(
        learning_rate=1e-3,
        anneal_frames=frames,
        gradient_steps=2,
        n_step=10,
        target_every=500,
        epsilon_frames=max(2 * frames // 5, 1),
    )
