"""What signals reach on real data: each study is a function from files to a table, beside its baselines.

Nothing here is tuned on what it is scored on.
"""
