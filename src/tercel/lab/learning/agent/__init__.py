"""Training an agent: its configuration, its markets, its run folder, what became of it."""
