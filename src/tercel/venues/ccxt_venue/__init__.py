"""Other exchanges as a venue, by ccxt: `ccxt:EXCHANGE`. The words between are those of the Binance adapter."""
