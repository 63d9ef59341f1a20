"""Executors of Tercel in backtests of hftbacktest: a feed, a backtest by order (L3), a loop that drives a `tc.Executor`."""
