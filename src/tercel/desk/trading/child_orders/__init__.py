"""Child orders: life cycle of one order, the fold of all of them over a journal, positions from their fills."""
