"""The simulated exchange as a server: over FIX, and in Binance's words."""
