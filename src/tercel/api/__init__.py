"""Public names of ``import tercel``: markets, policies, training, judging, results."""
