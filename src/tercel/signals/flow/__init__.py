"""Forecasts of the next seconds: learned from recorded days, judged on others."""
