"""The tables of the cache and their columns."""
