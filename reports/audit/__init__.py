"""Audit: published cost figures held against our counts, and the cause of every difference named."""
