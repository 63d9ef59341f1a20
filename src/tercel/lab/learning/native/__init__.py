"""PPO and DQN in NumPy and Numba, with explicit forward and backward passes, without a framework."""
