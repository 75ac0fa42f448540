"""Speeds that makers and communities publish: the figures, each joined to an architecture."""
