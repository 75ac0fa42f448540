"""The counter's own version, which needs no torch to be known."""

COUNTER_VERSION = "3"
"""Raised whenever a count could come out differently; cached costs of another version are counted again."""

TRACER_VERSION = "3"
"""Likewise for traces and the workloads made of them, which also are of a counter's version, as they have its MACs."""
