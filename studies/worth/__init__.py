"""What a forecast and a posture are worth in bps of implementation shortfall."""
