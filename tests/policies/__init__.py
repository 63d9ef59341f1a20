"""A small policy of the plainest kind, for tests: Observation-v1, placements, trained in csco-santa-fe."""

from pathlib import Path

PPO = Path(__file__).parent / "ppo"
