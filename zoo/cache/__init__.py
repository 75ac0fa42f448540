"""Where facts are kept: Parquet tables in a folder or at any fsspec address. Imports no torch."""
