"""Forecasts of the next seconds, in the decision path."""
