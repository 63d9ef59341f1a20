"""What signals reach on real data: each study is a function from files to a table, beside its baselines.

`tercel signals evaluate` calls them; nothing here is tuned on what it is scored on.
"""
