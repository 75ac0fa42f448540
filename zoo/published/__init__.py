"""Speeds that makers and communities publish: the figures, and which architecture each published model is."""
