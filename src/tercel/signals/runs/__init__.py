"""Runs of `tercel signals`: configurations, panels on disk, training walked forward, checks for leaks."""
