"""Risk: anomaly scores of a market's state, and the posture that follows."""
