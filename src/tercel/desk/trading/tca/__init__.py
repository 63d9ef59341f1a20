"""Transaction cost analysis of parent orders: arrival, VWAP, TWAP, shortfall decomposition, mark-outs."""
