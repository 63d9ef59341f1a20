"""Models of volatility, correlation and tails, and trials of them and of the anomaly score and the posture."""
