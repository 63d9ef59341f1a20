"""Measurements whose figures the docs print: run from a clone, not installed."""
