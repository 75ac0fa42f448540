"""Part files, locks and file systems: a folder or any fsspec address."""
