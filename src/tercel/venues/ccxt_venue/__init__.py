"""Any exchange that ccxt knows as a venue of a desk, with requests and answers in Binance's format."""
