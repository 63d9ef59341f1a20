"""Reader of users' tables: CSV, Parquet, JSON lines, data frames; a map names their columns and formats.

table = renamed(read_table("fills.csv", table_map("ib-flex")), needed=("time", "price"), optional=())
numbers(table, "price"), moments(table, "time")
"""
