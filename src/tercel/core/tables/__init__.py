"""The one reader of tables that people have: CSV, Parquet, JSON lines, data frames; a map says what is in them.

table = renamed(read_table("fills.csv", table_map("ib-flex")), needed=("time", "price"), optional=())
numbers(table, "price"), moments(table, "time")
"""
