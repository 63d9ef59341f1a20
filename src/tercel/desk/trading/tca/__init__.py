"""What a parent order cost, and against what: arrival, VWAP, TWAP, the split of the shortfall, mark-outs."""
