"""Realism: how far a simulated market is from days of tape that it has not seen."""
