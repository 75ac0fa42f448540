"""Audit: published cost figures compared with the counts, and the cause of every difference."""
