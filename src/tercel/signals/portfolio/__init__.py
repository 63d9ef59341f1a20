"""Forecasts as books after costs: backtests, rules of rebalancing, targets of a desk."""
