"""An evaluation: policies and written strategies on the same episodes, in one market or many, kept on disk."""
