"""Desks: run one, configure it, and show what its folder holds."""
