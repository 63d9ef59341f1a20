"""Regimes: named states of a market that switch within an episode."""
