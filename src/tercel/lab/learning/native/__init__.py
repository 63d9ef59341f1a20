"""PPO and DQN in NumPy and Numba, with explicit forward and backward passes, and an evolution strategy; no framework."""
