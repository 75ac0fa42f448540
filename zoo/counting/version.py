"""The counter's own version, which needs no torch to be known."""

COUNTER_VERSION = "2"
"""Raised whenever a count could come out differently; cached costs of another version are counted again."""
