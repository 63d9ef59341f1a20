"""What ``import tercel`` offers of the rooms below: markets, policies, training, judging, results."""
