"""Raw tables: delimited text, Parquet and sparse text, read in chunks."""
