"""What `tercel signals` runs: configurations, panels on disk, training walked forward, checks for leaks."""
