"""Passes in several precisions and memory layouts from a single recorded one, where that is exact."""
