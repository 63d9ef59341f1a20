"""Forecasts: point-in-time panels, labels, the model zoo, fusion, purged validation, risk."""
