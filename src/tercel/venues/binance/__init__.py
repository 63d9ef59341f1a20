"""Binance Spot's words, and an exchange that speaks them: any bot with a base URL trades there."""
