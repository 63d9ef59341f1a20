"""PPO and DQN in NumPy and Numba, forward and backward by hand, without a framework."""
