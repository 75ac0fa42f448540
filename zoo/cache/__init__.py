"""The cache: tables of Parquet files in a folder or at any fsspec address. Imports no torch."""
