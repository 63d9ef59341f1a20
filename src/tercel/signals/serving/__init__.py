"""Trained models as folders, and forecasts of one date from them."""
