"""Binance Spot as a venue of a desk: orders and account over the WebSocket API, market data by streams."""
