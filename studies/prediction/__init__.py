"""Whether simulation predicts tape: the same strategies in a market and on its held-out days."""
