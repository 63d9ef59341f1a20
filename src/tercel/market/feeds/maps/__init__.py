"""Maps of common tick files, by name (see `tercel.market.feeds.csv_map`)."""
