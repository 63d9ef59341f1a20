"""A strategy in anybody's loop: market data and order events in, orders out."""
