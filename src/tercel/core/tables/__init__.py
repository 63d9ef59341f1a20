"""Read users' tables: CSV, Parquet, JSON lines, data frames; a map names their columns and formats.

table = rename_columns(read_table("fills.csv", table_map("ib-flex")), required=("time", "price"), optional=())
parse_numbers(table, "price"), parse_moments(table, "time")
"""
