"""The StockNet archive as a source and a panel of `tercel signals`, and the sentiment head that reads its tweets."""
