"""An exchange that speaks Binance Spot's words: any bot with a base URL trades there."""
