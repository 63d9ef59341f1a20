"""Places to trade: the simulated exchange, in process, over a socket and over FIX 4.4."""
