"""Agents judged in markets that they did not learn in."""
