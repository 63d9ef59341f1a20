"""A small policy of the plainest kind, for tests: placements, trained in csco-santa-fe."""

from pathlib import Path

PPO = Path(__file__).parent / "ppo"
