"""A contest: policies and written strategies on the same episodes, in one market or many, kept cell by cell on disk."""
