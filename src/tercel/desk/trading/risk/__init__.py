"""Risk in a session: trading states, kill switch and cancels, limits, money at risk."""
