"""Learners: the port, native PPO and DQN, Stable-Baselines3 as their judge, checkpoints and metrics."""
