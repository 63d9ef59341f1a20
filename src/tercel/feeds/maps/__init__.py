"""Maps of common tick files, by name (see `tercel.feeds.csv_map`)."""
