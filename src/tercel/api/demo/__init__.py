"""The desk's demo: a simulated exchange with planted regimes and news, and desks run again and again on its seeds."""
