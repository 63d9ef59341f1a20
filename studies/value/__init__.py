"""The value of a forecast and of a posture in bps of implementation shortfall."""
