"""How much and how fast: volatility, correlations, tails, anomalies, regimes, and the posture that follows."""
