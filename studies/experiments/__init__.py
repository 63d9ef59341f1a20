"""Experiments of simulated desks on orders whose cost under every strategy is known."""
